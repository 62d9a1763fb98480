"""The port ``Inspector``: judges PDFs in processes that can be ended, each agency with its share of them.

    async with ProcessInspector(vault, Options(trust=Path("config/trust"))) as inspector:
        inspection = await inspector.judge(ref, Acceptance(), share=PartyKey("000.00.16.H53"))

A file that takes too much time or memory costs its process its life and is answered ``refused`` with
the finding ``pdf-too-costly``; its neighbours notice nothing, and the next file finds a new process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from adapters.inspection.processes import wire
from adapters.inspection.processes.sheet import SIZE, Sheet
from adapters.inspection.processes.turns import Turns
from gateway.errors import Unavailable
from gateway.model.finding import Finding, Severity
from gateway.model.ids import PartyKey
from gateway.model.payload import Loose, PayloadRef
from gateway.model.policy import Acceptance
from gateway.model.signature import Inspection, Verdict
from gateway.ports import Vault
from schemas import reasons

_log = structlog.get_logger(__name__)
_PIECE = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How PDFs are judged, and what one may cost.

    ``workers`` judge at a time, at most ``share`` of them for one party; ``queue`` files of a party may
    wait.  With more than one worker and a share below that, no party can hold up the others.  ``cpu`` and
    ``wall`` bound the time of one file, ``memory_bytes`` what it may take above an idle process.  ``trust``
    is a folder of root certificates, ``revocations`` one of CRLs and OCSP answers; both are read again when
    they change.
    ``unsafe_accept_any_signer`` skips path, dates and revocation: for development only.
    """

    workers: int = 2
    share: int = 1
    queue: int = 256
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
    files of the party wait, ``draining`` once it closes.
    """

    def __init__(self, vault: Vault, options: Options | None = None) -> None:
        self._vault = vault
        self._options = options or Options()
        self._nursery = _Nursery(self._options)
        self._places = [_Place(self._nursery, self._options) for _ in range(max(1, self._options.workers))]
        self._turns = Turns(self._places, share=max(1, self._options.share), queue=self._options.queue)
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
        await asyncio.gather(*(place.ready() for place in self._places))

    async def close(self) -> None:
        """End everything within ``close_timeout``; what runs is answered ``Unavailable("draining")``."""
        self._is_closed = True
        self._turns.close()
        for place in self._places:
            place.interrupt()
        await self._nursery.close()
        for place in self._places:
            if not place.is_asking:
                place.drop()

    async def judge(
        self, ref: PayloadRef, policy: Acceptance, *, share: PartyKey, name: str = ""
    ) -> Inspection:
        """What is in the file and what its signatures are worth; see the port."""
        if self._is_closed:
            raise Unavailable("draining")
        if ref.size > policy.max_bytes:
            return _refused("pdf-too-large", name, f"{ref.size} bytes, {policy.max_bytes} at most", 0.0)
        # A large file is read by the process that judges it; it never is in our memory.
        body = ref.loose if ref.loose is not None and ref.body is None else await self._vault.read(ref)
        order = wire.encode_order(name, policy)
        place = await self._turns.take(share)
        try:
            return await self._judge_at(place, order, body, name)
        finally:
            self._turns.give_back(place, share)

    async def check(self) -> str:
        """``ok``, or one sentence that says why nothing can be judged."""
        if self._is_closed:
            return "the inspector is closed"
        if not self._turns.has_free:
            return "ok"  # all are at work: that is an answer, and it must not wait behind them
        try:
            async with asyncio.timeout(self._options.start_timeout.total_seconds()):
                for place in self._places:
                    await place.ready()
        except (Unavailable, TimeoutError) as exc:
            return f"no judging process: {exc}"
        return "ok"

    async def _judge_at(self, place: _Place, order: bytes, body: bytes | Loose, name: str) -> Inspection:
        for is_last in (False, True):
            await place.ready()
            began = time.monotonic()
            try:
                async with asyncio.timeout(self._options.wall.total_seconds()):
                    return await place.ask(order, body)
            except TimeoutError:
                place.drop()
                return _too_costly(name, "it took too long", time.monotonic() - began)
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


class _Nursery:
    """The process that bears the judging processes; started when first needed, again when it is gone."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._lock = asyncio.Lock()
        self._is_closed = False

    async def bear(self, sheet: Sheet) -> tuple[socket.socket, int]:
        """A new process, which reads from *sheet*: our end of its line, and its process id."""
        async with asyncio.timeout(self._options.start_timeout.total_seconds()):
            for is_last in (False, True):
                ours, theirs = socket.socketpair()
                try:
                    async with self._lock:
                        await self._started()
                        if self._control is None:
                            raise Unavailable("draining")
                        socket.send_fds(self._control, [b"fork"], [theirs.fileno(), sheet.fileno()])
                    theirs.close()
                    ours.setblocking(False)
                    hello = await _read(ours, wire.HELLO.size)
                    return ours, int(wire.HELLO.unpack(hello)[0])
                except (OSError, EOFError) as exc:
                    ours.close()
                    theirs.close()
                    self._forget()
                    if is_last:
                        raise Unavailable("judge-away", "no judging process can be started") from exc
                except BaseException:
                    ours.close()
                    theirs.close()
                    raise
        raise AssertionError("the second attempt answers")

    def kill(self, pid: int) -> None:
        """End the process *pid*, if it is still ours."""
        if self._control is not None:
            try:
                self._control.send(b"kill %d" % pid)
            except OSError:
                self._forget()

    async def close(self) -> None:
        """End the nursery, and with it every process that it bore."""
        self._is_closed = True
        process = self._process
        self._forget()
        if process is None:
            return
        try:
            await asyncio.to_thread(process.wait, self._options.close_timeout.total_seconds())
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)

    async def _started(self) -> None:
        if self._is_closed:
            raise Unavailable("draining")
        if self._process is not None and self._process.poll() is None and self._control is not None:
            return
        self._forget()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        bounds = wire.Bounds(
            cpu=self._options.cpu,
            memory_bytes=self._options.memory_bytes,
            trust=_path(self._options.trust),
            revocations=_path(self._options.revocations),
            unsafe_accept_any_signer=self._options.unsafe_accept_any_signer,
            tasks=self._options.tasks_per_process,
        )
        try:
            self._process = await asyncio.to_thread(_spawn, theirs, bounds)
        except OSError as exc:
            ours.close()
            raise Unavailable("judge-away", "the nursery cannot be started") from exc
        finally:
            theirs.close()
        self._control = ours

    def _forget(self) -> None:
        if self._control is not None:
            self._control.close()  # the nursery reads the end of its orders, and goes
            self._control = None


