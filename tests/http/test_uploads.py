"""Uploads that come in pieces: offsets, secrecy, refusals; over the twin, and over files where processes matter."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest

from adapters.memory import FixedClock
from adapters.store import FileUploads, FileVault, UploadOptions, VaultOptions
from gateway.model.claim import CLAIM_TYPE
from gateway.model.payload import PayloadRef
from tests.http.conftest import Caller, Serve
from tests.http.world import COMMUNE, DEPARTMENT, PROVINCE, Tables, a_directory, a_party, bearer

KIB, MIB = 1024, 1024 * 1024
BODY = b"<edXML><edXMLHeader/>" + bytes(range(256)) * 4096 + b"</edXML>"
SECRET = "<edXML>Tờ trình (MẬT)<edXMLHeader/>".encode() + b"x" * MIB


def opening(body: bytes = BODY, name: str = PROVINCE, **more: str) -> dict[str, str]:
    told = {"Upload-Length": str(len(body)), "Vanthu-Sha256": sha256(body).hexdigest()}
    return {**bearer(name), **told, **more}


async def begin(caller: Caller, body: bytes = BODY, **more: str) -> str:
    response, answer = await caller.ask("POST", "/v1/uploads", headers=opening(body, **more))
    assert response.status == 201, answer
    assert response.headers["Location"] == json.loads(answer)["upload"]
    return response.headers["Location"]


async def append(
    caller: Caller, path: str, offset: int, piece: object = b"", name: str = PROVINCE, **more: str
) -> tuple[int, dict[str, object]]:
    headers = {**bearer(name), "Upload-Offset": str(offset), **more}
    response, answer = await caller.ask("PATCH", path, headers=headers, data=piece)
    told: dict[str, object] = json.loads(answer)
    if "Upload-Offset" in response.headers:
        told["at"] = int(response.headers["Upload-Offset"])
    return response.status, told


async def stands_at(caller: Caller, path: str, name: str = PROVINCE) -> tuple[str, str]:
    response, _ = await caller.ask("HEAD", path, headers=bearer(name))
    assert response.status == 204
    assert response.headers["Cache-Control"] == "no-store"
    return response.headers["Upload-Offset"], response.headers["Upload-Complete"]


# --- pieces -------------------------------------------------------------------------------------------


async def test_pieces_become_a_claim_that_is_submitted(caller: Caller, tables: Tables) -> None:
    path = await begin(caller)
    assert await stands_at(caller, path) == ("0", "?0")
    half = 400_000
    assert (await append(caller, path, 0, BODY[:half]))[0] == 200
    assert await stands_at(caller, path) == (str(half), "?0")
    status, claim = await append(caller, path, half, BODY[half:])
    assert status == 201
    assert (claim["sha256"], claim["size"], claim["complete"]) == (sha256(BODY).hexdigest(), len(BODY), True)
    assert await stands_at(caller, path) == (str(len(BODY)), "?1")
    assert tables.payloads == {sha256(BODY).hexdigest(): BODY}
    headers = {**bearer(PROVINCE), "Idempotency-Key": "k-1", "Content-Type": CLAIM_TYPE}
    response, _ = await caller.ask("POST", "/v1/submissions", headers=headers, data=json.dumps(claim))
    assert response.status == 202
    assert tables.arrivals[-1].payload == PayloadRef.of(BODY).bare()


async def test_a_complete_upload_is_submitted_without_its_claim(caller: Caller, tables: Tables) -> None:
    path = await begin(caller)
    headers = {**bearer(PROVINCE), "Idempotency-Key": "k-1", "Vanthu-Lane": "urgent"}
    response, answer = await caller.ask("POST", f"{path}/submission", headers=headers)
    assert (response.status, json.loads(answer)["reason"]) == (400, "upload-length-wrong")
    await append(caller, path, 0, BODY)
    response, answer = await caller.ask("POST", f"{path}/submission", headers=bearer(PROVINCE))
    assert (response.status, json.loads(answer)["reason"]) == (400, "message-id-missing")
    response, _ = await caller.ask("POST", f"{path}/submission", headers=headers)
    assert response.status == 202
    (arrival,) = tables.arrivals
    assert (arrival.payload, arrival.is_urgent, arrival.message_id) == (
        PayloadRef.of(BODY).bare(),
        True,
        "k-1",
    )


async def test_the_first_piece_may_come_with_the_beginning_and_the_digest_in_base64(caller: Caller) -> None:
    digest = base64.b64encode(sha256(BODY).digest()).decode()
    headers = {
        **bearer(PROVINCE),
        "Upload-Length": str(len(BODY)),
        "Repr-Digest": f"sha-512=:AAAA:, sha-256=:{digest}:",
        "Upload-Complete": "?0",
    }
    response, answer = await caller.ask("POST", "/v1/uploads", headers=headers, data=BODY[:300_000])
    assert (response.status, json.loads(answer)["offset"]) == (201, 300_000)
    status, _ = await append(caller, response.headers["Location"], 300_000, BODY[300_000:])
    assert status == 201


async def test_everything_may_come_with_the_beginning(caller: Caller) -> None:
    headers = opening(**{"Upload-Complete": "?1"})
    response, answer = await caller.ask("POST", "/v1/uploads", headers=headers, data=BODY)
    assert (response.status, json.loads(answer)["complete"]) == (201, True)
    again, repeated = await caller.ask("POST", "/v1/uploads", headers=headers, data=BODY)
    assert (again.status, repeated) == (201, answer)  # the answer may have been lost


async def test_who_knows_the_draft_is_told_the_address_before_the_body_is_read(
    serve: Serve,
) -> None:
    """Cut off in the first request, it knows where to go on."""
    caller = await serve()
    reader, writer = await asyncio.open_connection("127.0.0.1", caller.server.port)
    lines = [f"{name}: {value}" for name, value in opening().items()]
    request = ["POST /v1/uploads HTTP/1.1", "Host: x", f"Content-Length: {len(BODY)}", *lines]
    request += ["Upload-Complete: ?1", "Upload-Draft-Interop-Version: 8", "", ""]
    writer.write("\r\n".join(request).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert head.startswith("HTTP/1.1 104 ")
    writer.write(BODY)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 201 ")
    writer.close()
    location = head.partition("Location: ")[2].partition("\r\n")[0]
    assert await stands_at(caller, location) == (str(len(BODY)), "?1")


async def test_a_connection_that_breaks_in_a_piece_leaves_what_came(caller: Caller) -> None:
    path = await begin(caller)

    async def broken() -> AsyncIterator[bytes]:
        yield BODY[:700_000]
        raise RuntimeError("the client dies")

    with pytest.raises(aiohttp.ClientError):
        await append(caller, path, 0, broken())
    async with asyncio.timeout(10):
        while (at := int((await stands_at(caller, path))[0])) < 256 * KIB:
            await asyncio.sleep(0)
    status, told = await append(caller, path, at, BODY[at:])
    while status == 409:  # the server has not yet noticed that the first has gone
        at = int(str(told["at"]))
        status, told = await append(caller, path, at, BODY[at:])
    assert status == 201


@pytest.mark.parametrize("offset", [0, 299_999, 300_001, len(BODY)])
async def test_a_piece_at_the_wrong_place_is_told_the_right_one(caller: Caller, offset: int) -> None:
    path = await begin(caller)
    await append(caller, path, 0, BODY[:300_000])
    status, told = await append(caller, path, offset, b"x")
    assert (status, told["reason"], told["at"]) == (409, "upload-offset-wrong", 300_000)
    assert (told["expected-offset"], told["provided-offset"]) == (300_000, offset)
    assert (await append(caller, path, 300_000, BODY[300_000:]))[0] == 201


async def test_more_than_declared_is_refused_with_and_without_a_length(caller: Caller) -> None:
    path = await begin(caller)

    async def chunked() -> AsyncIterator[bytes]:
        yield BODY
        yield b"more"

    for piece in (BODY + b"more", chunked()):
        status, told = await append(caller, path, 0, piece)
        assert (status, told["reason"]) == (400, "upload-length-wrong")


async def test_a_last_piece_that_is_not_the_last_is_refused(caller: Caller) -> None:
    path = await begin(caller)
    status, told = await append(caller, path, 0, BODY[:-1], **{"Upload-Complete": "?1"})
    assert (status, told["reason"], told["at"]) == (400, "upload-length-wrong", 0)


async def test_all_bytes_wait_for_the_word_where_the_client_says_there_is_more(caller: Caller) -> None:
    path = await begin(caller)
    status, told = await append(caller, path, 0, BODY, **{"Upload-Complete": "?0"})
    assert (status, told["complete"]) == (200, False)
    assert (await append(caller, path, len(BODY), b"", **{"Upload-Complete": "?1"}))[0] == 201
    assert (await append(caller, path, len(BODY)))[0] == 201  # and again: the answer may have been lost
    status, told = await append(caller, path, len(BODY), b"x")
    assert (status, told["reason"]) == (400, "upload-length-wrong")


async def test_other_bytes_than_declared_are_refused_and_forgotten(caller: Caller, tables: Tables) -> None:
    path = await begin(caller)
    status, told = await append(caller, path, 0, BODY[:-1] + b"?")
    assert (status, told["reason"]) == (409, "claim-mismatch")
    response, _ = await caller.ask("HEAD", path, headers=bearer(PROVINCE))
    assert response.status == 404
    assert tables.payloads == {}


async def test_two_at_once_on_one_upload_do_not_mix(caller: Caller) -> None:
    path = await begin(caller)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield BODY[:600_000]
        begun.set()
        await go_on.wait()
        yield BODY[600_000:]

    first = asyncio.create_task(append(caller, path, 0, slow()))
    await begun.wait()
    status, told = 0, {}
    for _ in range(1000):
        status, told = await append(caller, path, 0, BODY[:10])
        if told.get("reason") == "upload-busy":
            break
    assert (status, told["retry"]) == (409, True)
    go_on.set()
    assert (await first)[0] == 201


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"Upload-Length": ""}, 400, "request-invalid"),
        ({"Upload-Length": "-1"}, 400, "request-invalid"),
        ({"Upload-Length": "1e3"}, 400, "request-invalid"),
        ({"Upload-Length": "0"}, 400, "body-empty"),
        ({"Upload-Length": str(64 * MIB + 1)}, 413, "body-too-large"),
        ({"Vanthu-Sha256": "0" * 63}, 400, "request-invalid"),
        ({"Vanthu-Sha256": "", "Repr-Digest": "sha-256=:AAAA:"}, 400, "request-invalid"),
        ({"Upload-Complete": "1"}, 400, "request-invalid"),
    ],
)
async def test_a_beginning_of_the_wrong_form_is_refused(
    caller: Caller, change: dict[str, str], status: int, reason: str
) -> None:
    response, answer = await caller.ask("POST", "/v1/uploads", headers={**opening(), **change})
    assert (response.status, json.loads(answer)["reason"]) == (status, reason)


@pytest.mark.parametrize("offset", ["", "-1", "x", "1" * 16])
async def test_an_offset_of_the_wrong_form_is_refused(caller: Caller, offset: str) -> None:
    path = await begin(caller)
    headers = {**bearer(PROVINCE), "Upload-Offset": offset}
    response, answer = await caller.ask("PATCH", path, headers=headers, data=b"x")
    assert (response.status, json.loads(answer)["reason"]) == (400, "request-invalid")


async def test_an_organ_has_so_many_unfinished_uploads(caller: Caller) -> None:
    for number in range(16):
        await begin(caller, b"<x>%d" % number)
    response, answer = await caller.ask("POST", "/v1/uploads", headers=opening())
    assert (response.status, json.loads(answer)["reason"]) == (429, "uploads-too-many")
    await begin(caller, name=COMMUNE)


async def test_another_organs_upload_does_not_exist(caller: Caller) -> None:
    path = await begin(caller)
    for method in ("HEAD", "GET", "PATCH", "DELETE"):
        headers = {**bearer(COMMUNE), "Upload-Offset": "0"}
        response, _ = await caller.ask(method, path, headers=headers)
        assert response.status == 404, method
    response, _ = await caller.ask(
        "POST", f"{path}/submission", headers={**bearer(COMMUNE), "Idempotency-Key": "k"}
    )
    assert response.status == 404
    assert await stands_at(caller, path) == ("0", "?0")


async def test_a_client_of_several_organs_needs_not_name_one_again(caller: Caller) -> None:
    response, _ = await caller.ask("POST", f"/v1/uploads?organ={DEPARTMENT}", headers=opening(name="several"))
    path = response.headers["Location"]
    assert await stands_at(caller, path, "several") == ("0", "?0")
    assert await stands_at(caller, path, DEPARTMENT) == ("0", "?0")
    response, _ = await caller.ask("HEAD", path, headers=bearer(COMMUNE))
    assert response.status == 404


async def test_a_locked_organ_begins_nothing_and_adds_nothing(serve: Serve) -> None:
    directory = a_directory()
    caller = await serve(directory)
    path = await begin(caller)
    directory.put(a_party(PROVINCE, is_locked=True))
    response, answer = await caller.ask("POST", "/v1/uploads", headers=opening())
    assert (response.status, json.loads(answer)["reason"]) == (403, "party-locked")
    status, told = await append(caller, path, 0, BODY)
    assert (status, told["reason"]) == (403, "party-locked")


async def test_a_given_up_upload_is_gone(caller: Caller) -> None:
    path = await begin(caller)
    await append(caller, path, 0, BODY[:300_000])
    for expected in (204, 404):
        response, _ = await caller.ask("DELETE", path, headers=bearer(PROVINCE))
        assert response.status == expected


async def test_an_abandoned_upload_is_gone_after_its_time(caller: Caller, tables: Tables) -> None:
    path = await begin(caller)
    tables.clock.advance(timedelta(hours=25))
    response, _ = await caller.ask("HEAD", path, headers=bearer(PROVINCE))
    assert response.status == 404


async def test_how_long_it_is_kept_is_told(caller: Caller) -> None:
    path = await begin(caller)
    response, answer = await caller.ask("GET", path, headers=bearer(PROVINCE))
    assert response.headers["Upload-Limit"] == f"max-size={64 * MIB}, max-age=86400"
    assert json.loads(answer)["expires_at"] == "2016-03-05T08:00:00.000+07:00"


# --- secrets ------------------------------------------------------------------------------------------


class OnDisk:
    """A server over files, and what lies in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        vault = FileVault(VaultOptions(folder=folder / "vault"))
        self.uploads = FileUploads(UploadOptions(folder=folder / "uploads"), vault, FixedClock())

    def descriptions(self) -> list[Path]:
        return list(self.folder.rglob("*.json"))

    def size_of_all(self) -> int:
        """Bytes in all files but the descriptions."""
        files = [p for p in self.folder.rglob("*") if p.is_file() and p.suffix != ".json"]
        return sum(path.stat().st_size for path in files)


