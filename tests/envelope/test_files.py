"""Attached files: base64 and ZIP come off, honest or not, and the bytes decide what they are."""

from __future__ import annotations

import asyncio
import base64
import re
import stat
import struct
import time
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, ZipFile, ZipInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.envelope.carve import Carver, decode
from adapters.envelope.content import Spool
from adapters.loose import LooseFile
from gateway.model.envelope import Edoc
from gateway.model.finding import Severity
from gateway.model.ids import OrganCode
from gateway.model.payload import PayloadRef
from tests.builders import NOON
from tests.envelope.edxml import an_attachment, an_edxml, codes, edoc_of, envelopes, errors
from tests.vectors.edxml.producers import PDF, b64, office, zipped


def spool() -> Spool:
    return Spool(in_memory=100_000, loose=LooseFile.in_memory)


def archive(*entries: tuple[str | ZipInfo, bytes], method: int = ZIP_DEFLATED) -> bytes:
    out = BytesIO()
    with ZipFile(out, "w", method) as target:
        for name, body in entries:
            target.writestr(name, body, compress_type=method)
    return out.getvalue()


def named(name: str) -> bytes:
    return archive((name, PDF))


def encrypted() -> bytes:
    body = bytearray(zipped(PDF))
    body[6] |= 1  # the flag in the local header …
    directory = body.rindex(b"PK\x01\x02")
    body[directory + 8] |= 1  # … and in the directory
    return bytes(body)


def lying(size: int) -> bytes:
    """A ZIP whose directory declares another size than it has."""
    body = bytearray(zipped(PDF))
    directory = body.rindex(b"PK\x01\x02")
    struct.pack_into("<L", body, directory + 24, size)
    return bytes(body)


def nameless() -> bytes:
    """A ZIP whose directory calls the entry NUL, which is read as nothing."""
    body = bytearray(zipped(PDF, "x"))
    body[30] = body[body.rindex(b"PK\x01\x02") + 46] = 0
    return bytes(body)


def link() -> bytes:
    entry = ZipInfo("a.pdf")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return archive((entry, b"/etc/passwd"))


ZIPS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "two entries": ("EDX-070", lambda: archive(("a.pdf", PDF), ("b.pdf", PDF))),
    "no entry": ("EDX-070", lambda: b"PK\x03\x04" + archive()),
    "ten thousand entries": ("EDX-070", lambda: archive(*((f"{i}.txt", b"") for i in range(10_000)))),
    "only its beginning": ("EDX-071", lambda: zipped(PDF)[:60]),
    "nothing but magic": ("EDX-071", lambda: b"PK\x03\x04"),
    "a broken stream": ("EDX-071", lambda: zipped(PDF).replace(zipped(PDF)[60:80], b"\xff" * 20)),
    "encrypted": ("EDX-072", encrypted),
    "a way up": ("EDX-073", lambda: named("../../etc/cron.d/x")),
    "an absolute path": ("EDX-073", lambda: named("/etc/passwd")),
    "a drive": ("EDX-073", lambda: named("C:x.pdf")),
    "a backslash": ("EDX-073", lambda: named("..\\x.pdf").replace(b"../x.pdf", b"..\\x.pdf")),
    "a symbolic link": ("EDX-073", link),
    "no name": ("EDX-073", nameless),
    "a folder": ("EDX-073", lambda: named("a/")),
    "a bomb": ("EDX-074", lambda: zipped(b"\0" * (80 * 1024 * 1024))),
    "a steep ratio": ("EDX-074", lambda: zipped(b"\0" * (3 * 1024 * 1024))),
    "a lie of 4 GB": ("EDX-074", lambda: lying(0xFFFFFFFE)),
    "a lie of less": ("EDX-071", lambda: lying(10)),
    "a lie of more": ("EDX-071", lambda: lying(len(PDF) + 100)),
    "a ZIP in a ZIP": ("EDX-075", lambda: zipped(zipped(PDF))),
    "bzip2": ("EDX-076", lambda: zipped(PDF, method=ZIP_BZIP2)),
    "lzma": ("EDX-076", lambda: zipped(PDF, method=ZIP_LZMA)),
}


@pytest.mark.parametrize("name", ZIPS)
def test_a_dishonest_zip_is_a_finding(name: str) -> None:
    rule, make = ZIPS[name]
    body = an_edxml(attached=make())
    start = time.process_time()
    assert errors(body) == {rule}
    assert time.process_time() - start < 0.1


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_DEFLATED])
def test_a_wrapped_file_is_unwrapped(method: int) -> None:
    (file,) = edoc_of(an_edxml(attached=zipped(PDF, method=method))).attachments
    assert (file.payload.body, file.is_zipped, file.is_pdf) == (PDF, True, True)


