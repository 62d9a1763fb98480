"""The sheet on which a file lies while it is judged: both sides see the same, one writes, nobody takes it away."""

from __future__ import annotations

import os

import pytest

from adapters.inspection.processes.inspector import ProcessInspector
from adapters.inspection.processes.sheet import SIZE, Sheet
from gateway.model.ids import PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.policy import Acceptance
from gateway.model.signature import Verdict
from tests.inspection.files import Shelf
from tests.signing.pdfs import a_pdf


def test_what_is_laid_is_read_and_a_shorter_file_leaves_nothing_of_a_longer_one() -> None:
    ours = Sheet.new()
    theirs = Sheet.at(os.dup(ours.fileno()))
    for body in (b"longer" * 1000, b"short", b"", os.urandom(SIZE)):
        ours.lay(body)
        assert theirs.read(len(body)) == body
    theirs.close()
    ours.close()


def test_who_was_handed_a_sheet_can_neither_write_on_it_nor_take_it_away() -> None:
    ours = Sheet.new()
    theirs = Sheet.at(os.dup(ours.fileno()))
    with pytest.raises(TypeError):
        theirs.lay(b"x")
    for size in (0, 2 * SIZE):
        with pytest.raises(PermissionError):
            os.ftruncate(theirs.fileno(), size)
    theirs.close()
    ours.close()


async def test_files_of_all_sizes_reach_the_judge_whole() -> None:
    beside = len(_of_bytes(1_000_000)) - 1_000_000
    async with ProcessInspector(Shelf()) as inspector:
        for pdf in (a_pdf(), _of_bytes(SIZE - beside), _of_bytes(SIZE - beside + 1), a_pdf()):
            found = await inspector.judge(PayloadRef.of(pdf), Acceptance(), share=PartyKey("a"))
            assert found.verdict is Verdict.UNSIGNED, len(pdf)


def _of_bytes(count: int) -> bytes:
    return a_pdf(extra={20: b"<< /Length %d >>\nstream\n%s\nendstream" % (count, bytes(count))})
