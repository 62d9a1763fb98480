"""Identifiers that must never be mixed, and how the derived ones are made.

Five ids meet on a document's way; each is a ``NewType`` so that mypy keeps them apart:
ours (``DocumentId``), the official one of edXML (``OfficialId``), the sender's idempotency key
(``MessageId``), one per (document, recipient, generation) (``DeliveryId``) and one per evidence
(``EvidenceId``).
"""

from __future__ import annotations

import unicodedata
from hashlib import sha1
from typing import NewType
from uuid import UUID

Realm = NewType("Realm", str)
"""A province; part of every key in the store."""

PartyKey = NewType("PartyKey", str)
"""The code a party was registered under.  It never changes, whatever codes the party has later."""

OrganCode = NewType("OrganCode", str)
"""An organ code as an envelope carries it (old or QĐ 20/2020 form): an attribute of a party, with validity."""

ClientId = NewType("ClientId", str)
"""A credential (broker user, HTTP token) that acts for one or more parties."""

DocumentId = NewType("DocumentId", str)
"""Ours: a UUIDv7, so that ids sort by the time of receipt."""

OfficialId = NewType("OfficialId", str)
"""edXML's ``DocumentId``; not unique; always NFC."""

MessageId = NewType("MessageId", str)
"""The sender's idempotency key: AMQP ``message_id`` or HTTP ``Idempotency-Key``."""

DeliveryId = NewType("DeliveryId", str)
"""UUIDv5 of document, party and generation: a repeat after a crash carries the same one."""

EvidenceId = NewType("EvidenceId", str)
"""UUIDv5 of document, recipient and sequence: a step that runs twice names its evidence alike."""

Owner = NewType("Owner", str)
"""One life of one worker process."""

_SPACE = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 9562 §6.6: the URL name space


def delivery_id(document: DocumentId, party: PartyKey, generation: int) -> DeliveryId:
    """The one delivery id of *party* for *document*; *generation* rises only by replay or update."""
    return DeliveryId(_named(f"vanthu:delivery:{document}:{party}:{generation}"))


def evidence_id(document: DocumentId, recipient: PartyKey | None, sequence: int) -> EvidenceId:
    """The id of the evidence at *sequence* of the chain of (*document*, *recipient*)."""
    return EvidenceId(_named(f"vanthu:evidence:{document}:{recipient or ''}:{sequence}"))


def _named(name: str) -> str:
    """The UUIDv5 of *name* in our space, as text; made thrice for each document, without an object in between.

    spec: RFC 9562, 5.5 - SHA-1 of space and name, with version and variant
    """
    digest = bytearray(sha1(_SPACE.bytes + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def normalised(text: str) -> str:
    """*text* as we compare identifiers: NFC, ``Ð`` (U+00D0) read as ``Đ`` (U+0110), outer blanks gone.

    spec: edXML facts §9 - producers write the Vietnamese Đ with two different code points.
    """
    return composed(text).replace("\u00d0", "\u0110").strip()


def composed(text: str) -> str:
    """*text* in NFC.  One of more than 1,000 characters is no identifier and is left as it is: normalising takes
    time by the square of a run of combining marks, 18 s for the 130,000 that fit into a header."""
    if text.isascii():  # codes as a rule: twelve thousand of them are read at each start
        return text.strip()
    return unicodedata.normalize("NFC", text) if len(text) <= 1000 else text
