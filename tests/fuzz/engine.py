"""The loop: take an input that was worth keeping, bend it, run it, keep what reaches something new."""

from __future__ import annotations

import mmap
import random
import signal
import struct
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.fuzz.flaw import Flaw, Target
from tests.fuzz.probes import Probes

LARGEST = 256 * 1024
"""No input is longer."""

_BEAT = struct.Struct("!QI")


class Desk:
    """The input at hand and the count of those before, where the overseer can read them after a death."""

    def __init__(self, path: Path, *, is_new: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        size = _BEAT.size + LARGEST
        if is_new:
            path.write_bytes(bytes(size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), size)

    def lay(self, count: int, data: bytes) -> None:
        """*data* is the input number *count*."""
        self._map[_BEAT.size : _BEAT.size + len(data)] = data
        self._map[: _BEAT.size] = _BEAT.pack(count, len(data))

    def read(self) -> tuple[int, bytes]:
        """The input at hand, and its number."""
        count, size = _BEAT.unpack(self._map[: _BEAT.size])
        return count, self._map[_BEAT.size : _BEAT.size + size]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An input that broke something.  *mark* tells two findings apart, *story* is for a reader."""

    kind: str
    mark: str
    story: str
    data: bytes


class Engine:
    """One target, its corpus, and what was seen.

    *allowed_s* is the processor time for one input below 64 KiB (longer ones get more in proportion): a
    timer in the kernel ends the process when it is used up, even inside a library.  *is_timed* keeps
    slow inputs to bend them further; without it, the same seed does the same on every machine.
    """

    def __init__(
        self,
        target: Target,
        probes: Probes,
        chance: random.Random,
        desk: Desk,
        *,
        allowed_s: float,
        is_timed: bool,
    ) -> None:
        self.outcomes: Counter[str] = Counter()
        self.count = 0
        self.slowest_s = 0.0
        self.corpus: list[bytes] = []
        self._ends: list[str] = []  # what became of each
        self._target = target
        self._probes = probes
        self._chance = chance
        self._desk = desk
        self._allowed_s = allowed_s
        self._is_timed = is_timed
        self._slow: list[tuple[float, bytes]] = []

    def run(self, kept: list[bytes], is_over: Callable[[int], bool], tell: Callable[[Found], None]) -> None:
        """First the seeds and what an earlier process *kept*, then bend until ``is_over(count)``."""
        for data in (*self._target.seeds(), *kept):
            self._try(data[:LARGEST], tell, is_seed=True)
            if is_over(self.count):
                return
        while not is_over(self.count):
            self._try(self._bent(), tell)

    def _bent(self) -> bytes:
        chance, corpus = self._chance, self.corpus
        if self._slow and chance.random() < 0.02:
            parent = chance.choice(self._slow)[1]
        else:  # of three the one whose fate is the rarest, so that what is refused at once does not crowd the rest
            picks = [chance.randrange(len(corpus)) for _ in range(3)]
            parent = corpus[min(picks, key=lambda pick: self.outcomes[self._ends[pick]])]
        return self._target.bent(chance, parent, corpus)[:LARGEST]

    def _try(self, data: bytes, tell: Callable[[Found], None], *, is_seed: bool = False) -> None:
        self._desk.lay(self.count, data)
        self.count += 1
        self._probes.clear()
        began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, self._allowed_s * max(1.0, len(data) / 65536))
        try:
            outcome = self._target.check(data)
        except Flaw as flaw:
            outcome = f"FLAW {flaw.kind}"
            mark = f"{flaw.kind} {[str(arg)[:200] for arg in flaw.args[1:3]]}"
            tell(Found(kind=flaw.kind, mark=mark, story=f"{mark}\n{flaw.args!r}", data=data))
        except Exception as exc:  # whatever comes out of a target is what we are looking for
            outcome = f"CRASH {type(exc).__name__}"
            frames = traceback.extract_tb(exc.__traceback__)
            place = next((f for f in reversed(frames) if "/adapters/" in f.filename), frames[-1])
            mark = f"{type(exc).__name__} at {place.filename}:{place.lineno}"
            tell(Found(kind="crash", mark=mark, story=traceback.format_exc(), data=data))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        spent = time.process_time() - began
        is_new = self._probes.news() or outcome not in self.outcomes
        self.outcomes[outcome] += 1
        if is_new or is_seed:
            self.corpus.append(data)
            self._ends.append(outcome)
        if self._is_timed and spent > max(0.05, self.slowest_s * 1.1):
            self._slow = [*self._slow[-7:], (spent, data)]
        self.slowest_s = max(self.slowest_s, spent)


def name_of(data: bytes) -> str:
    """A file name for an input."""
    return sha256(data).hexdigest()[:12]
