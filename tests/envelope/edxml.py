"""One edXML by hand, for tests that change one thing: ``an_edxml(subject="<Subject/>")``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from adapters.envelope import EdxmlEnvelopes, Options
from gateway.errors import Unavailable
from gateway.model.envelope import Edoc, Envelope
from gateway.model.finding import Finding, Severity
from gateway.model.payload import PayloadRef
from tests.vectors.edxml.producers import NS, PDF, b64


class NoVault:
    """No vault: the bytes of these tests ride along."""

    async def put(self, chunks: AsyncIterator[bytes] | bytes | PayloadRef) -> PayloadRef:
        raise Unavailable("payload-missing")

    async def open(self, ref: PayloadRef, *, start: int = 0) -> AsyncIterator[bytes]:
        body = await self.read(ref)
        for at in range(start, len(body), 2**20):
            yield body[at : at + 2**20]

    async def read(self, ref: PayloadRef) -> bytes:
        if ref.body is not None:
            return ref.body
        if ref.loose is not None:
            return ref.loose.read(0, ref.loose.size)
        raise Unavailable("payload-missing")


def envelopes(**options: object) -> EdxmlEnvelopes:
    """The adapter with *options*."""
    return EdxmlEnvelopes(Options(**options), NoVault())  # type: ignore[arg-type]  # named by each test


def read(body: bytes, **options: object) -> tuple[Envelope | None, tuple[Finding, ...]]:
    """What the adapter makes of *body*."""
    return asyncio.run(envelopes(**options).read(PayloadRef.of(body)))


def edoc_of(body: bytes, **options: object) -> Edoc:
    """The edoc in *body*; it must have no error."""
    envelope, findings = read(body, **options)
    assert isinstance(envelope, Edoc), findings
    assert not [f for f in findings if f.severity is Severity.ERROR]
    return envelope


def codes(body: bytes, **options: object) -> set[str]:
    """The codes of everything that was found in *body*."""
    return {finding.code for finding in read(body, **options)[1]}


def errors(body: bytes, **options: object) -> set[str]:
    """The codes of the errors in *body*."""
    return {f.code for f in read(body, **options)[1] if f.severity is Severity.ERROR}


def an_edxml(
    *,
    sender: str = "<From><OrganId>H53.13</OrganId><OrganName>Sở</OrganName></From>",
    to: str = "<To><OrganId>H53.00</OrganId><OrganName>Tỉnh</OrganName></To>",
    document_id: str = "<DocumentId>H53.13,2016/03/04,12/BC-STTTT</DocumentId>",
    code: str = "<Code><CodeNumber>12</CodeNumber><CodeNotation>BC-STTTT</CodeNotation></Code>",
    promulgation: str = "<PromulgationInfo><Place>Tây Ninh</Place>"
    "<PromulgationDate>2016/03/04</PromulgationDate></PromulgationInfo>",
    document_type: str = "<DocumentType><Type>1</Type><TypeName>Báo cáo</TypeName></DocumentType>",
    subject: str = "<Subject>Kết quả</Subject>",
    signer: str = "<SignerInfo><FullName>Nguyễn Thị Ví Dụ</FullName></SignerInfo>",
    other: str = "<OtherInfo><Priority>0</Priority></OtherInfo>",
    more: str = "",
    traces: str = "<TraceHeaderList><TraceHeader><OrganId>H53.13</OrganId>"
    "<Timestamp>2016/03/04 08:00:00</Timestamp></TraceHeader></TraceHeaderList>",
    references: str = "<Reference><ContentId>cid:1</ContentId><AttachmentName>a.pdf</AttachmentName></Reference>",
    attachments: str | None = None,
    attached: bytes = PDF,
    name: str = "a.pdf",
    around: str = "",
) -> bytes:
    """A document without findings, but for what a test changes."""
    if attachments is None:
        attachments = an_attachment("cid:1", name, b64(attached))
        references = references.replace("a.pdf", name)
    header = sender + to + document_id + code + promulgation + document_type + subject + signer + other + more
    return (
        f'<edXML xmlns="{NS}">{around}<edXMLEnvelope><edXMLHeader><MessageHeader>{header}</MessageHeader>'
        f"{traces}</edXMLHeader><edXMLBody><edXMLManifest>{references}</edXMLManifest></edXMLBody>"
        f"</edXMLEnvelope><AttachmentEncoded>{attachments}</AttachmentEncoded></edXML>"
    ).encode()


def an_attachment(content_id: str, name: str, encoded: str, media_type: str = "") -> str:
    """One Attachment element."""
    label = f"<ContentType>{media_type}</ContentType>" if media_type else ""
    return (
        f"<Attachment><ContentId>{content_id}</ContentId><AttachmentName>{name}</AttachmentName>{label}"
        f"<ContentTransferEncoded>{encoded}</ContentTransferEncoded></Attachment>"
    )


def a_status(
    *,
    sender: str = "<From><OrganId>H53.13</OrganId><OrganName>Sở</OrganName></From>",
    about: str = "<ResponseFor><OrganId>H53.00</OrganId><Code>12/BC</Code></ResponseFor>",
    code: str = "01",
    description: str = "<Description>Đã đến</Description>",
    timestamp: str = "<Timestamp>2016/03/04 09:00:00</Timestamp>",
    staff: str = "<StaffInfo><Staff>Lê Thị Thử</Staff></StaffInfo>",
    beside: str = "",
) -> bytes:
    """A status without findings, but for what a test changes."""
    return (
        f'<edXML xmlns="{NS}"><edXMLEnvelope><edXMLHeader><MessageHeader>{sender}{about}{staff}'
        f"<StatusCode>{code}</StatusCode>{description}{timestamp}</MessageHeader></edXMLHeader>"
        f"</edXMLEnvelope>{beside}</edXML>"
    ).encode()