def with_header(before: int, mark: str = "", after: int = MIB) -> bytes:
    """A document whose header is complete after *before* bytes and a little."""
    return b"<edXML>" + b" " * before + mark.encode() + b"<edXMLHeader/>" + b"y" * after


@pytest.mark.parametrize("size", [1000, 7_001, 100_000, 300_000, 2 * MIB])
@pytest.mark.parametrize("mark", ["", "(MẬT)"])
async def test_nothing_is_on_the_disk_before_the_whole_header_was_seen(
    serve: Serve, tables: Tables, tmp_path: Path, size: int, mark: str
) -> None:
    """DESIGN §3.10, with pieces of any size: a secret is refused, and no byte of it was ever written."""
    disk = OnDisk(tmp_path)
    caller = await serve(uploads=disk.uploads)
    tables.header_ends_with = b"<edXMLHeader/>"
    body = with_header(30_000, mark, after=100 * size if size < 10_000 else MIB)
    path = await begin(caller, body)
    seen = 0
    status, told = 200, {}
    while status == 200:
        piece = body[seen : seen + size]
        status, told = await append(caller, path, seen, piece)
        seen += len(piece)
        if seen <= 30_000:
            assert disk.size_of_all() == 0
        if status == 200:
            assert told["at"] == seen
            assert await stands_at(caller, path) == (str(seen), "?0")
    if not mark:
        assert status == 201
        return
    assert (status, told["reason"]) == (422, "state-secret")
    assert disk.size_of_all() == 0
    assert disk.descriptions() == []
    response, _ = await caller.ask("HEAD", path, headers=bearer(PROVINCE))
    assert response.status == 404


