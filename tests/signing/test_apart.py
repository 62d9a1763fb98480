"""A file that takes long to read is prepared and read back apart: the same bytes, and its worker has its time for others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest

from adapters.limits import GIVES_WAY
from adapters.signing import apart
from adapters.signing.pdf import Wish, prepare, prepare_here
from adapters.signing.readback import NotWhatWeSealed, read_back_as_pdf, read_back_here
from gateway.errors import Refused, Unavailable
from gateway.model.payload import PayloadRef
from gateway.model.signature import SealKind, SealOrder
from tests.pki import NOW
from tests.processors import half_of, rests
from tests.signing.pdfs import judgements
from tests.signing.test_seals import AGENCY, a_sealer
from tests.vectors.make_costly_pdfs import packed_together

T = TypeVar("T")
WISH = Wish(signed_at=NOW, digest="sha256", reserved=4096, seed=b"seed")
TOLD = apart.Told(hole=(10, 20), field_name="VanThu-1", digest=b"\1", was_odd=True, shown="place", hidden="")


@cache
def slow_to_read() -> bytes:
    """Takes about a second."""
    return packed_together(2000, 50)


def test_a_file_that_takes_long_gives_the_same_bytes_and_leaves_its_worker_the_time() -> None:
    here, expected = _time_for(lambda: prepare_here(slow_to_read(), WISH))
    beside, draft = _time_for(lambda: prepare(slow_to_read(), WISH))
    assert (draft.update, draft.digest, draft.hole) == (expected.update, expected.digest, expected.hole)
    assert draft.fill(b"\x30\x80") == expected.fill(b"\x30\x80")
    assert draft.hashed.hexdigest() == expected.hashed.hexdigest()
    assert beside < here / 2


def test_a_sealed_file_that_takes_long_is_read_back_beside_its_worker() -> None:
    sealed = prepare_here(slow_to_read(), WISH).fill(b"\x30\x80")
    here, _ = _time_for(lambda: read_back_here(sealed, "VanThu-1"))
    beside, _ = _time_for(lambda: read_back_as_pdf(sealed, "VanThu-1"))
    assert beside < here / 2
    with pytest.raises(NotWhatWeSealed, match="does not find our signature"):
        read_back_as_pdf(sealed, "VanThu-2")


def test_reading_back_has_an_end() -> None:
    with pytest.raises(Refused, match="pdf-too-costly"):
        apart.fault_of(slow_to_read(), "VanThu-1", cpu=timedelta(milliseconds=50))


@pytest.mark.heavy_body("judges the file")
@pytest.mark.parametrize("kind", list(SealKind))
async def test_a_seal_of_a_file_that_takes_long_is_a_seal(tmp_path: Path, kind: SealKind) -> None:
    order = SealOrder(party=AGENCY, kind=kind, signed_at=NOW)
    sealed = await a_sealer(tmp_path).seal(PayloadRef.of(packed_together(500, 50)), order)
    assert sealed.payload.body is not None
    assert len(await judgements(sealed.payload.body)) == 1


def test_who_prepares_a_slow_file_gives_way_and_few_of_them_are_waited_for() -> None:
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(apart.prepared, WISH, slow_to_read()) for _ in range(2)]
        expected = os.getpriority(os.PRIO_PROCESS, 0) + GIVES_WAY, half_of(os.sched_getaffinity(0))
        _until(lambda: [_standing(pid) for pid in _children()].count(expected) == 2)
        _until(lambda: sum(map(rests, _children())) == 2)
        with pytest.raises(Unavailable, match="too-busy"):
            apart.prepared(WISH, slow_to_read())
        assert {told.result()[0].field_name for told in both} == {"VanThu-1"}
    assert apart.prepared(WISH, packed_together(10))[0].field_name == "VanThu-1", "there is room again"


def test_a_file_that_takes_too_much_is_refused() -> None:
    with pytest.raises(Refused, match="pdf-too-costly"):
        apart.prepared(WISH, slow_to_read(), cpu=timedelta(milliseconds=50))


def test_what_the_file_is_refused_for_is_told() -> None:
    with pytest.raises(Refused, match="pdf-unreadable"):
        apart.prepared(WISH, b"%PDF-1.7\nnothing")


def test_an_answer_comes_as_it_was_given() -> None:
    assert apart.decoded(apart.encoded(TOLD, b"up\ndate")) == (TOLD, b"up\ndate")
    with pytest.raises(Refused, match="seal-forbidden: FieldMDP"):
        apart.decoded(apart.encoded_refusal(Refused("seal-forbidden", "FieldMDP")))


@pytest.mark.parametrize(
    "answer",
    [b"", b"\n", b"[]\n", b'"refused"\n', b"{}\nx", b"\xff\n", json.dumps({"hole": [1, 2, 3]}).encode()],
)
def test_an_answer_that_says_nothing_is_nobodys_fault(answer: bytes) -> None:
    with pytest.raises(Unavailable, match="seal-failed"):
        apart.decoded(answer)


def test_who_gives_way_does_before_anything_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "heavy.py").write_text("import os\nprint(os.getpriority(os.PRIO_PROCESS, 0))\n")
    said = subprocess.run(
        [sys.executable, "-P", "-m", "adapters.giving_way", "heavy"],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path])),
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    assert int(said) == os.getpriority(os.PRIO_PROCESS, 0) + GIVES_WAY


def _time_for(act: Callable[[], T]) -> tuple[float, T]:
    began = time.thread_time()
    done = act()
    return time.thread_time() - began, done


def _children() -> list[int]:
    tasks = Path("/proc/self/task").iterdir()
    return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]


def _standing(pid: int) -> tuple[int, set[int]] | None:
    try:
        return os.getpriority(os.PRIO_PROCESS, pid), os.sched_getaffinity(pid)
    except ProcessLookupError:
        return None


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()
