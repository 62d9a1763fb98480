"""The end of a party: merged into another, or gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.model.ids import PartyKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """*party* no longer exists from ``since`` on (``None``: since ever); ``into`` took over, if anybody."""

    party: PartyKey
    into: PartyKey | None
    since: datetime | None = None
