"""A claim: a reference to bytes that travel by HTTP instead of inside a message.

The address is signed, so that no table is needed to know that we issued it and for whom:
``/v1/payloads/<party>/<sha256>/<size>/<mac>``.  The party's own token is asked for besides.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from gateway.errors import Refused
from gateway.model.ids import PartyKey
from gateway.model.payload import PayloadRef

CLAIM_TYPE = "application/vnd.vanthu.claim+json"
PATH = "/v1/payloads/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a claim's JSON holds: ``href``, ``sha256`` (lower-case hex) and ``size`` in bytes."""

    href: str
    sha256: str
    size: int


def path_of(secret: bytes, party: PartyKey, ref: PayloadRef) -> str:
    """The signed path under which *party* may fetch *ref*."""
    mac = _mac(secret, party, ref.sha256, ref.size)
    return f"{PATH}{quote(party, safe='')}/{ref.sha256}/{ref.size}/{mac}"


def resolve(secret: bytes, href: str) -> tuple[PartyKey, PayloadRef]:
    """The party and payload that *href* (absolute or path alone) names.

    Nothing is fetched: the host is not even looked at.  Raises ``Refused("claim-invalid")`` for an
    address that we did not issue.
    """
    try:
        path = urlsplit(href).path
        if not path.startswith(PATH):
            raise ValueError(href)
        party, sha256, size, mac = path[len(PATH) :].split("/")
        party = unquote(party)
        length = int(size)
    except ValueError:
        raise Refused("claim-invalid", "href") from None
    expected = _mac(secret, PartyKey(party), sha256, length)
    if not hmac.compare_digest(mac.encode("utf-8", "replace"), expected.encode()):
        raise Refused("claim-invalid", "href")
    return PartyKey(party), PayloadRef(sha256=sha256, size=length)


def _mac(secret: bytes, party: PartyKey, sha256: str, size: int) -> str:
    return hmac.new(secret, f"{party}\n{sha256}\n{size}".encode(), "sha256").hexdigest()[:40]
