"""Downloads: all bytes, a part of them, or none where the client has them; broken ones are never taken for whole."""

from __future__ import annotations

import os
from hashlib import sha256

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.http.ranges import NoSuchPart, wanted
from gateway.model.claim import path_of
from gateway.model.ids import PartyKey
from gateway.model.payload import PayloadRef
from tests.http.conftest import Caller
from tests.http.world import COMMUNE, EDXML, SECRET, Tables, bearer

ME = bearer(COMMUNE)
BODY = os.urandom(200_000)
DIGEST = sha256(BODY).hexdigest()
TAG = f'"{DIGEST}"'


def href(tables: Tables, body: bytes = BODY) -> str:
    ref = PayloadRef.of(body)
    tables.payloads[ref.sha256] = body
    return path_of(SECRET, PartyKey(COMMUNE), ref)


async def test_the_whole_comes_with_its_tag_and_digest(caller: Caller, tables: Tables) -> None:
    response, body = await caller.ask("GET", href(tables), headers=ME)
    assert (response.status, body) == (200, BODY)
    assert response.headers["ETag"] == TAG
    assert response.headers["Accept-Ranges"] == "bytes"
    assert "Content-Range" not in response.headers


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-", 0, 200_000),
        ("bytes=0-0", 0, 1),
        ("bytes=150000-", 150_000, 200_000),
        ("bytes=65535-65536", 65_535, 65_537),
        ("bytes=199999-999999", 199_999, 200_000),
        ("bytes=-1", 199_999, 200_000),
        ("bytes=-999999", 0, 200_000),
        ("Bytes = 5 - 9", 5, 10),
    ],
)
async def test_a_range_is_answered_with_its_bytes(
    caller: Caller, tables: Tables, asked: str, start: int, stop: int
) -> None:
    response, body = await caller.ask("GET", href(tables), headers={**ME, "Range": asked})
    assert (response.status, body) == (206, BODY[start:stop])
    assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/200000"
    assert response.headers["Content-Length"] == str(stop - start)


@pytest.mark.parametrize(
    "asked",
    ["bytes=9-5", "bytes=0-1,5-9", "items=0-1", "bytes=", "bytes=-", "0-1", "bytes=٣-٤", "bytes=1e3-"],
)
async def test_a_range_that_is_none_or_many_is_answered_with_the_whole(
    caller: Caller, tables: Tables, asked: str
) -> None:
    response, body = await caller.ask("GET", href(tables), headers={**ME, "Range": asked})
    assert (response.status, len(body)) == (200, 200_000)


@pytest.mark.parametrize("asked", ["bytes=200000-", "bytes=-0", "bytes=999999999999999999-"])
async def test_bytes_that_are_not_there_are_refused(caller: Caller, tables: Tables, asked: str) -> None:
    response, _ = await caller.ask("GET", href(tables), headers={**ME, "Range": asked})
    assert response.status == 416
    assert response.headers["Content-Range"] == "bytes */200000"


async def test_a_range_is_for_the_payload_that_it_is_meant_for(caller: Caller, tables: Tables) -> None:
    for tag, status in ((TAG, 206), ('"other"', 200), ("Fri, 04 Mar 2016 08:00:00 GMT", 200)):
        headers = {**ME, "Range": "bytes=1-", "If-Range": tag}
        response, _ = await caller.ask("GET", href(tables), headers=headers)
        assert response.status == status, tag


async def test_a_client_that_has_the_bytes_gets_none(caller: Caller, tables: Tables) -> None:
    for tags, status in ((TAG, 304), (f'"a", W/{TAG}', 304), ("*", 304), ('"a"', 200)):
        response, _ = await caller.ask("GET", href(tables), headers={**ME, "If-None-Match": tags})
        assert response.status == status, tags


async def test_items_of_the_inbox_come_in_parts_too(caller: Caller, tables: Tables) -> None:
    item = tables.put_item()
    path = f"/v1/inbox/{item.id}/content"
    response, body = await caller.ask("GET", path, headers={**ME, "Range": "bytes=10-"})
    assert (response.status, body) == (206, EDXML[10:])


async def test_bytes_that_the_disk_changed_never_come_whole(caller: Caller, tables: Tables) -> None:
    """The last of them stay back until all were compared: the client sees that it has too few."""
    path = href(tables)
    tables.payloads[DIGEST] = BODY + b"?"
    with pytest.raises(aiohttp.ClientPayloadError):
        await caller.ask("GET", path, headers=ME)


@given(
    size=st.integers(0, 50),
    first=st.integers(0, 60) | st.none(),
    last=st.integers(0, 60) | st.none(),
)
def test_a_part_is_never_empty_nor_beyond_the_end(size: int, first: int | None, last: int | None) -> None:
    asked = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    try:
        part = wanted({"Range": asked}, DIGEST, size)
    except NoSuchPart:
        return
    assert part is None or 0 <= part.start < part.stop <= size
