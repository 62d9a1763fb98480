"""Every way a step can fail, by three questions: whose fault, try again, what may the peer see?

Expected outcomes (a broken signature, an unknown recipient) are values that a stage returns.
An exception means that the step could not be finished.  ``reason`` is always a code of
``schemas/reasons.toml`` and appears unchanged in the log, the metric, the receipt and the HTTP problem.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NewType

Reason = NewType("Reason", str)
"""A stable code of ``schemas/reasons.toml``, for example ``recipient-unknown``."""


class GatewayError(Exception):
    """The root of all errors that the gateway raises on purpose."""


class Refused(GatewayError):
    """Their fault, and final: the same input will be refused again.  ``reason`` is public."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = Reason(reason)
        self.detail = detail


class Unavailable(GatewayError):
    """Nobody's fault: try again.  ``retry_after`` is a hint, not a promise."""

    def __init__(self, reason: str, detail: str = "", *, retry_after: timedelta | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = Reason(reason)
        self.detail = detail
        self.retry_after = retry_after


class QuotaExceeded(Unavailable):
    """A quota of the peer's own is used up: the same input comes in when there is room again.

    ``quota`` is its name (``gateway.model.quota.Measure``), *used* of *bound* are in use; ``room_in`` is true.
    """

    def __init__(self, quota: str, used: int, bound: int, *, room_in: timedelta) -> None:
        super().__init__("quota-exceeded", f"{quota}: {used} of {bound}", retry_after=room_in)
        self.room_in = room_in
        self.quota = quota
        self.used = used
        self.bound = bound


class WrongStep(GatewayError):
    """The journey table knows no such transition: our bug, or an event that came too late."""


class ConfigError(GatewayError):
    """Fails at start; names the file and the key."""
