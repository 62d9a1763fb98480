"""Documents of any size for measuring: an edXML whose files are noise, written piece by piece.

files = [File(number=n, size=50_000_000, is_pdf=n % 2 == 1, wrapped="raw") for n in range(1, 11)]
size, sha256 = make(Path("large.edxml"), files, sender="000.00.00.H53", recipient="000.00.13.H53")
"""

from __future__ import annotations

import os
import zlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

from adapters.envelope import Correspondent, NewEdoc, NewFile, compose_edoc
from adapters.envelope.attachments import wrapping

MIB = 1024 * 1024
_AT = datetime(2026, 3, 4, 5, 0, tzinfo=UTC)
_AROUND = 800
"""What a PDF takes beside its one long stream, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file to be attached.  ``wrapped``: raw, or in a ZIP, stored or deflated."""

    number: int
    size: int
    is_pdf: bool
    wrapped: str = "raw"

    @property
    def name(self) -> str:
        """Its name, which says what it is."""
        return f"tệp {self.number}.{'pdf' if self.is_pdf else 'bin'}"

    def chunks(self) -> Iterator[bytes]:
        """The bytes: cheap to make, and not to be compressed."""
        if not self.is_pdf:
            yield from self._noise(self.size)
            return
        objects = (
            b"1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n",
            b"2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n",
            b"3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>\nendobj\n",
        )
        size = max(0, self.size - _AROUND)
        head, table = b"%PDF-1.7\n", b"xref\n0 5\n0000000000 65535 f \n"
        for one in objects:
            table += b"%010d 00000 n \n" % len(head)
            head += one
        table += b"%010d 00000 n \n" % len(head)
        head += b"4 0 obj\n<</Length %d>>\nstream\n" % size
        tail = b"\nendstream\nendobj\n"
        at = len(head) + size + len(tail)
        yield head
        yield from self._noise(size)
        yield tail + table + b"trailer\n<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % at

    def encoded(self) -> Iterator[bytes]:
        """As it stands in the document."""
        left = b""
        for chunk in self._in_its_zip():
            whole = left + chunk
            usable = len(whole) - len(whole) % 3
            yield b64encode(whole[:usable])
            left = whole[usable:]
        yield b64encode(left)

    def _noise(self, size: int) -> Iterator[bytes]:
        block = os.urandom(MIB)
        for at in range(0, size, MIB):
            yield ((at + self.number).to_bytes(8, "big") + block[8:])[: min(MIB, size - at)]

    def _in_its_zip(self) -> Iterator[bytes]:
        if self.wrapped == "raw":
            yield from self.chunks()
            return
        body = b"".join(self.chunks())
        before, behind = wrapping(len(body), zlib.crc32(body), "0" * 64, self.name, _AT)
        if self.wrapped == "deflated":
            packer = zlib.compressobj(0, wbits=-15)  # noise can't be made smaller
            body = packer.compress(body) + packer.flush()
            size, method = len(body).to_bytes(4, "little"), b"\x08\0"
            before = before[:8] + method + before[10:18] + size + before[22:]
            central, end = behind[:-22], behind[-22:]
            central = central[:10] + method + central[12:20] + size + central[24:]
            offset = (len(before) + len(body)).to_bytes(4, "little")
            behind = central + end[:16] + offset + end[20:]
        yield from (before, body, behind)


def make(path: Path, files: Sequence[File], *, sender: str, recipient: str) -> tuple[int, str]:
    """Write the edXML that carries *files* behind a small main PDF; its size and SHA-256."""
    digest, size = sha256(), 0
    with path.open("wb") as out:
        for piece in _document(files, sender, recipient):
            out.write(piece)
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()


def _document(files: Sequence[File], sender: str, recipient: str) -> Iterator[bytes]:
    everything = [File(number=0, size=2000, is_pdf=True), *files]
    body = compose_edoc(
        NewEdoc(
            sender=Correspondent(code=sender, name="Cơ quan gửi"),
            recipients=(Correspondent(code=recipient, name="Cơ quan nhận"),),
            number="12",
            notation="BC-VP",
            dated=date(2026, 3, 4),
            subject="Báo cáo kèm tệp lớn",
            sent_at=_AT,
            signer="Văn thư",
            files=tuple(NewFile(name=file.name, body=_mark(file)) for file in everything),
        )
    )
    for file in everything:
        before, _, body = body.partition(b64encode(_mark(file)))
        yield before
        yield from file.encoded()
    yield body


def _mark(file: File) -> bytes:
    return b"file number %06d" % file.number
