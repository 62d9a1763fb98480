"""Writes a new edXML from plain values: what ``vanthu send`` submits, and what tests are made of.

    body = compose_edoc(
        NewEdoc(
            sender=Correspondent(code="000.00.00.H53", name="UBND tỉnh Tây Ninh"),
            recipients=(Correspondent(code="000.00.13.H53", name="Sở Thông tin và Truyền thông"),),
            number="517", notation="QĐ-UBND", dated=date(2016, 3, 4), place="Tây Ninh",
            type_code=2, type_name="Quyết định", subject="…", sent_at=now,
            files=(NewFile(name="qd-517.pdf", body=pdf),),
        )
    )

The form is the strict one of ``strict.py``; nothing is checked: what reads it will.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256

from adapters.envelope.attachments import PDF_TYPE, ZIP_TYPE, is_pdf, wrap
from adapters.envelope.dates import VIETNAM, write_date
from adapters.envelope.grammar import EDOC, STATUS
from adapters.envelope.parse import Node
from adapters.envelope.strict import GAP, as_stamp, fill, skeleton, trace

_UPDATES, _REPLACES = 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Correspondent:
    """An agency as the envelope names it; empty fields are not written."""

    code: str
    name: str = ""
    in_charge: str = ""
    address: str = ""
    email: str = ""
    telephone: str = ""
    fax: str = ""
    website: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file to attach; ``is_zipped`` wraps it in a ZIP, as the national axis does."""

    name: str
    body: bytes
    media_type: str = ""
    description: str = ""
    is_zipped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReference:
    """The document that an edoc answers, or that a status reports on; ``code`` is the full one."""

    organ: str
    code: str = ""
    dated: date | None = None
    official_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEdoc:
    """A document to be sent.  Without ``official_id`` it gets ``organ,yyyy/MM/dd,number/notation``.

    ``business_document`` is what it recalls, updates or replaces; an update takes ``added`` in and ``removed`` out.
    """

    sender: Correspondent
    recipients: tuple[Correspondent, ...]
    number: str
    notation: str
    dated: date
    subject: str
    sent_at: datetime
    official_id: str = ""
    place: str = "Tây Ninh"
    type_code: int = 1
    type_name: str = "Công văn"
    content: str = ""
    competence: str = ""
    position: str = ""
    signer: str = ""
    due: date | None = None
    to_places: tuple[str, ...] = ()
    priority: int = 0
    sphere: str = ""
    pages: int | None = None
    responds_to: tuple[NewReference, ...] = ()
    steering: int | None = None
    business: int = 0
    business_reason: str = ""
    business_document: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    files: tuple[NewFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStatus:
    """A business status to be reported."""

    reporter: Correspondent
    about: NewReference
    code: str
    sent_at: datetime
    description: str = ""
    department: str = ""
    staff: str = ""
    email: str = ""
    mobile: str = ""


def compose_edoc(edoc: NewEdoc) -> bytes:
    """*edoc* as an edXML document, the sender's own trace in it; the same for the same values."""
    ids = [f"{sha256(file.body).hexdigest()[:16]}-{at}" for at, file in enumerate(edoc.files, 1)]
    root = _group(
        "edXML",
        _group(
            "edXMLEnvelope",
            _group("edXMLHeader", _header(edoc), _traces(edoc)),
            _group("edXMLBody", _manifest(edoc.files, ids)),
        ),
        _group("AttachmentEncoded", *map(_attachment, edoc.files, ids)),
    )
    contents = [trace(edoc.sender.code, edoc.sent_at)]
    local = edoc.sent_at.astimezone(VIETNAM)
    for file in edoc.files:
        digest = sha256(file.body).hexdigest()
        contents.append(wrap(file.body, digest, file.name, local) if file.is_zipped else file.body)
    return fill(skeleton(root, EDOC), contents)


def compose_status(status: NewStatus) -> bytes:
    """*status* as an edXML document."""
    header = _group(
        "MessageHeader",
        _organ("From", status.reporter),
        _response_for(status.about),
        _group(
            "StaffInfo",
            _leaf("Department", status.department),
            _leaf("Staff", status.staff),
            _leaf("Email", status.email),
            _leaf("Mobile", status.mobile),
        ),
        _leaf("StatusCode", status.code),
        _leaf("Description", status.description),
        _leaf("Timestamp", as_stamp(status.sent_at)),
    )
    root = _group("edXML", _group("edXMLEnvelope", _group("edXMLHeader", header)))
    return skeleton(root, STATUS)


def _header(edoc: NewEdoc) -> Node:
    own_id = f"{edoc.sender.code},{write_date(edoc.dated)},{edoc.number}/{edoc.notation}"
    return _group(
        "MessageHeader",
        _organ("From", edoc.sender),
        *(_organ("To", organ) for organ in edoc.recipients),
        _leaf("DocumentId", edoc.official_id or own_id),
        _group("Code", _leaf("CodeNumber", edoc.number), _leaf("CodeNotation", edoc.notation)),
        _group(
            "PromulgationInfo",
            _leaf("Place", edoc.place),
            _leaf("PromulgationDate", write_date(edoc.dated)),
        ),
        _group("DocumentType", _leaf("Type", str(edoc.type_code)), _leaf("TypeName", edoc.type_name)),
        _leaf("Subject", edoc.subject),
        _leaf("Content", edoc.content or edoc.subject),
        _group(
            "SignerInfo",
            _leaf("Competence", edoc.competence),
            _leaf("Position", edoc.position),
            _leaf("FullName", edoc.signer),
        ),
        _leaf("DueDate", "" if edoc.due is None else write_date(edoc.due)),
        _group(
            "OtherInfo",
            _leaf("Priority", str(edoc.priority)),
            _leaf("SphereOfPromulgation", edoc.sphere),
            _leaf("PageAmount", "" if edoc.pages is None else str(edoc.pages)),
        ),
        *map(_response_for, edoc.responds_to),
        _leaf("SteeringType", "" if edoc.steering is None else str(edoc.steering)),
        _group("ToPlaces", *(_leaf("Place", place) for place in edoc.to_places)) if edoc.to_places else None,
    )


def _traces(edoc: NewEdoc) -> Node:
    return _group(
        "TraceHeaderList",
        Node("TraceHeader", items=[GAP]),
        _group(
            "Bussiness",
            _leaf("DocumentId", "" if edoc.business == _REPLACES else edoc.business_document),
            _leaf("BussinessDocType", str(edoc.business)),
            _leaf("BussinessDocReason", edoc.business_reason),
            *_changes(edoc),
        ),
    )


def _changes(edoc: NewEdoc) -> list[Node]:
    if edoc.business == _UPDATES:
        receivers = [
            _group("Receiver", _leaf("OrganId", code), _leaf("ReceiverType", kind))
            for codes, kind in ((edoc.removed, "0"), (edoc.added, "1"))
            for code in codes
        ]
        info = (
            _leaf("DocumentInfo", "1" if edoc.files else "0"),
            _leaf("DocumentReceiver", "1" if receivers else "0"),
            *([_group("ReceiverList", *receivers)] if receivers else []),
        )
        return [_group("BussinessDocumentInfo", *info)]
    if edoc.business == _REPLACES:
        organs = _group("OrganIdList", *(_leaf("OrganId", to.code) for to in edoc.recipients))
        replaced = _group("ReplacementInfo", _leaf("DocumentId", edoc.business_document), organs)
        return [_group("ReplacementInfoList", replaced)]
    return []


def _manifest(files: tuple[NewFile, ...], ids: list[str]) -> Node:
    manifest = _group(
        "edXMLManifest",
        *(
            _group(
                "Reference",
                _leaf("ContentId", content_id),
                _leaf("ContentType", _type_of(file)),
                _leaf("Description", file.description),
                _leaf("AttachmentName", file.name),
            )
            for file, content_id in zip(files, ids, strict=True)
        ),
    )
    manifest.attributes["version"] = "1.0"
    return manifest


def _attachment(file: NewFile, content_id: str) -> Node:
    return _group(
        "Attachment",
        _leaf("ContentId", content_id),
        _leaf("AttachmentName", file.name),
        _leaf("Description", file.description),
        _leaf("ContentType", _type_of(file)),
        _leaf("ContentTransferEncoded", GAP),
    )


def _type_of(file: NewFile) -> str:
    if file.is_zipped:
        return ZIP_TYPE
    return file.media_type or (PDF_TYPE if is_pdf(file.body) else "application/octet-stream")


def _organ(name: str, organ: Correspondent) -> Node:
    return _group(
        name,
        _leaf("OrganId", organ.code),
        _leaf("OrganizationInCharge", organ.in_charge),
        _leaf("OrganName", organ.name),
        _leaf("OrganAdd", organ.address),
        _leaf("Email", organ.email),
        _leaf("Telephone", organ.telephone),
        _leaf("Fax", organ.fax),
        _leaf("Website", organ.website),
    )


def _response_for(reference: NewReference) -> Node:
    return _group(
        "ResponseFor",
        _leaf("OrganId", reference.organ),
        _leaf("Code", reference.code),
        _leaf("PromulgationDate", "" if reference.dated is None else write_date(reference.dated)),
        _leaf("DocumentId", reference.official_id),
    )


def _group(name: str, *children: Node | None) -> Node:
    return Node(name, items=[child for child in children if child is not None])


def _leaf(name: str, text: str) -> Node | None:
    """An element with *text*; none where it is empty."""
    return Node(name, items=[text]) if text else None
