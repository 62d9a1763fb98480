"""Promise 10 on a running gateway: by whichever way a state secret comes in, none of it is written by us."""

from __future__ import annotations

import base64
import os
import secrets
import signal
from collections.abc import Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest

from adapters.envelope.compose import Correspondent, NewEdoc, NewFile, compose_edoc
from tests.service.town import Town, a_town

MIB = 1024 * 1024


def a_secret(town: Town, marker: bytes, *, size: int = 0, mark: str = "Tờ trình (MẬT)") -> bytes:
    """A document whose file and summary hold *marker*."""
    return compose_edoc(
        NewEdoc(
            sender=Correspondent(code=town.organs[0], name="UBND"),
            recipients=(Correspondent(code=town.organs[1], name="Sở"),),
            number="7",
            notation="TTr-UBND",
            dated=date(2016, 3, 4),
            subject=f"{mark}\n{marker.decode()}",
            sent_at=datetime.now(UTC),
            signer="Nguyễn Văn A",
            files=(NewFile(name="a.txt", body=marker * 9 + os.urandom(size), media_type="text/plain"),),
        )
    )


def looks_of(marker: bytes) -> Sequence[bytes]:
    """The marker itself, and how it looks in base64 at each of the three alignments."""
    inner = [base64.b64encode(bytes(shift) + marker)[4:-8] for shift in range(3)]
    return marker, *inner


def files_with(marker: bytes, *folders: Path) -> list[Path]:
    """Every file below *folders* in which the marker stands, in whatever dress."""
    looks = looks_of(marker)
    found = []
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        try:
            body = path.read_bytes()
        except OSError:  # gone in between
            continue
        if any(look in body for look in looks):
            found.append(path)
    return found


async def in_pieces(http: aiohttp.ClientSession, body: bytes, size: int) -> tuple[int, str]:
    """The answer to an upload in pieces of *size*, to whichever worker takes each."""
    told = {"Upload-Length": str(len(body)), "Vanthu-Sha256": sha256(body).hexdigest()}
    async with http.post("/v1/uploads", headers=told) as begun:
        upload = (await begun.json())["upload"]
    at = 0
    while True:
        headers = {"Upload-Offset": str(at)}
        async with http.patch(upload, data=body[at : at + size], headers=headers) as answer:
            if answer.status == 409:
                at = int(answer.headers["Upload-Offset"])
                continue
            told = await answer.json()
            if answer.status != 200:
                return answer.status, told.get("reason", "")
            at = told["offset"]


@pytest.mark.heavy_body("reads every file of the gateway and of the broker")
async def test_a_state_secret_is_nowhere_whichever_way_it_came(tmp_path: Path, broker_node) -> None:
    marker = f"DAU-HIEU-{secrets.token_hex(16)}".encode()
    async with a_town(tmp_path, broker_node, workers=2, organs=2) as town:
        sender = town.offices[town.organs[0]]
        access = town.access[town.organs[0]]
        small, large = a_secret(town, marker), a_secret(town, marker, size=2 * MIB)
        await sender.publish(small, "by-amqp")
        await sender.until(lambda: sender.events("by-amqp") == ["SubmissionRejection"])
        token = {"Authorization": f"Bearer {access['http_token']}"}
        async with aiohttp.ClientSession(access["http_url"], headers=token) as http:
            for number, body in enumerate((small, large)):
                keyed = {"Idempotency-Key": f"h-{number}", "Content-Type": "application/xml"}
                async with http.post("/v1/submissions", data=body, headers=keyed) as answer:
                    assert (answer.status, (await answer.json())["reason"]) == (422, "state-secret")
                async with http.post("/v1/uploads", data=body) as answer:
                    assert (answer.status, (await answer.json())["reason"]) == (422, "state-secret")
                for size in (900, 300_000):
                    assert await in_pieces(http, body, size) == (422, "state-secret")
        assert files_with(marker, tmp_path) == []
        # The broker wrote the message before we saw it.  After the acknowledgement nobody can fetch it; its own
        # log holds the bytes until later messages have rolled it over (docs/secrets.md).
        in_broker = files_with(marker, Path(broker_node._folder.path))
        assert {path.suffix for path in in_broker} <= {".wal", ".segment"}


@pytest.mark.heavy_body("reads every file of the gateway")
async def test_processes_that_die_while_they_hold_a_secret_leave_nothing(tmp_path: Path, broker_node) -> None:
    """One aborted and one killed, each with half a header in hand that nobody can judge yet."""
    marker = f"DAU-HIEU-{secrets.token_hex(16)}".encode()
    async with a_town(tmp_path, broker_node, workers=2, organs=2) as town:
        access = town.access[town.organs[0]]
        token = {"Authorization": f"Bearer {access['http_token']}"}
        for number in range(6):  # each on a connection of its own, so that both workers have some
            body = a_secret(town, marker + b"%d" % number)
            cut = body.index(marker) + len(marker) + 5
            told = {"Upload-Length": str(len(body)), "Vanthu-Sha256": sha256(body).hexdigest()}
            async with aiohttp.ClientSession(access["http_url"], headers=token) as http:
                async with http.post("/v1/uploads", headers=told) as begun:
                    upload = (await begun.json())["upload"]
                headers = {"Upload-Offset": "0"}
                async with http.patch(upload, data=body[:cut], headers=headers) as answer:
                    assert (await answer.json())["offset"] == cut
        for pid, how in zip(town.stack.worker_pids, (signal.SIGABRT, signal.SIGKILL), strict=True):
            os.kill(pid, how)
        assert files_with(marker, tmp_path) == []
    assert files_with(marker, tmp_path) == []
    assert list(Path.cwd().glob("core*")) == []
