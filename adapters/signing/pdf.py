"""The PDF side of a seal: a signature field and its dictionary in an incremental update, with a hole for the CMS.

    draft = prepare(pdf, wish)              # reads, adds the field and what it shows, writes the update, hashes
    sealed = draft.fill(cms)                # the finished file

Strategy: pyHanko reads the file and writes the objects; what would make two runs differ (file ids from
chance, modification dates) is ours.  Only the update is written; the original bytes are joined to it
once, at the end, and hashed in place.  The strict reader comes first; files that are odd but ordinary
(hybrid cross-references as MS Word writes them) get the tolerant one, and ``Draft.was_odd`` says so.
Reading takes what somebody else's file makes it take: one that is not done in a moment is prepared in a process of
its own (``apart``), which gives the same bytes.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from hashlib import new as new_hash
from hashlib import sha256
from io import SEEK_SET, BytesIO
from typing import Any, BinaryIO

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import FieldMDPSpec, SigSeedSubFilter, enumerate_sig_fields
from pyhanko.sign.signers.constants import ESIC_EXTENSION_1
from pyhanko.sign.signers.pdf_byterange import SignatureObject

from adapters.pdf.reader import ContentsTooLong, OutOfMoment, QuickReader
from adapters.pdf.writing import write_object
from adapters.signing import apart
from adapters.signing.field import add_field
from adapters.signing.objects import entries, entry
from adapters.signing.visible import pages
from adapters.signing.visible.appearance import draw
from adapters.signing.visible.mark import FIELD_PREFIX, Hidden, Mark, Signature, Spot, locate, without_wording
from gateway.errors import Refused
from gateway.model.payload import Hashed

# pyHanko reports every oddity of a file as it goes along; findings about files are the inspector's.
logging.getLogger("pyhanko").setLevel(logging.CRITICAL)

_VIETNAM = timezone(timedelta(hours=7))
_NO_CHANGES = 1

MOMENT = timedelta(milliseconds=50)
"""Processor time that reading may take here; 234 KB take one or two milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to put into the file.  ``seed`` fixes the file's new id: the same wish gives the same bytes.

    ``mark``: what the seal shows, or why it shows nothing.
    """

    signed_at: datetime
    digest: str
    reserved: int
    seed: bytes
    mark: Mark | Hidden = Hidden(why="switched-off")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A file that is complete but for the CMS.  ``digest`` is that of its ByteRange, ``hashed`` has gone through
    the original.

    ``shown`` says what led to the seal's place, ``hidden`` why it shows nothing; one of them is empty.
    """

    original: bytes = field(repr=False)
    hashed: Hashed = field(repr=False)
    update: bytearray = field(repr=False)
    hole: tuple[int, int]
    field_name: str
    digest: bytes
    was_odd: bool
    shown: str
    hidden: str

    def fill(self, cms: bytes) -> bytes:
        """The file with *cms* in its hole.  Raises ``ValueError`` where it does not fit."""
        return b"".join((self.original, self.filled(cms)))

    def filled(self, cms: bytes) -> bytes:
        """What comes after the original, with *cms* in its hole.  Raises like ``fill``."""
        start, end = (at - len(self.original) for at in self.hole)
        digits = cms.hex().encode()
        # between the angle brackets, the rest stays zeros
        if len(digits) > end - start - 2:
            raise ValueError(f"{len(digits)} digits for a hole of {end - start - 2}")
        self.update[start + 1 : start + 1 + len(digits)] = digits
        return bytes(self.update)


def prepare(pdf: bytes, wish: Wish, hashed: Hashed | None = None) -> Draft:
    """The draft of *pdf*, through which *hashed* has gone, with a new signature.  One that shows nothing stands on
    the first page.

    May take long; what is not done in a ``MOMENT`` is done in a process of its own.  Raises what ``prepare_here``
    raises, ``Refused("pdf-too-costly")`` where that process takes too much, and ``Unavailable`` with ``too-busy``
    or ``seal-failed``.
    """
    try:
        return prepare_here(pdf, wish, hashed, until=time.thread_time() + MOMENT.total_seconds())
    except OutOfMoment:
        told, update = apart.prepared(wish, pdf)
    return Draft(
        original=pdf,
        hashed=sha256(pdf) if hashed is None else hashed,
        update=bytearray(update),
        hole=told.hole,
        field_name=told.field_name,
        digest=told.digest,
        was_odd=told.was_odd,
        shown=told.shown,
        hidden=told.hidden,
    )


