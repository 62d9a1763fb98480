"""Starts a worker per target, watches over them, and says in the end what was reached."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.fuzz.engine import Desk, name_of
from tests.fuzz.worker import Order

_STUCK_S = 60.0
"""Without a new input for so long, a worker waits for something that will never come."""

_PROGRESS_S = 10.0
_MOST_FOUND = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that was found: where the input lies, and how to run it again."""

    target: str
    kind: str
    mark: str
    path: str
    after_s: float

    def __str__(self) -> str:
        return (
            f"FOUND {self.kind} in {self.target} after {self.after_s:.1f} s: {self.mark}\n"
            f"      input: {self.path}\n"
            f"      again: .venv/bin/python -m tests.fuzz --target {self.target} --replay {self.path}"
        )


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of one target; sums over the workers that it took."""

    count: int = 0
    seconds: float = 0.0
    corpus: int = 0
    slowest_ms: int = 0
    memory_mb: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    reached: dict[str, tuple[set[int], set[int]]] = field(default_factory=dict)
    totals: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Result:
    """A whole run."""

    tallies: dict[str, Tally]
    findings: list[Finding] = field(default_factory=list)


def run(orders: list[Order], *, keep_going: bool = False, say: Callable[[str], None] = print) -> Result:
    """Run all *orders* side by side until each is done, or until something is found unless *keep_going*."""
    result = Result(tallies={order.target: Tally() for order in orders})
    began = last = time.monotonic()
    with selectors.DefaultSelector() as selector:
        watched = [_Watched(order, result, selector, say, keep_going=keep_going) for order in orders]
        try:
            while any(one.is_alive for one in watched):
                for key, _ in selector.select(timeout=1.0):
                    key.data.read()
                for one in watched:
                    one.look_after()
                if len(result.findings) >= (_MOST_FOUND if keep_going else 1):
                    break
                if time.monotonic() - last >= _PROGRESS_S:
                    last = time.monotonic()
                    say(f"{last - began:5.0f} s  " + "   ".join(one.line() for one in watched))
        finally:
            for one in watched:
                one.end()
    return result


class _Watched:
    """The worker of one order, and the next one after it died."""

    def __init__(
        self,
        order: Order,
        result: Result,
        selector: selectors.BaseSelector,
        say: Callable[[str], None],
        *,
        keep_going: bool,
    ) -> None:
        self._order = order
        self._result = result
        self._selector = selector
        self._say = say
        self._keep_going = keep_going
        self._tally = result.tallies[order.target]
        self._folder = Path(order.folder) / "work" / order.target
        self._folder.mkdir(parents=True, exist_ok=True)
        self._log = self._folder / "log"
        self._marks: set[str] = set()
        self._began = time.monotonic()
        self._before = Tally()
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self._beat, self._beaten = -1, self._began
        self._start(order)

    @property
    def is_alive(self) -> bool:
        return self._process is not None

    def line(self) -> str:
        """One line of progress."""
        t = self._tally
        rate = t.count / t.seconds if t.seconds else 0.0
        return f"{self._order.target}: {t.count} ({rate:.0f}/s), {t.corpus} kept, {len(t.outcomes)} outcomes"

    def read(self) -> None:
        """What the worker says."""
        process = self._process
        if process is None or process.stdout is None:
            return
        piece = os.read(process.stdout.fileno(), 1 << 20)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._hear(json.loads(line))
        if not piece:
            self._selector.unregister(process.stdout)
            process.stdout.close()
            self._process = None
            self._buried(process.wait())

    def look_after(self) -> None:
        """See whether the worker still does anything."""
        if self._process is None or not (self._folder / "desk").exists():
            return
        count, _ = self._desk_now()
        if count != self._beat:
            self._beat, self._beaten = count, time.monotonic()
        elif time.monotonic() - self._beaten > _STUCK_S:
            self._process.send_signal(signal.SIGABRT)  # its log will have the stacks

    def end(self) -> None:
        """End the worker, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self, order: Order) -> None:
        self._rest = b""
        self._beat, self._beaten = -1, time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz.worker", order.encoded()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                # sets in the readers must not differ from run to run
                env={**os.environ, "PYTHONHASHSEED": "0"},
            )
        assert self._process.stdout is not None
        self._selector.register(self._process.stdout, selectors.EVENT_READ, self)

    def _hear(self, words: dict[str, Any]) -> None:
        if "found" in words:
            self._found(words["found"], words["mark"], words["path"])
            return
        before, now = self._before, self._tally
        now.count = before.count + words["count"]
        now.seconds = before.seconds + words["seconds"]
        now.corpus = words["corpus"]
        now.slowest_ms = max(now.slowest_ms, words["slowest_ms"])
        now.memory_mb = max(now.memory_mb, words["memory_mb"])
        now.outcomes = before.outcomes + Counter(words["outcomes"])
        for name, (lines, arms) in words["reached"].items():
            old_lines, old_arms = now.reached.setdefault(name, (set(), set()))
            old_lines.update(lines)
            old_arms.update(arms)
            now.totals[name] = tuple(words["totals"][name])

    def _buried(self, code: int) -> None:
        if code == 0:
            return
        log = self._log.read_text(encoding="utf-8", errors="replace")
        if not (self._folder / "desk").exists() or (self._desk_now()[0] == 0 and code > 0):
            raise SystemExit(f"the worker for {self._order.target} cannot start:\n{log[-3000:]}")
        _, data = self._desk_now()
        kind = "hang" if code in (-signal.SIGPROF, -signal.SIGABRT) and "Current thread" in log else "death"
        stack = [line.strip() for line in log.splitlines() if line.startswith("  File ")]
        place = next(
            (line for line in stack if "/adapters/" in line), stack[0] if stack else log.strip()[-200:]
        )
        path = Path(self._order.folder) / "found" / f"{self._order.target}-{kind}-{name_of(data)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".bin").write_bytes(data)
        path.with_suffix(".txt").write_text(f"exit code {code}\n{log}", encoding="utf-8")
        self._found(kind, f"exit code {code}, {place}", str(path.with_suffix(".bin")))
        rest = self._order.seconds - (time.monotonic() - self._began)
        if self._keep_going and self._order.seconds and rest > 1:
            self._before = replace(self._tally)
            self._start(replace(self._order, seconds=rest, seed=self._order.seed + self._tally.count + 1))

    def _found(self, kind: str, mark: str, path: str) -> None:
        if mark in self._marks:
            return
        self._marks.add(mark)
        finding = Finding(
            target=self._order.target,
            kind=kind,
            mark=mark,
            path=path,
            after_s=time.monotonic() - self._began,
        )
        self._result.findings.append(finding)
        self._say(str(finding))

    def _desk_now(self) -> tuple[int, bytes]:
        return Desk(self._folder / "desk", is_new=False).read()


