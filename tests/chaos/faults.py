"""What may strike: each fault is a name, whom it strikes, how long it lasts, and how it is done.

A fault is a context: it strikes on entry and is mended on exit.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass

from tests.chaos.stamps import Mood
from tests.chaos.town import Town

WORKER_KILLED = "worker killed (-9)"

Strike = Callable[[Town, random.Random], AbstractAsyncContextManager[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """``lasts``: seconds, from and to, before they are scaled.  ``target``: one at a time strikes it."""

    name: str
    target: str
    strike: Strike
    lasts: tuple[float, float] = (0.0, 0.0)


def faults(town: Town) -> Sequence[Fault]:
    """Those that can strike in *town*, the store's last."""
    found = [
        Fault(name=WORKER_KILLED, target="workers", strike=_kill_worker),
        Fault(name="worker killed while it starts (-9)", target="workers", strike=_kill_newborn),
        Fault(name="all workers killed (-9)", target="workers", strike=_kill_workers),
        Fault(name="supervisor killed (-9)", target="workers", strike=_kill_supervisor),
        Fault(name="worker stopped (SIGSTOP)", target="workers", strike=_stop_worker, lasts=(4, 25)),
        Fault(name="broker restarted", target="broker", strike=_restart_broker),
        Fault(name="broker killed (-9)", target="broker", strike=_kill_broker),
        Fault(name="broker stopped (SIGSTOP)", target="broker", strike=_stop_broker, lasts=(5, 60)),
        Fault(name="broker refuses", target="broker", strike=_broker_refuses, lasts=(3, 20)),
        Fault(name="broker accepts and is silent", target="broker", strike=_broker_silent, lasts=(5, 40)),
        Fault(name="link to the broker slow", target="broker", strike=_broker_slow, lasts=(5, 20)),
        Fault(name="recipient takes, never acks", target="recipients", strike=_mute_office, lasts=(10, 40)),
        Fault(
            name="inbox client locks, never acks", target="recipients", strike=_mute_counter, lasts=(5, 20)
        ),
        Fault(
            name="clients connect and say nothing", target="recipients", strike=_idle_clients, lasts=(5, 20)
        ),
        Fault(name="time-stamps hang", target="stamps", strike=_stamps(Mood.HANGS), lasts=(5, 30)),
        Fault(name="time-stamps are garbage", target="stamps", strike=_stamps(Mood.GARBAGE), lasts=(5, 30)),
    ]
    if town.disk is not None:
        found.append(Fault(name="disk full (var, vault)", target="disk", strike=_disk_full, lasts=(3, 20)))
    if town.cluster is None:
        return [*found, Fault(name="store locked", target="store", strike=_lock_store, lasts=(3, 20))]
    found += [
        Fault(name="store restarted", target="store", strike=_restart_store),
        Fault(name="store killed (-9)", target="store", strike=_kill_store),
        Fault(name="store away", target="store", strike=_store_away, lasts=(3, 40)),
        Fault(name="store refuses", target="store", strike=_store_refuses, lasts=(3, 20)),
        Fault(name="store accepts and is silent", target="store", strike=_store_silent, lasts=(5, 40)),
        Fault(name="link to the store slow", target="store", strike=_store_slow, lasts=(5, 20)),
    ]
    if town.store_disk is not None:
        found.append(Fault(name="disk full (store)", target="store", strike=_store_disk_full, lasts=(3, 15)))
    return found


# --- the gateway ------------------------------------------------------------------------------------


