"""Builders for tests: say the value that matters, default the rest."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gateway.model.document import Examined, Received, Signed, Submission, Valid
from gateway.model.envelope import (
    Attachment,
    Business,
    DocumentCode,
    DocumentReference,
    Edoc,
    Kind,
    Marks,
    Organ,
    Priority,
    StatusReport,
)
from gateway.model.handover import HandOver
from gateway.model.ids import (
    ClientId,
    DocumentId,
    MessageId,
    OfficialId,
    OrganCode,
    PartyKey,
    Realm,
    delivery_id,
)
from gateway.model.journey import HandOverState, SubmissionState
from gateway.model.party import Client, CodeValidity, Link, Party
from gateway.model.payload import PayloadRef
from gateway.model.signature import Inspection, Verdict
from gateway.model.submission import Arrival

NOON = datetime(2026, 3, 4, 5, 0, tzinfo=UTC)
PROVINCE = "000.00.00.H53"
DEPARTMENT = "000.00.13.H53"
COMMUNE = "000.25.36.H53"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n%%EOF\n"


def a_party(code: str = PROVINCE, **changes: Any) -> Party:
    """A party registered under *code*; the communes of the tests fetch by HTTP."""
    link = Link.HTTP if code == COMMUNE else Link.AMQP
    party = Party(
        key=PartyKey(code),
        name=f"Cơ quan {code}",
        codes=(CodeValidity(code=OrganCode(code)),),
        link=link,
    )
    return replace(party, **changes)


def a_client(*parties: str, **changes: Any) -> Client:
    """A client named as the first of *parties*, acting for them."""
    acts_for = frozenset(PartyKey(p) for p in parties or (PROVINCE,))
    client = Client(id=ClientId((parties or (PROVINCE,))[0]), acts_for=acts_for)
    return replace(client, **changes)


def an_arrival(body: bytes = b"<edXML/>", **changes: Any) -> Arrival:
    """What the province's client published."""
    arrival = Arrival(
        client=ClientId(PROVINCE),
        claimed=OrganCode(PROVINCE),
        message_id=MessageId("m-1"),
        payload=PayloadRef.of(body),
        link=Link.AMQP,
        content_type="application/xml",
    )
    return replace(arrival, **changes)


def marks(**changes: Any) -> Marks:
    """The header of an ordinary edoc of the province."""
    return replace(Marks(kind=Kind.EDOC, sender=OrganCode(PROVINCE)), **changes)


def a_submission(**changes: Any) -> Submission:
    """A submission of the province, registered at noon."""
    submission = Submission(
        document=DocumentId("0195-document"),
        realm=Realm("H53"),
        party=PartyKey(PROVINCE),
        client=ClientId(PROVINCE),
        message_id=MessageId("m-1"),
        sha256="ab" * 32,
        size=1000,
        kind=Kind.EDOC,
        link=Link.AMQP,
        priority=Priority.ORDINARY,
        state=SubmissionState.RECEIVED,
        received_at=NOON,
        expires_at=NOON + timedelta(days=30),
        payload=PayloadRef(sha256="ab" * 32, size=1000),
        head="root",
    )
    return replace(submission, **changes)


def received(**changes: Any) -> Received:
    """The same, just received."""
    submission = a_submission(**changes)
    return Received(submission=submission, sender=a_party(submission.party))


def an_attachment(name: str = "517.pdf", body: bytes = PDF, **changes: Any) -> Attachment:
    """An attached file; a PDF if its bytes are."""
    attachment = Attachment(
        content_id=name,
        name=name,
        payload=PayloadRef.of(body),
        is_pdf=body.startswith(b"%PDF-"),
    )
    return replace(attachment, **changes)


def an_edoc(*recipients: str, **changes: Any) -> Edoc:
    """Quyết định 517/QĐ-UBND to *recipients*."""
    edoc = Edoc(
        sender=Organ(code=OrganCode(PROVINCE), name="UBND tỉnh Tây Ninh"),
        recipients=tuple(Organ(code=OrganCode(r)) for r in recipients or (DEPARTMENT,)),
        official_id=OfficialId(f"{PROVINCE},2016/03/04,517/QĐ-UBND"),
        code=DocumentCode(number="517", notation="QĐ-UBND"),
        dated=date(2016, 3, 4),
        type_name="Quyết định",
        subject="Về việc ban hành quy chế",
        priority=Priority.ORDINARY,
        business=Business.NEW,
        attachments=(an_attachment(),),
    )
    return replace(edoc, **changes)


def a_status(code: str = "01", **changes: Any) -> StatusReport:
    """The department reports on 517/QĐ-UBND."""
    report = StatusReport(
        reporter=Organ(code=OrganCode(DEPARTMENT)),
        about=DocumentReference(organ=OrganCode(PROVINCE), code="517/QĐ-UBND", dated=date(2016, 3, 4)),
        code=code,
    )
    return replace(report, **changes)


def examined(verdict: Verdict = Verdict.UNSIGNED, index: int = 0, **changes: Any) -> Examined:
    """What the inspector said of attachment *index*."""
    return Examined(index=index, inspection=replace(Inspection(verdict=verdict), **changes))


def valid(**changes: Any) -> Valid:
    """A valid document with one unsigned PDF."""
    value = Valid(received=received(), edoc=an_edoc(), examined=(examined(),), findings=())
    return replace(value, **changes)


def signed(**changes: Any) -> Signed:
    """A document whose sealing is done."""
    return replace(Signed(valid=valid(), sealed=()), **changes)


def a_handover(state: HandOverState = HandOverState.PENDING, **changes: Any) -> HandOver:
    """The department's copy."""
    document = DocumentId("0195-document")
    copy = HandOver(
        document=document,
        recipient=PartyKey(DEPARTMENT),
        addressed_as=OrganCode(DEPARTMENT),
        name="Sở Thông tin và Truyền thông",
        link=Link.AMQP,
        delivery=delivery_id(document, PartyKey(DEPARTMENT), 1),
        state=state,
        payload=PayloadRef(sha256="cd" * 32, size=2000),
        head="root",
    )
    return replace(copy, **changes)
