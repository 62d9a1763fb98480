"""The envelope as we understand it: an edXML ``edoc`` or ``status``, read once, order forgotten.

spec: QCVN 102:2016/BTTTT; lengths and cardinalities are rules (``schemas/rules.toml``), not types.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from enum import IntEnum, StrEnum

from gateway.model.ids import OfficialId, OrganCode, normalised
from gateway.model.payload import PayloadRef


class Kind(StrEnum):
    """The two kinds of message that the transport knows."""

    EDOC = "edoc"
    STATUS = "status"


class Business(IntEnum):
    """``Bussiness/BussinessDocType`` (sic): what an edoc does to the documents before it."""

    NEW = 0
    RECALL = 1
    UPDATE = 2
    REPLACE = 3


class Priority(IntEnum):
    """``OtherInfo/Priority``: thường, khẩn, thượng khẩn, hỏa tốc, hỏa tốc hẹn giờ."""

    ORDINARY = 0
    URGENT = 1
    VERY_URGENT = 2
    EXPRESS = 3
    EXPRESS_TIMED = 4

    @property
    def is_urgent(self) -> bool:
        """Whether the document takes the urgent lane."""
        return self is not Priority.ORDINARY


_VIETNAM = timezone(timedelta(hours=7))


@dataclass(frozen=True, slots=True)
class Due:
    """A deadline: a day, and the hour where one is told (as "hỏa tốc hẹn giờ" needs it), in Vietnam's time."""

    day: date
    hour: time | None = None

    @classmethod
    def parse(cls, text: str) -> Due:
        """What ``str`` gave: ``2016-03-05``, or ``2016-03-05T16:30:00+07:00``."""
        if "T" not in text:
            return cls(date.fromisoformat(text))
        at = datetime.fromisoformat(text).astimezone(_VIETNAM)
        return cls(at.date(), at.time())

    def __str__(self) -> str:
        return self.day.isoformat() if self.hour is None else self.ends_at.isoformat()

    @property
    def ends_at(self) -> datetime:
        """The instant after which it is over: the hour, or the end of the day."""
        if self.hour is None:
            return datetime.combine(self.day, time.max, _VIETNAM)
        return datetime.combine(self.day, self.hour, _VIETNAM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What a look at the header tells before anything is stored.

    ``priority`` is ``None`` where the header names none; the three texts are where a secrecy mark
    may stand.
    """

    kind: Kind
    sender: OrganCode
    priority: Priority | None = None
    type_name: str = ""
    sphere: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Organ:
    """An agency as an envelope describes it."""

    code: OrganCode
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentCode:
    """Số and ký hiệu: ``517`` and ``QĐ-UBND``."""

    number: str
    notation: str

    @property
    def full(self) -> str:
        """``517/QĐ-UBND``, as references and registers write it."""
        return f"{self.number}/{self.notation}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentReference:
    """How one document names another (``ResponseFor``): any field but the organ may be missing."""

    organ: OrganCode
    code: str = ""
    dated: date | None = None
    official_id: OfficialId = OfficialId("")

    def canonical(self) -> DocumentReference:
        """The same reference with its texts normalised for comparison."""
        return DocumentReference(
            organ=OrganCode(normalised(self.organ)),
            code=normalised(self.code),
            dated=self.dated,
            official_id=OfficialId(normalised(self.official_id)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """One document that a replacement takes the place of; for ``organs`` alone, or for all where there are none."""

    original: DocumentReference
    organs: tuple[OrganCode, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """What ``Bussiness`` says of the documents before this one.

    ``originals`` are the names that a recall or update gives its one original, the surest first: producers use
    different fields, and the first name by which the sender has sent something is meant.  ``added`` and ``removed``
    are recipients that an update takes in or out.
    """

    originals: tuple[DocumentReference, ...] = ()
    reason: str = ""
    added: tuple[Organ, ...] = ()
    removed: tuple[Organ, ...] = ()
    replaces: tuple[Replaced, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One attached file, decoded: ``payload`` refers to the real bytes, not to base64 or ZIP.

    ``content_id`` has no ``cid:``; ``media_type`` is what the producer claims, ``is_pdf`` what the
    bytes say; ``zipped_at`` is what a wrapping tells of its instant, as edXML writes one.
    """

    content_id: str
    name: str
    payload: PayloadRef
    media_type: str = ""
    description: str = ""
    is_zipped: bool = False
    zipped_at: str = field(default="", compare=False)
    is_pdf: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Edoc:
    """A document on its way.  ``skeleton`` is opaque to the core: the envelope without its attachments'
    bytes, from which the adapter that read it renders what is forwarded."""

    sender: Organ
    recipients: tuple[Organ, ...]
    official_id: OfficialId
    code: DocumentCode
    dated: date
    type_name: str
    subject: str
    priority: Priority | None
    business: Business
    attachments: tuple[Attachment, ...]
    responds_to: tuple[DocumentReference, ...] = ()
    amends: Amendment = Amendment()
    sphere: str = ""
    due: Due | None = None
    skeleton: bytes = field(default=b"", repr=False, compare=False)

    @property
    def reference(self) -> DocumentReference:
        """How a status will name this document."""
        return DocumentReference(
            organ=self.sender.code, code=self.code.full, dated=self.dated, official_id=self.official_id
        ).canonical()

    @property
    def main(self) -> Attachment | None:
        """The main PDF: the first attachment whose bytes are PDF."""
        return next((a for a in self.attachments if a.is_pdf), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """A business status: ``reporter`` tells about the document that ``about`` names."""

    reporter: Organ
    about: DocumentReference
    code: str
    description: str = ""


Envelope = Edoc | StatusReport
