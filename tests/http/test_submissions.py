"""Submissions, uploads and claims."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256

import pytest

from gateway.errors import Unavailable
from gateway.model.claim import CLAIM_TYPE, path_of
from gateway.model.ids import PartyKey
from gateway.model.party import Link
from gateway.model.payload import PayloadRef
from tests.http.conftest import Caller, Serve
from tests.http.world import (
    COMMUNE,
    EDXML,
    PROVINCE,
    SECRET,
    STRANGER,
    Tables,
    a_directory,
    a_party,
    bearer,
)

KIB, MIB = 1024, 1024 * 1024
LARGE = b"<edXML>" + b"x" * (2 * MIB) + b"</edXML>"


def keyed(name: str = PROVINCE, key: str = "k-1", **more: str) -> dict[str, str]:
    return {**bearer(name), "Idempotency-Key": key, "Content-Type": "application/xml", **more}


async def submit(caller: Caller, body: object = EDXML, **more: str) -> tuple[int, dict[str, object]]:
    response, answer = await caller.ask("POST", "/v1/submissions", headers=keyed(**more), data=body)
    told: dict[str, object] = json.loads(answer)
    return response.status, told


# --- submissions --------------------------------------------------------------------------------------


async def test_a_submission_reaches_the_intake_with_everything_the_sender_said(
    caller: Caller, tables: Tables
) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = keyed(
        **{
            "Vanthu-Expires": "2016-03-05T08:00:00+07:00",
            "Vanthu-Lane": "Urgent",
            "traceparent": traceparent,
        }
    )
    response, body = await caller.ask(
        "POST", f"/v1/submissions?organ={PROVINCE}", headers=headers, data=EDXML
    )
    told = json.loads(body)
    (arrival,) = tables.arrivals
    assert (arrival.client, arrival.claimed, arrival.message_id) == (PROVINCE, PROVINCE, "k-1")
    assert arrival.payload == PayloadRef.of(EDXML)
    assert arrival.payload.body == EDXML
    assert (arrival.link, arrival.is_urgent, arrival.content_type) == (Link.HTTP, True, "application/xml")
    assert (arrival.expires, arrival.traceparent) == ("2016-03-05T08:00:00+07:00", traceparent)
    assert response.status == 202
    assert response.headers["Location"] == told["links"]["self"] == f"/v1/documents/{told['document']}"
    assert (told["state"], told["received_at"]) == ("received", "2016-03-04T08:00:00.000+07:00")


async def test_a_small_body_is_not_stored_before_the_intake_saw_it(caller: Caller, tables: Tables) -> None:
    """A small body rides along: nothing but the intake decides whether it is kept."""
    await submit(caller)
    assert tables.payloads == {}


async def test_a_repeat_is_answered_alike_and_other_bytes_are_refused(caller: Caller) -> None:
    first, repeat = await submit(caller), await submit(caller)
    assert first == repeat
    status, told = await submit(caller, EDXML + b" ")
    assert (status, told["reason"]) == (409, "message-id-reused")
    assert told["document"] != first[1]["document"]


async def test_a_refusal_at_the_door_names_its_reason_and_leads_to_its_evidence(caller: Caller) -> None:
    status, told = await submit(caller, "<edXML>Công văn (MẬT)</edXML>".encode())
    assert (status, told["reason"]) == (422, "state-secret")
    document = told["document"]
    assert told["links"] == {
        "self": f"/v1/documents/{document}",
        "evidence": f"/v1/documents/{document}/evidence",
    }


async def test_a_refusal_at_the_door_tells_what_was_found(caller: Caller) -> None:
    status, told = await submit(caller, b"no xml")
    assert (status, told["reason"], told["detail"]) == (422, "xml-malformed", "line 1, column 0")


async def test_a_refusal_that_was_not_registered_names_no_document(caller: Caller) -> None:
    status, told = await submit(caller, **{"Vanthu-Expires": "yesterday"})
    assert (status, told["reason"]) == (400, "expires-invalid")
    assert "document" not in told


async def test_without_a_message_id_repeats_could_not_be_told_apart(caller: Caller, tables: Tables) -> None:
    response, body = await caller.ask("POST", "/v1/submissions", headers=bearer(PROVINCE), data=EDXML)
    assert (response.status, json.loads(body)["reason"]) == (400, "message-id-missing")
    assert tables.arrivals == []


@pytest.mark.parametrize("key", ["k" * 201, "a\tb", "a\u200bb"])
async def test_a_message_id_has_200_printable_characters_at_most(caller: Caller, key: str) -> None:
    status, told = await submit(caller, key=key)
    assert (status, told["reason"]) == (400, "message-id-invalid")


async def test_a_message_id_is_taken_as_it_is(caller: Caller, tables: Tables) -> None:
    for key in ('"quoted"', "số 517", "k" * 200):
        status, _ = await submit(caller, key=key)
        assert (status, tables.arrivals[-1].message_id) == (202, key)


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "text/plain"])
async def test_other_content_is_unsupported(caller: Caller, tables: Tables, content_type: str) -> None:
    status, told = await submit(caller, **{"Content-Type": content_type})
    assert (status, told["reason"]) == (415, "content-type-unsupported")
    assert tables.arrivals == []


async def test_a_compressed_body_is_not_unfolded(caller: Caller, tables: Tables) -> None:
    status, told = await submit(caller, gzip.compress(EDXML), **{"Content-Encoding": "gzip"})
    assert (status, told["reason"]) == (415, "content-type-unsupported")
    assert tables.arrivals == []


async def test_a_malformed_traceparent_is_ignored(caller: Caller, tables: Tables) -> None:
    for number, wrong in enumerate(("x", "00-0-0-01", f"00-{'0' * 32}-b7ad6b7169203331-01", "ff" * 30)):
        status, _ = await submit(caller, key=f"k-{number}", traceparent=wrong)
        assert (status, tables.arrivals[-1].traceparent) == (202, "")


async def test_a_store_that_is_away_asks_to_try_again(caller: Caller, tables: Tables) -> None:
    tables.trouble = Unavailable("store-away", "sqlite is locked", retry_after=timedelta(seconds=7))
    response, body = await caller.ask("POST", "/v1/submissions", headers=keyed(), data=EDXML)
    assert (response.status, response.headers["Retry-After"]) == (503, "7")
    assert json.loads(body)["reason"] == "store-away"
    assert b"sqlite" not in body


# --- sizes --------------------------------------------------------------------------------------------


async def test_a_large_body_streams_to_the_vault(caller: Caller, tables: Tables) -> None:
    status, _ = await submit(caller, LARGE)
    assert status == 202
    (arrival,) = tables.arrivals
    assert arrival.payload == PayloadRef.of(LARGE).bare()
    assert arrival.payload.body is None
    assert tables.payloads == {sha256(LARGE).hexdigest(): LARGE}


async def test_what_is_small_enough_to_ride_along_is_so_to_the_byte(serve: Serve, tables: Tables) -> None:
    caller = await serve(memory_bytes=len(EDXML))
    await submit(caller, EDXML)
    assert tables.arrivals[-1].payload.body == EDXML
    await submit(caller, EDXML + b" ", key="k-2")
    assert tables.arrivals[-1].payload.body is None


async def test_a_large_state_secret_is_refused_before_anything_is_stored(
    caller: Caller, tables: Tables
) -> None:
    """DESIGN §3.10."""
    secret = "<edXML>Tờ trình (MẬT)".encode() + b"x" * (2 * MIB)
    status, told = await submit(caller, secret)
    assert (status, told["reason"]) == (422, "state-secret")
    assert tables.payloads == {}


async def chunked(size: int, sent: list[int] | None = None) -> AsyncIterator[bytes]:
    """A body of *size* bytes without a Content-Length."""
    yield b"<edXML>"
    left = size - 7
    while left > 0:
        piece = min(left, 64 * KIB)
        left -= piece
        if sent is not None:
            sent.append(piece)
        yield b"x" * piece


async def test_the_limit_holds_to_the_byte_with_and_without_a_length(serve: Serve, tables: Tables) -> None:
    caller = await serve(max_bytes=2 * MIB)
    for size, expected in ((2 * MIB, 202), (2 * MIB + 1, 413)):
        for kind, body in (("length", b"<" + b"x" * (size - 1)), ("chunked", chunked(size))):
            status, told = await submit(caller, body, key=f"{kind}-{size}")
            assert status == expected
            assert expected == 202 or told["reason"] == "body-too-large"
    assert len(tables.arrivals) == 2
    assert len(tables.payloads) == 2


async def test_an_endless_body_is_cut_off_at_the_limit(serve: Serve) -> None:
    caller = await serve(max_bytes=MIB)
    sent: list[int] = []
    try:
        status, _ = await submit(caller, chunked(500 * MIB, sent))
        assert status == 413
    except (ConnectionError, OSError):
        pass  # the server closed while the client still wrote: as good an answer
    assert sum(sent) < 50 * MIB


async def test_a_party_may_have_a_lower_limit_of_its_own(serve: Serve) -> None:
    directory = a_directory()
    directory.put(a_party(PROVINCE, max_bytes=100))
    caller = await serve(directory)
    assert (await submit(caller, b"<" + b"x" * 99))[0] == 202
    assert (await submit(caller, b"<" + b"x" * 100, key="k-2"))[0] == 413


async def test_more_bodies_at_once_than_there_is_room_for_are_put_off(serve: Serve, tables: Tables) -> None:
    caller = await serve(transfers_per_client=1)
    release = asyncio.Event()
    begun = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"<edXML>"
        begun.set()
        await release.wait()
        yield b"</edXML>"

    first = asyncio.create_task(submit(caller, slow(), key="slow"))
    await begun.wait()
    for number in range(1000):  # the first may still be on its way in
        response, body = await caller.ask(
            "POST", "/v1/submissions", headers=keyed(key=f"k-{number}"), data=EDXML
        )
        if response.status == 429:
            break
    assert json.loads(body)["reason"] == "places-full"
    assert response.headers["Retry-After"] == "1"
    status, _ = await submit(caller, name=COMMUNE, key="other")
    assert status == 202  # a greedy client slows nobody else
    release.set()
    assert (await first)[0] == 202
    assert (await submit(caller, key="last"))[0] == 202  # and there is room again


# --- uploads and claims -------------------------------------------------------------------------------


async def upload(caller: Caller, body: bytes, name: str = PROVINCE) -> dict[str, object]:
    response, answer = await caller.ask("POST", "/v1/uploads", headers=bearer(name), data=body)
    assert response.status == 201, answer
    told: dict[str, object] = json.loads(answer)
    return told


async def test_an_upload_is_submitted_by_its_claim(caller: Caller, tables: Tables) -> None:
    claim = await upload(caller, LARGE)
    assert claim == {
        "href": caller.url + path_of(SECRET, PartyKey(PROVINCE), PayloadRef.of(LARGE)),
        "sha256": sha256(LARGE).hexdigest(),
        "size": len(LARGE),
    }
    status, _ = await submit(caller, json.dumps(claim), **{"Content-Type": CLAIM_TYPE})
    assert status == 202
    (arrival,) = tables.arrivals
    assert arrival.payload == PayloadRef.of(LARGE).bare()
    assert arrival.content_type == "application/xml"


async def test_a_claim_whose_bytes_were_removed_says_so(caller: Caller, tables: Tables) -> None:
    """Their time was over; where something names them still it is a fault of ours."""
    claim = await upload(caller, LARGE)
    tables.payloads.clear()
    digest = str(claim["sha256"])
    for named, told in ((set[str](), (410, "content-purged")), ({digest}, (500, "payload-missing"))):
        tables.named = named
        path = str(claim["href"]).removeprefix(caller.url)
        response, body = await caller.ask("GET", path, headers=bearer(PROVINCE))
        assert (response.status, json.loads(body)["reason"]) == told


async def test_the_claims_address_stays_good_under_a_public_name(serve: Serve) -> None:
    caller = await serve(public_url="https://vanthu.example.gov.vn/")
    claim = await upload(caller, EDXML)
    assert str(claim["href"]).startswith("https://vanthu.example.gov.vn/v1/payloads/")
    status, _ = await submit(caller, json.dumps(claim), **{"Content-Type": CLAIM_TYPE})
    assert status == 202


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"href": "http://elsewhere/v1/payloads/x/y/1/z"}, 400, "claim-invalid"),
        ({"href": "file:///etc/passwd"}, 400, "claim-invalid"),
        ({"href": 7}, 400, "claim-invalid"),
        ({"size": 1}, 409, "claim-mismatch"),
        ({"sha256": "0" * 64}, 409, "claim-mismatch"),
        ({"sha256": "x"}, 400, "claim-invalid"),
        ({"size": "9"}, 400, "claim-invalid"),
    ],
)
async def test_a_wrong_claim_is_refused(
    caller: Caller, tables: Tables, change: dict[str, object], status: int, reason: str
) -> None:
    claim = {**await upload(caller, EDXML), **change}
    got, told = await submit(caller, json.dumps(claim), **{"Content-Type": CLAIM_TYPE})
    assert (got, told["reason"]) == (status, reason)
    assert tables.arrivals == []


async def test_a_claim_to_another_partys_upload_is_refused(caller: Caller) -> None:
    claim = await upload(caller, EDXML, COMMUNE)
    status, told = await submit(caller, json.dumps(claim), **{"Content-Type": CLAIM_TYPE})
    assert (status, told["reason"]) == (400, "claim-invalid")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 10_000, b'"x"', b"\xff"])
async def test_a_claim_that_is_no_json_object_is_refused(caller: Caller, body: bytes) -> None:
    status, told = await submit(caller, body, **{"Content-Type": CLAIM_TYPE})
    assert (status, told["reason"]) == (400, "request-invalid")


async def test_an_upload_that_is_secret_or_no_document_is_not_kept(caller: Caller, tables: Tables) -> None:
    for body, reason in (
        ("<edXML>(MẬT)</edXML>".encode(), "state-secret"),
        (b"%PDF-1.7", "xml-malformed"),
    ):
        response, answer = await caller.ask("POST", "/v1/uploads", headers=bearer(PROVINCE), data=body)
        assert (response.status, json.loads(answer)["reason"]) == (422, reason)
    assert tables.payloads == {}


async def test_a_locked_party_uploads_nothing(serve: Serve, tables: Tables) -> None:
    directory = a_directory()
    directory.put(a_party(PROVINCE, is_locked=True))
    caller = await serve(directory)
    response, answer = await caller.ask("POST", "/v1/uploads", headers=bearer(PROVINCE), data=EDXML)
    assert (response.status, json.loads(answer)["reason"]) == (403, "party-locked")
    assert tables.payloads == {}


async def test_an_empty_upload_is_refused(caller: Caller) -> None:
    response, answer = await caller.ask("POST", "/v1/uploads", headers=bearer(PROVINCE))
    assert (response.status, json.loads(answer)["reason"]) == (400, "body-empty")


async def test_a_too_large_upload_leaves_nothing_behind(serve: Serve, tables: Tables) -> None:
    caller = await serve(max_bytes=MIB)
    response, answer = await caller.ask(
        "POST", "/v1/uploads", headers=bearer(PROVINCE), data=chunked(MIB + 1)
    )
    assert (response.status, json.loads(answer)["reason"]) == (413, "body-too-large")
    assert tables.payloads == {}


async def test_a_claims_bytes_are_for_its_party_alone(caller: Caller) -> None:
    claim = await upload(caller, LARGE)
    path = str(claim["href"]).removeprefix(caller.url)
    response, body = await caller.ask("GET", path, headers=bearer(PROVINCE))
    assert (response.status, body) == (200, LARGE)
    assert response.content_type == "application/xml"
    assert response.content_length == len(LARGE)
    foreign = await caller.ask("GET", path, headers=bearer(STRANGER))
    forged = await caller.ask("GET", path[:-1] + ("0" if path[-1] != "0" else "1"), headers=bearer(PROVINCE))
    assert foreign[0].status == forged[0].status == 404
    assert foreign[1] == forged[1]
