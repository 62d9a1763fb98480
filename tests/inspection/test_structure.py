"""What a PDF holds besides paper: a table of vectors, and what is said of each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from adapters.inspection.judge import judge
from gateway.model.finding import Severity
from gateway.model.signature import Verdict
from schemas import reasons
from tests.vectors import make_pdfs as vectors

Made = Callable[[], bytes]


@pytest.mark.parametrize(
    "made",
    [
        vectors.script_on_opening,
        vectors.script_in_names,
        vectors.script_of_an_annotation,
        vectors.script_of_a_field,
        vectors.script_spelt_oddly,
        vectors.script_nobody_refers_to,
        vectors.script_in_an_object_stream,
        vectors.launch,
    ],
)
def test_active_content_is_refused_wherever_it_is(made: Made) -> None:
    assert _verdict_and_errors(made()) == (Verdict.REFUSED, ["pdf-active-content"])


@pytest.mark.parametrize(
    "made",
    [vectors.plain, vectors.goes_to_a_page, vectors.goes_to_a_page_by_action, vectors.reference_loops],
)
def test_ordinary_files_are_unsigned_and_nothing_is_held_against_them(made: Made) -> None:
    inspection = judge(made())
    assert (inspection.verdict, inspection.findings, inspection.pages) == (Verdict.UNSIGNED, (), 1)


@pytest.mark.parametrize("password", ["", "secret"])
def test_an_encrypted_file_is_refused_even_if_it_opens_without_a_password(password: str) -> None:
    assert _verdict_and_errors(vectors.encrypted(password)) == (Verdict.REFUSED, ["pdf-encrypted"])


@pytest.mark.parametrize("made", [vectors.truncated, vectors.no_pdf, vectors.page_tree_loop, bytes])
def test_what_is_no_readable_pdf_is_refused(made: Made) -> None:
    assert _verdict_and_errors(made()) == (Verdict.REFUSED, ["pdf-unreadable"])


def test_a_form_of_xfa_is_refused() -> None:
    assert _verdict_and_errors(vectors.xfa()) == (Verdict.REFUSED, ["pdf-xfa"])


def test_an_embedded_file_is_a_warning() -> None:
    inspection = judge(vectors.embedded_file(), name="bao-cao.pdf")
    assert inspection.verdict is Verdict.UNSIGNED
    (finding,) = inspection.findings
    assert (finding.code, finding.severity) == ("pdf-embedded-file", Severity.WARNING)
    assert finding.where == "bao-cao.pdf"
    assert finding.message == reasons()["pdf-embedded-file"].en
    assert finding.message_vi == reasons()["pdf-embedded-file"].vi


@pytest.mark.parametrize(
    "made", [vectors.deflate_bomb, vectors.deflate_bomb_in_hex, vectors.double_deflate_bomb]
)
def test_a_stream_that_unfolds_to_a_gigabyte_is_too_costly(made: Made) -> None:
    assert _verdict_and_errors(made()) == (Verdict.REFUSED, ["pdf-too-costly"])


def test_deep_nesting_breaks_nothing() -> None:
    assert judge(vectors.nesting_bomb()).verdict in (Verdict.UNSIGNED, Verdict.REFUSED)
    assert judge(vectors.nesting_bomb_in_the_form()).verdict in (Verdict.UNSIGNED, Verdict.REFUSED)


def test_contents_of_megabytes_are_refused_before_they_are_parsed() -> None:
    inspection = judge(vectors.huge_contents(4))
    assert [f.code for f in inspection.findings] == ["pdf-too-costly"]
    assert inspection.elapsed_ms < 2000  # pyHanko's own reader takes about 4 s


@pytest.mark.parametrize("cut", range(0, 600, 7))
def test_a_file_cut_anywhere_is_answered(cut: int) -> None:
    assert judge(vectors.plain()[:cut]).verdict in (Verdict.REFUSED, Verdict.UNSIGNED)


def _verdict_and_errors(data: bytes) -> tuple[Verdict, list[str]]:
    inspection = judge(data)
    return inspection.verdict, [f.code for f in inspection.findings if f.severity is Severity.ERROR]
