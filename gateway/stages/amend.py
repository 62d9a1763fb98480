"""What recalls, updates and replacements do: plain functions that the seven words call.

A recall asks each recipient of an earlier document (its *original*) to give it back; an update brings a new text or
other recipients; a replacement takes an original's place.  What a copy asks of the recipient's copy of the original
is decided when its turn to be delivered comes, for then it is known what became of that one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import Reason, WrongStep
from gateway.model.change import Relation
from gateway.model.document import Dossier, Namesake, Refusal, Route, Valid, Waiting
from gateway.model.envelope import Business, DocumentReference, Edoc, Organ, StatusReport
from gateway.model.finding import Finding, Severity
from gateway.model.handover import HandOver
from gateway.model.ids import DocumentId, PartyKey, normalised
from gateway.model.journey import OPEN_REQUESTS, Answer, Ask, HandOverState, Request, SubmissionState
from gateway.model.journey import next_request as next_request

NEVER_HAD = frozenset({HandOverState.FAILED, HandOverState.WITHDRAWN, HandOverState.EXPIRED})
"""States of a copy of which its recipient has nothing to give back."""

RECALL, AGREED_BY_MISTAKE = "13", "14"


# --- validate: which documents are meant? -----------------------------------------------------------


def meant(found: Sequence[Dossier]) -> tuple[Dossier, ...] | Refusal | Waiting:
    """The one document that a name may mean, in all its versions.  None is a reason to wait, several to refuse."""
    if not found:
        return Waiting(cause=Reason("original-not-here"))
    if not are_versions(found):
        return Refusal(reason=Reason("document-ambiguous"), detail=candidates(found))
    return tuple(found)


def are_versions(found: Sequence[Dossier]) -> bool:
    """Whether *found*, oldest first, is one document and its updates, which may carry its number."""
    earlier: set[DocumentId] = set()
    for dossier in found:
        is_update = dossier.header is not None and dossier.header.business is Business.UPDATE
        if earlier and not (is_update and any(copy.about in earlier for copy in dossier.handovers)):
            return False
        earlier.add(dossier.submission.document)
    return True


def version_of(found: Sequence[Dossier], recipient: PartyKey) -> Dossier:
    """The oldest version of which *recipient* has a copy that it can have seen; else the first."""
    return next(
        (d for d in found if (copy := d.of(recipient)) is not None and copy.state not in NEVER_HAD), found[0]
    )


def candidates(found: Sequence[Dossier]) -> str:
    """The documents that may be meant, for people."""
    return f"{len(found)}: {', '.join(d.submission.document for d in found[:5])}"


def not_here(names: Sequence[DocumentReference]) -> Waiting:
    """Nothing is known under *names*; people are told which ones."""
    told = (name.official_id or f"{name.code} {name.dated or ''}".strip() for name in names[:3])
    return Waiting(cause=Reason("original-not-here"), detail="; ".join(dict.fromkeys(told))[:200])


def undecided(original: Dossier) -> Waiting:
    """The original is here, but nothing has been decided about it."""
    return Waiting(cause=Reason("original-not-here"), detail=str(original.submission.document))


def is_decided(original: Dossier) -> bool:
    """Whether the original was accepted, so that there are copies to speak of."""
    return original.submission.state is SubmissionState.ACCEPTED


def is_refused(original: Dossier) -> bool:
    """Whether the original was refused, so that nobody will ever have it."""
    return original.submission.state is SubmissionState.REFUSED


def addressed(edoc: Edoc) -> tuple[Organ, ...]:
    """Everybody whom the document concerns: its recipients, then those that an update takes in or out."""
    seen = {normalised(organ.code) for organ in edoc.recipients}
    more: list[Organ] = []
    for organ in (*edoc.amends.added, *edoc.amends.removed):
        if normalised(organ.code) not in seen:
            seen.add(normalised(organ.code))
            more.append(organ)
    return (*edoc.recipients, *more)


def repeated(document: DocumentId, found: Sequence[Namesake]) -> tuple[Finding, ...]:
    """What is to be said of a new document that bears the name of earlier ones: the first of them is named.

    spec: edXML facts §9 - the system warns on a duplicate document id or the same (number, notation, agency)
    """
    earlier = [one for one in found if one.document < document]
    same_id = next((one.document for one in earlier if one.same_id), None)
    same_code = next((one.document for one in earlier if one.same_code), None)
    told = (("official-id-repeated", same_id), ("code-repeated", same_code))
    return tuple(remark(code, original) for code, original in told if original is not None)


# --- deliver: what does each copy ask? --------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a recipient's copy asks, about which document; ``reason`` says why it can't be served at all."""

    asks: Ask = Ask.NOTHING
    about: DocumentId | None = None
    reason: Reason | None = None


def what_to_ask(valid: Valid, route: Route) -> Asked | None:
    """What the copy on *route* asks; ``None`` where the recipient needs none."""
    if valid.edoc.business not in (Business.RECALL, Business.UPDATE) or not valid.originals:
        return Asked()
    if valid.edoc.business is Business.RECALL:
        return to_recall(valid.originals, route.party.key)
    original = version_of(valid.originals, route.party.key)
    had = original.of(route.party.key)
    about = original.submission.document
    if is_removed(valid.edoc, route):
        return None if had is None else Asked(asks=Ask.RECALL, about=about)
    if had is None or had.state in NEVER_HAD:
        return Asked(about=about)
    return Asked(asks=Ask.UPDATE, about=about)


