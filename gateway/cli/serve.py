"""``vanthu serve``: bring the whole stack up and leave it running."""

from __future__ import annotations

import asyncio
import json
import os
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
    """Chạy cổng · run the gateway until SIGTERM or Ctrl-C; then it drains, says so, and exits with 0, or 1 where
    something was left in flight (nothing of that is lost).  SIGHUP: read the directory anew."""
    settings = configured(config, var)
    within_s = settings.sections.pace.grace_s
    if not uvloop.run(_until_stopped(wiring.Stack(settings, workers=workers, actor=operator()), within_s)):
        raise typer.Exit(1)


async def _until_stopped(stack: wiring.Stack, within_s: float) -> bool:
    """Run until a signal; whether nothing was in flight at the end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    renew = asyncio.Event()
    had_terminal = _has_terminal()

    def hang_up() -> None:
        # A terminal that was closed sends the same signal; nobody is left to stop us then.
        (stop if had_terminal and not _has_terminal() else renew).set()

    loop.add_signal_handler(signal.SIGHUP, hang_up)
    starting = asyncio.create_task(stack.start(), name="start")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    reloading: asyncio.Task[None] | None = None
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
            return True
        print(await starting, flush=True)
        print(f"  {stack.recovered}", flush=True)
        reloading = asyncio.create_task(_reload(stack, renew), name="reload")
        await asyncio.wait({stopping, reloading}, return_when=asyncio.FIRST_COMPLETED)
        if reloading.done():
            reloading.result()  # it never ends by itself but by a mistake of ours
        reloading.cancel()
        await asyncio.gather(reloading, return_exceptions=True)
        done = await stack.drain(within_s)
        print(wiring.told_drained(done), flush=True)
        return done.is_proved
    finally:
        stopping.cancel()
        if reloading is not None:
            reloading.cancel()
            await asyncio.gather(reloading, return_exceptions=True)
        await stack.stop()


async def _reload(stack: wiring.Stack, renew: asyncio.Event) -> None:
    """One reload per request; requests that come meanwhile get one more.  What the command line wrote down to be done
    instead (a drain, its end) is done instead."""
    while True:
        await renew.wait()
        renew.clear()
        told = await stack.obey()
        if told is not None:
            print(told, flush=True)
            continue
        done = await stack.reload()
        if done.problem:
            print(
                f"danh mục cũ vẫn có hiệu lực · the old directory stays in force: {done.problem}", flush=True
            )
        else:
            print(f"đã nạp lại danh mục · directory reloaded: {done.organs} organs", flush=True)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def work() -> None:
    """One worker process; started by ``serve``, which tells it the facts on standard input."""
    line = sys.stdin.buffer.readline()
    if not line:
        raise SystemExit(0)
    uvloop.run(wiring.work(json.loads(line)))
