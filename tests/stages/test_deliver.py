"""deliver: what each event does to a copy, and what it proves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.errors import Reason
from gateway.model.document import Outbound, Route, Routed, RouteRefusal
from gateway.model.evidence import EventName as E
from gateway.model.handover import Handed, HandOverResult
from gateway.model.ids import OrganCode
from gateway.model.journey import HANDOVER
from gateway.model.journey import HandOverEvent as On
from gateway.model.journey import HandOverState as Is
from gateway.model.payload import PayloadRef
from gateway.model.policy import Patience, Policy
from gateway.stages import deliver
from tests import builders as b

LATER = b.NOON + timedelta(hours=1)


def test_every_move_of_the_table_has_its_proof():
    assert set(deliver.PROOFS) == set(HANDOVER)
    assert all(proofs for (_, event), proofs in deliver.PROOFS.items() if event is not On.REPLAY)


@pytest.mark.parametrize("state", list(Is))
@pytest.mark.parametrize("event", list(On))
def test_an_event_moves_a_copy_as_the_table_says_or_not_at_all(state, event):
    copy = b.a_handover(state)
    moved = deliver.advance(copy, event, LATER)
    if (state, event) in HANDOVER:
        assert moved.handover.state is HANDOVER[state, event]
        assert moved.proofs == deliver.PROOFS[state, event]
    else:
        assert moved == deliver.Moved(handover=copy)


def test_a_quiet_copy_proves_nothing():
    assert deliver.advance(b.a_handover(is_quiet=True), On.CONSIGN, LATER).proofs == ()


def test_the_instants_are_written_once():
    available = deliver.advance(b.a_handover(), On.CONSIGN, b.NOON).handover
    taken = deliver.advance(available, On.HAND_OVER, LATER).handover
    assert (taken.available_at, taken.handed_over_at) == (b.NOON, LATER)


def test_an_expired_copy_was_never_handed_over():
    expired = deliver.advance(b.a_handover(), On.EXPIRE, LATER).handover
    assert (expired.available_at, expired.handed_over_at) == (None, None)


@pytest.mark.parametrize(
    ("result", "at", "state", "proofs"),
    [
        (HandOverResult(handed=Handed.TAKEN), LATER, Is.AVAILABLE, (E.CONTENT_CONSIGNMENT,)),
        (
            HandOverResult(handed=Handed.NEVER, reason=Reason("delivery-expired")),
            LATER,
            Is.EXPIRED,
            (E.CONTENT_CONSIGNMENT_FAILURE,),
        ),
        (
            HandOverResult(handed=Handed.NEVER, reason=Reason("dialect-unsupported")),
            LATER,
            Is.FAILED,
            (E.CONTENT_CONSIGNMENT_FAILURE,),
        ),
        (
            HandOverResult(handed=Handed.NOT_NOW, reason=Reason("queue-full")),
            b.NOON + timedelta(days=31),
            Is.EXPIRED,
            (E.CONTENT_CONSIGNMENT_FAILURE,),
        ),
    ],
)
def test_the_outlets_answer_settles_the_copy(result, at, state, proofs):
    moved = deliver.settle(b.a_handover(), result, b.a_submission(), at)
    assert moved is not None
    assert (moved.handover.state, moved.proofs) == (state, proofs)


def test_what_is_temporary_settles_nothing_before_the_expiry():
    result = HandOverResult(handed=Handed.NOT_NOW, reason=Reason("queue-full"))
    assert deliver.settle(b.a_handover(), result, b.a_submission(), LATER) is None


def test_a_confirm_that_comes_after_the_recipients_own_01_changes_nothing():
    taken = b.a_handover(Is.HANDED_OVER)
    moved = deliver.settle(taken, HandOverResult(handed=Handed.TAKEN), b.a_submission(), LATER)
    assert moved == deliver.Moved(handover=taken)


@pytest.mark.parametrize(
    ("cause", "state", "reason"),
    [
        ("expired", Is.EXPIRED, "delivery-expired"),
        ("rejected", Is.FAILED, "delivery-rejected"),
        ("delivery_limit", Is.FAILED, "delivery-poison"),
        ("something new", Is.FAILED, "delivery-rejected"),
    ],
)
def test_a_dead_letter_ends_an_available_copy(cause, state, reason):
    moved = deliver.returned(b.a_handover(Is.AVAILABLE), cause, LATER)
    assert (moved.handover.state, moved.handover.reason) == (state, reason)
    assert moved.proofs == (E.CONTENT_HANDOVER_FAILURE,)


def test_a_dead_letter_proves_that_the_copy_was_available():
    moved = deliver.returned(b.a_handover(Is.PENDING), "expired", LATER)
    assert moved.proofs == (E.CONTENT_CONSIGNMENT, E.CONTENT_HANDOVER_FAILURE)


def test_expired_never_follows_handed_over():
    taken = b.a_handover(Is.HANDED_OVER)
    assert deliver.returned(taken, "expired", LATER) == deliver.Moved(handover=taken)


def test_a_plan_has_one_copy_per_route_and_one_to_fail_per_refusal():
    routed = Routed(
        signed=b.signed(),
        routes=(Route(party=b.a_party(b.DEPARTMENT), addressed_as=OrganCode("old")),),
        refusals=(RouteRefusal(addressed_as=OrganCode("none"), name="", reason=Reason("recipient-unknown")),),
    )
    served, unserved = deliver.plan(Outbound(routed=routed, rendered=PayloadRef.of(b"x")))
    assert (served.recipient, served.addressed_as) == (b.DEPARTMENT, "old")
    assert served.payload is not None
    assert (unserved.recipient, unserved.payload, unserved.reason) == ("none", None, "recipient-unknown")


def test_a_doubled_recipient_has_a_row_of_its_own():
    party = b.a_party(b.DEPARTMENT)
    routed = Routed(
        signed=b.signed(),
        routes=(Route(party=party, addressed_as=OrganCode("H53.13")),),
        refusals=(
            RouteRefusal(addressed_as=OrganCode(b.DEPARTMENT), name="", reason=Reason("recipient-doubled")),
        ),
    )
    served, doubled = deliver.plan(Outbound(routed=routed, rendered=PayloadRef.of(b"x")))
    assert served.recipient != doubled.recipient
    assert served.delivery != doubled.delivery


def test_one_delivery_id_per_document_and_party():
    routed = Routed(
        signed=b.signed(),
        routes=(Route(party=b.a_party(b.DEPARTMENT), addressed_as=OrganCode("x")),),
        refusals=(),
    )
    outbound = Outbound(routed=routed, rendered=PayloadRef.of(b"x"))
    assert deliver.plan(outbound)[0].delivery == deliver.plan(outbound)[0].delivery


@pytest.mark.parametrize(("queues", "claim"), [(100, False), (101, True)])
def test_a_large_fan_out_travels_as_a_claim(queues, claim):
    assert deliver.travels_as_claim(queues, Policy()) is claim


def test_back_off_doubles_up_to_its_cap_and_jitters_in_the_upper_half():
    patience = Patience(first=timedelta(seconds=1), longest=timedelta(seconds=10))
    assert deliver.back_off(patience, 1, 0.0) == timedelta(seconds=0.5)
    assert deliver.back_off(patience, 3, 0.5) == timedelta(seconds=3)
    assert deliver.back_off(patience, 10_000, 0.0) == timedelta(seconds=5)


def test_a_full_queue_is_tried_again_sooner_than_what_is_away():
    full = deliver.back_off(Patience(), 10, 0.0, Reason("queue-full"))
    assert full == Patience().crowded / 2
    assert deliver.back_off(Patience(), 10, 0.0, Reason("broker-away")) == Patience().longest / 2


@pytest.mark.parametrize(
    ("reason", "is_sure", "longest"),
    [
        ("broker-away", True, Patience().crowded),
        ("broker-away", False, Patience().longest),
        ("queue-missing", True, Patience().longest),
    ],
)
def test_what_the_broker_surely_never_had_is_tried_again_soon_after_it_is_back(reason, is_sure, longest):
    assert deliver.back_off(Patience(), 10, 0.0, Reason(reason), is_sure=is_sure) == longest / 2
