"""What large documents cost: time for one of 50 MB, memory of the running gateway for ten files of 50 MB.

    python -m benchmarks.streaming                 (one or two minutes; needs 5 GB of disk)

First the reader and writer alone, beside the bare limit: base64 both ways, SHA-256 and a synced file.  Then
``vanthu serve`` with a broker of its own: the document is uploaded by HTTP, its claim goes in by queue, the
recipient takes the claim from its queue and fetches the bytes by HTTP.  The worker's growth is that of its
resident memory, from after a small document to the peak (``VmHWM``).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import aio_pika
import aiohttp
import pybase64
import uvloop
from rich.console import Console
from rich.table import Table

from adapters.envelope import EdxmlEnvelopes, Options
from adapters.store import FileVault, VaultOptions
from benchmarks.clients import accesses
from benchmarks.large import File, make
from benchmarks.processes import forget_peaks, memory
from demo.stack import Stack
from gateway.model.claim import CLAIM_TYPE
from gateway.model.envelope import Edoc
from gateway.model.ids import OrganCode
from gateway.model.payload import PayloadRef

SENDER, RECIPIENT = "000.00.00.H53", "000.00.13.H53"
SIZES = {"234 KB": (234_000, 30, 3.0), "50 MB": (50_000_000, 5, 600.0)}
"""Bytes of the one file, rounds, and the goal in milliseconds."""
GROWTH = 60_000_000
"""What a worker may grow by."""
PASSES_WITHIN_S = 120.0


# --- the reader and writer alone ----------------------------------------------------------------------


async def alone(folder: Path) -> list[dict[str, Any]]:
    """Read, check and write: medians in milliseconds, beside the bare limit."""
    rows = []
    vault = FileVault(VaultOptions(folder=folder / "vault"))
    envelopes = EdxmlEnvelopes(Options(folder=vault.temporary), vault)
    for name, (size, rounds, goal) in SIZES.items():
        for wrapped in ("raw", "stored", "deflated"):
            path = folder / "document.edxml"
            file = File(number=1, size=size, is_pdf=True, wrapped=wrapped)
            make(path, [file], sender=SENDER, recipient=RECIPIENT)
            ref = await vault.put(_pieces(path))
            riding = PayloadRef.of(path.read_bytes()) if ref.size < 1_000_000 else ref
            took = [await _once(envelopes, vault, riding) for _ in range(rounds)]
            bare = [_limit(path, folder / "limit") for _ in range(rounds)]
            rows.append(
                {
                    "file": f"{name}, {wrapped}",
                    "read_ms": statistics.median(one[0] for one in took),
                    "write_ms": statistics.median(one[1] for one in took),
                    "limit_ms": statistics.median(bare),
                    "goal_ms": goal,
                }
            )
    await vault.close()
    return rows


async def _once(envelopes: EdxmlEnvelopes, vault: FileVault, ref: PayloadRef) -> tuple[float, float]:
    began = time.perf_counter()
    edoc, _ = await envelopes.read(ref)
    read = time.perf_counter()
    assert isinstance(edoc, Edoc)
    rendered = await envelopes.render(edoc, hop=OrganCode("H53.15"), at=datetime.now(UTC), sealed={})
    if rendered.body is not None:
        await vault.put(rendered.body)
    return (read - began) * 1000, (time.perf_counter() - read) * 1000


def _limit(path: Path, out: Path) -> float:
    """The same bytes without anything that understands them: from the file's cache to the disk."""
    body = path.read_bytes()
    text = b64encode(sha256(body).digest() * (len(body) * 3 // 4 // 32))
    began = time.perf_counter()
    sha256(body)
    decoded = pybase64.b64decode(text, validate=True)
    sha256(decoded)
    encoded = pybase64.b64encode(decoded)
    sha256(encoded)
    with out.open("wb", buffering=0) as file:
        file.write(encoded)
        os.fdatasync(file.fileno())
    return (time.perf_counter() - began) * 1000


# --- the running gateway ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Offices:
    """A sender and a recipient: their access, and the channel on which both speak."""

    sender: Mapping[str, Any]
    recipient: Mapping[str, Any]
    http: aiohttp.ClientSession

    async def exchange(self, path: Path, message_id: str) -> dict[str, float]:
        """Bring the document the whole way; seconds by step.  Fails where the bytes are not as they should."""
        steps: dict[str, float] = {}
        with _timed(steps, "upload"):
            async with self.http.post(
                self.sender["http_url"] + "/v1/uploads", data=_pieces(path), headers=_bearer(self.sender)
            ) as response:
                claim = await response.read()
                assert response.status == 201, claim
        incoming = await aio_pika.connect(self.recipient["amqp_url"])
        outgoing = await aio_pika.connect(self.sender["amqp_url"])
        try:
            with _timed(steps, "pass"):
                await self._submit(outgoing, claim, message_id)
                taken = await self._taken(incoming)
        finally:
            await incoming.close()
            await outgoing.close()
        if taken.content_type != CLAIM_TYPE:
            return steps
        with _timed(steps, "fetch"):
            digest, told = sha256(), json.loads(taken.body)
            async with self.http.get(told["href"], headers=_bearer(self.recipient)) as response:
                assert response.status == 200
                async for piece in response.content.iter_any():
                    digest.update(piece)
            assert digest.hexdigest() == told["sha256"]
        return steps

    async def _submit(
        self, connection: aio_pika.abc.AbstractConnection, claim: bytes, message_id: str
    ) -> None:
        channel = await connection.channel()
        exchange = await channel.get_exchange(self.sender["submit_exchange"], ensure=False)
        message = aio_pika.Message(
            claim,
            message_id=message_id,
            user_id=SENDER,
            content_type=CLAIM_TYPE,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await exchange.publish(message, f"{SENDER}.edoc", mandatory=True)

    async def _taken(
        self, connection: aio_pika.abc.AbstractConnection
    ) -> aio_pika.abc.AbstractIncomingMessage:
        channel = await connection.channel()
        queue = await channel.get_queue(self.recipient["deliver_queue"], ensure=False)
        async with queue.iterator(timeout=PASSES_WITHIN_S) as messages:
            async for message in messages:
                await message.ack()
                return message
        raise TimeoutError


async def whole(folder: Path) -> list[dict[str, Any]]:
    """Ten files of 50 MB through the running gateway: not sealed, then with PDFs that are."""
    papers = {
        "10 × 50 MB, not sealed": [_noise(n) for n in range(1, 11)],
        "10 × 50 MB, 5 sealed": [_noise(n, is_pdf=n % 2 == 1) for n in range(1, 11)],
    }
    rows = []
    (folder / "gateway").mkdir()
    async with Stack(folder / "gateway", workers=1) as stack, aiohttp.ClientSession(timeout=_PATIENT) as http:
        await stack.start()
        access = accesses(stack.access_file)
        offices = Offices(sender=access[SENDER], recipient=access[RECIPIENT], http=http)
        path = folder / "document.edxml"
        make(path, [], sender=SENDER, recipient=RECIPIENT)
        await offices.exchange(path, "small")
        for name, files in papers.items():
            size, _ = await asyncio.to_thread(make, path, files, sender=SENDER, recipient=RECIPIENT)
            idle = max(one.now for one in memory() if one.part == "worker")
            forget_peaks()
            steps = await offices.exchange(path, name)
            peaks: dict[str, int] = {}
            for one in memory():
                peaks[one.part] = max(one.peak, peaks.get(one.part, 0))
            rows.append(
                {
                    "document": name,
                    "size": size,
                    "idle": idle,
                    "growth": peaks["worker"] - idle,
                    "peaks": peaks,
                    **steps,
                }
            )
    return rows


_PATIENT = aiohttp.ClientTimeout(total=PASSES_WITHIN_S)


def _noise(number: int, *, is_pdf: bool = False) -> File:
    return File(
        number=number, size=50_000_000, is_pdf=is_pdf, wrapped=("raw", "stored", "deflated")[number % 3]
    )


def _bearer(access: Mapping[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {access['http_token']}"}


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(256 * 1024):
            yield piece


@contextmanager
def _timed(steps: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    steps[name] = time.perf_counter() - began


# --- the report ---------------------------------------------------------------------------------------


def show(told: Mapping[str, Sequence[Mapping[str, Any]]], console: Console) -> None:
    """The figures for people."""
    table = Table(title="One file: read, check, write (ms)")
    for column in ("file", "read + check", "write", "together", "bare limit", "goal"):
        table.add_column(column, justify="left" if column == "file" else "right")
    for row in told["alone"]:
        both = row["read_ms"] + row["write_ms"]
        figures = (row["read_ms"], row["write_ms"], both, row["limit_ms"], row["goal_ms"])
        table.add_row(
            row["file"], *(f"{figure:.2f}" if figure < 10 else f"{figure:.0f}" for figure in figures)
        )
    console.print(table)
    table = Table(title="Through the running gateway")
    for column in (
        "document",
        "MB",
        "upload s",
        "pass s",
        "fetch s",
        "worker idle MB",
        "grows by MB",
        "goal",
    ):
        table.add_column(column, justify="left" if column == "document" else "right")
    for row in told["whole"]:
        goal = f"≤{GROWTH / 1e6:.0f}" if "not" in row["document"] else "one PDF at a time"
        seconds = [f"{row.get(step, 0.0):.1f}" for step in ("upload", "pass", "fetch")]
        memory = [f"{row[name] / 1e6:.0f}" for name in ("idle", "growth")]
        table.add_row(row["document"], f"{row['size'] / 1e6:.0f}", *seconds, *memory, goal)
    console.print(table)


def main() -> None:
    """The command."""
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--var", type=Path, default=Path("var/bench"))
    given = words.parse_args()
    folder = given.var / "streaming"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        told = {"alone": uvloop.run(alone(folder)), "whole": uvloop.run(whole(folder))}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    (given.var / "streaming.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    show(told, Console())


if __name__ == "__main__":
    main()