def prepare_here(pdf: bytes, wish: Wish, hashed: Hashed | None = None, *, until: float = math.inf) -> Draft:
    """Like ``prepare``, whatever it takes; raises ``OutOfMoment`` once ``time.thread_time()`` is beyond *until*.

    Raises ``Refused`` with ``seal-forbidden`` where a signature in the file forbids it, ``pdf-encrypted``,
    ``pdf-too-costly`` where one has Contents beyond all measure or memory ends, or ``pdf-unreadable`` where even the
    tolerant reader gives up.
    """
    try:
        return _prepare(pdf, wish, hashed, strict=True, until=until)
    except Refused:
        raise
    except (ContentsTooLong, MemoryError) as exc:
        raise Refused("pdf-too-costly", str(exc) or "it took too much memory to seal") from exc
    except Exception:
        # The reader raises whatever a broken file makes it raise (KeyError, RecursionError, …): whether
        # the file can be read at all, only the tolerant reader can say.
        pass
    try:
        return _prepare(pdf, wish, hashed, strict=False, until=until)
    except Refused:
        raise
    except MemoryError as exc:
        raise Refused("pdf-too-costly", "it took too much memory to seal") from exc
    except Exception as exc:
        raise Refused("pdf-unreadable", type(exc).__name__) from exc


def fields_of(pdf: bytes, *, until: float = math.inf) -> Iterator[tuple[str, list[int], bytes]]:
    """Name, ByteRange and Contents of every filled signature field, as a reader of its own finds them.

    Raises whatever the reader raises; ``OutOfMoment`` once ``time.thread_time()`` is beyond *until*.
    """
    reader = QuickReader(pdf, until=until)
    try:
        for name, value, _ in enumerate_sig_fields(reader, filled_status=True):
            signature = value.get_object()
            # /Contents is read raw: in an encrypted file it would be the one string that is not encrypted
            contents = signature.raw_get("/Contents", decrypt=generic.EncryptedObjAccess.RAW)
            yield str(name), [int(n) for n in signature["/ByteRange"]], bytes(contents)
    finally:
        reader.let_go()


def _prepare(pdf: bytes, wish: Wish, hashed: Hashed | None, *, strict: bool, until: float) -> Draft:
    writer = _Update(pdf, strict=strict, seed=wish.seed, until=until)
    try:
        return _prepared(writer, pdf, wish, hashed, strict=strict)
    finally:
        writer.let_go()


def _prepared(writer: _Update, pdf: bytes, wish: Wish, hashed: Hashed | None, *, strict: bool) -> Draft:
    if writer.prev.encrypted:
        raise Refused("pdf-encrypted")
    if strict and writer.prev.xrefs.hybrid_xrefs_present:
        raise ValueError("hybrid cross-references ask for the tolerant reader")
    signatures = [
        Signature(name=str(name), value=value, field=ref)
        for name, value, ref in enumerate_sig_fields(writer.prev, filled_status=True)
    ]
    name = _free_name(writer)
    locks = list(_locks(writer, signatures))
    _obey_locks(locks, name)
    # spec: EN 319 142-1 §6.2.1 - files below PDF 2.0 name the extension
    writer.ensure_output_version(version=(1, 7))  # type: ignore[no-untyped-call]  # pyHanko's
    if writer.output_version < (2, 0):
        writer.register_extension(ESIC_EXTENSION_1)

    placeholder = SignatureObject(
        timestamp=wish.signed_at.astimezone(_VIETNAM),
        subfilter=SigSeedSubFilter.PADES,
        bytes_reserved=2 * wish.reserved,  # pyHanko counts hexadecimal digits
    )
    spot: Spot | Hidden
    if any(lock.is_certification for lock in locks) and not isinstance(wish.mark, Hidden):
        # Some judges hold a new visible field against a certification: the signature that is there comes first.
        spot = Hidden(why="certified")
    else:
        spot = _spot(writer, wish.mark, signatures, strict=strict)
    page = spot.page if isinstance(spot, Spot) else pages.first(writer.root)
    if page is None or not page.is_paper:
        raise ValueError("no page")
    add_field(
        writer,
        name=name,
        value=placeholder,
        page=page,
        rectangle=spot.box if isinstance(spot, Spot) else None,
        appearance=draw(spot, writer) if isinstance(spot, Spot) else None,
    )

    tail = _Tail(len(pdf))
    if not pdf.endswith((b"\n", b"\r")):
        tail.write(b"\n")
    writer.write_update(tail)
    end = tail.tell()
    hole: tuple[int, int] = placeholder.contents.offsets
    placeholder.byte_range.fill_offsets(  # type: ignore[no-untyped-call]  # pyHanko's
        tail, hole[0], hole[1], end
    )

    update = bytearray(tail.getbuffer())
    if hashed is None:
        hashed = sha256(pdf)
    md = hashed.copy() if wish.digest == hashed.name else new_hash(wish.digest, pdf)
    view = memoryview(update)
    md.update(view[: hole[0] - len(pdf)])
    md.update(view[hole[1] - len(pdf) :])
    view.release()
    return Draft(
        original=pdf,
        hashed=hashed,
        update=update,
        hole=hole,
        field_name=name,
        digest=md.digest(),
        was_odd=not strict,
        shown=spot.found if isinstance(spot, Spot) else "",
        hidden=spot.why if isinstance(spot, Hidden) else "",
    )


