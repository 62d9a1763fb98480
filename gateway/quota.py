"""How many urgent documents of one party go first: so many per minute, and as many again saved up at most."""

from __future__ import annotations

from gateway.model.ids import PartyKey


class UrgentQuota:
    """One life's count for each party; what is beyond counts as ordinary."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = float(per_minute)
        self._levels: dict[PartyKey, tuple[float, float]] = {}

    def takes(self, party: PartyKey, now_s: float) -> bool:
        """Take one from what *party* has at the (monotonic) time *now_s*; ``False`` where nothing is left."""
        level, at = self._levels.get(party, (self._per_minute, now_s))
        level = min(self._per_minute, level + (now_s - at) * self._per_minute / 60)
        has_one = level >= 1
        self._levels[party] = (level - 1 if has_one else level, now_s)
        return has_one