def to_recall(originals: Sequence[Dossier], recipient: PartyKey) -> Asked:
    """What a recall asks of *recipient*."""
    original = version_of(originals, recipient)
    about = original.submission.document
    # one that never was decided has no copies: the recall takes it back whole
    if original.of(recipient) is None and is_decided(original):
        return Asked(about=about, reason=Reason("nothing-to-recall"))
    return Asked(asks=Ask.RECALL, about=about)


def is_removed(edoc: Edoc, route: Route) -> bool:
    """Whether an update takes this recipient out."""
    return normalised(route.addressed_as) in {normalised(organ.code) for organ in edoc.amends.removed}


def remarks(valid: Valid, routes: Sequence[Route]) -> tuple[Finding, ...]:
    """What is to be said of recipients that an update takes out but that never had the document."""
    if valid.edoc.business is not Business.UPDATE:
        return ()
    return tuple(
        remark("removed-unknown", str(route.addressed_as))
        for route in routes
        if is_removed(valid.edoc, route) and what_to_ask(valid, route) is None
    )


def needs_original(valid: Valid, copy: HandOver) -> bool:
    """Whether an update that brings no file leads *copy*'s recipient to the original, of which it has no copy."""
    return (
        valid.edoc.business is Business.UPDATE
        and copy.asks is Ask.NOTHING
        and copy.payload is not None
        and not valid.edoc.attachments
        and all(original.of(copy.recipient) is None for original in valid.originals)
    )


class Step(StrEnum):
    """What is to be done with a copy that asks something, when its turn has come."""

    SEND = "send"
    ASK = "ask"
    WITHDRAW = "withdraw"
    WAIT = "wait"
    GIVE_UP = "give-up"


def next_step(copy: HandOver, original: HandOver | None) -> tuple[Step, Reason | None]:
    """What to do with *copy*, whose recipient's copy of the original is *original*; and why.

    ``WITHDRAW`` is an attempt: it holds only where the work of the original's copy is free and no attempt has left
    a doubt.  Where it fails the copy waits, so that a recall never overtakes what it recalls.
    """
    if copy.asks is Ask.UPDATE:
        if original is None or original.state in NEVER_HAD:
            return Step.SEND, None
        if original.state is HandOverState.PENDING:
            return Step.WAIT, Reason("original-in-flight")
        return _ask(copy, original)
    if original is None or original.state in NEVER_HAD:
        return Step.GIVE_UP, Reason("nothing-to-recall")
    if original.request is Request.RECALL_AGREED and original.asked_by != copy.document:
        return Step.GIVE_UP, Reason("already-recalled")
    if original.state is HandOverState.PENDING:
        return Step.WITHDRAW, Reason("original-in-flight")
    return _ask(copy, original)


def _ask(copy: HandOver, original: HandOver) -> tuple[Step, Reason | None]:
    if original.asked_by == copy.document and original.request is not Request.NONE:
        return Step.SEND, None  # asked already, by a life that ended before the copy went out
    return (Step.ASK, None) if next_request(original.request, copy.asks) else (Step.SEND, None)


# --- receipt: the answers ---------------------------------------------------------------------------


def answer_of(report: StatusReport) -> Answer | None:
    """The answer that *report* gives; ``None`` where it gives none.  14 is how one client writes 15."""
    code = report.code.strip()
    if code == AGREED_BY_MISTAKE:
        return Answer.AGREED
    return Answer(code) if code in (Answer.AGREED, Answer.DECLINED) else None


def was_served(copy: HandOver) -> bool:
    """Whether *copy* was to go out.  Long after it did, its bytes are no longer kept."""
    return copy.payload is not None or copy.state not in NEVER_HAD


def is_open(copy: HandOver) -> bool:
    """Whether an answer is waited for."""
    return copy.request in OPEN_REQUESTS


def impossible(copy: HandOver, answer: Answer, code: str) -> Refusal | None:
    """Refuse an answer to what nobody asked, or that contradicts the one before."""
    try:
        next_request(copy.request, answer)
    except WrongStep:
        if code == AGREED_BY_MISTAKE:
            return Refusal(reason=Reason("status-unknown"), detail=code)
        return Refusal(reason=Reason("status-impossible"), detail=f"{copy.request or '–'} → {code}")
    return None


def is_named(original: Dossier, name: DocumentReference) -> bool:
    """Whether *name* is the official id of *original*, or ours."""
    header, asked = original.header, str(name.canonical().official_id)
    return asked == original.submission.document or (header is not None and asked == header.official_id)


def remark(code: str, detail: str) -> Finding:
    """Something that does not stop the document, told with its acceptance."""
    return Finding(code=code, severity=Severity.WARNING, detail=detail)


def relation(document: DocumentId, recipient: PartyKey, business: Business, other: DocumentId) -> Relation:
    """For *recipient*, *document* does to *other* what its business says."""
    return Relation(document=document, recipient=recipient, business=business, other=other)
