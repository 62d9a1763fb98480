"""pyHanko's reader with two changes: it reads a long hex string at once, and a cross-reference table, too.

Strategy: ``/Contents`` of a signature is 16 to 60 thousand hex digits, which pyHanko reads one by one
(half the time of judging a signature, and 1.1 s per MiB for an attacker).  So the places of all long hex
strings are found first, by looking at every 128th byte; an object that holds one is parsed from a copy in
which a short token stands in its place, and the token is exchanged for the real bytes afterwards.
Offsets never move, because only the copy of one object is shortened.
"""

from __future__ import annotations

import math
import re
import time
from bisect import bisect_left
from collections.abc import Iterator
from io import SEEK_END, BytesIO
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import (
    DEFAULT_PURPOSE_LIMITS,
    DecodeContext,
    DecodeLimits,
    DecodePurpose,
    StreamDecodeLimits,
)
from pyhanko.pdf_utils.misc import PdfReadError, PdfStreamError, PdfStrictReadError
from pyhanko.pdf_utils.reader import PdfFileReader, process_data_at_eof
from pyhanko.pdf_utils.xref import ObjStreamRef, XRefCache, read_object_header

from adapters.pdf.objects import dictionary_at, plain_object
from adapters.pdf.packed import Packed, unpacked
from adapters.pdf.references import references_in
from adapters.pdf.tables import QuickTables

LONGEST_CONTENTS = 2 * 1024 * 1024
"""Bytes of one hex string; a signature with all that a long life adds has some 100 KB."""

_LIMITS = DecodeLimits(
    per_purpose={
        **DEFAULT_PURPOSE_LIMITS,
        # an entry has some 6 bytes and takes 10 µs: 10 KB could hold a million entries that lead nowhere
        DecodePurpose.XREF_STREAM: StreamDecodeLimits(max_ratio=100, ratio_floor=1 << 20),
    }
)
_VERSION = re.compile(rb"%PDF-([0-9]).([0-9])", re.DOTALL)
_END = re.compile(rb"[\r\n]startxref(?:\r\n|\r|\n)([0-9]{1,12})(?:\r\n|\r|\n)%%EOF(?:\r\n|\r|\n)?\Z")
_END_REACH = 64
_LONG_HEX = re.compile(rb"<([0-9A-Fa-f\s\x00]{512,})>")
# What such a string leaves in every 128th byte.  Bytes that nothing compresses look so once in seven thousand.
_STRIDE = 128
_TRACE = b"hhhh"
_AS_TRACE = bytes(
    _TRACE[0] if byte in b"0123456789abcdefABCDEF \t\n\r\x0b\x0c\x00" else 0 for byte in range(256)
)
_TOKEN = bytes.fromhex("fe76616e7468752d6c6f6e672d686578ff")  # no text in any encoding that PDF knows
_BLANKS = bytes(range(256)).translate(None, b"0123456789abcdefABCDEF")


class ContentsTooLong(Exception):
    """A hex string is longer than anything a signature may need."""


class OutOfMoment(BaseException):
    """Reading has taken the moment that it was given.

    Not an ``Exception``: whoever takes the errors of a broken file for what they are must let this one pass.
    """


