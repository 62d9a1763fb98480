"""``vanthu serve``: bring the whole stack up and leave it running."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
from typing import Annotated

import typer
import uvloop

from gateway import wiring
from gateway.cli.options import ConfigOption, VarOption, configured, operator


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("serve")(serve)
    app.command("work", hidden=True)(work)


def serve(
    config: ConfigOption = None,
    var: VarOption = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Số tiến trình · worker processes.")
    ] = None,
) -> None:
    """Chạy cổng · run the gateway until SIGTERM or Ctrl-C; stops without losing anything."""
    settings = configured(config, var)
    uvloop.run(_until_stopped(wiring.Stack(settings, workers=workers, actor=operator())))


async def _until_stopped(stack: wiring.Stack) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    starting = asyncio.create_task(stack.start(), name="start")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
            return
        print(await starting, flush=True)
        await stop.wait()
    finally:
        stopping.cancel()
        await stack.stop()


def work() -> None:
    """One worker process; started by ``serve``, which tells it the facts on standard input."""
    line = sys.stdin.buffer.readline()
    if not line:
        raise SystemExit(0)
    # One full collection of what the imports left behind would hold the loop for close to 100 ms.
    gc.collect()
    gc.freeze()
    uvloop.run(wiring.work(json.loads(line)))
