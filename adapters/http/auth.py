"""Who asks, and for which organ.

Tokens are looked up by their SHA-256 and compared in constant time besides.  The lookup's own time tells
nothing of use: it depends on the digest of the guess, which a guesser can't steer towards an unknown digest,
and a token has 256 random bits.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha256

from aiohttp import web

from gateway.errors import Refused
from gateway.model.ids import OrganCode, PartyKey
from gateway.model.party import Client, Party, Successor
from gateway.ports import Clock, Directory


class Access:
    """Checks tokens and the ``organ`` parameter against the directory."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._indexed: Sequence[Client] | None = None
        self._by_digest: Mapping[str, Client] = {}

    def client(self, request: web.Request) -> Client:
        """The client whose token the request carries.

        Raises ``Refused("token-missing")`` or ``Refused("token-wrong")``.
        """
        token = _bearer(request)
        digest = sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        client = self._index().get(digest)
        if client is None or not hmac.compare_digest(client.token_sha256, digest):
            raise Refused("token-wrong")
        return client

    def party(self, request: web.Request) -> tuple[Client, Party]:
        """The client, and the party that it acts for in this request.

        The parameter ``organ`` may be left out by a client that acts for one party alone.  Raises
        ``Refused`` with ``token-missing``, ``token-wrong``, ``organ-missing`` or ``not-authorised``;
        whether an organ that is not the client's own exists is not told.
        """
        client = self.client(request)
        code = request.query.get("organ", "")
        if not code:
            if len(client.acts_for) != 1:
                raise Refused("organ-missing")
            (key,) = client.acts_for
        else:
            key = self._key(client, OrganCode(code))
        party = self._directory.party(key) if key in client.acts_for else None
        if party is None:
            raise Refused("not-authorised")
        return client, party

    def viewers(self, request: web.Request) -> frozenset[PartyKey]:
        """The parties with whose eyes the client looks: the one it names, or all that it acts for."""
        if request.query.get("organ"):
            return frozenset({self.party(request)[1].key})
        return self.client(request).acts_for

    def _key(self, client: Client, code: OrganCode) -> PartyKey:
        # The key first: what a party was registered under names its inbox for ever, also after a merger,
        # when the code leads documents elsewhere.
        if PartyKey(code) in client.acts_for:
            return PartyKey(code)
        match self._directory.find(code, self._clock.now()):
            case Party() as party:
                return party.key
            case Successor(party=party):
                return party.key
            case _:
                raise Refused("not-authorised")

    def _index(self) -> Mapping[str, Client]:
        clients = self._directory.clients()
        if clients is not self._indexed:  # a directory that was read anew answers another sequence
            self._by_digest = {client.token_sha256: client for client in clients if client.token_sha256}
            self._indexed = clients
        return self._by_digest


def holds_token(request: web.Request, token_sha256: str) -> bool:
    """Whether the request carries the one token with that digest; compared in constant time."""
    try:
        token = _bearer(request)
    except Refused:
        return False
    digest = sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
    return hmac.compare_digest(digest, token_sha256)


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    # spec: RFC 6750 §2.1, RFC 9110 §11.1 - the scheme's case does not matter
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused("token-missing")
    return token.strip()
