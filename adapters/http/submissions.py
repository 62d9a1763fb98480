"""POST /v1/submissions: a document comes in by HTTP, as its bytes or as a claim to an upload."""

from __future__ import annotations

import re

from aiohttp import web

from adapters.http import problem
from adapters.http.answer import as_json, instant
from adapters.http.auth import Access
from adapters.http.body import Body, parsed
from adapters.http.gate import Turnstile
from adapters.http.options import Options, Ports
from gateway.errors import Refused
from gateway.model.claim import CLAIM_TYPE, resolve
from gateway.model.ids import MessageId, OrganCode
from gateway.model.journey import SubmissionState
from gateway.model.party import Client, Link, Party
from gateway.model.payload import PayloadRef
from gateway.model.submission import Arrival, Door, Ticket

_XML_TYPES = ("application/xml", "text/xml", "application/edxml", "application/octet-stream")
_CLAIM_BYTES = 16 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")
# spec: W3C Trace Context §3.2 - what is not of this form is ignored
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Submissions:
    """Takes submissions to ``Intake``."""

    def __init__(self, options: Options, ports: Ports, access: Access, turnstile: Turnstile) -> None:
        self._options = options
        self._ports = ports
        self._access = access
        self._turnstile = turnstile

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """Everything that can be refused without the body is refused before it is read."""
        client, party = self._access.party(request)
        _message_id(request)
        await self._ports.quotas.check(party.key)
        media_type = request.content_type if "Content-Type" in request.headers else "application/xml"
        with self._turnstile.inward(client.id):
            if media_type == CLAIM_TYPE:
                payload = await self._claimed(request, party)
            elif media_type in _XML_TYPES:
                payload = await self._carried(request, party)
            else:
                raise Refused("content-type-unsupported", media_type[:80])
            return await self.bring(request, client, party, payload)

    async def bring(
        self, request: web.Request, client: Client, party: Party, payload: PayloadRef
    ) -> web.StreamResponse:
        """Take *payload* to the intake, with what the request's headers say of it."""
        traceparent = request.headers.get("traceparent", "")
        ticket = await self._ports.intake.submit(
            Arrival(
                client=client.id,
                claimed=OrganCode(request.query.get("organ", "") or party.key),
                message_id=_message_id(request),
                payload=payload,
                link=Link.HTTP,
                is_urgent=request.headers.get("Vanthu-Lane", "").lower() == "urgent",
                content_type="application/xml",
                expires=request.headers.get("Vanthu-Expires", ""),
                traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else "",
            )
        )
        return _answer(ticket, language=request.headers.get("Accept-Language", ""))

    async def _carried(self, request: web.Request, party: Party) -> PayloadRef:
        """The body itself: small ones ride along, larger ones stream to the vault."""
        body = Body(
            request,
            limit=limit_of(self._options, party),
            idle=self._options.idle,
            body_time=self._options.body_time,
        )
        head, is_whole = await body.head(self._options.memory_bytes + 1)
        if is_whole:
            return PayloadRef.of(head)
        # spec: DESIGN §3.10 - a state secret is refused on its header, before anything is stored
        self._ports.intake.screen(head[: self._options.header_bytes])
        return await store(body, self._ports)

    async def _claimed(self, request: web.Request, party: Party) -> PayloadRef:
        """What a claim names: bytes that this party uploaded before."""
        body = Body(request, limit=_CLAIM_BYTES, idle=self._options.idle, body_time=self._options.idle)
        raw, _ = await body.head(_CLAIM_BYTES + 1)
        match parsed(raw):
            case {"href": str(href), "sha256": str(sha256), "size": int(size)} if _SHA256.fullmatch(sha256):
                owner, ref = resolve(self._options.secret, href)
            case _:
                raise Refused("claim-invalid", "href, sha256 and size are needed")
        if owner != party.key:
            raise Refused("claim-invalid", "href")
        if (ref.sha256, ref.size) != (sha256, size):
            raise Refused("claim-mismatch")
        if ref.size > limit_of(self._options, party):
            raise Refused("body-too-large", f"more than {limit_of(self._options, party)} bytes")
        return ref


def _message_id(request: web.Request) -> MessageId:
    message_id = request.headers.get("Idempotency-Key", "")
    if not message_id:
        raise Refused("message-id-missing")
    if len(message_id) > 200 or not message_id.isprintable():
        raise Refused("message-id-invalid")
    return MessageId(message_id)


def limit_of(options: Options, party: Party) -> int:
    """The largest body in bytes that *party* may bring."""
    return min(options.max_bytes, party.max_bytes or options.max_bytes)


async def store(body: Body, ports: Ports) -> PayloadRef:
    """*body* in the vault.  Raises what *body* refuses."""
    with body.while_kept():
        return (await ports.vault.put(body.pieces())).bare()


def _answer(ticket: Ticket, *, language: str) -> web.Response:
    links = {}
    if ticket.document is not None:
        path = f"/v1/documents/{ticket.document}"
        links = {"self": path, "evidence": f"{path}/evidence"}
    if ticket.door is Door.REFUSED or ticket.state is SubmissionState.REFUSED:
        # A repeat of what was refused meanwhile is told so: 202 would read as acceptance.
        members: dict[str, object] = {"document": ticket.document, "links": links} if links else {}
        return problem.of_reason(
            ticket.reason or "rule-broken", detail=ticket.detail, language=language, members=members
        )
    return as_json(
        {
            "document": ticket.document,
            "state": ticket.state,
            "received_at": instant(ticket.received_at),
            "links": links,
        },
        status=202,
        **({"Location": links["self"]} if links else {}),
    )
