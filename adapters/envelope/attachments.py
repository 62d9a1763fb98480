"""One attached file out of its wrapping, and back into it.

Producers wrap a file in a ZIP with one entry, or do not; labels lie either way.  The bytes decide: a
ZIP under a name that does not end in ``.zip`` is a wrapping, unless it is itself a document made of
many entries (docx, odt …).

spec: edXML facts §1 - "if the bytes are a ZIP and AttachmentName does not itself end in .zip, unzip the
single entry"; "trust the bytes, not the label"
"""

from __future__ import annotations

import re
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo
from zlib import crc32

from adapters.envelope.content import ZIP_MAGIC, Content, Spool
from gateway.errors import Unavailable

ZIP_TYPE = "application/zip"
PDF_TYPE = "application/pdf"

_END_MAGIC = b"PK\x05\x06"
_END_64_MAGIC = b"PK\x06\x07"
_CENTRAL = struct.Struct("<4sBB26sHHHII")
_END = struct.Struct("<4sHHHHIIH")
_END_REACH = 22 + 65_535  # the end record and the longest comment
_ONE_ENTRY = 70_000  # a directory of one entry can't be longer: three 16-bit lengths, mostly unused
_LONGEST_DIRECTORY = 16 * 1024 * 1024  # 65,535 entries with names of 200 bytes
_PIECE = 1024 * 1024
_FREE_RATIO = 1024 * 1024  # below this the ratio does not matter
_UNSAFE_NAME = re.compile(r"^[/\\]|\\|^[A-Za-z]:|(^|/)\.\.(/|$)|[\x00-\x1f]")
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,10})$")
_NAMES = UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")  # RFC 9562 §6.6: the OID name space
_IS_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwrapped:
    """A file as it really is; ``rule`` is what its wrapping broke (then ``content`` is what came).

    ``zipped_at`` is the instant that the wrapping tells, ``yyyy/MM/dd HH:mm:ss``, local time.
    """

    content: Content
    is_zipped: bool = False
    zipped_at: str = ""
    rule: str = ""
    detail: str = ""
    crc: int = 0  # of what was unpacked


class TooHeavy(Exception):
    """Unpacking would hold the loop: do it in a thread."""


def is_pdf(body: bytes) -> bool:
    """Whether *body* (its first KiB, at least) is a PDF by its magic number, which may stand within the first 1024 bytes.

    A ZIP is none, though a PDF stored in it may begin there.
    """
    # spec: ISO 32000-1 Annex H.3, implementation note 13
    return b"%PDF-" in body[:1024] and not body.startswith(ZIP_MAGIC)


def unwrap(
    came: Content,
    name: str,
    *,
    spool: Callable[[], Spool],
    at_most: int,
    ratio: int,
    light: int | None = None,
) -> Unwrapped:
    """The file in *came* called *name*, unpacked into a new *spool* where it is wrapped.

    Unpacks at most *at_most* bytes, and *ratio* to one above 1 MiB.  Raises ``TooHeavy`` where it would
    unpack more than *light* bytes.
    """
    if came.head(4) != ZIP_MAGIC or name.lower().endswith(".zip"):
        return Unwrapped(content=came)

    def broken(rule: str, detail: str = "") -> Unwrapped:
        return Unwrapped(content=came, rule=rule, detail=detail)

    directory = _directory(came)
    if directory is None:
        return broken("EDX-071")
    if _is_compound(came, directory):
        return Unwrapped(content=came)
    if len(directory) > _ONE_ENTRY:
        return broken("EDX-070")
    try:
        with came.file() as file, ZipFile(file) as archive:
            entries = archive.infolist()
            if len(entries) != 1:
                return broken("EDX-070", f"{len(entries)} entries")
            (entry,) = entries
            if entry.flag_bits & _IS_ENCRYPTED:
                return broken("EDX-072")
            if _is_unsafe(entry):
                return broken("EDX-073")
            if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
                return broken("EDX-076", f"method {entry.compress_type}")
            size = entry.file_size
            if size > at_most or size > max(_FREE_RATIO, ratio * entry.compress_size):
                return broken("EDX-074", f"{size} bytes from {entry.compress_size}")
            if light is not None and size > light:
                raise TooHeavy
            inner = _unpacked(archive, entry, spool())
    except (TooHeavy, Unavailable):
        raise
    except Exception as error:  # zipfile lets out whatever broken bytes provoke in it
        return broken("EDX-071", type(error).__name__)
    if inner.size != size:
        return broken("EDX-071", "cut short")
    if inner.head(4) == ZIP_MAGIC and not name.lower().endswith(".zip"):
        below = _directory(inner)
        if below is not None and not _is_compound(inner, below):
            return broken("EDX-075")
    return Unwrapped(content=inner, is_zipped=True, zipped_at=_told(entry), crc=entry.CRC)


