"""Back-pressure that reaches the sender: 429 with ``Retry-After`` before a body is read, and nothing is held for it."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.errors import Reason
from tests.http.conftest import Serve
from tests.http.test_limits import raw
from tests.http.world import COMMUNE, DEPARTMENT, EDXML, PROVINCE, Tables, bearer

KIB = 1024


async def test_a_flood_is_put_off_and_no_more_bodies_are_held_than_there_are_places(
    serve: Serve, tables: Tables
) -> None:
    caller = await serve(places=4)
    tables.door = asyncio.Event()
    body = EDXML[:-8] + b" " * 200 * KIB + EDXML[-8:]

    async def submit(number: int) -> tuple[int, str, str]:
        who = (PROVINCE, DEPARTMENT, COMMUNE)[number % 3]
        headers = bearer(who) | {"Idempotency-Key": f"k-{number}"}
        async with caller.session.post(f"{caller.url}/v1/submissions", data=body, headers=headers) as answer:
            told = await answer.json(content_type=None)
            return answer.status, told.get("reason", ""), answer.headers.get("Retry-After", "")

    first = [asyncio.create_task(submit(number)) for number in range(4)]
    async with asyncio.timeout(30):
        while len(tables.arrivals) < 4:
            await asyncio.sleep(0.01)
    held = sum(a.payload.size for a in tables.arrivals)
    try:
        async with asyncio.timeout(20):
            others = await asyncio.gather(*(submit(number) for number in range(4, 300)))
    except TimeoutError:
        raise AssertionError("somebody waits, with its body in our memory") from None
    assert {(status, reason) for status, reason, _ in others} <= {(429, "too-busy"), (429, "places-full")}
    assert all(1 <= int(wait) <= 60 for _, _, wait in others)
    assert sum(a.payload.size for a in tables.arrivals) == held, "nothing of the others was taken in"
    tables.door.set()
    assert [status for status, _, _ in await asyncio.gather(*first)] == [202] * 4
    assert (await submit(4))[0] == 202, "and there is room again"


@pytest.mark.parametrize("path", ["/v1/submissions", "/v1/uploads"])
@pytest.mark.parametrize("reason", ["memory-low", "disk-low"])
async def test_who_is_put_off_is_told_before_the_body_is_sent(
    serve: Serve, tables: Tables, path: str, reason: str
) -> None:
    caller = await serve(gauges=[lambda: Reason(reason)])
    async with raw(caller) as (reader, writer):
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-{PROVINCE}\r\n"
            f"Idempotency-Key: k\r\nContent-Length: {50 * KIB * KIB}\r\n\r\n".encode()
        )
        async with asyncio.timeout(10):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().split("content-length:")[1].split()[0])
            told = json.loads(await reader.readexactly(length))
    assert head.startswith("HTTP/1.1 429 ")
    assert "retry-after:" in head.lower()
    assert (told["reason"], told["retry"], told["type"]) == (reason, True, f"urn:vanthu:reason:{reason}")
    assert told["title"]
    assert told["title_en"]
    assert tables.arrivals == []


async def test_who_reads_is_not_put_off_with_those_who_send(serve: Serve, tables: Tables) -> None:
    caller = await serve(gauges=[lambda: Reason("disk-low")])
    item = tables.put_item()
    response, _ = await caller.ask("GET", f"/v1/inbox/{item.id}/content", headers=bearer(COMMUNE))
    assert response.status == 200