class QuickReader(PdfFileReader):
    """A ``PdfFileReader`` over *data* whose time does not hang on the length of ``/Contents``.

    It is tolerant unless *strict*.  Raises ``ContentsTooLong`` where a hex string has more than
    *contents_bytes* bytes, and ``OutOfMoment`` at the next object once ``time.thread_time()`` is beyond *until*.
    """

    def __init__(
        self,
        data: bytes,
        *,
        contents_bytes: int = LONGEST_CONTENTS,
        strict: bool = False,
        until: float = math.inf,
    ) -> None:
        self.data = data
        self._until = until
        self._long = list(long_hex_in(data))
        self._starts = [start for start, _ in self._long]
        if any(end - start > 2 * contents_bytes for start, end in self._long):
            raise ContentsTooLong(f"a hex string has more than {contents_bytes} bytes")
        self._references: tuple[list[int], list[int]] | None = None
        self._packed: dict[int, Packed] = {}
        self._has_encryption: bool | None = None
        self._open(BytesIO(data), strict=strict)

    def _open(self, stream: BytesIO, *, strict: bool) -> None:
        """What ``PdfFileReader.__init__`` does, with our way of reading tables; it offers no seam for that."""
        self._security_handler = None
        self.strict = strict
        self._decode_context = DecodeContext(_LIMITS, input_size=len(self.data))
        self.resolved_objects = {}
        self._input_version = None
        self._historical_resolver_cache = {}
        self._embedded_signatures = None
        self.stream = self._whole = stream
        version = _VERSION.match(self.data)
        if version is None:
            raise PdfReadError("Illegal PDF header")
        self._header_version = int(version[1]), int(version[2])
        end = _END.search(self.data, max(0, len(self.data) - _END_REACH))
        stream.seek(-1, SEEK_END)
        self.last_startxref = int(end[1]) if end is not None else process_data_at_eof(stream)
        tables = QuickTables(
            self.data, handler=self, stream=stream, strict=strict, last_startxref=self.last_startxref
        )
        self.trailer = tables.trailer
        self.xrefs = XRefCache(self, tables.read_xrefs())  # type: ignore[no-untyped-call]  # pyHanko's
        self.has_xref_stream = tables.has_xref_stream
        self._has_encryption = "/Encrypt" in self.trailer

    def let_go(self) -> None:
        """Hold the file's bytes no longer; nothing can be read any more.

        Its objects and the reader know each other: without this, a large file would stay in memory until the
        garbage of the whole process is collected, and each file would be work for whoever collects it.
        """
        self.stream.truncate(0)
        self.__dict__.clear()

    def get_object(self, ref: generic.Reference, *arguments: Any, **named: Any) -> generic.PdfObject:
        """pyHanko's; what was read already and needs nothing else is there at once."""
        if not arguments and not named and not self._is_encrypted():
            known: generic.PdfObject | None = self.resolved_objects.get((ref.generation, ref.idnum))
            if known is not None:
                return known
        found: generic.PdfObject = super().get_object(ref, *arguments, **named)  # type: ignore[no-untyped-call]  # pyHanko's
        return found

    def highest_number(self) -> int:
        """The highest number of an object that any cross-reference section says is in use."""
        highest = 0
        for revision in range(self.xrefs.total_revisions):
            section = self.xrefs.get_xref_data(revision)
            for data in (section, section.hybrid.xref_data) if section.hybrid is not None else (section,):
                highest = max(highest, *data.standard_xrefs, *data.xrefs_in_objstm, 0)
        return highest

    def glance(self, ref: generic.Reference) -> generic.DictionaryObject | None:
        """The dictionary of *ref* without reading the stream behind it; ``None`` where that can't be done."""
        marker = self.xrefs[ref]
        if not isinstance(marker, int) or self._is_encrypted():
            return None
        return dictionary_at(self.data, marker, ref)

    def is_plain(self, ref: generic.Reference, marker: int | ObjStreamRef, *, repeatable: str = "") -> bool:
        """Whether the object at *marker* reads the same to everybody: strictly, and with no key twice.

        The key *repeatable* may stand there twice.
        """
        tolerant = self.strict
        try:
            if not isinstance(marker, int):
                self.strict = True
                self._read_object(ref, marker)
            elif plain_object(self.data, marker, ref) is None:
                short = self._shortened(marker)
                # of its own, for what is read meanwhile (a length elsewhere) moves the reader's
                stream = BytesIO(self.data if short is None else short[0])
                stream.seek(marker if short is None else 0)
                # blanks too many in the header confuse nobody
                read_object_header(stream, strict=False)  # type: ignore[no-untyped-call]  # pyHanko's
                self.strict = True
                generic.read_object(stream, ref)
        except PdfStrictReadError as exc:
            return bool(repeatable) and str(exc).endswith(f"for key {repeatable}")
        except Exception:  # whatever it is: another reader may make something else of it
            return False
        finally:
            self.strict = tolerant
        return True

    def references(self) -> tuple[list[int], list[int]]:
        """Where a reference (``12 0 R``) is written in the bare bytes, and to which number; by position."""
        if self._references is None:
            found = list(references_in(self.data))
            self._references = [at for at, _ in found], [number for _, number in found]
        return self._references

    def _read_object(
        self,
        ref: generic.Reference,
        marker: int | ObjStreamRef | None,
        never_decrypt: bool = False,
        as_metadata_stream: bool = False,
    ) -> generic.PdfObject:
        """pyHanko's one place where an object's bytes become an object."""
        if time.thread_time() > self._until:
            raise OutOfMoment
        outer = self.stream  # of an object that is being read from a copy, and refers to this one
        try:
            if isinstance(marker, int) and not as_metadata_stream and not self._is_encrypted():
                if (plain := plain_object(self.data, marker, ref)) is not None:
                    return plain
                if (short := self._shortened(marker)) is not None:
                    body, long_bytes = short
                    self.stream = BytesIO(body)
                    found: generic.PdfObject = super()._read_object(ref, 0, never_decrypt, False)
                    _restore(found, long_bytes)
                    return found
            self.stream = self._whole
            untouched: generic.PdfObject = super()._read_object(
                ref, marker, never_decrypt, as_metadata_stream
            )
            return untouched
        finally:
            self.stream = outer

    def _is_encrypted(self) -> bool:
        if self._has_encryption is not None:
            return self._has_encryption
        # while the tables are being read; the dictionary's own object is read here, too, so nobody may be asked
        return "/Encrypt" in self.trailer

    def _get_object_from_stream(self, idnum: int, stmnum: int, idx: int) -> generic.PdfObject:
        """pyHanko's one place where an object comes out of an object stream."""
        stream = generic.Reference(stmnum, 0, self).get_object()
        packed = self._packed.get(stmnum)
        if packed is None or packed.stream is not stream:
            packed = unpacked(stream)
            if packed is not None:
                self._packed[stmnum] = packed
        if packed is not None and idnum in packed.places:
            start, index = packed.places[idnum]
            if index == idx:
                try:
                    content = BytesIO(packed.data)
                    content.seek(start)
                    found = generic.read_object(content, generic.Reference(idnum, 0, self))
                    if not isinstance(found, generic.StreamObject | generic.IndirectObject):
                        return found
                except (PdfStreamError, PdfReadError):
                    pass  # pyHanko knows what to make of it
        odd: generic.PdfObject = super()._get_object_from_stream(  # type: ignore[no-untyped-call]  # pyHanko's
            idnum, stmnum, idx
        )
        return odd

    def _shortened(self, offset: int) -> tuple[bytes, bytes] | None:
        """The object at *offset* with its one long hex string cut out; ``None`` where it has none."""
        at = bisect_left(self._starts, offset)
        if at == len(self._starts):
            return None
        start, end = self._long[at]
        if self.data.find(b"endobj", offset, start) >= 0:
            return None
        close = self.data.find(b"endobj", end)
        if (
            close < 0
            or self.data.find(b"stream", offset, start) >= 0
            or self.data.find(b"stream", end, close) >= 0
        ):
            return None
        if at + 1 < len(self._starts) and self._starts[at + 1] < close:
            return None  # two of them: no signature dictionary
        body = (
            self.data[offset:start]
            + b"<"
            + _TOKEN.hex().encode()
            + b">"
            + self.data[end : close + 6]
            + b"\n0"
        )
        return body, unhex(self.data[start + 1 : end - 1])