async def test_without_a_whole_header_in_256_kib_it_is_refused(
    serve: Serve, tables: Tables, tmp_path: Path
) -> None:
    disk = OnDisk(tmp_path)
    caller = await serve(uploads=disk.uploads)
    tables.header_ends_with = b"<edXMLHeader/>"
    body = with_header(256 * KIB)
    for size in (100_000, 2 * MIB):
        path, seen, status, told = await begin(caller, body), 0, 200, {}
        while status == 200:
            status, told = await append(caller, path, seen, body[seen : seen + size])
            seen += size
        assert (status, told["reason"]) == (422, "header-incomplete")
        assert disk.size_of_all() == 0


async def test_another_worker_does_not_know_the_held_head_and_says_so(
    serve: Serve, tables: Tables, tmp_path: Path
) -> None:
    """What was held in memory alone is sent again from 0."""
    one, two = await serve(uploads=OnDisk(tmp_path).uploads), await serve(uploads=OnDisk(tmp_path).uploads)
    tables.header_ends_with = b"<edXMLHeader/>"
    body = with_header(30_000)
    path = await begin(one, body)
    await append(one, path, 0, body[:1000])
    status, told = await append(two, path, 1000, body[1000:])
    assert (status, told["reason"], told["at"]) == (409, "upload-offset-wrong", 0)
    assert (await append(two, path, 0, body[:40_000]))[0] == 200
    assert await stands_at(one, path) == ("40000", "?0")
    assert (await append(one, path, 40_000, body[40_000:]))[0] == 201


