"""What is sent in a benchmark: 234 KB PDFs, signed by a leader or not, as edXML in which every document differs.

One envelope is written per PDF and cut at its number and organs; a document is then a join, so that the
clients leave the machine to the gateway.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from demo.edxml import File, Letter, Organ, Producer, write_edoc
from demo.leader import Leader
from demo.pdf import Box, Typeset
from demo.pki import LeaderAuthority

PDF_BYTES = 234_000
POOL = 32
# No base64 holds these: they can't be met in an attachment.
_NUMBER, _SENDER, _RECIPIENT = "#######", "@S@", "@R@"
_GAPS = re.compile(f"({_NUMBER}|{_SENDER}|{_RECIPIENT})".encode())


@dataclass(frozen=True, slots=True)
class Paper:
    """An edXML document with gaps."""

    parts: tuple[bytes, ...]

    def edoc(self, number: int, sender: str, recipient: str) -> bytes:
        """The document with this number."""
        filling = {
            _NUMBER.encode(): b"%07d" % number,
            _SENDER.encode(): sender.encode(),
            _RECIPIENT.encode(): recipient.encode(),
        }
        return b"".join([filling.get(part, part) for part in self.parts])


def make(authority: LeaderAuthority, *, is_signed: bool, pool: int = POOL) -> tuple[Sequence[Paper], int]:
    """*pool* papers, each with a PDF of its own, and the size of such a PDF.  Not on an event loop."""
    leader = Leader(authority.certify("Nguyễn Văn A", "UBND tỉnh Tây Ninh"), "Nguyễn Văn A")
    surplus = len(leader.sign(page(0, PDF_BYTES))) - PDF_BYTES if is_signed else 0
    pdfs = [page(seed, PDF_BYTES - surplus) for seed in range(pool)]
    bodies = [leader.sign(typeset) if is_signed else typeset.pdf for typeset in pdfs]
    return [_paper(body) for body in bodies], len(bodies[0])


def _paper(pdf: bytes) -> Paper:
    letter = Letter(
        sender=Organ(code=_SENDER, name="Cơ quan gửi"),
        recipients=(Organ(code=_RECIPIENT, name="Cơ quan nhận"),),
        number=_NUMBER,
        notation="QĐ-UBND",
        place="Tây Ninh",
        dated=date(2016, 3, 4),
        type_id=1,
        type_name="Quyết định",
        subject="Về việc gửi, nhận văn bản điện tử có ký số",
        competence="TM.",
        position="Chủ tịch",
        signer="Nguyễn Văn A",
        files=(File(name="quyet-dinh.pdf", body=pdf),),
    )
    return gapped(write_edoc(letter, Producer(), datetime.now(UTC)))


def gapped(edoc: bytes) -> Paper:
    """*edoc* cut at its gaps."""
    return Paper(tuple(_GAPS.split(edoc)))


def page(seed: int, size: int) -> Typeset:
    """One page with a line of text and a scan that nothing compresses; *size* bytes in all."""
    bare = len(_write(b""))
    noise = random.Random(seed).randbytes(size)
    # the length is written in digits, too: two rounds settle it
    body = noise[: size - bare - 6]
    body = noise[: len(body) + size - len(_write(body))]
    return Typeset(pdf=_write(body), pages=1, hand=Box(page=0, x1=320, y1=120, x2=520, y2=190))


def _write(image: bytes) -> bytes:
    text = b"BT /F1 14 Tf 60 780 Td (Quyet dinh) Tj ET q 400 0 0 400 60 330 cm /Im1 Do Q"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> /XObject << /Im1 6 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Type /XObject /Subtype /Image /Width 1000 /Height %d /ColorSpace /DeviceGray "
        b"/BitsPerComponent 8 /Length %d >>\nstream\n%s\nendstream" % (len(image) // 1000, len(image), image),
    ]
    out, offsets = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    name = b"0123456789abcdef" * 2
    out += b"trailer\n<< /Size %d /Root 1 0 R /ID [<%s><%s>] >>\n" % (len(objects) + 1, name, name)
    return bytes(out) + b"startxref\n%d\n%%%%EOF\n" % start
