"""Two sealing processes against one: real processes, a core each, the gateway's sealer as it is.

python -m benchmarks.sign.pair FOLDER CORE SECONDS      (one of them; started by ``measure``)
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.sign import materials, ours
from gateway.config import LogSection
from gateway.model.payload import PayloadRef
from gateway.wiring import logs

SECONDS = 3.0


def measure(folder: Path, *, rounds: int, seconds: float = SECONDS) -> dict[str, Any] | None:
    """Seals per second of one and of two at a time, medians over *rounds*; ``None`` where there is one core."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        return None
    one, two = [], []
    for number in range(rounds):
        one.append(_rate(folder, [cores[number % 2]], seconds))
        two.append(_rate(folder, cores[:2], seconds))
    return {
        "one_per_s": statistics.median(one),
        "two_per_s": statistics.median(two),
        "ratio": statistics.median(two) / statistics.median(one),
        "seconds": seconds,
        "rounds": rounds,
    }


def _rate(folder: Path, cores: Sequence[int], seconds: float) -> float:
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sign.pair", str(folder), str(core), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for core in cores
    ]
    total = 0.0
    for process in started:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("a sealing process did not come up")
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        answer, _ = process.communicate(timeout=seconds + 60)
        total += float(answer)
    return total


async def _seal_for(folder: Path, seconds: float) -> float:
    sealer = ours.sealer(folder / "keys")
    ref = PayloadRef.of((folder / materials.PDF_NAME).read_bytes())
    for _ in range(20):
        await sealer.seal(ref, ours.order())
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    sys.stdin.readline()
    count, began = 0, time.perf_counter()
    while time.perf_counter() < began + seconds:
        await sealer.seal(ref, ours.order())
        count += 1
    return count / (time.perf_counter() - began)


def main() -> None:
    """One of the processes."""
    folder, core, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    logs.set_up(LogSection(), None)  # as `vanthu work` logs
    os.sched_setaffinity(0, {core})
    print(asyncio.run(_seal_for(folder, seconds)), flush=True)


if __name__ == "__main__":
    main()
