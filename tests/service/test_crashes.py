"""Promise 1: kill -9 at any instant loses no accepted document and makes no second delivery id."""

from __future__ import annotations

import sys
from pathlib import Path

from adapters.broker.node import PrivateNode
from tests.service.crashing import POINTS, order
from tests.service.town import Town, a_town


def _books(town: Town, message_ids: list[str]) -> None:
    """Every document reached every recipient under one delivery id, and the sender knows."""
    sender, *others = list(town.offices.values())
    for office in others:
        documents = [message.correlation_id for m in office.deliveries.values() for message in m[:1]]
        assert len(documents) == len(set(documents)) == len(message_ids), "one delivery id per document"
        for copies in office.deliveries.values():
            assert len({bytes(m.body) for m in copies}) == 1, "a repeat is the same"
            # A copy that we publish again says so; one that the recipient did not acknowledge, the broker marks.
            firsts = [m for m in copies if not (m.headers.get("vanthu-attempt") or m.redelivered)]
            assert len(firsts) <= 1, "a repeat says so"
    for message_id in message_ids:
        expected = ["ContentConsignment"] * (len(others) + 1) + ["SubmissionAcceptance"]
        assert sender.events_once(message_id) == expected


async def test_a_worker_killed_at_each_named_point_loses_and_doubles_nothing(
    tmp_path: Path, broker_node: PrivateNode
) -> None:
    command = [sys.executable, "-m", "tests.service.crashing"]
    async with a_town(tmp_path, broker_node, command=command) as town:
        sender = town.offices[town.organs[0]]
        for number, point in enumerate(POINTS, 1):
            order(town.var, point).touch()
            await sender.publish(town.edoc(*town.organs[1:], number=number), point)
            await sender.until(lambda message=point: len(sender.events_once(message)) == 4)
            assert not order(town.var, point).exists(), "a worker did die there"
        _books(town, list(POINTS))
