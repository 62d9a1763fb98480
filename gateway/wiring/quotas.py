"""What ``vanthu quotas`` asks: what parties have used of their quotas.  The store is opened directly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from adapters.clock import SystemClock
from gateway.config import Config
from gateway.errors import Refused
from gateway.model.ids import OrganCode
from gateway.model.party import Party
from gateway.model.quota import Measure, Quota, Used, room_in
from gateway.wiring.audit import must_have_store
from gateway.wiring.ground import open_the_store
from gateway.wiring.parties import registered


async def used_of_quotas(config: Config, code: str = "") -> list[dict[str, Any]]:
    """One row for each quota of which anything is used, the fullest first; of the party that *code* names, each that
    bounds anything.  Raises ``Refused("not-found")`` where it names none."""
    must_have_store(config)
    directory = registered(config)
    parties = directory.parties()
    if code:
        found = directory.find(OrganCode(code), SystemClock().now())
        if not isinstance(found, Party):
            raise Refused("not-found", code)
        parties = (found,)
    quotas = {party.key: party.quota.over(config.quota) for party in parties}
    store = await open_the_store(config)
    try:
        used = await store.usage.look(quotas)
    finally:
        await store.close()
    rows = [row for party in parties for row in _rows(party, quotas[party.key], used[party.key], bool(code))]
    return sorted(rows, key=lambda row: (-row["used"] / row["bound"], row["organ"]))


def _rows(party: Party, quota: Quota, used: Used, is_asked: bool) -> Iterator[dict[str, Any]]:
    for measure in Measure:
        bound = quota.of(measure)
        if bound and (is_asked or used.of(measure) > 0):
            room = room_in(used, quota, measure)
            yield {
                "organ": party.key,
                "name": party.name,
                "quota": measure.value,
                "used": math.ceil(used.of(measure)),
                "bound": bound,
                "own": getattr(party.quota, measure.value) is not None,
                "is_full": used.of(measure) + 1 > bound,
                "room_in_s": math.ceil(room.total_seconds()) if room is not None else None,
            }
