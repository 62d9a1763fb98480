"""Uploads that may be cut off anywhere and gone on with; what is complete has a claim.

    POST   /v1/uploads                  begins one (Upload-Length, Repr-Digest), perhaps with its first bytes
    HEAD   /v1/uploads/{id}             tells how far it came: Upload-Offset; GET tells it as JSON
    PATCH  /v1/uploads/{id}             adds a piece at Upload-Offset; the last one brings the claim
    POST   /v1/uploads/{id}/submission  submits it
    DELETE /v1/uploads/{id}             gives it up

spec: draft-ietf-httpbis-resumable-upload; what we leave out of it is told in docs/adr/0016.

Strategy: until the header was seen whole and bears no secrecy mark, bytes stay in memory (``heads``); from then
on they go to ``Uploads`` as they come, which makes each piece durable.
"""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace

from aiohttp import web

from adapters.http import problem
from adapters.http.answer import as_json, instant
from adapters.http.auth import Access
from adapters.http.body import Body
from adapters.http.gate import Turnstile
from adapters.http.heads import Heads
from adapters.http.options import Options, Ports
from adapters.http.submissions import Submissions, limit_of
from gateway.errors import Refused
from gateway.model.claim import path_of
from gateway.model.party import Client, Party
from gateway.model.payload import PayloadRef
from gateway.model.upload import Upload, UploadId, is_of

_NUMBER = re.compile(r"[0-9]{1,15}")
_HEX = re.compile(r"[0-9a-f]{64}")
# spec: RFC 9530 §2, RFC 8941 §3.3.5 - a byte sequence between colons, among other members
_SHA256 = re.compile(r"(?:^|[,\s])sha-256=:([A-Za-z0-9+/=]{44}):")


