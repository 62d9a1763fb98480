"""Files that are cheap to send and dear to judge: answered within their time, and briefly."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable

import pytest

from adapters.inspection.judge import Options, judge
from adapters.inspection.processes import wire
from gateway.model.signature import Verdict
from tests.fuzz import forge
from tests.inspection.files import signed_and_sealed
from tests.vectors import make_costly_pdfs as vectors

ANYBODY = Options(unsafe_accept_any_signer=True, moment=forge.NOW)
CPU_S = 5.0
"""Half of what one file may take; each took longer by far before its cause was mended (now: below 1.5 s)."""


@pytest.mark.parametrize(
    "made",
    [
        vectors.heads_in_a_stream,
        vectors.ends_of_references,
        vectors.one_object_again_and_again,
        vectors.names_within_names,
    ],
)
def test_what_repeats_itself_costs_no_more_than_its_length(made: Callable[[], bytes]) -> None:
    pdf = made()
    began = time.process_time()
    assert judge(pdf, ANYBODY).verdict is Verdict.VALID
    assert time.process_time() - began < CPU_S


def test_objects_that_are_packed_together_cost_no_more_than_their_number() -> None:
    """pyHanko reads the header of their stream anew for each: 20 s for 3,000 of them, 30 KB in all.

    Nor is it damage that qpdf misses the page's resources, and says in which object stream.
    """
    pdf = vectors.packed_together()
    began = time.process_time()
    inspection = judge(pdf, ANYBODY)
    assert (inspection.verdict, inspection.findings) == (Verdict.UNSIGNED, ())
    assert time.process_time() - began < CPU_S


def test_a_table_of_many_entries_in_few_bytes_is_too_costly() -> None:
    pdf = vectors.entries_that_lead_nowhere()
    began = time.process_time()
    inspection = judge(pdf, ANYBODY)
    assert (inspection.verdict, [f.code for f in inspection.findings]) == (
        Verdict.REFUSED,
        ["pdf-too-costly"],
    )
    assert time.process_time() - began < CPU_S
    assert judge(vectors.entries_that_lead_nowhere(100_000), ANYBODY).verdict is Verdict.UNSIGNED


def test_a_file_with_too_many_signatures_is_too_costly() -> None:
    inspection = judge(vectors.many_signatures(101), ANYBODY)
    assert (inspection.verdict, [f.code for f in inspection.findings]) == (
        Verdict.REFUSED,
        ["pdf-too-costly"],
    )
    assert judge(vectors.many_signatures(100), ANYBODY).verdict is Verdict.VALID


def test_a_file_with_too_many_revisions_is_too_costly() -> None:
    inspection = judge(vectors.one_object_again_and_again(500), ANYBODY)
    assert (inspection.verdict, [f.code for f in inspection.findings]) == (
        Verdict.REFUSED,
        ["pdf-too-costly"],
    )


def test_no_signature_hides_behind_more_fields_than_are_looked_at() -> None:
    inspection = judge(vectors.hidden_behind_fields(20_000), ANYBODY)
    assert (inspection.verdict, [f.code for f in inspection.findings]) == (
        Verdict.REFUSED,
        ["pdf-too-costly"],
    )
    assert judge(vectors.hidden_behind_fields(19_000), ANYBODY).verdict is not Verdict.VALID


def test_what_a_file_calls_its_things_is_short_and_fit_to_print() -> None:
    inspection = judge(vectors.names_that_nobody_should_print(), ANYBODY)
    assert len(inspection.signatures) == 3
    told = [
        *(text for report in inspection.signatures for text in (report.field, report.sub_filter)),
        *(finding.detail for finding in inspection.findings),
    ]
    for text in told:
        assert len(text) <= 300
        text.encode()  # no half characters
        assert not any(ord(letter) < 32 or letter == "\u202e" for letter in text), text


def test_the_longest_answer_is_no_burden_for_the_loop() -> None:
    inspection = judge(vectors.many_signatures(100), ANYBODY)
    assert len(wire.encode_inspection(inspection)) < 200_000


@pytest.mark.parametrize(
    "made", [signed_and_sealed, vectors.packed_together, lambda: signed_and_sealed()[:-20_000]]
)
def test_nothing_holds_a_file_that_was_judged(made: Callable[[], bytes]) -> None:
    """Two files of 50 MB that wait for the collector of garbage are a judge of 300 MB instead of 200."""
    pdf = bytes(bytearray(made()))
    judge(pdf)
    gc.collect()
    gc.disable()
    try:
        held = sys.getrefcount(pdf)
        judge(pdf)
        assert sys.getrefcount(pdf) == held
    finally:
        gc.enable()
