"""What an examination found: one line each, with a stable code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding weighs: only an ``error`` stops a document."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was noticed.

    ``code`` is a rule id of ``schemas/rules.toml`` or a reason of ``schemas/reasons.toml``;
    ``where`` is a path in the envelope or the name of an attachment; ``detail`` is for people and never
    holds document content beyond the value that broke the rule.
    """

    code: str
    severity: Severity
    where: str = ""
    detail: str = ""
    message: str = ""
    message_vi: str = ""


def worst(findings: tuple[Finding, ...]) -> Severity | None:
    """The heaviest severity among *findings*, or ``None`` where there are none."""
    for severity in (Severity.ERROR, Severity.WARNING, Severity.INFO):
        if any(f.severity is severity for f in findings):
            return severity
    return None
