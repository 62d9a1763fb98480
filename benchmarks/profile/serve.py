"""``vanthu serve`` whose workers look at themselves: the same stack, told of another command for its workers."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from gateway import wiring
from gateway.config import load

WORKER = (sys.executable, "-m", "benchmarks.profile.worker")


async def serve(stack: wiring.Stack) -> None:
    """Bring *stack* up, say so as ``vanthu serve`` does, and leave it running until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    try:
        print(await stack.start(), flush=True)
        await stop.wait()
    finally:
        await stack.stop()


def main() -> None:
    """The command."""
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--config", type=Path)
    words.add_argument("--var", type=Path)
    words.add_argument("--workers", type=int)
    given = words.parse_args()
    config = load(given.config, var=given.var)
    uvloop.run(serve(wiring.Stack(config, workers=given.workers, actor="profile", command=WORKER)))


if __name__ == "__main__":
    main()
