"""Promise 1: kill -9 at any instant loses no accepted document and makes no second delivery id."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys

import pytest

from tests.service.crashing import POINTS
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


@pytest.mark.parametrize("point", POINTS)
async def test_a_worker_killed_at_a_named_point_loses_and_doubles_nothing(tmp_path, broker_node, point):
    command = [sys.executable, "-m", "tests.service.crashing", point]
    async with a_town(tmp_path, broker_node, command=command) as town:
        sender = town.offices[town.organs[0]]
        await sender.publish(town.edoc(*town.organs[1:]), "m-1")
        await sender.until(lambda: len(sender.events_once("m-1")) == 4)
        assert (town.var / f"died-{point}").exists(), "the worker did die there"
        _books(town, ["m-1"])


async def test_twenty_random_kills_and_a_broker_restart_during_two_hundred_documents(tmp_path, broker_node):
    draw = random.Random(20160304)
    ids = [f"m-{n}" for n in range(200)]
    async with a_town(tmp_path, broker_node, workers=2) as town:
        sender = town.offices[town.organs[0]]

        def done() -> int:
            return len({r.correlation_id for r in sender.receipts})

        async def publish() -> None:
            for n, message_id in enumerate(ids):
                await sender.publish(town.edoc(*town.organs[1:], number=n + 1), message_id)

        async def kill() -> None:
            killed: set[int] = set()

            def living() -> list[int]:
                # one that was killed may not have been buried yet
                return [pid for pid in town.stack.worker_pids if pid not in killed]

            for round_ in range(20):
                await sender.until(lambda at=round_ * 9: done() >= at)
                await sender.until_also(living)
                pid = draw.choice(living())
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)
                if round_ == 10:
                    await broker_node.restart()

        async with asyncio.timeout(300), asyncio.TaskGroup() as group:
            group.create_task(publish())
            group.create_task(kill())
        await sender.until(lambda: all(len(sender.events_once(m)) == 4 for m in ids))
        _books(town, ids)
