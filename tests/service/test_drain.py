"""A drain of a running gateway: nothing in flight, by store and broker; who hangs is told; and everything goes on after."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import aiohttp

from adapters.broker.node import PrivateNode
from adapters.store import Options, Store
from gateway.config import load
from gateway.wiring.control import ask_drain
from tests.service.town import a_town

DOCUMENTS = 30
LATER = 3
"""Published once the gateway is drained."""


async def test_a_drained_gateway_has_nothing_in_flight_and_goes_on_without_loss_or_doubling(
    tmp_path: Path, broker_node: PrivateNode
) -> None:
    async with a_town(tmp_path, broker_node, workers=2, organs=3) as town:
        sender, recipient = (town.offices[organ] for organ in town.organs[:2])
        sending = [
            asyncio.create_task(sender.publish(town.edoc(town.organs[1], number=n), f"m-{n}"))
            for n in range(DOCUMENTS)
        ]
        await recipient.until(lambda: len(recipient.deliveries) > 3)
        done = await town.stack.drain(20)
        assert done.is_proved, done
        assert (done.workers, done.silent, done.leased, done.channels) == (2, (), 0, 0)
        async with await Store.open(
            Options(url=f"sqlite:///{town.var}/store/ledger.sqlite", realm="H53")
        ) as s:
            assert await s.records.leased() == {}
        entry = town.access[town.organs[0]]
        headers = {"Authorization": f"Bearer {entry['http_token']}", "Idempotency-Key": "m"}
        async with aiohttp.ClientSession(entry["http_url"]) as http:
            async with http.post("/v1/submissions", data=b"<x/>", headers=headers) as answer:
                assert (answer.status, (await answer.json())["reason"]) == (503, "draining")
                assert int(answer.headers["Retry-After"]) > 0
            async with http.get("/readyz") as answer:
                assert (answer.status, (await answer.json())["status"]) == (503, "draining")
        # the broker takes them; nobody takes them from it
        later = (
            sender.publish(town.edoc(town.organs[1], number=n), f"m-{n}")
            for n in range(DOCUMENTS, DOCUMENTS + LATER)
        )
        await asyncio.gather(*sending, *later)
        assert len(recipient.deliveries) <= DOCUMENTS, "what came later waits for the end of the drain"
        assert set((await town.stack.resume()).values()) == {True}
        await recipient.until(lambda: len(recipient.deliveries) == DOCUMENTS + LATER)
        await sender.until(lambda: len({r.message_id for r in sender.receipts}) == 2 * (DOCUMENTS + LATER))
        assert {len(copies) for copies in recipient.deliveries.values()} == {1}

        # one that hangs is no proof, and is named
        hung = town.stack.worker_pids[0]
        os.kill(hung, signal.SIGSTOP)
        try:
            done = await town.stack.drain(0)
        finally:
            os.kill(hung, signal.SIGCONT)
        assert not done.is_proved
        assert done.silent, "the other one, too, where the first stood still with the store's lock"
        assert done.channels > 0


async def test_nobody_is_asked_to_drain_where_no_gateway_runs(tmp_path: Path) -> None:
    assert await ask_drain(load(None, var=tmp_path), 1, "lan", resume=False) is None
