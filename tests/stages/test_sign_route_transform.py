"""sign, route, transform: what is sealed, who gets a copy, what is replaced."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.model.envelope import Business, Kind, Organ
from gateway.model.ids import OrganCode, PartyKey
from gateway.model.party import (
    Capabilities,
    CodeForm,
    CodeValidity,
    Dialect,
    Gone,
    Successor,
    Unknown,
    form_of,
)
from gateway.model.payload import PayloadRef
from gateway.model.policy import Acceptance
from gateway.model.signature import Indication, Inspection, Seal, Sealed, SealKind, SignatureReport, Verdict
from gateway.stages import route, sign, transform
from tests import builders as b

SEAL = Seal(
    party=PartyKey(b.PROVINCE),
    subject="UBND",
    certificate_sha256="c0ffee",
    not_before=b.NOON,
    not_after=b.NOON,
)


def _signature(certificate: str) -> SignatureReport:
    return SignatureReport(
        field="S1",
        signer="",
        sub_filter="",
        level="B-B",
        indication=Indication.PASSED,
        sub_indication="",
        coverage="whole-file",
        changes="none",
        signed_at=None,
        certificate_sha256=certificate,
    )


def _valid(*attachments, **inspection):
    return b.valid(
        edoc=b.an_edoc(attachments=attachments), examined=(b.examined(Verdict.VALID, **inspection),)
    )


def test_the_first_pdf_is_the_main_one_and_further_ones_are_appendices():
    valid = _valid(b.an_attachment("a.xlsx", b"PK"), b.an_attachment("b.pdf"), b.an_attachment("c.pdf"))
    wanted = sign.orders(valid, SEAL, Acceptance())
    assert [(w.index, w.order.kind) for w in wanted] == [(1, SealKind.MAIN), (2, SealKind.APPENDIX)]


def test_appendices_stay_as_they_are_where_the_policy_says_so():
    valid = _valid(b.an_attachment("b.pdf"), b.an_attachment("c.pdf"))
    wanted = sign.orders(valid, SEAL, Acceptance(seal_appendices=False))
    assert [w.index for w in wanted] == [0]


def test_what_carries_our_seal_is_not_sealed_again():
    sealed = _valid(b.an_attachment(), signatures=(_signature("c0ffee"),))
    assert sign.orders(sealed, SEAL, Acceptance()) == []
    leaders = _valid(b.an_attachment(), signatures=(_signature("other"),))
    assert len(sign.orders(leaders, SEAL, Acceptance())) == 1


@pytest.mark.parametrize(
    ("seal_is", "leader_was", "leader_is", "why"),
    [
        (Indication.PASSED, Indication.PASSED, Indication.PASSED, ""),
        (Indication.INDETERMINATE, Indication.PASSED, Indication.INDETERMINATE, ""),
        (Indication.FAILED, Indication.PASSED, Indication.PASSED, "the seal is not found"),
        (None, Indication.PASSED, Indication.PASSED, "the seal is not found"),
        (Indication.PASSED, Indication.PASSED, Indication.FAILED, "would break the signature Leader"),
        (Indication.PASSED, Indication.INDETERMINATE, Indication.FAILED, "would break the signature Leader"),
        (Indication.PASSED, Indication.FAILED, Indication.FAILED, ""),
        (Indication.PASSED, None, None, ""),
    ],
)
def test_a_seal_on_an_odd_file_is_sound_if_it_is_found_and_breaks_nothing(
    seal_is, leader_was, leader_is, why
):
    def inspection(**found):
        reports = [
            replace(_signature("c0ffee" if field == "Seal" else "leader"), field=field, indication=indication)
            for field, indication in found.items()
            if indication is not None
        ]
        return Inspection(verdict=Verdict.VALID, signatures=tuple(reports))

    before, after = inspection(Leader=leader_was), inspection(Leader=leader_is, Seal=seal_is)
    assert why in sign.unsound(before, after, SEAL)
    assert bool(why) is bool(sign.unsound(before, after, SEAL))
    if leader_is is not Indication.FAILED:
        assert sign.unsound(None, after, SEAL) == sign.unsound(before, after, SEAL)


def test_the_signing_time_is_the_instant_of_receipt():
    wanted = sign.orders(_valid(b.an_attachment()), None, Acceptance())
    assert wanted[0].order.signed_at == b.NOON
    assert wanted[0].order.code == "517/QĐ-UBND"


def _choose(*answers):
    found = [(Organ(code=OrganCode(f"code-{n}"), name="x"), a) for n, a in enumerate(answers)]
    return route.choose(b.signed(), found)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Unknown(code=OrganCode("x")), "recipient-unknown"),
        (Gone(former=OrganCode("x")), "recipient-gone"),
        (b.a_party(b.COMMUNE, is_locked=True), "recipient-locked"),
        (Successor(party=b.a_party(b.COMMUNE, is_locked=True), former=OrganCode("x")), "recipient-locked"),
        (b.a_party(b.DEPARTMENT), "recipient-doubled"),
    ],
)
def test_one_recipient_that_cannot_be_served_disturbs_no_other(answer, reason):
    routed = _choose(b.a_party(b.DEPARTMENT), answer)
    assert [r.party.key for r in routed.routes] == [b.DEPARTMENT]
    assert [r.reason for r in routed.refusals] == [reason]


def test_a_former_code_reaches_the_successor():
    routed = _choose(Successor(party=b.a_party(b.COMMUNE), former=OrganCode("code-0")))
    assert [(r.party.key, r.addressed_as) for r in routed.routes] == [(b.COMMUNE, "code-0")]


@pytest.mark.parametrize(
    ("takes", "business", "reason", "detail"),
    [
        (Capabilities(kinds=frozenset({Kind.STATUS})), Business.NEW, "recipient-kind-unsupported", "edoc"),
        (
            Capabilities(business=frozenset({Business.NEW})),
            Business.RECALL,
            "recipient-kind-unsupported",
            "1 recall",
        ),
        (Capabilities(dialects=frozenset({Dialect("vxp-2")})), Business.NEW, "dialect-unsupported", "vxp-2"),
    ],
)
def test_what_a_recipients_system_cannot_take_is_refused_for_that_recipient_alone(
    takes, business, reason, detail
):
    signed = b.signed(valid=b.valid(edoc=b.an_edoc(business=business)))
    found = [
        (Organ(code=OrganCode(b.DEPARTMENT)), b.a_party(b.DEPARTMENT)),
        (Organ(code=OrganCode(b.COMMUNE)), b.a_party(b.COMMUNE, takes=takes)),
    ]
    routed = route.choose(signed, found)
    assert [r.party.key for r in routed.routes] == [b.DEPARTMENT]
    assert [(r.reason, r.detail) for r in routed.refusals] == [(reason, detail)]


def test_an_envelope_larger_than_a_recipient_takes_is_refused_for_that_recipient_alone():
    small = Capabilities(max_bytes=1000)
    routed = _choose(b.a_party(b.DEPARTMENT), b.a_party(b.COMMUNE, takes=small))
    assert route.fit(routed, 1000) == routed
    after = route.fit(routed, 1001)
    assert [r.party.key for r in after.routes] == [b.DEPARTMENT]
    assert [(r.reason, r.detail) for r in after.refusals] == [("recipient-too-large", "1001 > 1000")]


def test_a_party_addressed_twice_has_its_copy_under_its_own_code_before_one_that_it_took_over():
    heir = b.a_party(b.COMMUNE)
    former = Successor(party=heir, former=OrganCode("code-0"))
    for answers, served in (
        ((former, heir), "code-1"),
        ((heir, former), "code-0"),
        ((heir, heir), "code-0"),
        ((former, heir, heir), "code-1"),
        ((former, former), "code-0"),
    ):
        routed = _choose(*answers)
        assert [r.addressed_as for r in routed.routes] == [served]
        others = [f"code-{n}" for n in range(len(answers)) if f"code-{n}" != served]
        assert [r.addressed_as for r in routed.refusals] == others
        assert {(r.reason, r.detail) for r in routed.refusals} == {("recipient-doubled", served)}


def test_a_locked_heir_is_refused_and_it_is_said_that_it_is_an_heir():
    former = Successor(party=b.a_party(b.COMMUNE, is_locked=True), former=OrganCode("code-0"))
    (refusal,) = _choose(former).refusals
    assert (refusal.reason, refusal.succession) == ("recipient-locked", former)


def test_the_end_of_a_party_is_told_with_its_day():
    (refusal,) = _choose(Gone(former=OrganCode("x"), since=datetime(2025, 6, 30, 17, tzinfo=UTC))).refusals
    assert refusal.detail == "2025-07-01"


def test_a_succession_is_told_with_both_codes_and_its_day_in_both_languages():
    heir = b.a_party(b.COMMUNE, name="UBND xã Tân Phú")
    since = datetime(2025, 6, 30, 17, tzinfo=UTC)
    told = route.explain(
        Successor(party=heir, former=OrganCode("A"), since=since, through=(PartyKey("B"),)), b.NOON
    )
    assert told.code == "recipient-succeeded"
    assert told.detail == f"A → B → {b.COMMUNE}, 2025-07-01"
    assert told.message_vi == (
        "Mã A không còn hiệu lực từ ngày 01/07/2025: cơ quan đã sáp nhập; "
        f"văn bản được chuyển tới đơn vị kế thừa UBND xã Tân Phú ({b.COMMUNE})."
    )
    assert "since 2025-07-01" in told.message_en
    assert f"({b.COMMUNE})" in told.message_en


def test_a_code_that_was_replaced_is_no_merger():
    heir = b.a_party(
        b.COMMUNE,
        codes=(
            CodeValidity(code=OrganCode(b.COMMUNE), until=b.NOON),
            CodeValidity(code=OrganCode("H53.36.25"), since=b.NOON),
        ),
    )
    told = route.explain(Successor(party=heir, former=OrganCode(b.COMMUNE), since=b.NOON), b.NOON)
    assert told.detail == f"{b.COMMUNE} → H53.36.25, 2026-03-04"
    assert "đã được thay bằng H53.36.25" in told.message_vi
    assert "has been replaced by H53.36.25" in told.message_en


@pytest.mark.parametrize(
    ("code", "form"),
    [
        ("000.00.13.H53", CodeForm.OLD),
        ("000.00.00.G22", CodeForm.OLD),
        ("H53.13", CodeForm.QD20),
        ("H53", CodeForm.QD20),
        ("00.53.W00", CodeForm.IRREGULAR),
        ("28.22.H17", CodeForm.IRREGULAR),
        ("vxp.saas.03", CodeForm.IRREGULAR),
        ("h53.13", CodeForm.IRREGULAR),
    ],
)
def test_the_two_systems_of_codes_are_told_apart_by_their_form(code, form):
    assert form_of(OrganCode(code)) is form


def test_sealed_attachments_take_the_place_of_theirs():
    ref = PayloadRef.of(b"sealed")
    signed = b.signed(sealed=((0, Sealed(payload=ref, seal=SEAL)),))
    assert transform.replacements(signed) == {0: ref}
