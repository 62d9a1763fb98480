"""Dispose: what stands in the way of letting a document's content or metadata go."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.model.document import Dossier
from gateway.model.ids import DocumentId, PartyKey, delivery_id
from gateway.model.journey import HandOverState, Request, SubmissionState
from gateway.model.party import Link
from gateway.model.retention import DataClass, Hindrance
from gateway.stages import dispose
from tests.builders import NOON, a_handover, a_submission

DAY = timedelta(days=1)
LATER = NOON + 100 * DAY
OTHER = DocumentId("another")
DONE = SubmissionState.ACCEPTED
IS = HandOverState


def a_dossier(*copies: dict[str, Any], **submission: Any) -> Dossier:
    """A document of the past with these copies."""
    given = {"state": DONE} | submission
    handovers = tuple(a_handover(**({"state": IS.HANDED_OVER} | copy)) for copy in copies or ({},))
    return Dossier(submission=a_submission(**given), header=None, handovers=handovers)


def a_user(**changes: Any) -> Dossier:
    """A document that is about it."""
    return a_dossier(**({"document": OTHER} | changes))


@pytest.mark.parametrize(
    ("dossier", "users", "why"),
    [
        (a_dossier(), (), None),
        (a_dossier(state=SubmissionState.REFUSED), (), None),
        (a_dossier(state=SubmissionState.RECEIVED), (), Hindrance.UNDECIDED),
        (a_dossier(state=SubmissionState.WAITING), (), Hindrance.UNDECIDED),
        (a_dossier(expires_at=LATER - 6 * DAY), (), Hindrance.UNEXPIRED),
        (a_dossier(expires_at=LATER - 7 * DAY), (), None),
        (a_dossier({"expires_at": LATER}), (), Hindrance.UNEXPIRED),  # a copy that was replayed
        (a_dossier({"state": IS.PENDING}), (), Hindrance.OPEN_COPY),
        (a_dossier({"state": IS.AVAILABLE, "link": Link.HTTP}), (), Hindrance.OPEN_COPY),
        (a_dossier({"state": IS.AVAILABLE, "link": Link.AMQP}), (), None),
        (a_dossier({"state": IS.EXPIRED}), (), None),
        (a_dossier(), (a_user(),), None),
        (a_dossier(), (a_user(state=SubmissionState.WAITING),), Hindrance.IN_USE),
        (a_dossier(), (a_user(expires_at=LATER),), Hindrance.IN_USE),
        (
            a_dossier({"request": Request.RECALL_ASKED, "asked_by": OTHER}),
            (a_user(expires_at=LATER),),
            Hindrance.OPEN_REQUEST,
        ),
        (a_dossier({"request": Request.RECALL_ASKED, "asked_by": OTHER}), (a_user(),), None),
    ],
)
def test_content_goes_only_where_nothing_stands_in_the_way(
    dossier: Dossier, users: tuple[Dossier, ...], why: Hindrance | None
) -> None:
    """Everything that is not final does."""
    assert dispose.hindrance(DataClass.CONTENT, dossier, (), users, LATER) is why


def test_undone_work_stands_in_the_way() -> None:
    """Whoever leases it would look for the bytes."""
    found = dispose.hindrance(DataClass.CONTENT, a_dossier(), ["deadline:x"], (), LATER)
    assert found is Hindrance.IN_WORK


def test_metadata_goes_after_content() -> None:
    """Never the reverse."""
    dossier = a_dossier()
    assert dispose.hindrance(DataClass.METADATA, dossier, (), (), LATER) is Hindrance.HAS_CONTENT
    without = replace(dossier, submission=replace(dossier.submission, payload=None))
    assert dispose.hindrance(DataClass.METADATA, without, (), (), LATER) is None


def test_what_is_gone_is_known_by_what_is_left() -> None:
    """Two may clear out at once, one of them from an older list of what is due."""
    dossier = a_dossier()
    assert not dispose.is_gone(DataClass.CONTENT, dossier)
    without = replace(dossier, submission=replace(dossier.submission, payload=None))
    assert dispose.is_gone(DataClass.CONTENT, without)
    assert dispose.is_gone(DataClass.METADATA, without), "there is no header"


def test_all_work_that_needs_the_bytes_is_asked_for() -> None:
    """Also a delivery under the id that the copy had before it was replayed."""
    document, party = DocumentId("d"), PartyKey("p")
    copy = a_handover(
        document=document, recipient=party, generation=2, delivery=delivery_id(document, party, 2)
    )
    dossier = Dossier(submission=a_submission(document=document), header=None, handovers=(copy,))
    deliveries = [f"delivery:{delivery_id(document, party, n)}" for n in (1, 2)]
    deadlines = ["deadline:d", f"deadline:{copy.delivery}"]  # a replayed copy has its own
    assert dispose.works_of(dossier) == ["document:d", *deadlines, *deliveries]


def test_without_content_nothing_refers_to_bytes_and_all_else_stays() -> None:
    """The digest that a repeat is compared with, too."""
    dossier = a_dossier()
    change = dispose.without_content(dossier, (), LATER)
    assert change.submission == replace(dossier.submission, payload=None, version=2)
    (copy,) = change.handovers
    assert copy == replace(dossier.handovers[0], payload=None, version=2)
    (event,) = change.events
    assert (event.document, event.reason) == (dossier.submission.document, "content-purged")
