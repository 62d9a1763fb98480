"""Who used how much processor: read from ``/proc``, for trees of processes and for the machine."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
GATEWAY = ("worker", "judge", "parent")
"""The parts whose time counts as the gateway's: workers, the processes that judge for them, and their parent."""


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    cpu_ms: float
    command: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Milliseconds of CPU so far, by part; ``machine`` is everybody's, ``idle`` nobody's."""

    parts: Mapping[str, float]
    machine: float
    idle: float

    def since(self, before: Usage) -> Usage:
        """What was used between *before* and this."""
        names = self.parts.keys() | before.parts.keys()
        return Usage(
            {name: self.parts.get(name, 0.0) - before.parts.get(name, 0.0) for name in names},
            self.machine - before.machine,
            self.idle - before.idle,
        )


def usage(serve: int) -> Usage:
    """What the tree under the process *serve* has used, and this process, and the machine."""
    known = {pid: found for pid in _pids() if (found := _read(pid)) is not None}
    children = defaultdict(list)
    for pid, process in known.items():
        children[process.parent].append(pid)
    parts: dict[str, float] = defaultdict(float)

    def add(pid: int, part: str) -> None:
        process = known[pid]
        part = _part(process.command, part)
        parts[part] += process.cpu_ms
        for child in children[pid]:
            add(child, part)

    if serve in known:
        add(serve, "parent")
    parts["clients"] = sum(os.times()[:2]) * 1000
    busy, idle = _machine()
    return Usage(dict(parts), busy, idle)


def workers_of(serve: int) -> list[int]:
    """The workers that the process *serve* keeps alive."""
    known = {pid: found for pid in _pids() if (found := _read(pid)) is not None}
    return [
        pid for pid, found in known.items() if found.parent == serve and _part(found.command, "") == "worker"
    ]


def _part(command: str, inherited: str) -> str:
    for word, part in (
        ("gateway.cli work", "worker"),
        ("benchmarks.profile.worker", "worker"),
        ("adapters.inspection.processes.nursery", "judge"),
        ("guardian.py", "broker"),
    ):
        if word in command:
            return part
    return inherited


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _read(pid: int) -> _Process | None:
    # A process may end while we look.
    with suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        # own time, and that of children that have ended: whoever lives is counted for himself
        ticks = sum(int(n) for n in stat[11:15])
        return _Process(int(stat[1]), ticks * _TICK_MS, command)
    return None


def _machine() -> tuple[float, float]:
    times = [int(n) for n in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    user, nice, system, idle, waiting, irq, soft, *_ = times
    return (user + nice + system + irq + soft) * _TICK_MS, (idle + waiting) * _TICK_MS


def account(pid: int) -> int:
    """An open file with the scheduler's account of a single-threaded process, for ``accounts_ms``."""
    return os.open(f"/proc/{pid}/schedstat", os.O_RDONLY)


def accounts_ms(accounts: Sequence[int]) -> float:
    """CPU that these processes have used so far, to the nanosecond; those that ended count nothing."""
    total = 0
    for file in accounts:
        with suppress(OSError):
            total += int(os.pread(file, 64, 0).split()[0])
    return total / 1e6
