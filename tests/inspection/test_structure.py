"""What a PDF holds besides paper: a table of vectors, and what is said of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from adapters.inspection.judge import Options, judge
from gateway.model.finding import Severity
from gateway.model.policy import Acceptance, Attitude
from gateway.model.signature import Verdict
from schemas import reasons
from tests.signing.pdfs import a_pdf
from tests.vectors import besides
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
    [
        vectors.plain,
        vectors.goes_to_a_page,
        vectors.goes_to_a_page_by_action,
        vectors.reference_loops,
        besides.invisible_field,
        besides.link_to_the_web,
    ],
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


_OF_THE_POLICY = {
    "pdf-active-content": (vectors.script_on_opening, besides.link_with_a_script, besides.rich_media),
    "pdf-xfa": (vectors.xfa,),
    "pdf-external-content": (besides.stream_in_another_file, besides.reference_xobject, besides.opi_proxy),
    "pdf-embedded-file": (vectors.embedded_file, besides.portfolio),
    "pdf-hidden-content": (
        besides.hidden_layer,
        besides.layers_off_unless_named,
        besides.hidden_annotation,
        besides.annotation_without_a_view,
        besides.hiding_action,
        besides.layer_switch,
    ),
}
_SETTINGS = {
    "pdf-active-content": "active_content",
    "pdf-xfa": "xfa",
    "pdf-external-content": "external_content",
    "pdf-embedded-file": "embedded_files",
    "pdf-hidden-content": "hidden_content",
}


@pytest.mark.parametrize(("code", "made"), [(c, m) for c, some in _OF_THE_POLICY.items() for m in some])
@pytest.mark.parametrize("attitude", Attitude)
def test_the_policy_refuses_or_warns_of_what_a_file_holds_besides_paper(
    code: str, made: Made, attitude: Attitude
) -> None:
    acceptance = replace(Acceptance(), **{_SETTINGS[code]: attitude})
    inspection = judge(made(), Options(acceptance=acceptance))
    told = [(f.code, f.severity) for f in inspection.findings]
    if attitude is Attitude.REFUSE:
        assert (inspection.verdict, told) == (Verdict.REFUSED, [(code, Severity.ERROR)])
    else:
        assert (inspection.verdict, told) == (Verdict.UNSIGNED, [(code, Severity.WARNING)])


@pytest.mark.parametrize(("code", "made"), [(c, some[0]) for c, some in _OF_THE_POLICY.items()])
def test_without_a_word_in_the_policy_scripts_xfa_and_content_elsewhere_are_refused(
    code: str, made: Made
) -> None:
    is_refused = code in ("pdf-active-content", "pdf-xfa", "pdf-external-content")
    assert (judge(made()).verdict is Verdict.REFUSED) is is_refused


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (besides.shown_layers, "pdf-hidden-content"),
        (besides.link_to_a_file, "pdf-links-to-files"),
        (besides.link_to_an_embedded_file, "pdf-links-to-files"),
        (besides.link_to_a_file_by_address, "pdf-links-to-files"),
    ],
)
def test_layers_that_are_shown_and_links_to_files_are_told_and_no_more(made: Made, code: str) -> None:
    strict = Acceptance(hidden_content=Attitude.REFUSE, external_content=Attitude.REFUSE)
    inspection = judge(made(), Options(acceptance=strict))
    assert [(f.code, f.severity) for f in inspection.findings] == [(code, Severity.INFO)]


def test_too_many_pages_and_too_many_bytes_are_refused() -> None:
    some = Acceptance(max_pages=20, max_bytes=len(besides.pages(20)))
    assert judge(besides.pages(20), Options(acceptance=some)).findings == ()
    inspection = judge(besides.pages(21), Options(acceptance=replace(some, max_bytes=10**9)))
    assert [(f.code, f.severity) for f in inspection.findings] == [("pdf-too-many-pages", Severity.ERROR)]
    assert inspection.verdict is Verdict.REFUSED
    inspection = judge(besides.pages(20) + b"\n", Options(acceptance=some))
    assert (inspection.verdict, [f.code for f in inspection.findings]) == (Verdict.REFUSED, ["pdf-too-large"])


def test_what_is_encrypted_is_refused_whatever_the_policy_says() -> None:
    lenient = Acceptance(active_content=Attitude.WARN, xfa=Attitude.WARN, external_content=Attitude.WARN)
    inspection = judge(vectors.encrypted(), Options(acceptance=lenient))
    assert (inspection.verdict, [f.code for f in inspection.findings]) == (Verdict.REFUSED, ["pdf-encrypted"])


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


@pytest.mark.parametrize("number", [*range(150, 400, 7), 997, 100_000, 8_388_607])
def test_no_number_hides_an_object_from_one_of_two_readers(number: int) -> None:
    launch = b"<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /A << /S /Launch /F (calc.exe) >> >>"
    paper = a_pdf()
    body = paper + b"%d 0 obj\n%s\nendobj\n" % (number, launch)
    start = int(paper.rpartition(b"startxref")[2].split()[0])
    table = b"xref\n%d 1\n%010d 00000 n \n" % (number, len(paper))
    trailer = b"trailer\n<< /Size %d /Root 1 0 R /Prev %d >>\n" % (number + 1, start)
    whole = body + table + trailer + b"startxref\n%d\n%%%%EOF\n" % len(body)
    assert judge(whole, Options()).verdict is Verdict.REFUSED
