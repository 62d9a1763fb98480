"""What a piece of evidence says, field by field; whether that is true is for ``evidence_check``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from adapters.signing.evidence_xml import NAMESPACE
from adapters.signing.xades_check import Broken, parse, text_of

_NAMES = {"e": NAMESPACE}
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidParty:
    """A party as evidence names it."""

    code: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidReason:
    """Why, in both languages, and what it was in this case."""

    code: str
    vi: str
    en: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The fields of one piece; ``recipient`` is the code it refers to, empty where it is about the document."""

    evidence: str
    event: str
    at: datetime
    reasons: tuple[SaidReason, ...]
    issuer: SaidParty
    sender: SaidParty
    recipients: tuple[SaidParty, ...]
    recipient: str
    submitted_at: datetime
    available_at: datetime | None
    handed_over_at: datetime | None
    expires_at: datetime
    message_id: str
    document: str
    sequence: int
    previous: str
    content_sha256: str
    content_size: int


def read_evidence(xml: bytes) -> Said:
    """The fields of *xml*.  Raises ``xades_check.NOT_OURS`` where it can't be read."""
    root = parse(xml, f"{{{NAMESPACE}}}Evidence", "evidence")
    extensions = root.find("e:Extensions", _NAMES)
    if extensions is None:
        raise Broken("It has 0 Extensions.")
    return Said(
        evidence=_text(root, "e:EvidenceIdentifier"),
        event=_text(root, "e:ERDSEventId").rpartition("/")[2],
        at=_instant(root, "e:EventTime"),
        reasons=tuple(_reason(r) for r in root.findall("e:EventReasons/e:EventReason", _NAMES)),
        issuer=_party(root, "e:EvidenceIssuerDetails"),
        sender=_party(root, "e:SenderDetails"),
        recipients=tuple(
            SaidParty(code=_text(r, "e:Identifier"), name=_text(r, "e:Name"))
            for r in root.findall("e:RecipientDetails", _NAMES)
        ),
        recipient=_optional(root, "e:EvidenceRefersToRecipient"),
        submitted_at=_instant(root, "e:SubmissionTime"),
        available_at=_instant_or_none(extensions, "e:Available"),
        handed_over_at=_instant_or_none(extensions, "e:HandedOver"),
        expires_at=_instant(extensions, "e:Expires"),
        message_id=_text(root, "e:MessageIdentifier"),
        document=_text(extensions, "e:DocumentIdentifier"),
        sequence=int(_text(root, "e:TransactionLogInformation/e:Sequence")),
        previous=_optional(root, "e:TransactionLogInformation/e:Previous"),
        content_sha256=_text(root, "e:UserContentInfo/e:Digest"),
        content_size=int(_text(root, "e:UserContentInfo/e:Size")),
    )


def _party(root: etree._Element, path: str) -> SaidParty:
    return SaidParty(code=_text(root, f"{path}/e:Identifier"), name=_text(root, f"{path}/e:Name"))


def _reason(element: etree._Element) -> SaidReason:
    told = {d.get(_LANGUAGE) or "": d.text or "" for d in element.findall("e:Details", _NAMES)}
    return SaidReason(
        code=_text(element, "e:Code"),
        vi=told.get("vi", ""),
        en=told.get("en", ""),
        detail=told.get("", ""),
    )


def _text(parent: etree._Element, path: str) -> str:
    return text_of(parent, path, _NAMES)


def _optional(parent: etree._Element, path: str) -> str:
    return "" if parent.find(path, _NAMES) is None else _text(parent, path)


def _instant(parent: etree._Element, path: str) -> datetime:
    at = datetime.fromisoformat(_text(parent, path))
    if at.tzinfo is None:
        raise Broken("A time has no time zone.")
    return at


def _instant_or_none(parent: etree._Element, path: str) -> datetime | None:
    return None if parent.find(path, _NAMES) is None else _instant(parent, path)
