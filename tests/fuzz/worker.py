"""The process that runs one target: ``python -m tests.fuzz.worker ORDER``; tells its story in lines of JSON.

It may die at any input.  Then its desk holds that input, and its log the stack of every thread.
"""

from __future__ import annotations

import faulthandler
import json
import random
import resource
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog

from tests.fuzz.probes import Probes

_COUNTED = (
    "adapters.inspection.",
    "adapters.pdf.",
    "adapters.envelope.",
    "adapters.signing.pdf",
    "adapters.signing.readback",
    "adapters.signing.der",
    "adapters.signing.cms",
    "adapters.signing.keys",
)
_GUIDING = ("pyhanko.pdf_utils.", "pyhanko.sign.validation.", "pyhanko_certvalidator.")
_NOT_READERS = ("adapters.inspection.processes.wire",)
_NEWS_EVERY_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a worker is to do.  It ends after *seconds* or *runs*, whichever is given."""

    target: str
    folder: str
    seed: int
    seconds: float = 0.0
    runs: int = 0
    plant: str = ""
    allowed_s: float = 2.0
    memory_bytes: int = 512 * 1024 * 1024
    replay: str = ""

    def encoded(self) -> str:
        """As one word of a command line."""
        return json.dumps(asdict(self))


def main() -> None:
    """Do what the order in the first argument says."""
    order = Order(**json.loads(sys.argv[1]))
    # stdout belongs to our words; what the sealer remarks goes to the log
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    # the kernel's timer tells the stack of all threads, and then the signal ends the process as it always does
    faulthandler.enable(all_threads=True)
    faulthandler.register(signal.SIGPROF, all_threads=True, chain=True)
    probes = Probes(counted=_COUNTED, guiding=_GUIDING)
    probes.install()
    # only now, so that the probes are in what is imported
    from tests.fuzz import engine

    folder = Path(order.folder)
    own = folder / "work" / order.target
    target = _target(order, own)
    desk = engine.Desk(own / "desk", is_new=True)
    base = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (base + order.memory_bytes, resource.RLIM_INFINITY))
    loop = engine.Engine(
        target, probes, random.Random(order.seed), desk, allowed_s=order.allowed_s, is_timed=not order.runs
    )
    corpus = own / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    kept = [path.read_bytes() for path in sorted(corpus.iterdir())]
    began = last = time.monotonic()
    written = 0

    def say(**words: object) -> None:
        print(json.dumps(words), flush=True)

    def tell(found: engine.Found) -> None:
        path = folder / "found" / f"{order.target}-{found.kind}-{engine.name_of(found.data)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".bin").write_bytes(found.data)
        path.with_suffix(".txt").write_text(found.story, encoding="utf-8")
        say(found=found.kind, mark=found.mark, path=str(path.with_suffix(".bin")))

    def report() -> None:
        nonlocal written
        for data in loop.corpus[written:]:
            (corpus / engine.name_of(data)).write_bytes(data)
        written = len(loop.corpus)
        say(
            count=loop.count,
            seconds=time.monotonic() - began,
            corpus=len(loop.corpus),
            outcomes=loop.outcomes,
            slowest_ms=round(loop.slowest_s * 1000),
            memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            reached={name: one for name, one in probes.reached().items() if name not in _NOT_READERS},
            totals={name: one for name, one in probes.totals().items() if name not in _NOT_READERS},
        )

    def is_over(count: int) -> bool:
        nonlocal last
        now = time.monotonic()
        if now - last >= _NEWS_EVERY_S:
            last = now
            report()
        return (order.runs and count >= order.runs) or bool(order.seconds and now - began >= order.seconds)

    if order.replay:
        data = Path(order.replay).read_bytes()
        target.seeds = lambda: [data]  # it alone
        kept, order_runs = [], 1
        loop.run(kept, lambda count: count >= order_runs, tell)
    else:
        loop.run(kept, is_over, tell)
    report()


def _target(order: Order, own: Path) -> Any:
    """The target of *order*, planted where it says so; the readers of the others are not loaded."""
    if order.target in ("edxml", "json"):
        from tests.fuzz import envelopes

        kind: Any = envelopes.ALL[order.target]
    else:
        from tests.fuzz import targets

        kind = targets.ALL[order.target]
    if not order.plant:
        return kind(own)
    from tests.fuzz import plants

    return kind(own, plants.ALL[order.plant][1])


if __name__ == "__main__":
    main()
