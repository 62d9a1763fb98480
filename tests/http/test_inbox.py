"""The inbox over HTTP: peek, lock, read, acknowledge."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from hashlib import sha256

import aiohttp
import pytest

from tests.http.conftest import Caller
from tests.http.world import COMMUNE, EDXML, Tables, bearer

ME = bearer(COMMUNE)


async def items(caller: Caller, query: str = "") -> list[dict[str, object]]:
    response, body = await caller.ask("GET", f"/v1/inbox{query}", headers=ME)
    assert response.status == 200
    found: list[dict[str, object]] = json.loads(body)["items"]
    return found


async def act(caller: Caller, item: str, verb: str, **body: object) -> tuple[int, dict[str, object]]:
    response, answer = await caller.ask("POST", f"/v1/inbox/{item}/{verb}", headers=ME, json=body or None)
    told: dict[str, object] = json.loads(answer or b"{}")
    return response.status, told


async def test_peeking_shows_everything_the_amqp_contract_would_carry(caller: Caller, tables: Tables) -> None:
    item = tables.put_item()
    (shown,) = await items(caller)
    assert shown == {
        "id": item.id,
        "type": "edoc",
        "document": item.document,
        "correlation": item.document,
        "headers": {"vanthu-sender": "000.00.00.H53", "vanthu-version": "1"},
        "sha256": sha256(EDXML).hexdigest(),
        "size": len(EDXML),
        "urgent": False,
        "priority": 0,
        "available_at": "2016-03-04T08:00:00.000+07:00",
        "expires_at": "2016-04-03T08:00:00.000+07:00",
        "locked_until": None,
    }


async def test_urgent_items_come_first_and_a_limit_is_kept(caller: Caller, tables: Tables) -> None:
    for is_urgent in (False, True, False):
        tables.put_item(is_urgent=is_urgent)
        tables.clock.advance(timedelta(seconds=1))
    assert [item["urgent"] for item in await items(caller)] == [True, False, False]
    assert len(await items(caller, "?limit=2")) == 2


@pytest.mark.parametrize("limit", ["0", "201", "x", "1.5"])
async def test_an_impossible_limit_is_refused(caller: Caller, limit: str) -> None:
    response, body = await caller.ask("GET", f"/v1/inbox?limit={limit}", headers=ME)
    assert (response.status, json.loads(body)["reason"]) == (400, "request-invalid")


async def test_a_lock_holds_for_as_long_as_it_was_asked(caller: Caller, tables: Tables) -> None:
    item = tables.put_item()
    status, told = await act(caller, item.id, "lock", seconds=60)
    assert (status, told["locked_until"]) == (200, "2016-03-04T08:01:00.000+07:00")
    assert (await items(caller))[0]["locked_until"] == "2016-03-04T08:01:00.000+07:00"
    tables.clock.advance(timedelta(seconds=59))
    status, told = await act(caller, item.id, "lock")
    assert (status, told["reason"], told["retry"]) == (409, "item-locked", True)


async def test_a_lock_holds_five_minutes_unless_said_otherwise(caller: Caller, tables: Tables) -> None:
    _, told = await act(caller, tables.put_item().id, "lock")
    assert told["locked_until"] == "2016-03-04T08:05:00.000+07:00"


async def test_the_locks_token_is_told_to_who_locked_alone(caller: Caller, tables: Tables) -> None:
    item = tables.put_item()
    _, told = await act(caller, item.id, "lock")
    _, body = await caller.ask("GET", "/v1/inbox", headers=ME)
    assert str(told["lock"]) not in body.decode()
    assert str(told["lock"]) not in json.dumps(told["item"])


async def test_a_lock_that_ran_out_no_longer_acknowledges_and_another_may_be_taken(
    caller: Caller, tables: Tables
) -> None:
    item = tables.put_item()
    _, first = await act(caller, item.id, "lock", seconds=60)
    tables.clock.advance(timedelta(seconds=60))
    assert (await items(caller))[0]["locked_until"] is None
    status, told = await act(caller, item.id, "acknowledge", lock=first["lock"])
    assert (status, told["reason"]) == (409, "lock-lost")
    status, second = await act(caller, item.id, "lock")
    assert status == 200
    assert (await act(caller, item.id, "acknowledge", lock=first["lock"]))[0] == 409
    assert (await act(caller, item.id, "acknowledge", lock=second["lock"]))[0] == 204


async def test_a_second_acknowledgement_is_harmless_and_the_item_is_gone_from_the_inbox(
    caller: Caller, tables: Tables
) -> None:
    item = tables.put_item()
    _, told = await act(caller, item.id, "lock")
    for _ in range(2):
        assert await act(caller, item.id, "acknowledge", lock=told["lock"]) == (204, {})
    assert await items(caller) == []
    status, told = await act(caller, item.id, "lock")
    assert (status, told["reason"]) == (410, "item-taken")


@pytest.mark.parametrize("body", [{}, {"lock": ""}, {"lock": None}, {"lock": 7}, {"look": "lock-1"}])
async def test_acknowledging_needs_a_lock(caller: Caller, tables: Tables, body: dict[str, object]) -> None:
    path = f"/v1/inbox/{tables.put_item().id}/acknowledge"
    response, answer = await caller.ask("POST", path, headers=ME, json=body)
    assert (response.status, json.loads(answer)["reason"]) == (400, "request-invalid")


@pytest.mark.parametrize("seconds", [0, -1, 3601, "60", 1.5, True, [], 10**30])
async def test_a_lock_lasts_from_a_second_to_an_hour(caller: Caller, tables: Tables, seconds: object) -> None:
    status, told = await act(caller, tables.put_item().id, "lock", seconds=seconds)
    assert (status, told["reason"]) == (400, "request-invalid")


@pytest.mark.parametrize("body", [b"{", b"7", b'"60"', b"\xff\xfe", b"{" * 20_000])
async def test_a_body_that_is_no_json_object_is_refused(caller: Caller, tables: Tables, body: bytes) -> None:
    path = f"/v1/inbox/{tables.put_item().id}/lock"
    response, answer = await caller.ask("POST", path, headers=ME, data=body)
    assert response.status == (413 if len(body) > 16 * 1024 else 400)
    assert json.loads(answer)["reason"] in ("request-invalid", "body-too-large")


@pytest.mark.parametrize("ride_along", [True, False])
async def test_an_items_bytes_come_as_they_are_with_their_digest(
    caller: Caller, tables: Tables, ride_along: bool
) -> None:
    body = b"<edXML>" + bytes(range(256)) * 2000 + b"</edXML>"
    item = tables.put_item(body=body, ride_along=ride_along)
    for _ in range(2):  # reading changes nothing
        response, got = await caller.ask("GET", f"/v1/inbox/{item.id}/content", headers=ME)
        assert (response.status, got) == (200, body)
    digest = base64.b64encode(sha256(body).digest()).decode()
    assert response.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert response.headers["Content-Type"] == "application/xml"
    assert response.headers["Cache-Control"] == "no-store"


async def test_a_content_that_breaks_off_in_the_vault_breaks_the_connection_off(
    caller: Caller, tables: Tables
) -> None:
    """Half a document never looks like a whole one."""
    item = tables.put_item(body=b"<edXML>" + b"x" * 500_000)
    assert item.payload is not None
    tables.payloads[item.payload.sha256] = b"<edXML>" + b"x" * 300_000
    with pytest.raises(aiohttp.ClientPayloadError):
        await caller.ask("GET", f"/v1/inbox/{item.id}/content", headers=ME)


async def test_a_content_that_is_gone_is_told_so(caller: Caller, tables: Tables) -> None:
    item = tables.put_item()
    tables.payloads.clear()
    response, body = await caller.ask("GET", f"/v1/inbox/{item.id}/content", headers=ME)
    assert (response.status, json.loads(body)["reason"]) == (500, "payload-missing")
