"""The port ``Inspector``: judges PDFs in processes that can be ended, each agency with its share of them.

    async with ProcessInspector(vault, Options(trust=Path("config/trust"))) as inspector:
        inspection = await inspector.judge(ref, Acceptance(), share=PartyKey("000.00.16.H53"))

A file that takes too much time or memory costs its process its life and is answered ``refused`` with
the finding ``pdf-too-costly``; its neighbours notice nothing, and the next file finds a new process.

Strategy: two lanes.  In the brisk one a file has a moment; the kernel ends the process of one that takes longer, and
the file is begun anew in the slow lane, whose processes leave the processors to everybody else.  So no file, whosever
it is, holds a brisk place for long or takes the workers' time; and who sends nothing but slow ones goes to the slow
lane at once.  Why so: ``docs/adr/0024-slow-files-give-way.md``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from adapters.inspection.processes import wire
from adapters.inspection.processes.place import Nursery, Place
from adapters.inspection.processes.turns import Turns
from gateway.errors import Unavailable
from gateway.model.envelope import Priority
from gateway.model.finding import Finding, Severity
from gateway.model.ids import PartyKey
from gateway.model.payload import Loose, PayloadRef
from gateway.model.policy import Acceptance
from gateway.model.signature import Inspection, Verdict
from gateway.ports import Vault
from schemas import reasons

_log = structlog.get_logger(__name__)

_PATIENCE = 60
"""So many times ``wall`` a file may take with its rests and its waits for a processor; then it is put off, for that is not its
fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How PDFs are judged, and what one may cost.

    ``workers`` judge at a time, at most ``share`` of them for one party; ``queue`` files of a party may
    wait.  With more than one worker and a share below that, no party can hold up the others.
    ``brisk`` is the processor time after which a file gives way: it goes on in one of ``slow`` more processes, one
    for each party, that work when nobody else does; ``None``: it need not, and there is but one lane.
    ``cpu`` bounds the time of one file, ``wall`` that by the clock without its rests and its waits for a processor,
    ``memory_bytes`` what it may take above an idle process.  ``trust`` is a folder of root certificates,
    ``revocations`` one of CRLs and OCSP answers; both are read again when they change.
    ``unsafe_accept_any_signer`` skips path, dates and revocation: for development only.
    """

    workers: int = 2
    share: int = 1
    queue: int = 256
    brisk: timedelta | None = timedelta(milliseconds=250)
    slow: int = 2
    cpu: timedelta = timedelta(seconds=10)
    wall: timedelta = timedelta(seconds=20)
    memory_bytes: int = 512 * 1024 * 1024
    trust: Path | None = None
    revocations: Path | None = None
    unsafe_accept_any_signer: bool = False
    tasks_per_process: int = 2000
    start_timeout: timedelta = timedelta(seconds=30)
    close_timeout: timedelta = timedelta(seconds=5)


class ProcessInspector:
    """``Inspector`` over a nursery of judging processes.  ``start`` warms it; ``judge`` starts it if need be.

    Raises ``Unavailable`` with ``judge-away`` where no process can be had, ``too-busy`` where too many
    files of the party wait or the machine has no time for one, ``draining`` once it closes.
    """

    def __init__(self, vault: Vault, options: Options | None = None) -> None:
        self._vault = vault
        self._options = options or Options()
        self._nursery = _nursery(self._options)
        self._first = [Place(self._nursery) for _ in range(max(1, self._options.workers))]
        self._first_turns = Turns(self._first, share=max(1, self._options.share), queue=self._options.queue)
        # Born when they are needed: most gateways never are.
        self._slow = [Place(self._nursery, gives_way=True) for _ in range(max(1, self._options.slow))]
        self._slow_turns = Turns(self._slow, share=1, queue=self._options.queue)
        self._dawdlers: set[PartyKey] = set()
        self._is_closed = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Have every process ready, so that the first judgement takes no longer than the others."""
        if self._options.unsafe_accept_any_signer:
            _log.warning(
                "any signer is accepted: signatures prove integrity only", option="unsafe_accept_any_signer"
            )
        await asyncio.gather(*(place.ready() for place in self._first))

    async def close(self) -> None:
        """End everything within ``close_timeout``; what runs is answered ``Unavailable("draining")``."""
        self._is_closed = True
        self._first_turns.close()
        self._slow_turns.close()
        for place in (*self._first, *self._slow):
            place.interrupt()
        await self._nursery.close()
        for place in (*self._first, *self._slow):
            if not place.is_asking:
                place.drop()

    async def judge(
        self,
        ref: PayloadRef,
        policy: Acceptance,
        *,
        share: PartyKey,
        priority: Priority = Priority.ORDINARY,
        name: str = "",
    ) -> Inspection:
        """What is in the file and what its signatures are worth; see the port."""
        if self._is_closed:
            raise Unavailable("draining")
        if ref.size > policy.max_bytes:
            return _refused("pdf-too-large", name, f"{ref.size} bytes, {policy.max_bytes} at most", 0.0)
        # A large file is read by the process that judges it; it never is in our memory.
        body = ref.loose if ref.loose is not None and ref.body is None else await self._vault.read(ref)
        order = wire.encode_order(name, policy)
        brisk = self._options.brisk
        if brisk is None:
            async with self._first_turns.place(share, priority) as place:
                return await self._judge_at(place, order, body, name)
        # Whose last file was slow does not take a moment of the brisk lane with each; what is urgent may try.
        if share not in self._dawdlers or priority.is_urgent:
            async with self._first_turns.place(share, priority) as place:
                inspection = await self._glance_at(place, order, body, brisk)
            if inspection is not None:
                return inspection
            self._dawdlers.add(share)
        async with self._slow_turns.place(share, priority) as place:
            began = time.monotonic()
            inspection = await self._judge_at(place, order, body, name)
        if time.monotonic() - began < brisk.total_seconds():
            self._dawdlers.discard(share)
        return inspection

    async def check(self) -> str:
        """``ok``, or one sentence that says why nothing can be judged."""
        if self._is_closed:
            return "the inspector is closed"
        if not self._first_turns.has_free:
            return "ok"  # all are at work: that is an answer, and it must not wait behind them
        try:
            async with asyncio.timeout(self._options.start_timeout.total_seconds()):
                for place in self._first:
                    await place.ready()
        except (Unavailable, TimeoutError) as exc:
            return f"no judging process: {exc}"
        return "ok"

    async def _glance_at(
        self, place: Place, order: bytes, body: bytes | Loose, brisk: timedelta
    ) -> Inspection | None:
        """The answer, where a moment is enough for it."""
        await place.ready()
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._options.wall.total_seconds()):
                return await place.ask(order, body, brisk)
        except (TimeoutError, OSError, EOFError, ValueError) as exc:
            place.drop()
            if self._is_closed:
                raise Unavailable("draining") from exc
            if (elapsed := time.monotonic() - began) < brisk.total_seconds():
                _log.warning("a judging process died", elapsed_ms=round(elapsed * 1000))
            return None
        except asyncio.CancelledError:
            place.drop()  # its answer would be taken for that of the next file
            raise

    async def _judge_at(self, place: Place, order: bytes, body: bytes | Loose, name: str) -> Inspection:
        for is_last in (False, True):
            await place.ready()
            began = time.monotonic()
            try:
                async with self._patience(place):
                    return await place.ask(order, body, self._options.cpu)
            except TimeoutError as exc:
                place.drop()
                elapsed = time.monotonic() - began
                if elapsed >= self._longest_s:
                    raise Unavailable("too-busy", "the machine has no time for a slow file") from exc
                return _too_costly(name, "it took too long", elapsed)
            except (OSError, EOFError, ValueError) as exc:
                place.drop()
                elapsed = time.monotonic() - began
                if self._is_closed:
                    raise Unavailable("draining") from exc
                if elapsed >= self._options.cpu.total_seconds():
                    return _too_costly(name, "it took too much processor time", elapsed)
                # the process may have died of something else (an operator, the kernel short of memory): once more
                if is_last:
                    return _too_costly(name, "it ended the process that judged it", elapsed)
                _log.warning("a judging process died", elapsed_ms=round(elapsed * 1000))
            except asyncio.CancelledError:
                place.drop()  # its answer would be taken for that of the next file
                raise
        raise AssertionError("the second attempt answers")

    @property
    def _longest_s(self) -> float:
        return _PATIENCE * self._options.wall.total_seconds()

    @asynccontextmanager
    async def _patience(self, place: Place) -> AsyncIterator[None]:
        """Raises ``TimeoutError`` once the process at *place* has had ``wall`` beside its rests and its waits for a processor,
        or far longer with them: others may have left it none."""
        loop = asyncio.get_running_loop()
        began, excused = loop.time(), place.excused_s
        wall = self._options.wall.total_seconds()
        next_look: asyncio.TimerHandle
        async with asyncio.timeout(None) as limit:

            def look() -> None:
                nonlocal next_look
                until = began + min(wall + place.excused_s - excused, self._longest_s)
                if until <= loop.time():
                    limit.reschedule(until)
                else:
                    next_look = loop.call_at(until, look)

            next_look = loop.call_at(began + wall, look)
            try:
                yield
            finally:
                next_look.cancel()


def _nursery(options: Options) -> Nursery:
    bounds = wire.Bounds(
        memory_bytes=options.memory_bytes,
        trust=_path(options.trust),
        revocations=_path(options.revocations),
        unsafe_accept_any_signer=options.unsafe_accept_any_signer,
        tasks=options.tasks_per_process,
    )
    return Nursery(bounds, start_timeout=options.start_timeout, close_timeout=options.close_timeout)


def _path(folder: Path | None) -> str:
    return str(folder.absolute()) if folder is not None else ""


def _too_costly(name: str, detail: str, elapsed_s: float) -> Inspection:
    return _refused("pdf-too-costly", name, detail, elapsed_s)


def _refused(code: str, name: str, detail: str, elapsed_s: float) -> Inspection:
    entry = reasons()[code]
    finding = Finding(
        code=code,
        severity=Severity.ERROR,
        where=name,
        detail=detail,
        message=entry.en,
        message_vi=entry.vi,
    )
    return Inspection(verdict=Verdict.REFUSED, findings=(finding,), elapsed_ms=round(elapsed_s * 1000, 3))