def wrapping(size: int, crc: int, sha256: str, name: str, at: datetime) -> tuple[bytes, bytes]:
    """What goes before and behind *size* bytes to make them a ZIP with one entry, stored, dated *at* (a local time).

    The entry is called ``<uuid>.<ext>`` as the national axis does.  The same arguments give the same bytes.
    """
    extension = _EXTENSION.search(name)
    inner = f"{uuid5(_NAMES, sha256)}.{extension[1].lower() if extension else 'bin'}"
    moment = (max(at.year, 1980), at.month, at.day, at.hour, at.minute, at.second)
    entry = ZipInfo(inner, moment)
    entry.external_attr = 0o644 << 16
    entry.create_system = 3  # so that every machine writes the same bytes
    entry.CRC = crc
    entry.compress_size = entry.file_size = size
    local = entry.FileHeader(zip64=False)
    # spec: APPNOTE §4.3.12 - the directory repeats the local header from "version needed" to its lengths
    central = _CENTRAL.pack(b"PK\x01\x02", entry.create_version, entry.create_system, local[4:30],
                            0, 0, 0, entry.external_attr, 0)  # fmt: skip
    central += inner.encode()
    end = _END.pack(_END_MAGIC, 0, 0, 1, 1, len(central), len(local) + size, 0)
    return local, central + end


def wrap(body: bytes, sha256: str, name: str, at: datetime, *, crc: int | None = None) -> bytes:
    """*body* in such a ZIP; *crc* is its CRC-32 where that is known."""
    before, behind = wrapping(len(body), crc32(body) if crc is None else crc, sha256, name, at)
    return b"".join((before, body, behind))


def _unpacked(archive: ZipFile, entry: ZipInfo, spool: Spool) -> Content:
    """The entry's bytes, never more than it declares, in pieces that keep the GIL only shortly."""
    left = entry.file_size
    with archive.open(entry) as stream:
        while left and (piece := stream.read(min(left, _PIECE))):
            spool.write(piece)
            left -= len(piece)
        stream.read(1)  # at its end the checksum is compared
    return spool.content()


def _told(entry: ZipInfo) -> str:
    try:
        at = datetime(*entry.date_time)
    except ValueError:  # no such day: the oldest that a ZIP can tell
        at = datetime(1980, 1, 1)
    return f"{at:%Y/%m/%d %H:%M:%S}"


def _directory(body: Content) -> bytes | None:
    """The central directory, as the end record names it; ``None`` where there is none.

    ``zipfile`` finds the same one: a ZIP64 record, which it would believe instead, is none for us.
    """
    start = max(0, body.size - _END_REACH)
    tail = body.read(start, _END_REACH)
    end = tail.rfind(_END_MAGIC)
    if end < 0 or len(tail) < end + 22 or tail[max(0, end - 20) : end].startswith(_END_64_MAGIC):
        return None
    size = int.from_bytes(tail[end + 12 : end + 16], "little")
    if size > min(start + end, _LONGEST_DIRECTORY):
        return None
    return body.read(start + end - size, size)


def _is_compound(body: Content, directory: bytes) -> bool:
    """Whether the ZIP is a document of its own: OOXML, ODF, EPUB, a signed container (ASiC) or a JAR."""
    return (
        b"[Content_Types].xml" in directory
        or body.read(30, 8) == b"mimetype"  # spec: OpenDocument 1.2 part 3 §3.3 - it is the first entry
        or b"META-INF/" in directory
    )


def _is_unsafe(entry: ZipInfo) -> bool:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    return (
        not entry.filename
        or entry.filename.endswith("/")
        or _UNSAFE_NAME.search(entry.orig_filename) is not None
        or kind not in (0, stat.S_IFREG)
    )