def summary(result: Result) -> str:
    """What a run reached, as text."""
    lines = [
        "",
        f"{'target':<12} {'runs':>8} {'per s':>6} {'kept':>6} {'outcomes':>8} {'slowest':>9} {'memory':>8}",
    ]
    for name, t in result.tallies.items():
        rate = t.count / t.seconds if t.seconds else 0.0
        lines.append(
            f"{name:<12} {t.count:>8} {rate:>6.0f} {t.corpus:>6} {len(t.outcomes):>8}"
            f" {t.slowest_ms:>6} ms {t.memory_mb:>5} MB"
        )
    lines += ["", f"{'module':<42} {'lines':>12} {'branches':>12}"]
    sums = [0, 0, 0, 0]
    for module in sorted({name for t in result.tallies.values() for name in t.totals}):
        reached: tuple[set[int], set[int]] = (set(), set())
        totals = (0, 0)
        for t in result.tallies.values():
            if module in t.totals:
                totals = t.totals[module]
                reached[0].update(t.reached[module][0])
                reached[1].update(t.reached[module][1])
        of = (len(reached[0]), totals[0], len(reached[1]), totals[1])
        sums = [one + other for one, other in zip(sums, of, strict=True)]
        lines.append(f"{module:<42} {of[0]:>5} / {of[1]:<4} {of[2]:>5} / {of[3]:<4}")
    lines.append(f"{'all':<42} {sums[0]:>5} / {sums[1]:<4} {sums[2]:>5} / {sums[3]:<4}")
    for name, t in result.tallies.items():
        lines += ["", f"{name}: {len(t.outcomes)} outcomes, the most frequent and the rarest:"]
        ranked = t.outcomes.most_common()
        shown = ranked if len(ranked) <= 16 else [*ranked[:10], *ranked[-6:]]
        lines += [f"  {count:>7}  {outcome[:130]}" for outcome, count in shown]
    return "\n".join(lines)