def entry(holder: object, key: str) -> generic.PdfObject | None:
    """What stands under *key*, references followed; ``None`` where nothing does or *holder* is no dictionary."""
    if not isinstance(holder, generic.DictionaryObject) or key not in holder:
        return None
    value = resolved(holder.raw_get(key))
    return None if isinstance(value, generic.NullObject) else value


def resolved(value: generic.PdfObject) -> generic.PdfObject:
    """*value*, or what it refers to."""
    if isinstance(value, generic.IndirectObject):
        found: generic.PdfObject = value.get_object()  # type: ignore[no-untyped-call]  # pyHanko's
        return found
    return value


def long_hex_in(data: bytes) -> Iterator[tuple[int, int]]:
    """Where hex strings of 512 digits and more are written in *data*, with their brackets.

    Reads every 128th byte, and the neighbourhood of what may be one: 6.4 MB take 0.3 ms instead of 3.
    """
    seen = data[::_STRIDE].translate(_AS_TRACE)
    end = 0
    while (start := seen.find(_TRACE, end)) >= 0:
        end = seen.find(0, start)
        end = end if end >= 0 else len(seen)
        # its bracket lies less than a stride before the first digit that was met, or behind the last
        for found in _LONG_HEX.finditer(data, max(0, (start - 1) * _STRIDE), end * _STRIDE + 1):
            yield found.span()


def unhex(digits: bytes) -> bytes:
    """The bytes that *digits* stand for.  spec: ISO 32000-1 §7.3.4.3 - blanks count nothing, a missing last digit is 0"""
    clean = digits.translate(None, _BLANKS)
    return bytes.fromhex((clean + b"0" * (len(clean) % 2)).decode("ascii"))


def _restore(found: generic.PdfObject, long_bytes: bytes, depth: int = 0) -> None:
    if depth > 4:
        return
    if isinstance(found, generic.DictionaryObject):
        for key, value in list(found.items()):
            if _is_token(value):
                dict.__setitem__(found, key, _exchanged(value, long_bytes))
            else:
                _restore(value, long_bytes, depth + 1)
    elif isinstance(found, generic.ArrayObject):
        for index, value in enumerate(found):
            if _is_token(value):
                list.__setitem__(found, index, _exchanged(value, long_bytes))
            else:
                _restore(value, long_bytes, depth + 1)


def _exchanged(token: generic.PdfObject, long_bytes: bytes) -> generic.PdfObject:
    real = generic.ByteStringObject(long_bytes)
    real.container_ref = token.container_ref
    return real


def _is_token(value: generic.PdfObject) -> bool:
    return (
        isinstance(value, generic.ByteStringObject | generic.TextStringObject)
        and value.original_bytes == _TOKEN
    )
