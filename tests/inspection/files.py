"""Signed files that several tests share (made once per run), and the shelf from which they are read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from adapters.inspection.judge import Options
from gateway.model.payload import PayloadRef
from tests.pki import NOW, Credential, pki
from tests.signing.pdfs import a_pdf, signed


class Shelf:
    """The one method of a vault that an inspector calls."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def lay(self, body: bytes) -> PayloadRef:
        """Keep *body*; its reference carries no bytes."""
        ref = PayloadRef.of(body).bare()
        self.kept[ref.sha256] = body
        return ref

    async def read(self, ref: PayloadRef) -> bytes:
        return ref.body if ref.body is not None else self.kept[ref.sha256]

    async def put(self, chunks: AsyncIterator[bytes] | bytes | PayloadRef) -> PayloadRef:
        assert isinstance(chunks, bytes)
        return self.lay(chunks)

    async def open(self, ref: PayloadRef, *, start: int = 0) -> AsyncIterator[bytes]:
        yield (await self.read(ref))[start:]


def made(waiting: Coroutine[Any, Any, bytes]) -> bytes:
    """What *waiting* gives, also for a caller that has a loop of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, waiting).result()


@cache
def leader() -> Credential:
    """One leader for the whole run."""
    return pki().leader()


@cache
def signed_by_leader() -> bytes:
    """One signature, by the leader, whose chain ends in our test root."""
    return made(signed(a_pdf(), leader()))


@cache
def signed_and_sealed() -> bytes:
    """A leader's signature, and an agency's after it."""
    agency = pki().agency("000.00.13.H53", "Sở Thông tin và Truyền thông")
    return made(signed(signed_by_leader(), agency, field="Seal"))


@cache
def signed_by_stranger() -> bytes:
    """A signature whose certificate leads to nobody."""
    return made(signed(a_pdf(), pki().stranger("stranger")))


def write_root(folder: Path) -> Path:
    """A folder of trusted roots that holds ours."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "root.pem").write_bytes(pki().root.public_bytes(Encoding.PEM))
    return folder


def trusting(folder: Path) -> Options:
    """Options that believe our test root, at the instant that tests live in."""
    return Options(trust=write_root(folder), moment=NOW)
