"""Two lanes of judging: a file that takes longer than a moment gives way to everybody else's."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import cast

import pytest

from adapters.inspection.processes.inspector import Options, ProcessInspector
from adapters.inspection.processes.place import Nursery, Place
from adapters.limits import GIVES_WAY, SESSION_GIVES_WAY
from adapters.processors import OURS
from adapters.resting import RESTS_AT_MOST
from gateway.errors import Unavailable
from gateway.model.envelope import Priority
from gateway.model.ids import PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.policy import Acceptance
from gateway.model.signature import Inspection, Verdict
from tests.inspection.files import Shelf
from tests.processors import half_of, rests
from tests.vectors import make_pdfs as vectors

SLOW, SLOW_TOO, QUICK = (PartyKey(f"000.00.0{n}.H53") for n in (1, 2, 3))
SHARES_BY_SESSION = Path("/proc/self/autogroup").exists()
ONE_OF_EACH = Options(workers=1, slow=1, brisk=timedelta(milliseconds=100), cpu=timedelta(minutes=1))


@pytest.fixture
async def inspector() -> AsyncIterator[ProcessInspector]:
    async with ProcessInspector(Shelf(), ONE_OF_EACH) as started:
        yield started


@pytest.mark.heavy_body("makes a runaway")
async def test_a_long_judging_gives_way_and_its_process_is_replaced(inspector: ProcessInspector) -> None:
    (first,), (slow,) = inspector._first, inspector._slow
    before = first.pid
    async with _judged_all_the_while(inspector, SLOW):
        await _until(lambda: slow.is_asking)
        assert _niceness(slow) == _niceness(os.getpid()) + GIVES_WAY
        assert _has_own_session(slow) or not SHARES_BY_SESSION
        assert _processors(slow) == half_of(os.sched_getaffinity(0)), "who waits for the disk needs one, too"
        await _until(lambda: rests(slow.pid))
        assert (await _judge(inspector, QUICK)).verdict is Verdict.UNSIGNED, "with a single brisk process"
        assert first.pid not in (0, before)
        assert _niceness(first) == _niceness(os.getpid())
        assert _processors(first) == os.sched_getaffinity(0)
        assert not rests(first.pid)


async def test_a_judging_process_is_not_kept_to_the_processor_of_a_worker_in_a_crowd() -> None:
    os.sched_setaffinity(0, {min(OURS)})
    try:
        async with ProcessInspector(Shelf(), ONE_OF_EACH) as inspector:
            assert os.sched_getaffinity(inspector._first[0].pid) == OURS
    finally:
        os.sched_setaffinity(0, OURS)


@pytest.mark.heavy_body("makes a runaway")
async def test_slow_files_of_several_agencies_wait_for_each_other_and_nobody_else(
    inspector: ProcessInspector,
) -> None:
    async with _judged_all_the_while(inspector, SLOW), _judged_all_the_while(inspector, SLOW_TOO):
        await _until(lambda: {SLOW, SLOW_TOO} <= inspector._dawdlers)
        for _ in range(3):
            assert (await _judge(inspector, QUICK)).verdict is Verdict.UNSIGNED


@pytest.mark.heavy_body("makes a runaway")
async def test_who_is_slow_goes_to_the_slow_lane_at_once_until_a_quick_file_and_his_express_does_not(
    inspector: ProcessInspector,
) -> None:
    (first,) = inspector._first
    async with _judged_all_the_while(inspector, SLOW):
        await _until(lambda: SLOW in inspector._dawdlers)
        await _judge(inspector, QUICK)
        replaced = first.pid
        ordinary = asyncio.create_task(_judge(inspector, SLOW))
        urgent = await _judge(inspector, SLOW, Priority.EXPRESS)
        assert urgent.verdict is Verdict.UNSIGNED
        assert not ordinary.done(), "its own slow file is before it"
    assert (await ordinary).verdict is Verdict.UNSIGNED
    assert first.pid == replaced
    while SLOW in inspector._dawdlers:  # a machine that has no time makes a quick file slow
        await _judge(inspector, SLOW)


def test_one_lane_is_enough_where_nobody_else_waits() -> None:
    async def live() -> None:
        options = Options(workers=1, brisk=None)
        async with ProcessInspector(Shelf(), options) as inspector:
            judged = await _judge(inspector, SLOW, body=vectors.slow_to_read(1))
            assert judged.verdict is Verdict.UNSIGNED
            assert not any(place.pid for place in inspector._slow)

    asyncio.run(live())


@pytest.mark.parametrize(
    ("gives_way", "rests_at_most"),
    [pytest.param(False, 0.0, id="brisk"), pytest.param(True, RESTS_AT_MOST, id="slow")],
)
def test_what_is_excused_is_the_wait_for_a_processor_and_the_rests_of_who_gives_way(
    gives_way: bool, rests_at_most: float
) -> None:
    place = Place(cast(Nursery, None), gives_way=gives_way)
    with _beside_a_hog():  # so we work, and wait for a processor
        place._pid = os.getpid()
        before = _worked_and_waited()
        told = place.excused_s
        after = _worked_and_waited()
    assert min(before) > 0
    least, most = (waited + rests_at_most * worked for worked, waited in (before, after))
    assert least <= told <= most


@contextmanager
def _beside_a_hog() -> Iterator[None]:
    """On one processor with somebody who never lets it go, until we have waited for it."""
    kept = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(kept)})
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as hog:
        try:
            _, before = _worked_and_waited()
            while _worked_and_waited()[1] == before:
                pass
            yield
        finally:
            hog.kill()
            os.sched_setaffinity(0, kept)


def _worked_and_waited() -> tuple[float, float]:
    worked, waited, _ = Path("/proc/self/schedstat").read_text().split()
    return int(worked) / 1e9, int(waited) / 1e9


class Beside:
    """In the part of a ``Place``: so much of the time is excused."""

    def __init__(self, excused: float) -> None:
        self._began = asyncio.get_running_loop().time()
        self._excused = excused

    @property
    def excused_s(self) -> float:
        """As much as was asked for."""
        return (asyncio.get_running_loop().time() - self._began) * self._excused


@pytest.mark.parametrize(
    ("excused", "least", "most"), [(0.0, 1.0, 1.9), (0.5, 2.0, 3.5), (0.9, 10.0, 15.0), (1.0, 60.0, 75.0)]
)
async def test_what_is_excused_does_not_count_but_has_an_end(
    excused: float, least: float, most: float
) -> None:
    wall_s = 0.1
    inspector = ProcessInspector(Shelf(), Options(wall=timedelta(seconds=wall_s)))
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(TimeoutError):
        async with inspector._patience(cast(Place, Beside(excused))):
            await asyncio.Event().wait()
    assert least * wall_s <= loop.time() - began < most * wall_s


async def test_a_file_for_which_the_machine_has_no_time_is_put_off_and_not_refused() -> None:
    class Starved(Place):
        @property
        def excused_s(self) -> float:
            return asyncio.get_running_loop().time()

    options = Options(workers=1, brisk=None, wall=timedelta(milliseconds=100), cpu=timedelta(minutes=1))
    async with ProcessInspector(Shelf(), options) as inspector:
        (place,) = inspector._first
        place.__class__ = Starved
        with pytest.raises(Unavailable, match="too-busy"):
            await _judge(inspector, SLOW, body=a_runaway())


@cache
def a_runaway() -> bytes:
    """Takes half a minute of processor time."""
    return vectors.slow_to_read()


@asynccontextmanager
async def _judged_all_the_while(inspector: ProcessInspector, party: PartyKey) -> AsyncIterator[None]:
    task = asyncio.create_task(_judge(inspector, party, body=a_runaway()))
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _judge(
    inspector: ProcessInspector,
    party: PartyKey,
    priority: Priority = Priority.ORDINARY,
    *,
    body: bytes = b"",
) -> Inspection:
    ref = PayloadRef.of(body or vectors.plain())
    return await inspector.judge(ref, Acceptance(), share=party, priority=priority)


def _niceness(process: Place | int) -> int:
    return os.getpriority(os.PRIO_PROCESS, process if isinstance(process, int) else process.pid)


def _processors(process: Place) -> set[int]:
    return os.sched_getaffinity(process.pid)


def _has_own_session(process: Place) -> bool:
    group = Path(f"/proc/{process.pid}/autogroup").read_text().split()  # "/autogroup-27 nice 14"
    return os.getsid(process.pid) == process.pid and int(group[-1]) == SESSION_GIVES_WAY


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)
