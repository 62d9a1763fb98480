"""Back-pressure on the real parts: a full queue is a nack for its sender, a flood by HTTP 429, and memory stays flat."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path

import aiohttp
import pytest
from aio_pika.exceptions import DeliveryError

from adapters.broker.node import PrivateNode
from adapters.broker.topology import Bounds
from tests.service.exchange import A, B, Clerk, client, consuming, emptied, submit
from tests.service.town import a_pdf, a_town

MIB = 1024 * 1024
AT_ONCE, ROUNDS = 80, 3


async def test_a_full_submit_queue_is_a_nack_for_its_sender_and_for_nobody_else(
    broker_node: PrivateNode,
) -> None:
    async with emptied(broker_node) as broker, client(broker, "client-a") as channel:
        most = Bounds().submit.messages

        async def publish(number: int) -> str:
            try:
                await submit(channel, f"{A}.edoc", message_id=f"m-{number}", user_id="client-a")
            except DeliveryError:
                return "nack"
            return "ack"

        told = Counter(await asyncio.gather(*(publish(n) for n in range(most))))
        # The queue tells a sender's channel that it is full; what is under way until then still comes in.
        while told["nack"] == 0 and told["ack"] < 2 * most:
            told[await publish(told.total())] += 1
        assert told["nack"] > 0, "what the queue can't hold is refused, not dropped"
        await broker.becomes(f"vanthu.submit.{A}", told["ack"])
        async with client(broker, "client-b") as other:
            await submit(other, f"{B}.edoc", user_id="client-b")
        clerk = Clerk()
        async with consuming(broker, clerk, capacity=64):
            await clerk.sees(lambda c: len(c.arrivals) > 10)
            async with asyncio.timeout(30):
                while await publish(9999) == "nack":
                    await asyncio.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux' memory accounting")
async def test_a_flood_by_http_is_put_off_and_memory_stays_flat(
    tmp_path: Path, broker_node: PrivateNode
) -> None:
    async with a_town(tmp_path, broker_node, organs=4, settings="[log]\nlevel = 'error'\n") as town:
        (worker,) = town.stack.worker_pids
        entry = town.access[town.organs[0]]
        blob = a_pdf() + os.urandom(400 * 1024)
        bodies = [town.edoc(town.organs[3], pdf=blob, sender=organ) for organ in town.organs[:3]]
        every_one_of_them = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(entry["http_url"], connector=every_one_of_them) as http:

            async def send(number: int) -> tuple[int, str]:
                who = town.access[town.organs[number % 3]]
                headers = {"Authorization": f"Bearer {who['http_token']}", "Idempotency-Key": f"m-{number}"}
                async with http.post("/v1/submissions", data=bodies[number % 3], headers=headers) as answer:
                    await answer.read()
                    return answer.status, answer.headers.get("Retry-After", "")

            async def flood(first: int, count: int) -> int:
                """So many wish to send at once, *count* times over: the peak of the worker's memory."""
                forget_peak(worker)
                for round_ in range(count):
                    numbers = range(first + round_ * AT_ONCE, first + (round_ + 1) * AT_ONCE)
                    answers = await asyncio.gather(*(send(number) for number in numbers))
                    assert {status for status, _ in answers} == {202, 429}
                    put_off = [wait for status, wait in answers if status == 429]
                    assert all(1 <= int(wait) <= 60 for wait in put_off)
                return memory(worker, "VmHWM")

            few = await flood(0, 2)
            many = await flood(2 * AT_ONCE, ROUNDS)
            assert many < few + 40 * MIB, f"{AT_ONCE * ROUNDS * len(bodies[0]) // MIB} MiB came"
            for number in range(10_000, 11_000):
                if (await send(3 * number))[0] == 202:
                    return
    raise AssertionError("nothing was taken in after the flood")


def forget_peak(pid: int) -> None:
    """From now on the peak is counted anew.  spec: proc(5), clear_refs - 5 resets VmHWM"""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def memory(pid: int, what: str) -> int:
    """Bytes that a process holds (``VmRSS``), or has held at most (``VmHWM``)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024
    return 0
