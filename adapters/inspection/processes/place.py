"""The gateway's side of the judging processes: who bears them, and the place where each has one file at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from adapters.inspection.processes import wire
from adapters.inspection.processes.line import Line
from adapters.inspection.processes.sheet import SIZE, Sheet
from adapters.processors import as_we_began
from adapters.resting import RESTS_AT_MOST
from gateway.errors import Unavailable
from gateway.model.payload import Loose
from gateway.model.signature import Inspection


class Nursery:
    """The process that bears the judging processes; started when first needed, again when it is gone."""

    def __init__(self, bounds: wire.Bounds, *, start_timeout: timedelta, close_timeout: timedelta) -> None:
        self._bounds = bounds
        self._start_timeout = start_timeout
        self._close_timeout = close_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._lock = asyncio.Lock()
        self._is_closed = False

    async def bear(self, sheet: Sheet, *, gives_way: bool) -> tuple[Line, int]:
        """A new process, which reads from *sheet* and, where it *gives_way*, leaves the processors to others: our end
        of its line, and its process id."""
        order = wire.FORK_LOW if gives_way else wire.FORK
        async with asyncio.timeout(self._start_timeout.total_seconds()):
            for is_last in (False, True):
                ours, theirs = socket.socketpair()
                try:
                    async with self._lock:
                        await self._started()
                        if self._control is None:
                            raise Unavailable("draining")
                        socket.send_fds(self._control, [order], [theirs.fileno(), sheet.fileno()])
                    theirs.close()
                    ours.setblocking(False)
                    hello = await asyncio.get_running_loop().sock_recv(ours, wire.HELLO.size)
                    if len(hello) < wire.HELLO.size:
                        raise EOFError
                    return Line(ours), int(wire.HELLO.unpack(hello)[0])
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
            await asyncio.to_thread(process.wait, self._close_timeout.total_seconds())
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
        try:
            self._process = await asyncio.to_thread(_spawn, theirs, self._bounds)
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


class Place:
    """Where one file at a time is judged: a process, exchanged when it was lost.  One that *gives_way* works when
    others leave it a processor."""

    def __init__(self, nursery: Nursery, *, gives_way: bool = False) -> None:
        self._nursery = nursery
        self._gives_way = gives_way
        self._rests = RESTS_AT_MOST if gives_way else 0.0
        self._line: Line | None = None
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
            if self._line is not None and not self._line.has_ended:
                return
            self.drop()
            try:
                sheet = Sheet.new()
            except OSError as exc:
                raise Unavailable("judge-away", exc.strerror or "no memory") from exc
            try:
                self._line, self._pid = await self._nursery.bear(sheet, gives_way=self._gives_way)
                self._sheet = sheet
            except TimeoutError as exc:
                raise Unavailable("judge-away", "no judging process came up in time") from exc
            finally:
                if self._sheet is not sheet:
                    sheet.close()

    @property
    def excused_s(self) -> float:
        """What is nobody's fault of the life of the process that is here: how long it has waited for a processor, and may have
        rested for the work that it has done; 0 where nobody counts it."""
        try:
            # spec: Linux Documentation/scheduler/sched-stats.rst - time spent on the cpu, time spent waiting on a
            # runqueue (both in nanoseconds)
            worked, waited, _ = Path(f"/proc/{self._pid}/schedstat").read_text().split()
            return (int(waited) + self._rests * int(worked)) / 1e9
        except (OSError, ValueError):
            return 0.0

    async def ask(self, order: bytes, body: bytes | Loose, cpu: timedelta) -> Inspection:
        """Send a file that may cost *cpu*, read the answer; raises ``OSError``, ``EOFError`` or ``ValueError`` where
        it fails."""
        line, sheet = self._line, self._sheet
        if line is None or sheet is None:
            raise EOFError
        self.is_asking = True
        try:
            return await self._asked(line, sheet, order, body, cpu.total_seconds())
        finally:
            self.is_asking = False

    async def _asked(
        self, line: Line, sheet: Sheet, order: bytes, body: bytes | Loose, cpu_s: float
    ) -> Inspection:
        if not isinstance(body, bytes):
            line.send_with(wire.REQUEST.pack(len(order), wire.HANDED, cpu_s), body)
            await line.send(order)
        elif len(body) > SIZE:
            await line.send(wire.REQUEST.pack(len(order), len(body), cpu_s) + order, body)
        else:
            sheet.lay(body)
            await line.send(wire.REQUEST.pack(len(order), len(body), cpu_s) + order)
        return wire.decode_inspection(await line.answer())

    def interrupt(self) -> None:
        """Let whoever waits for an answer read the end; the line is still theirs to close."""
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.interrupt()

    def drop(self) -> None:
        """End the process that is here, whatever it is doing; not while somebody else waits for its answer."""
        if self._line is not None:
            self._line.close()
            self._line = None
            self._nursery.kill(self._pid)
        if self._sheet is not None:
            self._sheet.close()
            self._sheet = None


def _spawn(control: socket.socket, bounds: wire.Bounds) -> subprocess.Popen[bytes]:
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    with as_we_began():
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
