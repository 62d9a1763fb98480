"""Attacks on signed files that literature and other validators' tests know: never valid, or warned of.

The makers are in ``tests/vectors/attacks``, one file a class; here stands only what must come out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from pyhanko.sign.fields import MDPPerm

from adapters.inspection.judge import Options, judge
from adapters.inspection.paper.dormant import hiding_signatures, waiting
from gateway.model.finding import Severity
from gateway.model.signature import Inspection, Verdict
from tests.vectors.attacks import (
    annotations,
    certification,
    disguises,
    forgery,
    incremental,
    legit,
    messages,
    papers,
    shadow,
    wrapping,
)
from tests.vectors.attacks.revisions import number_of_field, opening

ANYBODY = Options(unsafe_accept_any_signer=True)
Base = Callable[[], bytes]

pytestmark = pytest.mark.heavy_body("stock pyHanko signs a paper when a test first asks for it")

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


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("attack", annotations.LAID_OVER)
def test_nothing_may_be_laid_over_a_page_that_was_signed(attack: str, base: str) -> None:
    assert judged(annotations.LAID_OVER[attack](BASES[base]())).verdict is not Verdict.VALID


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("attack", annotations.SNEAKY)
def test_a_later_signature_may_not_hide_what_an_earlier_one_saw(attack: str, base: str) -> None:
    assert judged(annotations.SNEAKY[attack](BASES[base]())).verdict is not Verdict.VALID


@pytest.mark.parametrize("attack", annotations.OVER_TEXT)
def test_a_later_signature_over_the_text_of_a_page_is_found(attack: str) -> None:
    attacked = annotations.OVER_TEXT[attack](papers.plain_once())
    with opening(attacked) as pdf:
        assert hiding_signatures(pdf, {number_of_field(attacked, "Sneaky")})
    assert judged(attacked).verdict is not Verdict.VALID
    assert judged(attacked).verdict is not Verdict.VALID


@pytest.mark.parametrize(
    "paper", ["signed twice by hand", "picture over a picture", "empty field signed later"]
)
def test_signatures_beside_the_text_hide_nothing(paper: str) -> None:
    with opening(legit.CLEAN[paper]()) as pdf:
        assert hiding_signatures(pdf, {one.objgen[0] for one in pdf.objects}) == []


@pytest.mark.parametrize("attack", shadow.SPRUNG)
def test_a_shadow_that_comes_to_light_is_never_valid(attack: str) -> None:
    assert judged(shadow.SPRUNG[attack]()).verdict is not Verdict.VALID


@pytest.mark.parametrize("paper", shadow.OUTSIDE)
def test_what_no_table_knows_is_warned_of(paper: str) -> None:
    assert warnings_of(judged(shadow.OUTSIDE[paper]()))


@pytest.mark.parametrize("paper", shadow.WARNED)
def test_what_waits_to_be_shown_is_seen(paper: str) -> None:
    with opening(shadow.WARNED[paper]()) as pdf:
        assert waiting(pdf)
    assert warnings_of(judged(shadow.WARNED[paper]()))


@pytest.mark.parametrize("paper", [*BASES.values(), papers.plain_twice])
def test_nothing_waits_in_an_honest_file(paper: Base) -> None:
    with opening(paper()) as pdf:
        assert waiting(pdf) == []


@pytest.mark.parametrize("attack", disguises.SPRUNG)
def test_what_may_change_as_one_thing_may_not_change_as_another(attack: str) -> None:
    assert judged(disguises.SPRUNG[attack]()).verdict is not Verdict.VALID


@pytest.mark.parametrize("attack", messages.ODD)
def test_a_message_that_does_not_sign_what_it_seems_to_is_never_valid(attack: str) -> None:
    assert judged(messages.ODD[attack]()).verdict is not Verdict.VALID


@pytest.mark.parametrize("paper", messages.SOUND)
def test_the_message_of_which_the_odd_ones_are_made_is_valid(paper: str) -> None:
    assert judged(messages.SOUND[paper]()).verdict is Verdict.VALID


@pytest.mark.parametrize("attack", certification.FORBIDDEN)
def test_what_a_certification_forbids_is_never_valid(attack: str) -> None:
    assert judged(certification.FORBIDDEN[attack]()).verdict is not Verdict.VALID


@pytest.mark.parametrize("paper", legit.CLEAN)
def test_what_honest_producers_write_is_valid_and_clean(paper: str) -> None:
    inspection = judged(legit.CLEAN[paper]())
    assert inspection.verdict is Verdict.VALID
    assert warnings_of(inspection) == []


def judged(pdf: bytes) -> Inspection:
    """What we say of *pdf* where every signer is believed."""
    return judge(pdf, ANYBODY)


def warnings_of(inspection: Inspection) -> list[str]:
    """The details of all that is worse than information."""
    return [f.detail for f in inspection.findings if f.severity is not Severity.INFO]