class ResumableUploads:
    """Takes pieces to ``Uploads``, and what is complete to the intake."""

    def __init__(
        self,
        options: Options,
        ports: Ports,
        access: Access,
        turnstile: Turnstile,
        submissions: Submissions,
        public_url: Callable[[], str],
    ) -> None:
        self._options = options
        self._ports = ports
        self._access = access
        self._turnstile = turnstile
        self._submissions = submissions
        self._public_url = public_url
        self._heads = Heads(options.heads, options.head_time)

    @staticmethod
    def is_asked_for(request: web.Request) -> bool:
        """Whether *request* begins an upload of this kind, rather than bringing everything at once."""
        return "Upload-Length" in request.headers or "Upload-Complete" in request.headers

    async def begin(self, request: web.Request) -> web.StreamResponse:
        """A new upload, or that of the same bytes where there is one; its body, if it has one, is the first piece."""
        client, party = self._access.party(request)
        if party.is_locked:
            raise Refused("party-locked")
        declared = PayloadRef(sha256=_digest(request), size=_number(request, "Upload-Length"))
        limit = limit_of(self._options, party)
        if declared.size == 0:
            raise Refused("body-empty")
        if declared.size > limit:
            raise Refused("body-too-large", f"more than {limit} bytes")
        is_last = _says_complete(request)
        await self._ports.quotas.check(party.key)
        with self._turnstile.inward(client.id):
            upload = await self._ports.uploads.begin(party.key, declared)
            if upload.is_complete or not request.can_read_body:
                return self._told(upload, party, status=201)
            if "Upload-Draft-Interop-Version" in request.headers:
                await self._tell_where(request, upload, party)
            return await self._answered(request, party, upload, 0, is_last)

    async def look(self, request: web.Request) -> web.StreamResponse:
        """How far it came: as headers, and to a GET as JSON, too."""
        _, party, upload = await self._own(request)
        upload = self._with_held(upload)
        if request.method == "HEAD":
            return web.Response(status=204, headers=self._headers(upload, party))
        return self._told(upload, party, status=200)

    async def append(self, request: web.Request) -> web.StreamResponse:
        """One more piece.  The last one, or an empty one after it, brings the claim."""
        client, party, upload = await self._own(request)
        if party.is_locked:
            raise Refused("party-locked")
        offset = _number(request, "Upload-Offset")
        is_last = _says_complete(request)
        with self._turnstile.inward(client.id):
            return await self._answered(request, party, upload, offset, is_last)

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """What is complete is submitted without a claim."""
        client, party, upload = await self._own(request)
        if not upload.is_complete:
            raise Refused("upload-length-wrong", f"{upload.offset} of {upload.declared.size} bytes")
        with self._turnstile.inward(client.id):
            return await self._submissions.bring(request, client, party, upload.declared)

    async def drop(self, request: web.Request) -> web.StreamResponse:
        """Nothing of it is kept, unless it was complete: then its payload lies in the vault."""
        _, party, upload = await self._own(request)
        with self._heads.alone_with(upload.id):
            self._heads.forget(upload.id)
            await self._ports.uploads.drop(party.key, upload.id)
        return web.Response(status=204)

    # --- pieces -------------------------------------------------------------------------------------

    async def _answered(
        self, request: web.Request, party: Party, upload: Upload, offset: int, is_last: bool | None
    ) -> web.StreamResponse:
        """Take the piece; a refusal tells where the upload stands, so that the client can go on there."""
        try:
            upload = await self._take(request, upload, offset, is_last=is_last)
        except Refused as refused:
            now = await self._ports.uploads.find(party.key, upload.id)
            language = request.headers.get("Accept-Language", "")
            if now is None:
                raise
            now = self._with_held(now)
            # spec: draft §6 - the names of the two members
            wrong = {"expected-offset": now.offset, "provided-offset": offset}
            return problem.of_reason(
                refused.reason,
                detail=refused.detail,
                language=language,
                headers={"Location": _path(now), **self._headers(now, party)},
                members=wrong if refused.reason == "upload-offset-wrong" else None,
            )
        return self._told(
            upload, party, status=201 if upload.is_complete or request.method == "POST" else 200
        )

    async def _take(
        self, request: web.Request, upload: Upload, offset: int, *, is_last: bool | None
    ) -> Upload:
        """Add the request's body at *offset*; *is_last* is what the client says of it, if it does."""
        size = upload.declared.size
        with self._heads.alone_with(upload.id):
            # From 0 on one may always begin again: what is held in memory was never promised to last.
            held = self._heads.of(upload.id) if offset and not upload.offset else b""
            if offset != (upload.offset or len(held)):
                raise Refused("upload-offset-wrong")
            length = request.content_length
            if length is not None and is_last and offset + length != size:
                raise Refused("upload-length-wrong", f"{offset} + {length} bytes, not {size}")
            body = Body(
                request,
                limit=size - offset,
                excess="upload-length-wrong",
                idle=self._options.idle,
                body_time=self._options.body_time,
            )
            if upload.offset == size:
                await body.head(1)  # nothing may come any more
            else:
                upload = await self._keep(upload, held, body)
            if upload.offset == size and is_last is not False:
                return await self._ports.uploads.finish(upload.party, upload.id)
            if is_last:
                raise Refused("upload-length-wrong", f"{upload.offset} of {size} bytes")
            return upload

    async def _keep(self, upload: Upload, held: bytes, body: Body) -> Upload:
        pieces = body.pieces()
        if not upload.offset:
            head = held + (await body.head(max(0, self._options.header_bytes - len(held))))[0]
            is_all = len(head) >= upload.declared.size
            if not await self._is_screened(upload, head[: self._options.header_bytes], is_all=is_all):
                self._heads.hold(upload.id, head)
                return replace(upload, offset=len(head))
            self._heads.forget(upload.id)
            pieces = _after(held, pieces)
        with body.while_kept():
            return await self._ports.uploads.append(upload.party, upload.id, upload.offset, pieces)

    async def _is_screened(self, upload: Upload, head: bytes, *, is_all: bool) -> bool:
        """Whether the header was seen whole and may be kept; what may not be is dropped, and refused."""
        try:
            self._ports.intake.screen(head)
        except Refused as refused:
            is_short = not is_all and len(head) < self._options.header_bytes
            if refused.reason == "header-incomplete" and is_short:
                return False
            self._heads.forget(upload.id)
            await self._ports.uploads.drop(upload.party, upload.id)
            raise
        return True

    # --- answers ------------------------------------------------------------------------------------

    async def _own(self, request: web.Request) -> tuple[Client, Party, Upload]:
        """The upload that the path names, where it is one of a party of the client's."""
        client = self._access.client(request)
        named = request.match_info["id"]
        for key in self._access.viewers(request):
            if is_of(named, key):
                party = self._ports.directory.party(key)
                upload = await self._ports.uploads.find(key, UploadId(named))
                if party is not None and upload is not None:
                    return client, party, upload
        raise Refused("not-found")

    def _with_held(self, upload: Upload) -> Upload:
        return upload if upload.offset else replace(upload, offset=len(self._heads.of(upload.id)))

    async def _tell_where(self, request: web.Request, upload: Upload, party: Party) -> None:
        # spec: draft §5 - who is cut off in this very request knows by this where to go on.  Only to those who
        # say that they know the draft: not every client's library knows more than one interim answer.
        lines = ("HTTP/1.1 104 Upload Resumption Supported", f"Location: {_path(upload)}", "", "")
        await request.writer.write("\r\n".join(lines).encode())
        request.writer.output_size = 0

    def _told(self, upload: Upload, party: Party, *, status: int) -> web.Response:
        told: dict[str, object] = {
            "upload": _path(upload),
            "sha256": upload.declared.sha256,
            "size": upload.declared.size,
            "offset": upload.offset,
            "complete": upload.is_complete,
            "expires_at": instant(upload.expires_at),
        }
        if upload.is_complete:  # then this is a claim, and something besides
            path = path_of(self._options.secret, upload.party, upload.declared)
            told = {"href": f"{self._public_url()}{path}", **told}
        headers = self._headers(upload, party)
        if status == 201:
            headers["Location"] = _path(upload)
        return as_json(told, status=status, **headers)

    def _headers(self, upload: Upload, party: Party) -> dict[str, str]:
        left_s = max(0, int((upload.expires_at - self._ports.clock.now()).total_seconds()))
        return {
            "Upload-Offset": str(upload.offset),
            "Upload-Complete": "?1" if upload.is_complete else "?0",
            "Upload-Length": str(upload.declared.size),
            "Upload-Limit": f"max-size={limit_of(self._options, party)}, max-age={left_s}",
        }


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in rest:
        yield piece


