"""sign, route, transform: what is sealed, who gets a copy, what is replaced."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.model.envelope import Organ
from gateway.model.ids import OrganCode, PartyKey
from gateway.model.party import Gone, Successor, Unknown
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


def test_sealed_attachments_take_the_place_of_theirs():
    ref = PayloadRef.of(b"sealed")
    signed = b.signed(sealed=((0, Sealed(payload=ref, seal=SEAL)),))
    assert transform.replacements(signed) == {0: ref}