def test_a_file_in_a_folder_of_the_zip_is_unwrapped() -> None:
    (file,) = edoc_of(an_edxml(attached=named("van ban/công văn.pdf"))).attachments
    assert file.payload.body == PDF


def test_a_zip_under_its_own_name_is_a_file() -> None:
    """What is called .zip is meant to be one; a PDF stored in it does not make it a PDF."""
    body = zipped(PDF, method=ZIP_STORED)
    (file,) = edoc_of(an_edxml(attached=body, name="hồ sơ.ZIP")).attachments
    assert (file.payload.body, file.is_zipped, file.is_pdf) == (body, False, False)


def test_an_office_document_is_a_file_though_it_is_a_zip() -> None:
    (file,) = edoc_of(an_edxml(attached=office(), name="số liệu.docx")).attachments
    assert (file.payload.body, file.is_zipped) == (office(), False)
    (file,) = edoc_of(an_edxml(attached=zipped(office()), name="số liệu.docx")).attachments
    assert (file.payload.body, file.is_zipped) == (office(), True)


def test_a_zip_rule_may_be_lowered_and_the_file_is_carried_as_it_came() -> None:
    two = archive(("a.pdf", PDF), ("b.pdf", PDF))
    edoc = edoc_of(an_edxml(attached=two), severities={"EDX-070": Severity.WARNING})
    assert edoc.attachments[0].payload.body == two


def test_all_zips_of_a_document_share_one_bound() -> None:
    wrapped = b64(zipped(b"x" * 900_000))
    ids = [str(i) for i in range(4)]
    body = an_edxml(
        references="".join(f"<Reference><ContentId>{i}</ContentId></Reference>" for i in ids),
        attachments="".join(an_attachment(i, "a.txt", wrapped) for i in ids),
    )
    assert errors(body) == set()
    assert errors(body, unpacked_bytes=3_000_000) == {"EDX-074"}


@pytest.mark.parametrize("width", [64, 76])
@pytest.mark.parametrize("end", ["\n", "\r\n", "&#13;\n"])
@pytest.mark.parametrize("times", [1, 100])
def test_base64_may_come_in_lines(width: int, end: str, times: int) -> None:
    encoded = b64(PDF * times, width, end)
    (file,) = edoc_of(an_edxml(attachments=an_attachment("1", "a.pdf", encoded))).attachments
    assert file.payload.body == PDF * times


@pytest.mark.parametrize("size", [3, 3 * 1024 * 1024, 3 * 1024 * 1024 + 1, 7_000_001])
@pytest.mark.parametrize("width", [0, 76])
def test_large_base64_is_decoded_as_small_is(size: int, width: int) -> None:
    body = bytes(range(251)) * (size // 251 + 1)
    encoded = base64.b64encode(body[:size])
    if width:
        encoded = b"\r\n".join(encoded[i : i + width] for i in range(0, len(encoded), width))
    decoded = decode(encoded, spool())
    assert decoded is not None
    assert decoded.head(size + 1) == body[:size]


@pytest.mark.parametrize(
    "text", [b"A" * 4_194_305, b"A" * 5_000_000 + b"!", b"AAA=" + b"A" * 8_000_000, b"=" * 6_000_000]
)
def test_large_garbage_is_no_base64(text: bytes) -> None:
    assert decode(text, spool()) is None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=3000), st.sampled_from(["", "cid:", "CID:"]), st.sampled_from(["", "cid:"]))
def test_any_bytes_arrive_as_they_were(body: bytes, left: str, right: str) -> None:
    if not body or body.startswith(b"PK\x03\x04"):
        return
    made = an_edxml(
        references=f"<Reference><ContentId>{left}1</ContentId></Reference>",
        attachments=an_attachment(f"{right}1", "a.bin", b64(body)),
    )
    (file,) = edoc_of(made).attachments
    assert file.payload.body == body
    assert file.payload.sha256 == sha256(body).hexdigest()


def test_the_order_is_that_of_the_references() -> None:
    body = an_edxml(
        references="".join(f"<Reference><ContentId>{i}</ContentId></Reference>" for i in (2, 1)),
        attachments=an_attachment("1", "phụ lục.pdf", b64(PDF + b"1"))
        + an_attachment("2", "chính.pdf", b64(PDF + b"2")),
    )
    edoc = edoc_of(body)
    assert [file.name for file in edoc.attachments] == ["chính.pdf", "phụ lục.pdf"]
    assert edoc.main is edoc.attachments[0]


