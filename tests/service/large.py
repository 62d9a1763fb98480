"""A worker's way for one document of ten 50 MB files, in a process of its own that tells how much memory it took.

    python -m tests.service.large FOLDER [mixed|raw|stored|deflated] [FILES] [MEGABYTES]

Real: vault, envelopes, judge, store.  Twins: the broker, the key.  Half of the files are PDFs, which are judged.
The numbers are printed as one line of JSON, sizes in bytes and times in seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from adapters.clock import SystemClock, SystemIds
from adapters.envelope import EdxmlEnvelopes, Options
from adapters.inspection.processes.inspector import ProcessInspector
from adapters.memory import MemoryBroker, MemoryDirectory, MemoryOutlet, MemorySealer
from adapters.memory.signing import MemoryNotary
from adapters.store import FileVault, Store, VaultOptions
from adapters.store import Options as StoreOptions
from adapters.store.engine import parse
from adapters.store.migrate import migrate
from benchmarks.large import File, make
from gateway.model.claim import resolve
from gateway.model.ids import ClientId, MessageId, OrganCode, Owner, Realm
from gateway.model.party import Link
from gateway.model.policy import Acceptance, Policy
from gateway.model.submission import Arrival
from gateway.pipeline import Pipeline
from gateway.register import Register
from gateway.world import Errands, Us, World
from tests.builders import DEPARTMENT, PROVINCE, a_client, a_party
from tests.journey.weather import MemoryObserver

SECRET = b"large"


def resident(what: str = "VmRSS") -> int:
    """This process's memory in bytes: now, or (``VmHWM``) the most since ``forget_the_peak``."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) * 1024


def forget_the_peak() -> None:
    """From now on ``VmHWM`` tells the most from now on."""
    Path("/proc/self/clear_refs").write_text("5")


async def pieces(path: Path) -> AsyncIterator[bytes]:
    """A file as an upload brings it."""
    with path.open("rb") as file:
        while piece := file.read(256 * 1024):
            yield piece


class Watch:
    """The most CPU that one turn of the loop took."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._task = asyncio.create_task(self._turn())

    async def _turn(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            self.worst = max(self.worst, time.thread_time() - before)

    def stop(self) -> None:
        self._task.cancel()


async def run(folder: Path, files: list[File]) -> dict[str, object]:
    """Bring a small document, then the large one, the whole way."""
    large, small = folder / "large.edxml", folder / "small.edxml"
    size, _ = make(large, files, sender=PROVINCE, recipient=DEPARTMENT)
    make(small, [], sender=PROVINCE, recipient=DEPARTMENT)
    vault = FileVault(VaultOptions(folder=folder / "vault"))
    clock = SystemClock()
    url = f"sqlite:///{folder / 'ledger.sqlite'}"
    migrate(parse(url))
    parties = [a_party(PROVINCE), a_party(DEPARTMENT)]
    broker = MemoryBroker(parties)
    policy = Policy(acceptance=Acceptance(seal_appendices=False))
    us = Us(realm=Realm("H53"), organ=OrganCode("H53.15"), owner=Owner("large"))
    store = await Store.open(StoreOptions(url=url, realm="H53"))
    async with ProcessInspector(vault) as inspector:
        directory = MemoryDirectory(parties, [a_client(PROVINCE), a_client(DEPARTMENT)])
        outlet = MemoryOutlet(broker, vault, clock, claim_secret=SECRET, public_url="http://gateway")
        world = World(
            ledger=store.ledger,
            lives=store.lives,
            records=store.records,
            vault=vault,
            envelopes=EdxmlEnvelopes(Options(folder=vault.temporary), vault),
            inspector=inspector,
            sealer=MemorySealer(vault=vault, clock=clock),
            directory=directory,
            outlet=outlet,
            clock=clock,
            ids=SystemIds(),
            observer=MemoryObserver(),
        )
        pipeline = Pipeline(world, Register(MemoryNotary(), directory, us), policy, us)

        async def bring(path: Path, name: str) -> dict[str, float]:
            times, start = {}, time.perf_counter()
            ref = await vault.put(pieces(path))
            times["upload"] = time.perf_counter() - start
            arrival = Arrival(
                client=ClientId(PROVINCE),
                claimed=OrganCode(PROVINCE),
                message_id=MessageId(name),
                payload=ref.bare(),
                link=Link.HTTP,
                content_type="application/xml",
            )
            start = time.perf_counter()
            ticket, errands = await pipeline.receive(arrival)
            assert ticket.reason is None, ticket
            await _carry(pipeline, errands)
            times["carry"] = time.perf_counter() - start
            return times

        for number in range(3):
            await bring(small, f"m-{number}")
        idle = resident()
        forget_the_peak()
        watch = Watch()
        times = await bring(large, "m-large")
        *_, letter = iter(lambda: broker.take(f"vanthu.deliver.{DEPARTMENT}"), None)
        assert letter is not None
        _, ref = resolve(SECRET, json.loads(letter.body)["href"])
        start = time.perf_counter()
        async for _ in vault.open(ref):
            pass
        times["fetch"] = time.perf_counter() - start
        peak, after = resident("VmHWM"), resident()
        watch.stop()
        leftovers = [str(path) for path in vault.temporary.iterdir()]
        await vault.close()
        await store.close()
    return {
        "document": size,
        "idle": idle,
        "peak": peak,
        "after": after,
        "held_s": watch.worst,
        "times": times,
        "leftovers": leftovers,
    }


async def _carry(pipeline: Pipeline, errands: Errands) -> None:
    waiting = list(errands)
    while waiting:
        waiting += await pipeline.run(waiting.pop(0))


def main() -> None:
    """Make the document, bring it through, tell."""
    folder = Path(sys.argv[1])
    wrapped = sys.argv[2] if len(sys.argv) > 2 else "mixed"
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    size = int(float(sys.argv[4] if len(sys.argv) > 4 else 50) * 1_000_000)
    kinds = ["raw", "stored", "raw", "deflated"] if wrapped == "mixed" else [wrapped]
    files = [
        File(number=n, size=size, is_pdf=n % 2 == 1, wrapped=kinds[n % len(kinds)])
        for n in range(1, count + 1)
    ]
    print(json.dumps(asyncio.run(run(folder, files))))


if __name__ == "__main__":
    main()
