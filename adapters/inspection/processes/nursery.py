"""The process in which judging processes are born, and what each of them does.

Strategy: one small process loads the heavy libraries once and then only forks.  It is never busy, so it
sees at once when the gateway is gone (its control socket ends) and goes too; its children are killed by
the kernel when it goes (``PR_SET_PDEATHSIG``), whatever they are computing.  A child reads one file at
a time from its own socket, under limits of CPU time and memory that the kernel keeps.

Why not a process pool from a library: ``multiprocessing``'s fork server is held alive by its own
children, so a runaway survives the gateway; pebble's pool breaks for all when one idle worker dies; both
unpickle in the gateway what comes from the process that reads hostile bytes.

Orders on the control socket: ``fork`` (with the child's end of a socket pair, and its sheet), ``fork low`` (likewise;
the child gives way to everybody else) and ``kill PID``.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from adapters.inspection.judge import Options, judge
from adapters.inspection.processes import wire
from adapters.inspection.processes.sheet import SIZE, Sheet
from adapters.limits import GIVES_WAY, allow_cpu, give_way, leave_no_dump, restrict
from adapters.processors import leave_half
from adapters.resting import resting
from gateway.model.signature import Inspection

Meanwhile = Callable[[], AbstractContextManager[None]]
"""What a process does while it judges one file."""

_PR_SET_PDEATHSIG = 1
_BLANK_PDF = (
    b"%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n"
    b"2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n"
    b"3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>\nendobj\n"
    b"xref\n0 4\n0000000000 65535 f \n0000000009 00000 n \n0000000054 00000 n \n0000000105 00000 n \n"
    b"trailer\n<</Size 4/Root 1 0 R>>\nstartxref\n170\n%%EOF\n"
)


def main() -> None:
    """Serve the control socket that was handed over by number, until it ends."""
    control = socket.socket(fileno=int(sys.argv[1]))
    bounds = wire.Bounds.decoded(sys.argv[2])
    leave_no_dump()
    # a Ctrl-C goes to the whole group: the gateway decides when we go
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    warnings.simplefilter("ignore")  # libraries warn of odd files; our findings say what matters
    judge(_BLANK_PDF, _options(bounds))  # whatever loads late, loads now
    gc.collect()
    gc.freeze()
    children: set[int] = set()
    while True:
        try:
            order, handed, _, _ = socket.recv_fds(control, 64, 2)
        except OSError:
            break
        _reap(children)
        if not order:
            break
        if order in (wire.FORK, wire.FORK_LOW) and len(handed) == 2:
            child = os.fork()
            if child == 0:
                control.close()
                if order == wire.FORK_LOW:
                    give_way(GIVES_WAY)
                    leave_half()
                meanwhile = resting if order == wire.FORK_LOW else nullcontext
                _live(socket.socket(fileno=handed[0]), handed[1], bounds, meanwhile)
            children.add(child)
            for descriptor in handed:
                os.close(descriptor)
        elif order.startswith(b"kill ") and (pid := int(order[5:])) in children:
            os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    for pid in children:
        os.waitpid(pid, 0)


def _reap(children: set[int]) -> None:
    while children:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        children.discard(pid)


def _live(line: socket.socket, sheet: int, bounds: wire.Bounds, meanwhile: Meanwhile) -> None:
    """A child's whole life; never returns."""
    try:
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            restrict(bounds.memory_bytes)
            _serve(line, Sheet.at(sheet), bounds, meanwhile)
    finally:
        os._exit(0)


def _serve(line: socket.socket, sheet: Sheet, bounds: wire.Bounds, meanwhile: Meanwhile) -> None:
    line.sendall(wire.HELLO.pack(os.getpid()))
    options = _options(bounds)
    for _ in range(bounds.tasks):
        head, handed, _, _ = socket.recv_fds(line, wire.REQUEST.size, 1)
        more = _read(line, wire.REQUEST.size - len(head)) if head else None
        if more is None:
            return
        order_size, body_size, cpu_s = wire.REQUEST.unpack(head + more)
        allow_cpu(cpu_s)
        with meanwhile():
            inspection, is_spent = _judged(line, sheet, order_size, body_size, handed, options)
        answer = wire.encode_inspection(inspection)
        line.sendall(wire.ANSWER.pack(len(answer)) + answer)
        if is_spent:
            return  # memory that was once short stays in pieces: the next file gets a new process


def _judged(
    line: socket.socket,
    sheet: Sheet,
    order_size: int,
    body_size: int,
    handed: Sequence[int],
    options: Options,
) -> tuple[Inspection, bool]:
    name, acceptance = wire.decode_order(bytes(_read(line, order_size) or b"{}"))
    if body_size == wire.HANDED:
        with open(handed[0], "rb", buffering=0) as file:
            body = file.readall()
    elif body_size <= SIZE:
        body = sheet.read(body_size)
    else:
        body = bytes(_read(line, body_size) or b"")
    inspection = judge(
        body,
        Options(
            trust=options.trust,
            revocations=options.revocations,
            unsafe_accept_any_signer=options.unsafe_accept_any_signer,
            acceptance=acceptance,
        ),
        name=name,
    )
    return inspection, any(f.code == "pdf-too-costly" for f in inspection.findings)


def _options(bounds: wire.Bounds) -> Options:
    return Options(
        trust=Path(bounds.trust) if bounds.trust else None,
        revocations=Path(bounds.revocations) if bounds.revocations else None,
        unsafe_accept_any_signer=bounds.unsafe_accept_any_signer,
    )


def _read(line: socket.socket, size: int) -> bytearray | None:
    whole = bytearray(size)
    view, at = memoryview(whole), 0
    while at < size:
        got = line.recv_into(view[at:])
        if got == 0:
            return None
        at += got
    return whole


if __name__ == "__main__":
    main()