def test_two_names_for_a_file_become_one() -> None:
    """Nobody opens under a name what was judged under another."""
    body = an_edxml(
        references="<Reference><ContentId>1</ContentId><AttachmentName>vô hại.txt</AttachmentName></Reference>",
        attachments=an_attachment("1", "quyết định.pdf", b64(PDF)),
    )
    edoc = edoc_of(body)
    assert edoc.attachments[0].name == "quyết định.pdf"
    out = asyncio.run(envelopes().render(edoc, hop=OrganCode("H53"), at=NOON, sealed={}))
    assert "vô hại.txt".encode() not in (out.body or b"")


@pytest.mark.parametrize("sealed", [PDF, PDF + b"an update", b"another file", PDF[:-1]])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_file_in_a_rendered_zip_has_its_own_checksum(sealed: bytes, is_known: bool) -> None:
    """Whether it goes on from what came or not, and whoever read that."""
    port = envelopes()
    edoc, _ = asyncio.run(
        (port if is_known else envelopes()).read(PayloadRef.of(an_edxml(attached=zipped(PDF))))
    )
    assert isinstance(edoc, Edoc)
    out = asyncio.run(port.render(edoc, hop=OrganCode("H53"), at=NOON, sealed={0: PayloadRef.of(sealed)}))
    assert out.body is not None
    packed = re.search(rb"<ContentTransferEncoded>([^<]+)<", out.body)
    assert packed is not None
    with ZipFile(BytesIO(base64.b64decode(packed[1]))) as archive:
        assert archive.read(archive.namelist()[0]) == sealed  # compares the checksum


# --- the cut ----------------------------------------------------------------------------------------

LONG = b64(PDF * 10)


@pytest.mark.parametrize(
    "hidden",
    [
        f"<!-- <ContentTransferEncoded>{LONG}</ContentTransferEncoded> -->",
        f"<![CDATA[<ContentTransferEncoded>{LONG}</ContentTransferEncoded>]]>",
        f"<Other><ContentTransferEncoded>{LONG}</ContentTransferEncoded></Other>",
        f"<?x <ContentTransferEncoded>{LONG}</ContentTransferEncoded>?>",
    ],
)
def test_what_only_looks_like_an_attachment_is_not_taken_for_one(hidden: str) -> None:
    edoc = edoc_of(an_edxml(around=hidden, attached=PDF * 20))
    assert [file.payload.body for file in edoc.attachments] == [PDF * 20]


def test_base64_between_comments_is_put_together() -> None:
    half = len(LONG) // 8 * 4
    for middle in ("<!-- -->", "<![CDATA[]]>", "<?x y?>"):
        encoded = LONG[:half] + middle + LONG[half:]
        edoc = edoc_of(an_edxml(attachments=an_attachment("1", "a.pdf", encoded)))
        assert edoc.attachments[0].payload.body == PDF * 10


def test_a_token_can_not_be_forged() -> None:
    """A document that writes what looks like a token gets what it wrote: no base64."""
    body = an_edxml(attachments=an_attachment("1", "a.pdf", f"{'0' * 64}:0"))
    assert "EDX-066" in errors(body)


def test_the_rest_of_a_large_document_is_small() -> None:
    body = an_edxml(attached=PDF * 20_000)
    carver = Carver("d" * 64, at_most=10, rest_bytes=4000, spool=spool)
    carver.feed(body)
    rest, bodies = carver.end()
    assert len(rest) < 4000
    (content,) = bodies.values()
    assert content is not None
    assert (set(bodies), content.head(10**8)) == ({f"{'d' * 64}:0"}, PDF * 20_000)
    assert codes(body) == set()


def test_a_file_that_some_recipients_do_not_take_is_told() -> None:
    assert codes(an_edxml(attached=PDF), large_file_bytes=len(PDF) - 1) == {"EDX-079"}


@pytest.mark.parametrize(
    ("body", "name", "label", "carried"),
    [
        (office(), "a.docx", "application/zip", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (zipped(PDF), "a.zip", "text/plain", "application/zip"),
        (zipped(PDF), "a.ZIP", "application/zip", "application/x-zip-compressed"),
        (b"\x89PNG\r\n\x1a\n..", "a.png", "image/jpeg", "image/png"),
        (b"plain", "a.txt", "text/plain", "text/plain"),
    ],
)  # fmt: skip
def test_nothing_is_labelled_as_wrapped_that_is_not(body: bytes, name: str, label: str, carried: str) -> None:
    """The national axis' library unpacks what is labelled ``application/zip`` and is not called ``.zip``."""
    edoc = edoc_of(
        an_edxml(
            references=f"<Reference><ContentId>1</ContentId><AttachmentName>{name}</AttachmentName></Reference>",
            attachments=an_attachment("1", name, b64(body), label),
        )
    )
    assert edoc.skeleton.count(f"ContentType>{carried}</".encode()) == 2
