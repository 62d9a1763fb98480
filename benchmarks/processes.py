"""Who used how much processor: read from ``/proc``, for trees of processes and for the machine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
GATEWAY = ("worker", "judge", "parent")
"""The parts whose time counts as the gateway's: workers, the processes that judge for them, and their parent."""


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    own_ms: float
    cpu_ms: float
    command: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Milliseconds of CPU so far, by part; ``others`` is what each program had that is none of ours, ``machine``
    everybody's, the kernel's own among it, ``idle`` nobody's: ``waiting`` of that while somebody waited for a disk.
    ``stolen`` is what the host of a virtual machine gave to others while somebody here was ready."""

    parts: Mapping[str, float]
    others: Mapping[int, float]
    machine: float
    idle: float
    waiting: float = 0.0
    stolen: float = 0.0

    @property
    def strangers(self) -> float:
        """What all others had, those left out that ended meanwhile."""
        return sum(self.others.values())

    @property
    def busy(self) -> float:
        """The share of the machine that is used, by us and by the kernel: what strangers use does not count."""
        return self.share(max(0.0, self.machine - self.strangers))

    def share(self, ms: float) -> float:
        """Of all the time that there was."""
        there_was = self.machine + self.idle + self.stolen
        return ms / there_was if there_was else 0.0

    def since(self, before: Usage) -> Usage:
        """What was used between *before* and this."""
        names = self.parts.keys() | before.parts.keys()
        return Usage(
            {name: self.parts.get(name, 0.0) - before.parts.get(name, 0.0) for name in names},
            {pid: max(0.0, ms - before.others.get(pid, 0.0)) for pid, ms in self.others.items()},
            self.machine - before.machine,
            self.idle - before.idle,
            self.waiting - before.waiting,
            self.stolen - before.stolen,
        )


def usage() -> Usage:
    """What this process, the clients, has used, and all that it has started, and the machine."""
    known = _all()
    parts: dict[str, float] = defaultdict(float)
    ours = {os.getpid()}
    for pid, part in _tree(known, os.getpid()):
        parts[part] += known[pid].cpu_ms
        ours.add(pid)
    parts["clients"] = sum(os.times()[:2]) * 1000
    others = {pid: one.own_ms for pid, one in known.items() if pid not in ours and one.command}
    return Usage(dict(parts), others, *_machine())


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Resident memory of one process in bytes: now, and at its highest."""

    pid: int
    part: str
    now: int
    peak: int


def memory() -> Sequence[Memory]:
    """The processes of the gateway that this process has started."""
    found = []
    for pid, part in _tree(_all(), os.getpid()):
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            told = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
            if part in GATEWAY and "VmRSS" in told:
                now, peak = (int(told[name][0]) * 1024 for name in ("VmRSS", "VmHWM"))
                found.append(Memory(pid=pid, part=part, now=now, peak=peak))
    return found


_AWAKENS = """
import os, signal, sys
for pid in sys.stdin.read().split():
    try:
        os.kill(int(pid), signal.SIGCONT)
    except ProcessLookupError:
        pass
"""


@contextmanager
def held_still(roots: Collection[int]) -> Iterator[None]:
    """Meanwhile the processes *roots* and all that they have started stand still, as if they were not there.

    A process of its own awakens them when this is over or we are gone, whatever ended us: who stands still hears no signal
    that tells it to end.
    """
    command = [sys.executable, "-I", "-S", "-c", _AWAKENS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True) as awakens:
        still: set[int] = set()
        # Who stands still starts nobody: what is found comes to an end.
        while found := _families(roots) - still:
            still |= found
            print(*found, file=awakens.stdin, flush=True)
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
        yield


def _families(roots: Collection[int]) -> set[int]:
    known = _all()
    families = set(roots) & known.keys()
    return families.union(*({pid for pid, _ in _tree(known, root)} for root in families))


def forget_peaks() -> None:
    """Let the peaks of ``memory`` begin anew."""
    for one in memory():
        with suppress(OSError):
            Path(f"/proc/{one.pid}/clear_refs").write_text("5")


def _all() -> Mapping[int, _Process]:
    """Everybody who runs; the kernel's own have no command."""
    return {pid: found for pid in _pids() if (found := _read(pid)) is not None}


def _tree(known: Mapping[int, _Process], root: int) -> Iterator[tuple[int, str]]:
    """All that *root* has started, with its part."""
    children = defaultdict(list)
    for pid, process in known.items():
        children[process.parent].append(pid)
    waiting = [(pid, "others") for pid in children[root]]
    while waiting:
        pid, inherited = waiting.pop()
        part = _part(known[pid].command, inherited)
        yield pid, part
        waiting += [(child, part) for child in children[pid]]


def _part(command: str, inherited: str) -> str:
    for word, part in (
        (r"gateway\.cli serve|benchmarks\.profile\.serve", "parent"),
        (r"gateway\.cli work|benchmarks\.profile\.worker", "worker"),
        (r"adapters\.inspection\.processes\.nursery", "judge"),
        (r"guardian\.py", "broker"),
        (r"^(\S*/)?postgres\b", "database"),
        (r"benchmarks\.fairness\.greedy", "greedy"),
    ):
        if re.search(word, command):
            return part
    return inherited


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _read(pid: int) -> _Process | None:
    # A process may end while we look.
    with suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        own = sum(int(n) for n in stat[11:13]) * _TICK_MS
        # and that of children that have ended: whoever lives is counted for himself
        ended = sum(int(n) for n in stat[13:15]) * _TICK_MS
        return _Process(int(stat[1]), own, own + ended, command)
    return None


def _machine() -> tuple[float, float, float, float]:
    """``Usage.machine`` and the fields behind it."""
    # spec: proc_stat(5), the line of all processors together
    times = [int(n) * _TICK_MS for n in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    user, nice, system, idle, waiting, irq, soft, stolen = times
    return user + nice + system + irq + soft, idle + waiting, waiting, stolen
