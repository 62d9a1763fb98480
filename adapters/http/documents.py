"""Documents, their timeline and their evidence, for the parties that they concern; and the organs.

The sender sees all of its document; a recipient its own copy, once there was one to be had.  What is
unknown and what is somebody else's are answered alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from aiohttp import web

from adapters.http.answer import as_json, download_headers, instant
from adapters.http.auth import Access
from adapters.http.inbox import number
from adapters.http.options import Ports
from gateway.errors import Refused
from gateway.model.change import Event, Relation
from gateway.model.document import Dossier
from gateway.model.envelope import Business
from gateway.model.evidence import EvidenceRecord
from gateway.model.handover import HandOver
from gateway.model.ids import DocumentId, EvidenceId, OrganCode, PartyKey, normalised
from gateway.model.party import Gone, Party, Successor

_ORGANS = 1000

BUSINESS = {business: business.name.lower() for business in Business}
"""The words of the contract for kinds of business."""


class Documents:
    """Reads what the ledger and the records know."""

    def __init__(self, ports: Ports, access: Access) -> None:
        self._ports = ports
        self._access = access

    async def show(self, request: web.Request) -> web.StreamResponse:
        """State, copies, timeline and the list of evidence."""
        seen = await self._seen(request)
        submission = seen.dossier.submission
        timeline = await self._ports.records.timeline(submission.document)
        evidence = await self._ports.records.evidence(submission.document)
        relations = await self._ports.records.relations(submission.document)
        header = seen.dossier.header
        return as_json(
            {
                "document": submission.document,
                "kind": submission.kind,
                "business": BUSINESS[header.business] if header else None,
                "state": submission.state,
                "reason": submission.reason,
                "message_id": submission.message_id if seen.as_sender else None,
                "sender": submission.party,
                "sha256": submission.sha256,
                "size": submission.size,
                "urgent": submission.is_urgent,
                "priority": int(submission.priority),
                "due": str(submission.due) if submission.due else None,
                "received_at": instant(submission.received_at),
                "expires_at": instant(submission.expires_at),
                "recipients": [_copy(copy, seen.dossier) for copy in seen.copies],
                "relations": [_relation(one) for one in relations if seen.concerns(one.recipient)],
                "timeline": [_event(event) for event in timeline if seen.concerns(event.recipient)],
                "evidence": _listed([e for e in evidence if seen.concerns(e.recipient)]),
                "links": {"evidence": f"/v1/documents/{submission.document}/evidence"},
            }
        )

    async def evidence(self, request: web.Request) -> web.StreamResponse:
        """The list of evidence alone."""
        seen = await self._seen(request)
        evidence = await self._ports.records.evidence(seen.dossier.submission.document)
        return as_json({"items": _listed([e for e in evidence if seen.concerns(e.recipient)])})

    async def one_evidence(self, request: web.Request) -> web.StreamResponse:
        """One evidence, byte for byte as it was issued."""
        viewers = self._access.viewers(request)
        evidence = EvidenceId(_uuid(request))
        record = await self._ports.records.one_evidence(evidence)
        seen = await self._look(record.document, viewers) if record is not None else None
        if record is None or seen is None or not seen.concerns(record.recipient):
            raise Refused("not-found")
        return web.Response(
            body=record.body,
            content_type="application/xml",
            headers=download_headers(record.sha256),
        )

    async def head(self, request: web.Request) -> web.StreamResponse:
        """The latest signed head of the log, byte for byte; for everybody."""
        head = (await self._ports.log.state()).head
        if head is None:
            raise Refused("not-found")
        return web.Response(
            body=head.body, content_type="application/xml", headers=download_headers(head.sha256)
        )

    async def organs(self, request: web.Request) -> web.StreamResponse:
        """Who takes part, by code; a page at a time."""
        self._access.client(request)
        after = normalised(request.query.get("after", ""))
        limit = number(request, "limit", _ORGANS, _ORGANS)
        parties = [party for party in self._ports.directory.parties() if party.key > after]
        page = parties[:limit]
        return as_json(
            {
                "items": [self._organ(party) for party in page],
                "next": page[-1].key if len(parties) > limit else None,
            }
        )

    async def _seen(self, request: web.Request) -> _Seen:
        viewers = self._access.viewers(request)
        seen = await self._look(DocumentId(_uuid(request)), viewers)
        if seen is None:
            raise Refused("not-found")
        return seen

    async def _look(self, document: DocumentId, viewers: frozenset[PartyKey]) -> _Seen | None:
        """*document* with the eyes of *viewers*; ``None`` where it is not theirs."""
        # A client of one party asks for that party's copy alone: a document may have a thousand.
        only = next(iter(viewers)) if len(viewers) == 1 else None
        dossier = await self._ports.ledger.load(document, only)
        if dossier is None:
            return None
        if dossier.submission.party in viewers:
            whole = await self._ports.ledger.load(document) if only is not None else dossier
            return _Seen(whole, whole.handovers, as_sender=True) if whole is not None else None
        copies = tuple(c for c in dossier.handovers if c.recipient in viewers and _was_to_be_had(c))
        return _Seen(dossier, copies, as_sender=False) if copies else None

    def _organ(self, party: Party) -> dict[str, object]:
        now = self._ports.clock.now()
        found = self._ports.directory.find(OrganCode(party.key), now)
        state, successor = "active", None
        if isinstance(found, Successor) and found.party.key != party.key:
            state, successor = "succeeded", found.party.key
        elif isinstance(found, Gone):
            state = "gone"
        elif party.is_locked:
            state = "locked"
        return {
            "organ": party.key,
            "name": party.name_at(now),
            "codes": [code.code for code in party.codes if code.holds_at(now)],
            "link": party.link,
            "state": state,
            "successor": successor,
            "parent": party.parent,
            "takes": {
                "kinds": sorted(map(str, party.takes.kinds)),
                "business": sorted(int(kind) for kind in party.takes.business),
                "max_bytes": party.takes.max_bytes,
                "dialects": sorted(party.takes.dialects),
            },
        }


class _Seen:
    """A dossier, and which part of it may be told."""

    __slots__ = ("as_sender", "copies", "dossier")

    def __init__(self, dossier: Dossier, copies: tuple[HandOver, ...], *, as_sender: bool) -> None:
        self.dossier = dossier
        self.copies = copies
        self.as_sender = as_sender

    def concerns(self, recipient: PartyKey | None) -> bool:
        """Whether what is about *recipient* (``None``: about the document) may be told."""
        return self.as_sender or any(copy.recipient == recipient for copy in self.copies)


def _was_to_be_had(copy: HandOver) -> bool:
    """Whether the copy was ever available: before that its recipient knows of no document."""
    return copy.available_at is not None or copy.handed_over_at is not None


def _copy(copy: HandOver, dossier: Dossier) -> dict[str, object]:
    return {
        "organ": copy.recipient,
        "addressed_as": copy.addressed_as,
        "name": copy.name,
        "link": copy.link,
        "delivery": copy.delivery,
        "state": copy.state,
        "status": copy.status or None,
        "request": copy.request or None,
        "asked_by": copy.asked_by,
        "answer": copy.answer or None,
        "reason": copy.reason,
        "submitted_at": instant(dossier.submission.received_at),
        "available_at": instant(copy.available_at),
        "handed_over_at": instant(copy.handed_over_at),
    }


def _relation(relation: Relation) -> dict[str, object]:
    return {
        "document": relation.document,
        "organ": relation.recipient,
        "business": BUSINESS[relation.business],
        "other": relation.other,
    }


def _event(event: Event) -> dict[str, object]:
    return {
        "at": instant(event.at),
        "stage": event.stage,
        "event": event.event,
        "recipient": event.recipient,
        "reason": event.reason,
        "detail": event.detail,
    }


def _listed(records: Sequence[EvidenceRecord]) -> list[dict[str, object]]:
    return [
        {
            "id": record.id,
            "event": record.event,
            "recipient": record.recipient,
            "sequence": record.sequence,
            "issued_at": instant(record.issued_at),
            "reason": record.reason,
            "sha256": record.sha256,
            "href": f"/v1/evidence/{record.id}",
        }
        for record in records
    ]


def _uuid(request: web.Request) -> str:
    """The id in the path in its one spelling; what is no id names nothing."""
    try:
        return str(UUID(request.match_info["id"]))
    except ValueError:
        raise Refused("not-found") from None
