"""Evidence: one event after another on one copy, each attested, hashed and chained to the one before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.clock import SystemClock
from adapters.directory import OrganDirectory
from adapters.signing.keyring import KeyRing
from adapters.signing.keyring import Options as KeyOptions
from adapters.signing.notary import XadesNotary
from gateway.model.document import Submission
from gateway.model.envelope import Kind, Priority
from gateway.model.evidence import EventName, EvidenceParty
from gateway.model.handover import HandOver
from gateway.model.ids import ClientId, DocumentId, MessageId, OrganCode, PartyKey, Realm, delivery_id
from gateway.model.journey import HandOverState, SubmissionState
from gateway.model.party import Link
from gateway.stages import receipt

NOW = datetime(2026, 3, 4, 11, 30, 5, tzinfo=UTC)
_SENDER, _RECIPIENT = PartyKey("000.00.00.H53"), PartyKey("000.00.13.H53")
_DOCUMENT = DocumentId("018f0c1a-2b3c-7d4e-8f50-617283940a1b")


def notary(folder: Path) -> XadesNotary:
    """A notary with a development key of its own in *folder*."""
    options = KeyOptions(
        keys=folder, organ=OrganCode("00.53.W00"), name="Trục liên thông tỉnh Tây Ninh", development=True
    )
    return XadesNotary(KeyRing(options, directory=OrganDirectory(()), clock=SystemClock()))


def chain(notary: XadesNotary) -> Callable[[], None]:
    """One more event on the same copy."""
    submission = Submission(
        document=_DOCUMENT,
        realm=Realm("H53"),
        party=_SENDER,
        client=ClientId("000.00.00.H53"),
        message_id=MessageId("m-1"),
        sha256=sha256(b"x").hexdigest(),
        size=316_000,
        kind=Kind.EDOC,
        link=Link.AMQP,
        priority=Priority.ORDINARY,
        state=SubmissionState.ACCEPTED,
        received_at=NOW,
        expires_at=NOW + timedelta(days=30),
    )
    sender = EvidenceParty(key=_SENDER, code=OrganCode(_SENDER), name="UBND tỉnh Tây Ninh")
    handover = HandOver(
        document=_DOCUMENT,
        recipient=_RECIPIENT,
        addressed_as=OrganCode(_RECIPIENT),
        name="Sở Thông tin và Truyền thông",
        link=Link.AMQP,
        delivery=delivery_id(_DOCUMENT, _RECIPIENT, 1),
        state=HandOverState.AVAILABLE,
        payload=None,
        available_at=NOW,
        head=sha256(b"acceptance").hexdigest(),
    )

    def run() -> None:
        nonlocal handover
        statement = receipt.Statement(handover=handover, event=EventName.CONTENT_CONSIGNMENT)
        evidence = receipt.on_handover(submission, statement, sender, NOW)
        handover = receipt.chained(handover, receipt.record(evidence, notary.attest(evidence)))

    return run


def limit() -> Callable[[], None]:
    """One P-256 signature and three hashes over as many bytes."""
    key = ec.generate_private_key(ec.SECP256R1())
    method = ec.ECDSA(hashes.SHA256())
    body = bytes(5000)

    def run() -> None:
        for _ in range(3):
            sha256(body).digest()
        key.sign(body[:1500], method)

    return run