def _path(upload: Upload) -> str:
    return f"/v1/uploads/{upload.id}"


def _number(request: web.Request, name: str) -> int:
    # spec: RFC 8941 §3.3.1 - an integer of 15 digits at most
    text = request.headers.get(name, "").strip()
    if not _NUMBER.fullmatch(text):
        raise Refused("request-invalid", f"{name}: a number of bytes is needed")
    return int(text)


def _says_complete(request: web.Request) -> bool | None:
    # spec: RFC 8941 §3.3.6
    match request.headers.get("Upload-Complete", "").strip():
        case "?1":
            return True
        case "?0":
            return False
        case "":
            return None
    raise Refused("request-invalid", "Upload-Complete: ?0 or ?1")


def _digest(request: web.Request) -> str:
    """The SHA-256 of the whole, in hex, from either of the two headers that may tell it."""
    in_hex = request.headers.get("Vanthu-Sha256", "").strip().lower()
    if _HEX.fullmatch(in_hex):
        return in_hex
    if found := _SHA256.search(request.headers.get("Repr-Digest", "")):
        with suppress(ValueError):
            raw = base64.b64decode(found[1], validate=True)
            if len(raw) == 32:
                return raw.hex()
    raise Refused("request-invalid", "Repr-Digest: sha-256=:base64:, or Vanthu-Sha256: hex, is needed")
