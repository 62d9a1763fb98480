"""The head of the evidence log: for everybody, byte for byte; and how far the log is, in numbers."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import timedelta
from hashlib import sha256

from gateway.model.ids import Owner
from gateway.model.log import HeadRecord
from tests.http.conftest import Caller
from tests.http.world import Tables

BODY = b"<TreeHead>517</TreeHead>"


async def publish(tables: Tables) -> None:
    """There is a head over nothing."""
    term = await tables.log.lead(Owner("life"))
    assert term is not None
    state = await tables.log.state()
    head = HeadRecord(
        size=0,
        root=state.root,
        signed_at=tables.clock.now(),
        sha256=sha256(BODY).hexdigest(),
        body=BODY,
    )
    assert await tables.log.publish(term, head)


async def test_anybody_may_keep_the_head_as_it_was_signed(caller: Caller, tables: Tables) -> None:
    await publish(tables)
    response, body = await caller.ask("GET", "/v1/log/head")
    assert (response.status, response.content_type, body) == (200, "application/xml", BODY)
    digest = b64encode(sha256(BODY).digest()).decode()
    assert response.headers["Repr-Digest"] == f"sha-256=:{digest}:"


async def test_before_the_first_head_there_is_none(caller: Caller) -> None:
    response, body = await caller.ask("GET", "/v1/log/head")
    assert response.status == 404
    assert json.loads(body)["reason"] == "not-found"


async def test_how_far_the_log_is_can_be_scraped(caller: Caller, tables: Tables) -> None:
    await publish(tables)
    tables.clock.advance(timedelta(seconds=90))
    _, body = await caller.ask("GET", "/metrics")
    for line in (
        b"vanthu_log_size 0.0",
        b"vanthu_log_waiting 0.0",
        b"vanthu_log_oldest_seconds 0.0",
        b"vanthu_log_head_age_seconds 90.0",
    ):
        assert line in body
