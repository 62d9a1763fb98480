"""Uploads and claims: bytes that are too large for a message travel here.

POST /v1/uploads gives a claim for one's own bytes; GET /v1/payloads/… gives the bytes of a claim, an own
upload's as well as a delivery's.  The signed address says for whom it was issued; the token says who asks.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from adapters.http.answer import as_json, send_payload
from adapters.http.auth import Access
from adapters.http.body import Body
from adapters.http.gate import Turnstile
from adapters.http.options import Options, Ports
from adapters.http.submissions import limit_of, store
from gateway.errors import Refused, Unavailable
from gateway.model.claim import path_of, resolve
from gateway.model.payload import PayloadRef


class Payloads:
    """Takes bytes to the vault and brings them back."""

    def __init__(
        self,
        options: Options,
        ports: Ports,
        access: Access,
        turnstile: Turnstile,
        public_url: Callable[[], str],
    ) -> None:
        self._options = options
        self._public_url = public_url
        self._ports = ports
        self._access = access
        self._turnstile = turnstile

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """The body goes to the vault as it comes.  What carries a secrecy mark never gets there."""
        client, party = self._access.party(request)
        if party.is_locked:
            raise Refused("party-locked")
        await self._ports.quotas.check(party.key)
        with self._turnstile.inward(client.id):
            body = Body(
                request,
                limit=limit_of(self._options, party),
                idle=self._options.idle,
                body_time=self._options.body_time,
            )
            head, _ = await body.head(self._options.header_bytes)
            if not head:
                raise Refused("body-empty")
            self._ports.intake.screen(head[: self._options.header_bytes])
            ref = await store(body, self._ports)
        path = path_of(self._options.secret, party.key, ref)
        href = f"{self._public_url()}{path}"
        return as_json({"href": href, "sha256": ref.sha256, "size": ref.size}, status=201, Location=path)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """The bytes that the address names, for a client of the party that it was issued to.

        An address that we never issued and one that was issued to somebody else are answered alike.
        """
        client = self._access.client(request)
        try:
            party, ref = resolve(self._options.secret, request.rel_url.raw_path)
        except Refused:
            raise Refused("not-found") from None
        if party not in client.acts_for:
            raise Refused("not-found")
        with self._turnstile.through(client.id):
            try:
                return await send_payload(
                    request, ref, self._ports.vault, media_type="application/xml", idle=self._options.idle
                )
            except Unavailable as away:
                if await self._was_purged(ref, away):
                    raise Refused("content-purged") from away
                raise

    async def _was_purged(self, ref: PayloadRef, away: Unavailable) -> bool:
        """Whether bytes of which we gave the address are gone because nothing names them any more."""
        disposal = self._ports.disposal
        return (
            away.reason == "payload-missing"
            and disposal is not None
            and not await disposal.named({ref.sha256})
        )
