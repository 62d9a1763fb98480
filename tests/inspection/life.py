"""A gateway's life that is spent judging one file without end; prints the processes that it has."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from adapters.inspection.processes.inspector import Options, ProcessInspector
from gateway.model.ids import PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.policy import Acceptance
from tests.inspection.files import Shelf
from tests.vectors import make_pdfs as vectors


async def live() -> None:
    """Judge until killed."""
    async with ProcessInspector(Shelf(), Options(workers=2)) as inspector:
        process = inspector._nursery._process
        assert process is not None
        asked = asyncio.create_task(
            inspector.judge(PayloadRef.of(vectors.slow_to_read()), Acceptance(), share=PartyKey("a"))
        )
        await asyncio.sleep(0)
        print(
            process.pid,
            *(place.pid for place in (*inspector._first, *inspector._slow) if place.pid),
            flush=True,
        )
        await asked


if __name__ == "__main__":
    (uvloop.run if sys.argv[1] == "uvloop" else asyncio.run)(live())
