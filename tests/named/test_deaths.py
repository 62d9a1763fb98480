"""Bug 4: killed between the payload and the receipt, at every call to the world, before it is done and after."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.builders import COMMUNE
from tests.journey.town import HEALTH, LABOUR
from tests.simulation.agencies import Agencies
from tests.simulation.books import Books
from tests.simulation.town import SimTown
from tests.simulation.weather import Weather

BESIDE = ("beat", "lease", "peek", "item", "lock", "state")
"""Calls that are not on the way of a document; nor are those to the evidence log."""


class OneDeath(Weather):
    """Fair weather, but for one death at the call *number* on the way of documents."""

    def __init__(self, town: SimTown, number: int, *, is_done: bool) -> None:
        super().__init__(town.random, town)
        self.trouble, self.failure, self.is_aimed, self.most_deaths = 0.0, 0.0, True, 1
        self.latency = dict.fromkeys(self.latency, 0.0)
        self._left, self._is_done = number, is_done

    def _is_hit(self, name: str, method: str, point: str, args: Any) -> bool:
        if name in ("log", "stamper") or method in BESIDE:
            return False
        self._left -= 1
        return self._left == 0

    def _dies_after(self) -> bool:
        return self._is_done


def lived(number: int, *, is_done: bool) -> tuple[int, list[str]]:
    """Send one document and die once; how many deaths there were, and what is wrong then."""
    town = SimTown(number)
    town.weather = OneDeath(town, number, is_done=is_done)
    agencies = Agencies(town)
    agencies.is_willing = False
    town.sealer._lacking = frozenset()
    town.loop.run_until_complete(_live(town, agencies))
    assert town.loop.trouble == []
    assert all(agencies.taken[organ].deliveries for organ in (LABOUR, HEALTH, COMMUNE))
    return town.weather.deaths, town.problems


async def _live(town: SimTown, agencies: Agencies) -> None:
    await town.bear()
    agencies.send_at(0.0, town.edoc(LABOUR, HEALTH, COMMUNE))
    for _ in range(60):
        await asyncio.sleep(5)
        if town.is_at_rest():
            break
    Books(town, agencies).audit()


@pytest.mark.heavy_body("lives through more than a hundred days")
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("is_done", [False, True])
def test_04_a_kill_at_any_await_between_payload_and_receipt_loses_and_doubles_nothing__oxalis_375(is_done):
    number = deaths = 1
    while deaths:
        deaths, problems = lived(number, is_done=is_done)
        assert problems == [], f"killed at call {number}"
        number += 1
    assert number > 40, "so many calls are on the way of a document and its receipts"
