"""edXML as an e-office writes and reads it: our own reading of QCVN 102:2016, from the standard alone.

Producers differ, and so do ours: a ``Producer`` says in which order, with which prefix and in which packing
an agency's software writes.  All of them are what real software sends.
"""

from __future__ import annotations

import base64
import io
import uuid
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from enum import Enum
from hashlib import sha256

from lxml import etree

NAMESPACE = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
VIETNAM = timezone(timedelta(hours=7))


@dataclass(frozen=True, slots=True, kw_only=True)
class Producer:
    """The habits of one e-office product.

    ``prefix`` is that inside the envelope (empty: the default name space); ``zips`` packs attachments as a
    ZIP of one entry; ``cid_on_both`` writes ``cid:`` in the attachment, too; ``signer_last`` is an order.
    """

    prefix: str = "edXML"
    zips: bool = True
    cid_on_both: bool = True
    signer_last: bool = False


class Business(Enum):
    """What a document does to those before it (``BussinessDocType``)."""

    NEW = 0
    RECALL = 1
    UPDATE = 2
    REPLACE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Organ:
    """An agency: its code and its name."""

    code: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """An attached file."""

    name: str
    body: bytes = field(repr=False)
    media_type: str = "application/pdf"

    @property
    def sha256(self) -> str:
        """Of the bytes, as lower-case hex."""
        return sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """How one document names another."""

    organ: str
    code: str
    dated: date
    document_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """An edoc to be written.  ``about`` is the official id of what it updates or replaces; a recall is a copy of what it
    recalls, without its files: it carries the same id and number."""

    sender: Organ
    recipients: tuple[Organ, ...]
    number: str
    notation: str
    place: str
    dated: date
    type_id: int
    type_name: str
    subject: str
    competence: str
    position: str
    signer: str
    files: tuple[File, ...]
    priority: int = 0
    sphere: str = "Công tác văn thư"
    pages: int = 1
    responds_to: tuple[Reference, ...] = ()
    business: Business = Business.NEW
    reason: str = "Văn bản điện tử mới"
    about: str = ""
    edition: str = ""

    @property
    def code(self) -> str:
        """``517/QĐ-UBND``."""
        return f"{self.number}/{self.notation}"

    @property
    def document_id(self) -> str:
        """The official id: organ, date, code; and the edition where there are several."""
        return f"{self.sender.code},{self.dated:%Y/%m/%d},{self.code}{self.edition}"

    @property
    def reference(self) -> Reference:
        """How others will name this document."""
        return Reference(
            organ=self.sender.code, code=self.code, dated=self.dated, document_id=self.document_id
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An edoc as it was read; ``hops`` are the organs of its trace."""

    sender: str
    code: str
    subject: str
    priority: int
    reference: Reference
    recipients: tuple[str, ...]
    hops: tuple[str, ...]
    files: tuple[File, ...]
    business: Business = Business.NEW

    @property
    def asks(self) -> bool:
        """Whether the clerk has to answer 15 or 16: a recall, or an update."""
        return self.business in (Business.RECALL, Business.UPDATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A status as it was read."""

    reporter: str
    code: str
    description: str
    about: Reference


Tree = tuple[str, "str | Sequence[Tree]"]


def write_edoc(letter: Letter, producer: Producer, at: datetime) -> bytes:
    """The edXML file of *letter*."""
    signer: Tree = (
        "SignerInfo",
        [("Competence", letter.competence), ("Position", letter.position), ("FullName", letter.signer)],
    )
    others: Tree = (
        "OtherInfo",
        [
            ("Priority", str(letter.priority)),
            ("SphereOfPromulgation", letter.sphere),
            ("PromulgationAmount", str(len(letter.recipients))),
            ("PageAmount", str(letter.pages)),
            ("Direction", "false"),
        ],
    )
    answers: list[Tree] = [_response_for(reference) for reference in letter.responds_to]
    head: list[Tree] = [
        ("From", _organ(letter.sender)),
        *[("To", _organ(recipient)) for recipient in letter.recipients],
        ("DocumentId", letter.document_id),
        ("Code", [("CodeNumber", letter.number), ("CodeNotation", letter.notation)]),
        (
            "PromulgationInfo",
            [("Place", letter.place), ("PromulgationDate", f"{letter.dated:%Y/%m/%d}")],
        ),
        ("DocumentType", [("Type", str(letter.type_id)), ("TypeName", letter.type_name)]),
        ("Subject", letter.subject),
        ("Content", letter.subject),
        *([others, *answers, signer] if producer.signer_last else [signer, others, *answers]),
        ("SteeringType", "1"),
    ]
    trace: list[Tree] = [
        (
            "TraceHeader",
            [("OrganId", letter.sender.code), ("Timestamp", _stamp(at))],
        ),
        (
            "Bussiness",
            [
                *([("DocumentId", letter.about)] if letter.business is Business.UPDATE else []),
                ("BussinessDocType", str(letter.business.value)),
                ("BussinessDocReason", letter.reason),
                ("Paper", "0"),
                *_amends(letter),
                ("StaffInfo", [("Department", "Văn thư"), ("Staff", "Văn thư cơ quan")]),
            ],
        ),
    ]
    ids = [str(uuid.uuid4()) for _ in letter.files]
    manifest: list[Tree] = [
        (
            "Reference",
            [
                ("ContentId", f"cid:{content_id}"),
                ("ContentType", "application/zip" if producer.zips else file.media_type),
                ("AttachmentName", file.name),
            ],
        )
        for content_id, file in zip(ids, letter.files, strict=True)
    ]
    root, envelope = _root(producer)
    header = _sub(envelope, "edXMLHeader")
    _grow(_sub(header, "MessageHeader"), head)
    _grow(_sub(header, "TraceHeaderList"), trace)
    body = _sub(_sub(envelope, "edXMLBody"), "edXMLManifest")
    body.set("version", "1.0")
    _grow(body, manifest)
    encoded = _sub(root, "AttachmentEncoded")
    for content_id, file in zip(ids, letter.files, strict=True):
        packed = _zip(content_id, file) if producer.zips else file.body
        _grow(
            _sub(encoded, "Attachment"),
            [
                ("ContentId", f"cid:{content_id}" if producer.cid_on_both else content_id),
                ("AttachmentName", file.name),
                ("ContentType", "application/zip" if producer.zips else file.media_type),
                ("ContentTransferEncoded", base64.b64encode(packed).decode("ascii")),
            ],
        )
    return _bytes(root)


def _amends(letter: Letter) -> list[Tree]:
    if letter.business is Business.UPDATE:
        return [("BussinessDocumentInfo", [("DocumentInfo", "1"), ("DocumentReceiver", "0")])]
    if letter.business is Business.REPLACE:
        organs: list[Tree] = [("OrganId", recipient.code) for recipient in letter.recipients]
        info: list[Tree] = [("DocumentId", letter.about), ("OrganIdList", organs)]
        return [("ReplacementInfoList", [("ReplacementInfo", info)])]
    return []


def write_status(
    reporter: Organ, about: Reference, code: str, description: str, producer: Producer, at: datetime
) -> bytes:
    """The edXML file of a status."""
    root, envelope = _root(producer)
    _grow(
        _sub(_sub(envelope, "edXMLHeader"), "MessageHeader"),
        [
            ("From", _organ(reporter)),
            _response_for(about),
            ("StaffInfo", [("Department", "Văn thư"), ("Staff", "Văn thư cơ quan")]),
            ("StatusCode", code),
            ("Description", description),
            ("Timestamp", _stamp(at)),
        ],
    )
    return _bytes(root)


def read_edoc(body: bytes) -> Received:
    """Read a delivered edoc, by names only; raises ``ValueError`` where it is none."""
    root = _parse(body)
    header = _one(root, "MessageHeader")
    files = tuple(_file(node) for node in root.iter(f"{{{NAMESPACE}}}Attachment"))
    number, notation = _text(header, "CodeNumber"), _text(header, "CodeNotation")
    day = datetime.strptime(_text(header, "PromulgationDate"), "%Y/%m/%d").date()
    senders = _children(header, "From")
    if not senders:
        raise ValueError("an edoc without From")
    sender = _text(senders[0], "OrganId")
    identifiers = _children(header, "DocumentId")
    return Received(
        sender=sender,
        code=f"{number}/{notation}",
        subject=_text(header, "Subject"),
        priority=int(_text(header, "Priority") or "0"),
        reference=Reference(
            organ=sender,
            code=f"{number}/{notation}",
            dated=day,
            document_id=(identifiers[0].text or "") if identifiers else "",
        ),
        recipients=tuple(_text(to, "OrganId") for to in _children(header, "To")),
        hops=tuple(_text(hop, "OrganId") for hop in root.iter(f"{{{NAMESPACE}}}TraceHeader")),
        files=files,
        business=Business(int(_text(root, "BussinessDocType") or "0")),
    )


def read_status(body: bytes) -> Status:
    """Read a delivered status; raises ``ValueError`` where it is none."""
    header = _one(_parse(body), "MessageHeader")
    about = _one(header, "ResponseFor")
    return Status(
        reporter=_text(_one(header, "From"), "OrganId"),
        code=_text(header, "StatusCode"),
        description=_text(header, "Description"),
        about=Reference(
            organ=_text(about, "OrganId"),
            code=_text(about, "Code"),
            dated=datetime.strptime(_text(about, "PromulgationDate"), "%Y/%m/%d").date(),
            document_id=_text(about, "DocumentId"),
        ),
    )


def event_time(evidence: bytes) -> datetime | None:
    """The instant that an evidence attests; ``None`` where it has none."""
    for node in _parse(evidence).iter("{*}EventTime"):
        if node.text:
            return datetime.fromisoformat(node.text.strip())
    return None


def _root(producer: Producer) -> tuple[etree._Element, etree._Element]:
    default = {None: NAMESPACE}
    root = etree.Element(
        f"{{{NAMESPACE}}}edXML",
        nsmap=default,  # type: ignore[arg-type]  # the stubs know no default name space
    )
    prefixes = {producer.prefix: NAMESPACE} if producer.prefix else None
    return root, etree.SubElement(root, f"{{{NAMESPACE}}}edXMLEnvelope", nsmap=prefixes)


def _sub(parent: etree._Element, name: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")


def _grow(parent: etree._Element, trees: Sequence[Tree]) -> None:
    for name, value in trees:
        node = _sub(parent, name)
        if isinstance(value, str):
            node.text = value
        else:
            _grow(node, value)


def _organ(organ: Organ) -> list[Tree]:
    return [("OrganId", organ.code), ("OrganizationInCharge", organ.name), ("OrganName", organ.name)]


def _response_for(reference: Reference) -> Tree:
    return (
        "ResponseFor",
        [
            ("OrganId", reference.organ),
            ("Code", reference.code),
            ("PromulgationDate", f"{reference.dated:%Y/%m/%d}"),
            ("DocumentId", reference.document_id),
        ],
    )


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(VIETNAM):%Y/%m/%d %H:%M:%S}"


def _zip(content_id: str, file: File) -> bytes:
    out = io.BytesIO()
    suffix = file.name.rpartition(".")[2]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{content_id}.{suffix}", file.body)
    return out.getvalue()


def _file(node: etree._Element) -> File:
    body = base64.b64decode(_text(node, "ContentTransferEncoded"))
    name = _text(node, "AttachmentName")
    if body.startswith(b"PK\x03\x04") and not name.lower().endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            if len(archive.namelist()) == 1:
                body = archive.read(archive.namelist()[0])
    return File(name=name, body=body, media_type=_text(node, "ContentType"))


def _parse(body: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    try:
        return etree.fromstring(body, parser)
    except etree.XMLSyntaxError as exc:
        raise ValueError(str(exc)) from exc


def _one(node: etree._Element, name: str) -> etree._Element:
    found = next(node.iter(f"{{{NAMESPACE}}}{name}"), None)
    if found is None:
        raise ValueError(f"no {name}")
    return found


def _children(node: etree._Element, name: str) -> list[etree._Element]:
    return [child for child in node if child.tag == f"{{{NAMESPACE}}}{name}"]


def _text(node: etree._Element, name: str) -> str:
    found = next(node.iter(f"{{{NAMESPACE}}}{name}"), None)
    return (found.text or "").strip() if found is not None else ""


def _bytes(root: etree._Element) -> bytes:
    return bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True))
