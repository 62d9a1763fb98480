"""Processes that can be ended: bombs, runaways, deaths of every kind, and what is left of them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

from adapters.inspection.processes.inspector import Options, ProcessInspector
from adapters.loose import LooseFile
from gateway.errors import Unavailable
from gateway.model.ids import PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.policy import Acceptance
from gateway.model.signature import Inspection, Verdict
from tests.inspection.files import Shelf, signed_by_leader
from tests.vectors import make_pdfs as vectors

SLOW, QUICK = PartyKey("000.00.01.H53"), PartyKey("000.00.02.H53")
LIMITED = Options(cpu=timedelta(seconds=1), wall=timedelta(seconds=15), memory_bytes=192 * 1024 * 1024)


@pytest.fixture
async def inspector() -> AsyncIterator[ProcessInspector]:
    async with ProcessInspector(Shelf(), LIMITED) as started:
        yield started


@pytest.mark.heavy_body("makes a bomb")
async def test_a_memory_bomb_is_too_costly() -> None:
    options = Options(workers=1, cpu=timedelta(minutes=1), wall=timedelta(minutes=2), memory_bytes=192 << 20)
    async with ProcessInspector(Shelf(), options) as inspector:
        inspection = await _judge(inspector, vectors.object_stream_bomb(480))
        assert _told(inspection) == (Verdict.REFUSED, ["pdf-too-costly"])
        assert (await _judge(inspector, vectors.plain())).verdict is Verdict.UNSIGNED


@pytest.mark.heavy_body("makes a runaway")
async def test_a_runaway_is_ended_while_its_neighbour_goes_on(inspector: ProcessInspector) -> None:
    runaway = asyncio.create_task(_judge(inspector, a_runaway(), share=SLOW))
    neighbours = 0
    while not runaway.done():
        assert (await _judge(inspector, vectors.plain(), share=QUICK)).verdict is Verdict.UNSIGNED
        neighbours += 1
    assert _told(runaway.result()) == (Verdict.REFUSED, ["pdf-too-costly"])
    assert "processor time" in runaway.result().findings[0].detail
    assert neighbours > 20
    assert (await _judge(inspector, vectors.plain(), share=SLOW)).verdict is Verdict.UNSIGNED


async def test_the_processor_time_counts_for_each_file_anew() -> None:
    costly, options = vectors.slow_to_read(1), Options(brisk=None, workers=1)
    async with ProcessInspector(Shelf(), options) as inspector:
        first = await _judge(inspector, costly)
    limit = timedelta(milliseconds=2 * first.elapsed_ms)  # machines differ by more than that
    async with ProcessInspector(Shelf(), replace(options, cpu=limit)) as inspector:
        for _ in range(4):
            assert (await _judge(inspector, costly)).verdict is Verdict.UNSIGNED


async def test_slow_files_of_one_party_do_not_hold_up_another() -> None:
    async with ProcessInspector(Shelf(), Options(workers=2)) as inspector:
        slow = [asyncio.create_task(_judge(inspector, a_runaway(), share=SLOW)) for _ in range(4)]
        await _until(lambda: any(_is_busy(pid) for pid in _children(inspector)))
        for _ in range(5):
            assert (await _judge(inspector, vectors.plain(), share=QUICK)).verdict is Verdict.UNSIGNED
        assert not any(task.done() for task in slow)
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)


async def test_a_file_that_never_ends_is_ended_by_the_clock() -> None:
    options = Options(workers=1, brisk=None, cpu=timedelta(minutes=1), wall=timedelta(seconds=1))
    async with ProcessInspector(Shelf(), options) as inspector:
        asked = asyncio.create_task(_judge(inspector, a_runaway()))
        (judging,) = _children(inspector)
        await _until(lambda: _is_busy(judging))
        os.kill(judging, signal.SIGSTOP)  # it neither works nor waits for a processor
        async with asyncio.timeout(20):
            inspection = await asked
        assert _told(inspection) == (Verdict.REFUSED, ["pdf-too-costly"])
        assert "too long" in inspection.findings[0].detail


@pytest.mark.heavy_body("makes a signed file")
async def test_a_process_that_was_killed_is_replaced(inspector: ProcessInspector) -> None:
    for pid in _children(inspector):
        os.kill(pid, signal.SIGKILL)
    assert (await _judge(inspector, signed_by_leader())).verdict is Verdict.INDETERMINATE
    assert await inspector.check() == "ok"


@pytest.mark.parametrize("brisk", [Options().brisk, None], ids=["two lanes", "one lane"])
async def test_a_process_that_dies_at_work_is_replaced_and_the_file_judged(brisk: timedelta | None) -> None:
    async with ProcessInspector(Shelf(), Options(brisk=brisk)) as inspector:
        before = _children(inspector)
        costly = asyncio.create_task(_judge(inspector, vectors.slow_to_read(1)))
        await _until(lambda: any(_is_busy(pid) for pid in before))
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert (await costly).verdict is Verdict.UNSIGNED


async def test_the_nursery_that_was_killed_is_started_again(inspector: ProcessInspector) -> None:
    before = _children(inspector)
    os.kill(_nursery(inspector), signal.SIGKILL)
    await _until(lambda: not any(_is_alive(pid) for pid in before))
    assert (await _judge(inspector, signed_by_leader())).verdict is Verdict.INDETERMINATE


async def test_a_cancelled_question_leaves_no_answer_for_the_next(inspector: ProcessInspector) -> None:
    asked = asyncio.create_task(_judge(inspector, a_runaway()))
    await _until(lambda: any(_is_busy(pid) for pid in _children(inspector)))
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert (await _judge(inspector, vectors.no_pdf())).verdict is Verdict.REFUSED
    assert (await _judge(inspector, vectors.plain())).verdict is Verdict.UNSIGNED


async def test_closing_ends_everything_and_answers_who_waits() -> None:
    inspector = ProcessInspector(Shelf(), Options(workers=1))
    await inspector.start()
    processes = [_nursery(inspector), *_children(inspector)]
    asked = [asyncio.create_task(_judge(inspector, a_runaway())) for _ in range(3)]
    await _until(lambda: any(_is_busy(pid) for pid in processes[1:]))
    began = time.monotonic()
    await inspector.close()
    await inspector.close()
    assert time.monotonic() - began < 5
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [getattr(answer, "reason", None) for answer in answers] == ["draining"] * 3
    assert not any(_is_alive(pid) for pid in processes)
    with pytest.raises(Unavailable, match="draining"):
        await _judge(inspector, vectors.plain())
    assert await inspector.check() != "ok"


async def test_too_much_of_one_party_is_put_off() -> None:
    async with ProcessInspector(Shelf(), Options(workers=1, queue=2)) as inspector:
        asked = [asyncio.create_task(_judge(inspector, vectors.plain())) for _ in range(8)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        reasons = {answer.reason for answer in answers if isinstance(answer, Unavailable)}
        assert reasons == {"too-busy"}
        assert any(isinstance(answer, Inspection) for answer in answers)


async def test_a_file_larger_than_allowed_is_not_even_read() -> None:
    async with ProcessInspector(Shelf(), Options(workers=1)) as inspector:
        ref = PayloadRef(sha256="0" * 64, size=1001)
        inspection = await inspector.judge(ref, Acceptance(max_bytes=1000), share=QUICK, name="a.pdf")
        assert _told(inspection) == (Verdict.REFUSED, ["pdf-too-large"])


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_nothing_survives_a_gateway_that_was_killed(loop: str) -> None:
    life = subprocess.Popen(
        [sys.executable, "-m", "tests.inspection.life", loop], stdout=subprocess.PIPE, text=True
    )
    assert life.stdout is not None
    pids = [int(word) for word in life.stdout.readline().split()]
    assert len(pids) == 3
    life.kill()
    life.wait()
    deadline = time.monotonic() + 5
    while any(_is_alive(pid) for pid in pids) and time.monotonic() < deadline:
        os.sched_yield()
    assert not any(_is_alive(pid) for pid in pids)


def test_the_gateway_itself_loads_no_parser() -> None:
    code = (
        "import sys, adapters.inspection.processes.inspector; "
        "print([m for m in ('pikepdf', 'pyhanko', 'asn1crypto', 'cryptography') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@cache
def a_runaway() -> bytes:
    """Takes half a minute of processor time, with nothing in it that is too large by itself."""
    return vectors.slow_to_read()


async def _judge(inspector: ProcessInspector, body: bytes, share: PartyKey = QUICK) -> Inspection:
    return await inspector.judge(PayloadRef.of(body), Acceptance(), share=share, name="van-ban.pdf")


def _told(inspection: Inspection) -> tuple[Verdict, list[str]]:
    return inspection.verdict, [finding.code for finding in inspection.findings]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


def _children(inspector: ProcessInspector) -> list[int]:
    return [place.pid for place in (*inspector._first, *inspector._slow) if place.pid]


def _nursery(inspector: ProcessInspector) -> int:
    process = inspector._nursery._process
    assert process is not None
    return process.pid


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def _is_busy(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "R"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_a_file_without_a_name_is_judged_by_its_descriptor(
    inspector: ProcessInspector, tmp_path: Path
) -> None:
    """Its bytes do not pass through the gateway: the shelf has never seen them."""
    body = signed_by_leader()
    file = LooseFile.in_folder(tmp_path)
    file.write(body)
    ref = PayloadRef(sha256=PayloadRef.of(body).sha256, size=len(body), loose=file)
    handed = await inspector.judge(ref, Acceptance(), share=QUICK, name="a.pdf")
    carried = await inspector.judge(PayloadRef.of(body), Acceptance(), share=QUICK, name="a.pdf")
    assert replace(handed, elapsed_ms=0) == replace(carried, elapsed_ms=0)
    assert [len(one.signatures) for one in (handed, carried)] == [1, 1]
