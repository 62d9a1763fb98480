"""Judging as the gateway does it, one file at a time, with an eye on what it takes."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from adapters.files import InHand
from adapters.inspection.processes.inspector import Options, ProcessInspector
from gateway.model.ids import PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.policy import Acceptance
from gateway.model.signature import Inspection

_SHARE = PartyKey("corpus")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A verdict and its price: seconds by the clock, and mebibytes resident (0 where the process is gone)."""

    inspection: Inspection
    seconds: float
    peak_mib: float


class Lane:
    """One judging process, begun with the first file, and anew where a file ended it."""

    _starting = asyncio.Lock()

    def __init__(self, *, trust: Path | None, accepts_any_signer: bool) -> None:
        self._inspector = ProcessInspector(
            InHand(), Options(workers=1, brisk=None, trust=trust, unsafe_accept_any_signer=accepts_any_signer)
        )
        self._nurseries: frozenset[int] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._inspector.close()

    async def judge(self, body: bytes | None, size: int, name: str) -> Judged:
        """What the file is worth."""
        ref = PayloadRef.of(body) if body is not None else PayloadRef(sha256="", size=size)
        for pid in await self._processes():
            _forget_peak(pid)
        began = time.monotonic()
        inspection = await self._inspector.judge(ref, Acceptance(), share=_SHARE, name=name)
        seconds = time.monotonic() - began
        return Judged(
            inspection=inspection,
            seconds=seconds,
            peak_mib=max((_peak_mib(pid) for pid in await self._processes()), default=0.0),
        )

    async def _processes(self) -> set[int]:
        """The judging processes of this lane; the first call starts them."""
        if self._nurseries is None:
            async with self._starting:  # what is born meanwhile is ours
                others = _children(os.getpid())
                await self._inspector.start()
                self._nurseries = frozenset(_children(os.getpid()) - others)
        return {child for nursery in self._nurseries for child in _children(nursery)}


def _children(pid: int) -> set[int]:
    found: set[int] = set()
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):  # a child is its thread's
        try:
            found.update(int(child) for child in thread.read_text().split())
        except OSError:
            continue
    return found


def _forget_peak(pid: int) -> None:
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    except OSError:
        return  # its peak is then that of all files so far: an upper bound


def _peak_mib(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except (OSError, ValueError):
        pass
    return 0.0
