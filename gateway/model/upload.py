"""An upload: bytes that come in pieces over HTTP, until they are a payload that a claim may name.

spec: draft-ietf-httpbis-resumable-upload - the words are the draft's: offset, length, complete.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import NewType

from gateway.model.ids import PartyKey
from gateway.model.payload import PayloadRef

UploadId = NewType("UploadId", str)
"""16 hex digits that name the party, 32 that name the bytes: whoever begins again has the same upload."""

_FORM = re.compile(r"[0-9a-f]{48}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What is known of one upload.

    ``declared`` is what it will be: size in bytes and SHA-256.  Its first ``offset`` bytes are durable.
    ``is_complete`` says that all of them are there, were compared with the digest, and lie in the vault.
    """

    id: UploadId
    party: PartyKey
    declared: PayloadRef
    offset: int
    is_complete: bool
    expires_at: datetime


def tag_of(party: PartyKey) -> str:
    """The 16 hex digits with which the ids of *party*'s uploads begin."""
    return sha256(party.encode()).hexdigest()[:16]


def upload_id(party: PartyKey, declared: PayloadRef) -> UploadId:
    """The id under which *party* uploads what it has *declared*.  No secret: the token tells who asks."""
    name = sha256(f"{party}\n{declared.sha256}\n{declared.size}".encode()).hexdigest()[:32]
    return UploadId(f"{tag_of(party)}{name}")


def is_of(upload: str, party: PartyKey) -> bool:
    """Whether *upload* has the form of an id, and of one of *party*'s."""
    return _FORM.fullmatch(upload) is not None and upload.startswith(tag_of(party))