def _spot(
    writer: IncrementalPdfFileWriter, mark: Mark | Hidden, signatures: Sequence[Signature], *, strict: bool
) -> Spot | Hidden:
    """Where the seal shows what it shows."""
    if isinstance(mark, Hidden):
        return mark
    attempts = (mark,) if strict else (mark, without_wording(mark))
    for attempt in attempts:
        try:
            return locate(attempt, writer.root, signatures)
        except Exception:
            # Again whatever a broken file makes the reader raise.  A page that cannot be read is no reason
            # to leave the document unsealed; but the tolerant reader may read it.
            if strict:
                raise
    return Hidden(why="page-unreadable")


def _free_name(writer: IncrementalPdfFileWriter) -> str:
    """The first ``VanThu-<n>`` that no field of the form has."""
    taken = {str(entry(field, "/T")) for field in entries(entry(entry(writer.root, "/AcroForm"), "/Fields"))}
    number = 1
    while f"{FIELD_PREFIX}{number}" in taken:
        number += 1
    return f"{FIELD_PREFIX}{number}"


def _obey_locks(locks: Sequence[Lock], name: str) -> None:
    """Raises ``Refused("seal-forbidden")`` where a signature in the file allows no field *name* to be signed."""
    for lock in locks:
        # spec: ISO 32000-2 §12.8.2.2 - DocMDP with /P 1 forbids every change (without /P it means 2);
        # §12.8.2.4 - FieldMDP locks fields, and its /P says the same for approval signatures
        if lock.permission == _NO_CHANGES:
            raise Refused("seal-forbidden", lock.method.lstrip("/"))
        if lock.method == "/FieldMDP" and FieldMDPSpec.from_pdf_object(lock.parameters).is_locked(name):
            raise Refused("seal-forbidden", "FieldMDP")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What a signature in the file says of later changes.  ``permission`` is /P, ``None`` where it says none."""

    method: str
    parameters: Any
    permission: Any

    @property
    def is_certification(self) -> bool:
        """Whether it speaks of the whole document."""
        return self.method == "/DocMDP" or self.permission is not None


def _locks(writer: IncrementalPdfFileWriter, signatures: Sequence[Signature]) -> Iterator[Lock]:
    values = [signature.value for signature in signatures]
    # a certification whose field was taken out of the form still certifies
    values.append(entry(entry(writer.root, "/Perms"), "/DocMDP"))
    for value in values:
        for reference in entries(entry(value, "/Reference")):
            parameters = entry(reference, "/TransformParams")
            yield Lock(
                method=str(entry(reference, "/TransformMethod")),
                parameters=parameters,
                permission=entry(parameters, "/P"),
            )


class _Update(IncrementalPdfFileWriter):
    """pyHanko's writer without its clock and its dice."""

    def __init__(self, pdf: bytes, *, strict: bool, seed: bytes, until: float) -> None:
        self.reader = reader = QuickReader(pdf, strict=strict, until=until)
        super().__init__(reader.stream, prev=reader, strict=strict)
        first, second = sha256(b"1" + seed).digest()[:16], sha256(b"2" + seed).digest()[:16]
        try:
            # spec: ISO 32000-2 §14.4 - the first half is the original's and stays
            kept = self.prev.trailer["/ID"][0]
            first = getattr(kept, "original_bytes", kept)
        except (KeyError, IndexError, TypeError):
            pass
        self._document_id = generic.ArrayObject(
            [generic.ByteStringObject(first), generic.ByteStringObject(second)]
        )

    def let_go(self) -> None:
        """Hold nothing any longer, the file least of all: what was read and what is new know the writer, and it them."""
        self.reader.let_go()
        self.__dict__.clear()

    @classmethod
    def _handle_id(cls, prev: PdfFileReader) -> generic.ArrayObject:
        return generic.ArrayObject()  # replaced in __init__

    def _update_meta(self) -> None:
        # Neither /ModDate nor XMP is touched: they would tell the time of this run, and nothing that they
        # describe has changed.
        pass

    def _write_objects(self, stream: BinaryIO, object_position_dict: dict[tuple[int, int], Any]) -> None:
        """pyHanko's, for files that are not encrypted and updates without object streams."""
        if self.object_streams or self.security_handler is not None:
            super()._write_objects(stream, object_position_dict)
            return
        for key in sorted(self.objects):
            generation, number = key
            object_position_dict[key] = stream.tell()
            stream.write(b"%d %d obj\n" % (number, generation))
            write_object(stream, self.objects[key], generic.Reference(number, generation, self))
            stream.write(b"\nendobj\n")

    def write_update(self, stream: _Tail) -> None:
        """Write the changed and new objects, the cross-references and the trailer to *stream*."""
        self.digest_aware_write = True
        self._prep_dom_for_writing()  # type: ignore[no-untyped-call]  # pyHanko's
        self._write_updated_section(stream)  # type: ignore[no-untyped-call]  # pyHanko's


class _Tail(BytesIO):
    """What comes after the first *base* bytes of a file; positions are those of the file."""

    def __init__(self, base: int) -> None:
        super().__init__()
        self._base = base

    def tell(self) -> int:
        return super().tell() + self._base

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        if whence == SEEK_SET:
            offset -= self._base
        return super().seek(offset, whence) + self._base