def _end(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


@asynccontextmanager
async def _kill_worker(town: Town, r: random.Random) -> AsyncIterator[str]:
    pid = r.choice(await town.living())
    _end(pid)
    town.killed.add(pid)
    yield f"pid {pid}"


@asynccontextmanager
async def _kill_newborn(town: Town, r: random.Random) -> AsyncIterator[str]:
    """The one that takes the place of a dead one dies, too, before it can work."""
    dead = r.choice(await town.living())
    before = set(await town.living(born=False))
    _end(dead)
    town.killed.add(dead)
    while not (young := set(await town.living(born=False)) - before):
        await asyncio.sleep(0.01)
    for pid in young:
        _end(pid)
    town.killed |= young
    yield f"pids {dead}, {young}"


@asynccontextmanager
async def _kill_workers(town: Town, _: random.Random) -> AsyncIterator[str]:
    pids = await town.living()
    for pid in pids:
        _end(pid)
    town.killed |= set(pids)
    yield f"pids {pids}"


@asynccontextmanager
async def _kill_supervisor(town: Town, _: random.Random) -> AsyncIterator[str]:
    pid = town.serve
    _end(pid)
    again = asyncio.create_task(town.serve_again())
    yield f"pid {pid}"
    await again


@asynccontextmanager
async def _stop_worker(town: Town, r: random.Random) -> AsyncIterator[str]:
    pid = r.choice(await town.living())
    _end(pid, signal.SIGSTOP)
    try:
        yield f"pid {pid}"
    finally:
        _end(pid, signal.SIGCONT)


# --- the broker -------------------------------------------------------------------------------------


@asynccontextmanager
async def _restart_broker(town: Town, _: random.Random) -> AsyncIterator[str]:
    await town.node.restart()
    yield ""


@asynccontextmanager
async def _kill_broker(town: Town, _: random.Random) -> AsyncIterator[str]:
    await town.node.kill()
    await town.node.start()
    yield ""


@asynccontextmanager
async def _stop_broker(town: Town, _: random.Random) -> AsyncIterator[str]:
    pid = town.node.pids["node"]
    _end(pid, signal.SIGSTOP)
    try:
        yield f"pid {pid}"
    finally:
        _end(pid, signal.SIGCONT)


@asynccontextmanager
async def _broker_refuses(town: Town, _: random.Random) -> AsyncIterator[str]:
    async with town.to_broker.refused():
        yield ""


@asynccontextmanager
async def _broker_silent(town: Town, _: random.Random) -> AsyncIterator[str]:
    async with town.to_broker.silent():
        yield ""


@asynccontextmanager
async def _broker_slow(town: Town, _: random.Random) -> AsyncIterator[str]:
    async with town.to_broker.slow(0.05, 200_000):
        yield "50 ms, 200 kB/s"


# --- recipients, stamps, disks ----------------------------------------------------------------------


@asynccontextmanager
async def _mute_office(town: Town, r: random.Random) -> AsyncIterator[str]:
    organ = r.choice(town.plan.queues)
    async with town.agencies[organ].mute():
        yield organ


@asynccontextmanager
async def _mute_counter(town: Town, r: random.Random) -> AsyncIterator[str]:
    organ = r.choice(town.plan.inboxes)
    async with town.agencies[organ].mute():
        yield organ


@asynccontextmanager
async def _idle_clients(town: Town, _: random.Random) -> AsyncIterator[str]:
    """Fifty that connect by HTTP: half of them say nothing, half begin a request and never end it."""
    opened = []
    for n in range(50):
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", town.http_port)
            if n % 2:
                writer.write(b"POST /v1/submissions HTTP/1.1\r\nHost: vanthu\r\nContent-Length: 1000\r\n")
            opened.append(writer)
    try:
        yield f"{len(opened)} connections"
    finally:
        for writer in opened:
            writer.transport.abort()


def _stamps(mood: Mood) -> Strike:
    @asynccontextmanager
    async def strike(town: Town, _: random.Random) -> AsyncIterator[str]:
        async with town.stamps.feeling(mood):
            yield ""

    return strike


@asynccontextmanager
async def _disk_full(town: Town, _: random.Random) -> AsyncIterator[str]:
    assert town.disk is not None
    async with town.disk.full():
        yield ""


# --- the store --------------------------------------------------------------------------------------


@asynccontextmanager
async def _lock_store(town: Town, _: random.Random) -> AsyncIterator[str]:
    """Somebody else writes to the SQLite file, and takes his time."""
    file = town.store_url.removeprefix("sqlite:///")
    other = sqlite3.connect(file, isolation_level=None, timeout=0)
    try:
        while True:
            try:
                other.execute("BEGIN IMMEDIATE")
                break
            except sqlite3.OperationalError:
                await asyncio.sleep(0.001)
        yield ""
        other.execute("ROLLBACK")
    finally:
        other.close()


@asynccontextmanager
async def _restart_store(town: Town, _: random.Random) -> AsyncIterator[str]:
    assert town.cluster is not None
    await asyncio.to_thread(town.cluster.stop)
    await asyncio.to_thread(town.cluster.start)
    yield ""


@asynccontextmanager
async def _kill_store(town: Town, _: random.Random) -> AsyncIterator[str]:
    assert town.cluster is not None
    await asyncio.to_thread(town.cluster.kill)
    await asyncio.to_thread(town.cluster.start)
    yield ""


@asynccontextmanager
async def _store_away(town: Town, r: random.Random) -> AsyncIterator[str]:
    assert town.cluster is not None
    how = r.choice((town.cluster.stop, town.cluster.kill))
    await asyncio.to_thread(how)
    try:
        yield how.__name__
    finally:
        await asyncio.to_thread(town.cluster.start)


@asynccontextmanager
async def _store_refuses(town: Town, _: random.Random) -> AsyncIterator[str]:
    assert town.to_store is not None
    async with town.to_store.refused():
        yield ""


@asynccontextmanager
async def _store_silent(town: Town, _: random.Random) -> AsyncIterator[str]:
    assert town.to_store is not None
    async with town.to_store.silent():
        yield ""


@asynccontextmanager
async def _store_slow(town: Town, _: random.Random) -> AsyncIterator[str]:
    assert town.to_store is not None
    async with town.to_store.slow(0.01, 500_000):
        yield "10 ms, 500 kB/s"


@asynccontextmanager
async def _store_disk_full(town: Town, _: random.Random) -> AsyncIterator[str]:
    assert town.cluster is not None
    assert town.store_disk is not None
    async with town.store_disk.full():
        yield ""
    if not town.cluster.is_running:  # without room for its log the server ends itself
        await asyncio.to_thread(town.cluster.stop)
        await asyncio.to_thread(town.cluster.start)