class _Place:
    """Where one file at a time is judged: a process, exchanged when it was lost."""

    def __init__(self, nursery: _Nursery, options: Options) -> None:
        self._nursery = nursery
        self._options = options
        self._line: socket.socket | None = None
        self._sheet: Sheet | None = None
        self._pid = 0
        self._lock = asyncio.Lock()
        self.is_asking = False

    @property
    def pid(self) -> int:
        """The process id, 0 where there is none now."""
        return self._pid if self._line is not None else 0

    async def ready(self) -> None:
        """Have a living process here."""
        async with self._lock:
            if self._line is not None and not _has_ended(self._line):
                return
            self.drop()
            try:
                sheet = Sheet.new()
            except OSError as exc:
                raise Unavailable("judge-away", exc.strerror or "no memory") from exc
            try:
                self._line, self._pid = await self._nursery.bear(sheet)
                self._sheet = sheet
            except TimeoutError as exc:
                raise Unavailable("judge-away", "no judging process came up in time") from exc
            finally:
                if self._sheet is not sheet:
                    sheet.close()

    async def ask(self, order: bytes, body: bytes | Loose) -> Inspection:
        """Send a file, read the answer; raises ``OSError``, ``EOFError`` or ``ValueError`` where it fails."""
        line, sheet = self._line, self._sheet
        if line is None or sheet is None:
            raise EOFError
        self.is_asking = True
        try:
            return await self._asked(line, sheet, order, body)
        finally:
            self.is_asking = False

    async def _asked(
        self, line: socket.socket, sheet: Sheet, order: bytes, body: bytes | Loose
    ) -> Inspection:
        loop = asyncio.get_running_loop()
        if isinstance(body, bytes):
            if len(body) <= SIZE:
                sheet.lay(body)
            await loop.sock_sendall(line, wire.REQUEST.pack(len(order), len(body)) + order)
            if len(body) > SIZE:
                await loop.sock_sendall(line, body)
        else:
            _hand_over(line, wire.REQUEST.pack(len(order), wire.HANDED), body)
            await loop.sock_sendall(line, order)
        answer = await _read(line, wire.ANSWER.size, _PIECE)
        (size,) = wire.ANSWER.unpack(answer[: wire.ANSWER.size])
        if size > wire.MAX_ANSWER:
            raise ValueError("the answer is too long")
        answer = answer[wire.ANSWER.size :]
        return wire.decode_inspection(answer + await _read(line, size - len(answer)))

    def interrupt(self) -> None:
        """Let whoever waits for an answer read the end; the line is still theirs to close."""
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)

    def drop(self) -> None:
        """End the process that is here, whatever it is doing; not while somebody else waits for its answer."""
        if self._line is not None:
            self._line.close()
            self._line = None
            self._nursery.kill(self._pid)
        if self._sheet is not None:
            self._sheet.close()
            self._sheet = None


def _path(folder: Path | None) -> str:
    return str(folder.absolute()) if folder is not None else ""


def _spawn(control: socket.socket, bounds: wire.Bounds) -> subprocess.Popen[bytes]:
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    return subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-m",
            "adapters.inspection.processes.nursery",
            str(control.fileno()),
            bounds.encoded(),
        ],
        pass_fds=[control.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=environment,
    )


def _hand_over(line: socket.socket, head: bytes, file: Loose) -> None:
    """Send *head* and with it a descriptor of *file* that can be read and no more."""
    descriptor = os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if socket.send_fds(line, [head], [descriptor]) != len(head):  # the line is empty between two files
            raise BlockingIOError
    finally:
        os.close(descriptor)


async def _read(line: socket.socket, size: int, most: int = 0) -> bytes:
    """*size* bytes, and of what has come besides as much as makes *most*."""
    loop = asyncio.get_running_loop()
    pieces: list[bytes] = []
    while size > 0:
        piece = await loop.sock_recv(line, min(max(size, most), _PIECE))
        if not piece:
            raise EOFError
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _has_ended(line: socket.socket) -> bool:
    try:
        return not line.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True


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