async def test_heads_are_held_in_bounds(serve: Serve, tables: Tables) -> None:
    caller = await serve(heads=2)
    tables.header_ends_with = b"<edXMLHeader/>"
    bodies = [with_header(30_000 + number) for number in range(3)]
    paths = [await begin(caller, body) for body in bodies]
    statuses = [(await append(caller, path, 0, b"<edXML>"))[0] for path in paths]
    assert statuses == [200, 200, 429]
    assert (await append(caller, paths[0], 7, bodies[0][7:]))[0] == 201
    assert (await append(caller, paths[2], 0, b"<edXML>"))[0] == 200


async def test_a_body_of_one_piece_that_is_no_document_is_not_kept(serve: Serve, tmp_path: Path) -> None:
    disk = OnDisk(tmp_path)
    caller = await serve(uploads=disk.uploads)
    path = await begin(caller, b"%PDF-1.7")
    status, told = await append(caller, path, 0, b"%PDF-1.7")
    assert (status, told["reason"]) == (422, "xml-malformed")
    assert disk.size_of_all() == 0


# --- over several workers -----------------------------------------------------------------------------


async def test_any_worker_goes_on_and_any_finishes(serve: Serve, tmp_path: Path) -> None:
    workers = [await serve(uploads=OnDisk(tmp_path).uploads) for _ in range(3)]
    path = await begin(workers[0])
    size = 300_000
    for number, at in enumerate(range(0, len(BODY), size)):
        status, _ = await append(workers[number % 3], path, at, BODY[at : at + size])
    assert status == 201
    assert {await stands_at(worker, path) for worker in workers} == {(str(len(BODY)), "?1")}
