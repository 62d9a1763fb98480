"""A quota that is used up reaches the sender by HTTP: 429 before a body is read, with what, how much, and until when."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from gateway.errors import QuotaExceeded
from gateway.model.ids import PartyKey
from tests.http.conftest import Serve
from tests.http.test_limits import raw
from tests.http.world import COMMUNE, EDXML, PROVINCE, Tables, bearer

MIB = 1024 * 1024
WAIT = timedelta(hours=7, seconds=0.5)


class UsedUp:
    """``Quotas`` of which the province has nothing left."""

    async def check(self, party: PartyKey) -> None:
        if party == PROVINCE:
            raise QuotaExceeded("bytes_per_day", 1_234, 1_000, room_in=WAIT)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/submissions", ""),
        ("/v1/uploads", ""),
        ("/v1/uploads", f"Upload-Length: {50 * MIB}\r\nVanthu-Sha256: {'0' * 64}\r\n"),
    ],
)
async def test_who_has_used_up_a_quota_is_told_before_the_body_is_sent(
    serve: Serve, tables: Tables, path: str, headers: str
) -> None:
    caller = await serve(quotas=UsedUp())
    async with raw(caller) as (reader, writer):
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-{PROVINCE}\r\n"
            f"Idempotency-Key: k\r\n{headers}Content-Length: {50 * MIB}\r\n\r\n".encode()
        )
        async with asyncio.timeout(10):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().split("content-length:")[1].split()[0])
            told = json.loads(await reader.readexactly(length))
    assert head.startswith("HTTP/1.1 429 ")
    assert "retry-after: 25201\r\n" in head.lower(), "the next whole second, and no sooner"
    assert (told["reason"], told["retry"]) == ("quota-exceeded", True)
    assert told["quota"] == {"name": "bytes_per_day", "used": 1_234, "bound": 1_000}
    assert tables.arrivals == []


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("vi", "bytes_per_day: đã dùng 1234 trên 1000; có chỗ trở lại sau 25201 giây"),
        ("en", "bytes_per_day: 1234 of 1000 are used; there is room again in 25201 s"),
    ],
)
async def test_the_sentence_says_which_quota_how_much_and_until_when(
    serve: Serve, language: str, told: str
) -> None:
    caller = await serve(quotas=UsedUp())
    headers = bearer(PROVINCE) | {"Idempotency-Key": "k", "Accept-Language": language}
    response, body = await caller.ask("POST", "/v1/submissions", data=EDXML, headers=headers)
    assert response.status == 429
    assert json.loads(body)["detail"] == told


async def test_nobody_else_is_put_off(serve: Serve) -> None:
    caller = await serve(quotas=UsedUp())
    headers = bearer(COMMUNE) | {"Idempotency-Key": "k"}
    response, _ = await caller.ask("POST", "/v1/submissions", data=EDXML, headers=headers)
    assert response.status == 202


async def test_who_reads_has_no_quota(serve: Serve) -> None:
    caller = await serve(quotas=UsedUp())
    response, _ = await caller.ask("GET", "/v1/inbox", headers=bearer(PROVINCE))
    assert response.status == 200
