"""``python -m tests.fuzz``: fuzz the readers, look whether planted faults are found, run an input again.

    python -m tests.fuzz --seconds 600 --target all --seed 1
    python -m tests.fuzz --plant hang               # exit 0 if it is found within a minute
    python -m tests.fuzz --target pdf --replay var/fuzz/found/pdf-hang-0123456789ab.bin

A run begins with the plants (a hang, a hang in CMS, a crash, a false ``valid``, a loss in edXML), each of which
must be found.  Then all targets are fuzzed side by side.  The exit code is 1 where something was found or a plant
was not.  What was found lies in ``var/fuzz/found``, with the stack beside it.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz import overseer
from tests.fuzz.overseer import Result
from tests.fuzz.worker import Order

ROOT = Path(__file__).parent.parent.parent
TARGETS = ("pdf", "cms", "seal", "certificate", "edxml", "json")
PLANTS = {"hang": "pdf", "hang-in-cms": "cms", "crash": "pdf", "valid": "pdf", "loss": "edxml"}
PLANT_S = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600, help="for all targets together (default 600)")
    parser.add_argument("--runs", type=int, default=0, help="inputs per target, instead of seconds")
    parser.add_argument("--target", default="all", choices=("all", *TARGETS))
    parser.add_argument("--seed", type=int, default=None, help="where chance begins (default: the time)")
    parser.add_argument("--plant", default="", choices=("", "all", *PLANTS), help="only look for this fault")
    parser.add_argument("--no-plants", action="store_true", help="do not begin with the planted faults")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first finding")
    parser.add_argument("--replay", type=Path, help="run this input once")
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "fuzz")
    given = parser.parse_args(arguments)
    seed = int(time.time()) if given.seed is None else given.seed
    if given.replay is not None:
        return _replay(given.target, given.replay, given.folder)
    if given.plant or not given.no_plants:
        names = list(PLANTS) if given.plant in ("", "all") else [given.plant]
        missed = [name for name in names if not plant_is_found(name, given.folder, seed=seed)]
        if missed:
            return 1
        if given.plant:
            return 0
    targets = TARGETS if given.target == "all" else (given.target,)
    shutil.rmtree(given.folder / "work", ignore_errors=True)
    print(f"fuzzing {', '.join(targets)} with seed {seed}", flush=True)
    orders = [
        Order(
            target=target,
            folder=str(given.folder),
            seed=seed,
            seconds=0 if given.runs else given.seconds,
            runs=given.runs,
        )
        for target in targets
    ]
    result = overseer.run(orders, keep_going=given.keep_going, say=_say)
    print(overseer.summary(result))
    return _verdict(result)


def plant_is_found(name: str, folder: Path, *, seed: int, seconds: float = PLANT_S) -> bool:
    """Whether the planted fault *name* is found within *seconds*."""
    own = folder / "plants" / name
    shutil.rmtree(own, ignore_errors=True)
    order = Order(target=PLANTS[name], folder=str(own), seed=seed, seconds=seconds, plant=name)
    result = overseer.run([order], say=lambda _: None)
    wanted = {
        **{"hang": "hang", "hang-in-cms": "hang", "crash": "crash", "valid": "false-valid"},
        **{"loss": "outline-differs"},
    }[name]
    for found in result.findings:
        if found.kind == wanted:
            _say(f"planted {name}: found after {found.after_s:.1f} s ({found.mark})")
            return True
        _say(f"planted {name}: something else was found first\n{found}")
        return False
    _say(f"planted {name}: NOT FOUND within {seconds:.0f} s")
    return False


def _replay(target: str, path: Path, folder: Path) -> int:
    if target == "all":
        target = path.name.partition("-")[0]
    if target not in TARGETS:
        raise SystemExit("say with --target which one is to read it")
    order = Order(target=target, folder=str(folder / "replay"), seed=0, runs=1, replay=str(path.absolute()))
    result = overseer.run([order], say=_say)
    for tally in result.tallies.values():
        print(f"{sum(tally.outcomes.values())} run, {tally.slowest_ms} ms: {', '.join(tally.outcomes)}")
    return _verdict(result)


def _verdict(result: Result) -> int:
    if result.findings:
        print(f"\n{len(result.findings)} found; the first:\n{result.findings[0]}")
        return 1
    print("\nnothing found")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
