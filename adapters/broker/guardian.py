"""A small process that ends what it started when whoever started it is gone, however that happened.

Strategy: the owner starts this file as a program of its own session and keeps the write end of its
standard input.  Two lines come from there (JSON): which folder, then which parts to run; after that, the
end of input means "stop".  The kernel closes that pipe whatever kills the owner; a handle on the owner's process (pidfd) tells the same where a
forked child still holds the pipe.  Each part runs in its own session and asks the kernel for a signal
should the guardian itself be killed.  What even that leaves behind is in the state file, with the start
time of each process, so that the next start can end it without ever hitting a stranger.

Standard library only, so that it starts in 50 ms and needs no import path.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import pwd
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

_PR_SET_PDEATHSIG = 1
_LEFTOVER_GRACE_S = 10.0
_FAREWELL_S = 2.0
_POLL_S = 0.02


def main() -> int:
    """Serve one owner to its end; the exit code is 0 after a stop that was asked for."""
    # The broker holds documents: neither it nor what belongs to it leaves a core dump.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # 1. The folder: whatever an earlier owner left there is ended before anything else is decided.
    order = _next_order()
    if order is None:
        return 0
    owner = os.getppid()
    wakeup = _wake_on_termination()
    state = Path(order["state"])
    lock = _take_lock(Path(order["lock"]), state, float(order["lock_wait_s"]))
    if lock is None:
        _tell({"in_use": True})
        return 75
    with lock:
        end_leftovers(state)
        _tell({"locked": True})

        # 2. The parts.
        order = _next_order()
        return 0 if order is None else _serve(order["parts"], owner, wakeup, state)


def _serve(orders: Sequence[Mapping[str, Any]], owner: int, wakeup: int, state: Path) -> int:
    parts: list[tuple[Mapping[str, Any], subprocess.Popen[bytes]]] = []
    try:
        for part in orders:
            parts.append((part, _start(part)))
            _write_state(state, owner, parts)
        _tell({"pids": {part["name"]: process.pid for part, process in parts}})
        return 0 if _watch(owner, wakeup, [process for _, process in parts]) else 1
    finally:
        for part, process in reversed(parts):
            _stop(process, part)
        state.unlink(missing_ok=True)


def started_at(pid: int) -> str | None:
    """When *pid* started, as text that no other process ever shares on this machine; ``None`` if not alive."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in brackets may itself hold brackets and blanks: count the fields behind the last one.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    return f"{boot}/{fields[19]}"


def end_leftovers(state: Path) -> list[int]:
    """End the processes that *state* names and that are still the very same; returns their ids."""
    recorded = _read_state(state)
    ended: list[int] = []
    for process in reversed(recorded.get("parts", [])):
        pid = int(process["pid"])
        if started_at(pid) != process["started"]:
            continue
        ended.append(pid)
        _signal_group(pid, signal.SIGTERM)
        deadline = time.monotonic() + _LEFTOVER_GRACE_S
        while started_at(pid) == process["started"] and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        _signal_group(pid, signal.SIGKILL)
    return ended


def _take_lock(path: Path, state: Path, wait_s: float) -> TextIO | None:
    """The lock on a folder, held while its processes run.

    A guardian whose owner died is still clearing up: that is waited for, a living owner is not.
    """
    deadline = time.monotonic() + wait_s
    lock = path.open("a")
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            owner: dict[str, Any] = _read_state(state).get("owner", {"pid": 0, "started": ""})
            is_ours = int(owner["pid"]) == os.getppid()
            lives = started_at(int(owner["pid"])) == owner["started"]
            if (lives and not is_ours) or time.monotonic() > deadline or _end_of_input(_POLL_S):
                lock.close()
                return None


def _start(part: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    user: str | None = part.get("user")
    identity: dict[str, Any] = {}
    if user is not None:
        entry = pwd.getpwnam(user)
        identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    libc = ctypes.CDLL(None, use_errno=True)
    guardian = os.getpid()

    def prepare() -> None:
        # Else each of its threads pushes a worker aside for an instant, fifty times for each document.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        # After the change of user, which would clear it.  The guardian has one thread, so the kernel's
        # "parent thread" is the guardian.
        libc.prctl(_PR_SET_PDEATHSIG, getattr(signal, f"SIG{part['signal']}"), 0, 0, 0)
        if os.getppid() != guardian:
            os._exit(1)

    with Path(part["output"]).open("ab") as output:
        return subprocess.Popen(
            part["argv"],
            env=part["env"],
            cwd=part["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=prepare,
            **identity,
        )


def _watch(owner: int, wakeup: int, processes: Sequence[subprocess.Popen[bytes]]) -> bool:
    """Wait; ``True`` when the owner asked or is gone, ``False`` when a part ended by itself."""
    poll = select.poll()
    poll.register(sys.stdin.fileno(), select.POLLIN | select.POLLHUP)
    poll.register(wakeup, select.POLLIN)
    with contextlib.suppress(OSError, AttributeError):
        poll.register(os.pidfd_open(owner), select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll(1000)}
        if os.getppid() != owner:
            return True
        if sys.stdin.fileno() in ready and os.read(sys.stdin.fileno(), 4096) == b"":
            return True
        if wakeup in ready and signal.SIGTERM in os.read(wakeup, 4096):
            return True
        if any(_has_ended(process) for process in processes):
            return False


def _next_order() -> dict[str, Any] | None:
    """The next line of standard input, read to the byte, so that what follows is still there to be polled."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(sys.stdin.fileno(), 1)
        if not byte:
            return None
        line += byte
    order: dict[str, Any] = json.loads(line)
    return order


def _end_of_input(within_s: float) -> bool:
    ready, _, _ = select.select([sys.stdin], [], [], within_s)
    return bool(ready) and os.read(sys.stdin.fileno(), 4096) == b""


def _stop(process: subprocess.Popen[bytes], part: Mapping[str, Any]) -> None:
    if not _has_ended(process):
        _say_farewell(part)
        os.kill(process.pid, getattr(signal, f"SIG{part['signal']}"))
    deadline = time.monotonic() + float(part["grace_s"])
    while not _has_ended(process) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    # Also what the part itself left in its session; before it is reaped, while its id is certainly its own.
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _say_farewell(part: Mapping[str, Any]) -> None:
    if part["farewell"]:
        quiet = subprocess.DEVNULL
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                part["farewell"],
                env=part["env"],
                cwd=part["cwd"],
                stdin=quiet,
                stdout=quiet,
                stderr=quiet,
                timeout=_FAREWELL_S,
            )


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return process.returncode is not None or os.waitid(os.P_PID, process.pid, flags) is not None


def _wake_on_termination() -> int:
    """A descriptor on which the numbers of caught signals can be read.

    Ctrl-C and a closed terminal are for the owner to act on; they are caught, not ignored, because an
    ignored signal would stay ignored in every part.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for caught in (signal.SIGTERM, signal.SIGCHLD, signal.SIGINT, signal.SIGHUP):
        signal.signal(caught, lambda number, frame: None)
    return reader


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _read_state(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return state


def _write_state(
    path: Path, owner: int, parts: Sequence[tuple[Mapping[str, Any], subprocess.Popen[bytes]]]
) -> None:
    text = json.dumps(
        {
            "owner": {"pid": owner, "started": started_at(owner)},
            "parts": [
                {"name": part["name"], "pid": process.pid, "started": started_at(process.pid)}
                for part, process in parts
            ],
        }
    )
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def _tell(news: Mapping[str, object]) -> None:
    with contextlib.suppress(OSError):
        print(json.dumps(news), flush=True)


if __name__ == "__main__":
    sys.exit(main())
