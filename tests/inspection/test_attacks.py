"""Attacks on signed files that literature and other validators' tests know: never valid, or warned of.

The makers are in ``tests/vectors/attacks``, one file a class; here stands only what must come out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from pyhanko.sign.fields import MDPPerm

from adapters.inspection.judge import Options, judge
from gateway.model.finding import Severity
from gateway.model.signature import Inspection, Verdict
from tests.vectors.attacks import forgery, incremental, papers, wrapping

ANYBODY = Options(unsafe_accept_any_signer=True)
Base = Callable[[], bytes]

BASES: Mapping[str, Base] = {
    "signed": papers.approved,
    "signed twice": papers.approved_twice,
    "certified, no changes": lambda: papers.certified(MDPPerm.NO_CHANGES),
    "certified, forms": lambda: papers.certified(MDPPerm.FILL_FORMS),
    "certified, annotations": lambda: papers.certified(MDPPerm.ANNOTATE),
}
SIGNED_ONCE = {name: base for name, base in BASES.items() if name != "signed twice"}

# what may change in ``papers.rich`` without any effect on what is shown: metadata, and the document's title
_MAY_CHANGE = frozenset(
    {
        (papers.CATALOG, "/Metadata"),
        (papers.CATALOG, "/Extensions"),
        (papers.METADATA, "/Subtype"),
        (papers.INFO, ""),
        # what the page tree says as well
        (3, "/MediaBox"),
        (papers.SECOND_PAGE, "/MediaBox"),
    }
)


@pytest.mark.parametrize("base", BASES)
def test_what_is_attacked_was_valid_before(base: str) -> None:
    inspection = judged(BASES[base]())
    assert inspection.verdict is Verdict.VALID
    assert warnings_of(inspection) == []


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("attack", forgery.OF_A_SIGNED_FILE)
def test_a_signature_taken_apart_is_never_valid(attack: str, base: str) -> None:
    assert judged(forgery.OF_A_SIGNED_FILE[attack](BASES[base]())).verdict is not Verdict.VALID


@pytest.mark.parametrize("attack", forgery.TRUE_BUT_ODD)
def test_a_true_signature_that_does_not_say_what_it_seems_to_is_never_valid(attack: str) -> None:
    assert judged(forgery.TRUE_BUT_ODD[attack]()).verdict is not Verdict.VALID


@pytest.mark.parametrize("base", SIGNED_ONCE)
@pytest.mark.parametrize("attack", wrapping.OF_A_SIGNED_FILE)
def test_signed_bytes_moved_away_are_never_valid(attack: str, base: str) -> None:
    assert judged(wrapping.OF_A_SIGNED_FILE[attack](BASES[base]())).verdict is not Verdict.VALID


@pytest.mark.parametrize("attack", wrapping.TRUE_BUT_ODD)
def test_whatever_a_wide_gap_holds_it_is_never_valid(attack: str) -> None:
    assert judged(wrapping.TRUE_BUT_ODD[attack]()).verdict is not Verdict.VALID


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("attack", incremental.EVERYTHING)
def test_nothing_that_shows_may_be_exchanged_later(attack: str, base: str) -> None:
    assert judged(incremental.EVERYTHING[attack](BASES[base]())).verdict is not Verdict.VALID


@pytest.mark.parametrize("base", ["signed", "certified, annotations"])
def test_no_key_of_any_object_may_be_exchanged_later(base: str) -> None:
    attacks = incremental.exchanged_one_by_one(BASES[base](), _MAY_CHANGE)
    verdicts = {name: judged(pdf).verdict for name, pdf in attacks}
    assert len(verdicts) > 200
    assert [name for name, verdict in verdicts.items() if verdict is Verdict.VALID] == []


def judged(pdf: bytes) -> Inspection:
    """What we say of *pdf* where every signer is believed."""
    return judge(pdf, ANYBODY)


def warnings_of(inspection: Inspection) -> list[str]:
    """The details of all that is worse than information."""
    return [f.detail for f in inspection.findings if f.severity is not Severity.INFO]
