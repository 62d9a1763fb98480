"""receipt: the chain of evidence, what a clerk's word proves, and the end of a document's time."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from itertools import product

import pytest

from gateway.errors import Reason, WrongStep
from gateway.model.evidence import EventName as E
from gateway.model.evidence import EventReason
from gateway.model.ids import PartyKey
from gateway.model.journey import HandOverState as Is
from gateway.model.journey import Status
from gateway.model.party import Link
from gateway.stages import receipt
from gateway.stages.receipt import Statement
from tests import builders as b

LATER = b.NOON + timedelta(hours=1)
SENDER = receipt.named(b.a_party(), PartyKey(b.PROVINCE))


def _on_copy(copy, event=E.CONTENT_CONSIGNMENT, reasons=()):
    return receipt.on_handover(
        b.a_submission(), Statement(handover=copy, event=event, reasons=reasons), SENDER, LATER
    )


def test_the_acceptance_has_sequence_0_and_no_recipient():
    evidence = receipt.on_submission(b.a_submission(), E.SUBMISSION_ACCEPTANCE, SENDER, (), (), LATER)
    assert (evidence.sequence, evidence.refers_to, evidence.previous) == (0, None, "")
    assert evidence.submitted_at == b.NOON, "the instant of receipt, not of the evidence"


def test_each_evidence_names_the_one_before_it():
    first = receipt.record(_on_copy(b.a_handover()), b"first")
    copy = receipt.chained(b.a_handover(), first)
    second = _on_copy(copy, E.CONTENT_HANDOVER)
    assert (second.sequence, second.previous) == (2, sha256(b"first").hexdigest())
    assert _on_copy(b.a_handover()).previous == "root"


def test_a_step_that_runs_twice_names_its_evidence_alike():
    assert _on_copy(b.a_handover()).id == _on_copy(b.a_handover()).id


def test_remarks_on_an_acceptance_are_no_reason():
    why = (EventReason(code=Reason("main-unsigned")),)
    accepted = receipt.on_submission(b.a_submission(), E.SUBMISSION_ACCEPTANCE, SENDER, (), why, LATER)
    refused = receipt.on_submission(b.a_submission(), E.SUBMISSION_REJECTION, SENDER, (), why, LATER)
    assert receipt.record(accepted, b"").reason is None
    assert receipt.record(refused, b"").reason == "main-unsigned"


@pytest.mark.parametrize(
    ("state", "before", "reported", "events"),
    [
        (Is.AVAILABLE, Status.NONE, Status.ARRIVED, [E.CONTENT_HANDOVER]),
        (Is.PENDING, Status.NONE, Status.ARRIVED, [E.CONTENT_CONSIGNMENT, E.CONTENT_HANDOVER]),
        (Is.AVAILABLE, Status.NONE, Status.REGISTERED, [E.CONTENT_HANDOVER, E.CONSIGNMENT_ACCEPTANCE]),
        (Is.HANDED_OVER, Status.ARRIVED, Status.REGISTERED, [E.CONSIGNMENT_ACCEPTANCE]),
        (Is.HANDED_OVER, Status.ARRIVED, Status.REJECTED, [E.CONSIGNMENT_REJECTION]),
        (Is.AVAILABLE, Status.NONE, Status.REJECTED, [E.CONTENT_HANDOVER, E.CONSIGNMENT_REJECTION]),
        (Is.HANDED_OVER, Status.REGISTERED, Status.COMPLETED, []),
        (Is.HANDED_OVER, Status.REGISTERED, Status.ARRIVED, []),
        (Is.HANDED_OVER, Status.REGISTERED, Status.REGISTERED, []),
    ],
)
def test_a_status_proves_what_it_says_and_what_it_implies(state, before, reported, events):
    copy, statements = receipt.report(b.a_handover(state, status=before), reported, LATER, None)
    assert [s.event for s in statements] == events
    assert copy.state is Is.HANDED_OVER


ORDER = {s: n for n, s in enumerate(Status)}


@pytest.mark.parametrize("first", [status for status in Status if status is not Status.NONE])
def test_business_statuses_never_go_backwards(first):
    """Every order of four reports."""
    for later in product([status for status in Status if status is not Status.NONE], repeat=3):
        copy, seen = b.a_handover(Is.AVAILABLE), []
        for reported in (first, *later):
            before = copy.status
            try:
                copy, statements = receipt.report(copy, reported, LATER, None)
            except WrongStep:
                continue
            assert ORDER[copy.status] >= ORDER[before]
            seen += [s.event for s in statements]
        assert len(seen) == len(set(seen)), "nothing is attested twice"
        assert not {E.CONSIGNMENT_ACCEPTANCE, E.CONSIGNMENT_REJECTION} <= set(seen)


@pytest.mark.parametrize(
    ("copy", "state", "events"),
    [
        (b.a_handover(Is.PENDING), Is.EXPIRED, [E.CONTENT_CONSIGNMENT_FAILURE]),
        (b.a_handover(Is.AVAILABLE, link=Link.HTTP), Is.EXPIRED, [E.CONTENT_HANDOVER_FAILURE]),
        (b.a_handover(Is.AVAILABLE), Is.AVAILABLE, [E.ACCEPTANCE_REJECTION_EXPIRY]),
        (
            b.a_handover(Is.HANDED_OVER, status=Status.ARRIVED),
            Is.HANDED_OVER,
            [E.ACCEPTANCE_REJECTION_EXPIRY],
        ),
        (b.a_handover(Is.HANDED_OVER, status=Status.REGISTERED), Is.HANDED_OVER, []),
        (b.a_handover(Is.FAILED), Is.FAILED, []),
        (b.a_handover(Is.AVAILABLE, is_quiet=True), Is.AVAILABLE, []),
    ],
)
def test_the_end_of_the_period_ends_what_is_open_or_tells_of_the_silence(copy, state, events):
    after, statements = receipt.overdue(copy, LATER)
    assert after.state is state
    assert [s.event for s in statements] == events


def test_a_receipt_carries_the_senders_own_message_id():
    issued = receipt.record(
        _on_copy(
            b.a_handover(), E.CONTENT_CONSIGNMENT_FAILURE, (EventReason(code=Reason("recipient-unknown")),)
        ),
        b"xml",
    )
    sent = receipt.send(issued, b.a_submission(), b.a_handover().addressed_as, b.a_party())
    assert sent.correlation == "m-1"
    assert dict(receipt.headers(sent)) == {
        "vanthu-event": "ContentConsignmentFailure",
        "vanthu-document": "0195-document",
        "vanthu-recipient": b.DEPARTMENT,
        "vanthu-reason": "recipient-unknown",
        "vanthu-sequence": "1",
        "vanthu-version": "1",
    }
