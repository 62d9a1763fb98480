"""A worker that looks at itself: SIGUSR1 begins, SIGUSR2 ends and writes ``worker-PID.json``.

Started by ``benchmarks.profile.serve`` in the place of ``vanthu work``; the gateway itself knows nothing of it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import uvloop

from benchmarks.profile.sampler import Sampler
from gateway import wiring

FOLDER = "VANTHU_PROFILE_FOLDER"


def file_of(folder: Path, pid: int) -> Path:
    """What the worker *pid* writes."""
    return folder / f"worker-{pid}.json"


def main() -> None:
    """The command."""
    line = sys.stdin.buffer.readline()
    if not line:
        raise SystemExit(0)
    sampler, folder = Sampler(), Path(os.environ[FOLDER])
    signal.signal(signal.SIGUSR1, lambda *_: sampler.begin())
    signal.signal(signal.SIGUSR2, lambda *_: sampler.end(file_of(folder, os.getpid())))
    uvloop.run(wiring.work(json.loads(line)))


if __name__ == "__main__":
    main()
