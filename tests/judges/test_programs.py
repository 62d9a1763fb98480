"""Judges that share no code with ours find every kind of our seals valid, and an altered file not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tests.judges import dss, page
from tests.judges.outputs import Output, make
from tests.judges.programs import PROGRAMS, Word
from tests.services import ROOT


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Output]:
    return asyncio.run(make(tmp_path_factory.mktemp("judged")))


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_it_finds_every_kind_of_our_seals_valid(name: str, outputs: Sequence[Output]) -> None:
    said = {
        f"{output.scheme}, {output.kind}": PROGRAMS[name](output)
        for output in outputs
        if not output.is_altered
    }
    # MuPDF knows no RSA-PSS, and nothing else is excused
    excused = {file for file, word in said.items() if word is Word.UNABLE}
    assert all("PSS" in file and name == "mutool" for file in excused)
    assert {file: word for file, word in said.items() if word is not Word.VALID and file not in excused} == {}
    assert len(said) == 28
    assert len(excused) in (0, 7)


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_it_finds_an_altered_file_invalid(name: str, outputs: Sequence[Output]) -> None:
    altered = [output for output in outputs if output.is_altered]
    assert [PROGRAMS[name](output) for output in altered] == [Word.INVALID]


def test_the_report_of_eu_dss_in_the_docs_is_of_the_pinned_release_and_passes() -> None:
    kept = dss.read(ROOT / "docs" / page.KEPT)
    assert kept.passes
    assert len(kept.signatures) == 2
    text = (ROOT / "docs" / "judged-by-dss.md").read_text("utf-8")
    assert f"**EU DSS {dss.version()}**" in text
    assert kept.judged_at in text
