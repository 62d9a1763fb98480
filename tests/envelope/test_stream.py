"""A document in pieces is the document: whatever its size, and wherever the pieces end, the outcome is the same."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.envelope import EdxmlEnvelopes, Options
from adapters.envelope.attachments import wrap
from adapters.envelope.carve import Carver
from adapters.envelope.content import Spool
from adapters.loose import LooseFile
from adapters.memory import MemoryVault
from gateway.errors import Refused, Unavailable
from gateway.model.envelope import Edoc, Envelope
from gateway.model.finding import Finding, Severity
from gateway.model.ids import OrganCode
from gateway.model.payload import PayloadRef
from tests.builders import NOON
from tests.envelope.edxml import an_attachment, an_edxml
from tests.envelope.test_files import ZIPS
from tests.envelope.test_fuzz import mutated
from tests.vectors.edxml.producers import NS, PDF, b64, edocs, office, statuses, zipped

HOP = OrganCode("H53.15")
MIB = 1024 * 1024


class InPieces(MemoryVault):
    """A vault that brings bytes in pieces of *size*."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    async def open(self, ref: PayloadRef, *, start: int = 0) -> AsyncIterator[bytes]:
        body = await self.read(ref)
        for at in range(start, len(body), self._size):
            yield body[at : at + self._size]


Read = tuple[Envelope | None, tuple[Finding, ...]] | str


class Uncarved(EdxmlEnvelopes):
    """Reads every document as it came."""

    def _carver(self, digest: str, spool: Callable[[], Spool]) -> Carver:
        return Carver(digest, at_most=0, rest_bytes=2 * MIB, spool=spool)


async def looked_at(
    body: bytes, *, size: int, adapter_of: type[EdxmlEnvelopes] = EdxmlEnvelopes, **options: object
) -> tuple[Read, bytes, str]:
    """What reading *body* in pieces of *size* gives (0: at once), its skeleton, and the rendering's digest."""
    vault = InPieces(size or MIB)
    chosen = Options(inline_bytes=-1 if size else 2**40, **options)  # type: ignore[arg-type]  # by each test
    adapter = adapter_of(chosen, vault)
    ref = await vault.put(body)
    try:
        envelope, findings = await adapter.read(ref)
    except Refused as refused:
        return refused.reason, b"", ""
    if not isinstance(envelope, Edoc):
        return (envelope, findings), b"", ""
    for attachment in envelope.attachments:
        whole = await vault.read(attachment.payload)
        assert (attachment.payload.size, attachment.payload.sha256) == (len(whole), sha256(whole).hexdigest())
    if any(f.severity is Severity.ERROR for f in findings):
        return (envelope, findings), envelope.skeleton, ""
    sealed = {0: PayloadRef.of(PDF + b"% sealed")} if envelope.main else {}
    rendered = await adapter.render(envelope, hop=HOP, at=NOON, sealed=sealed)
    return (envelope, findings), envelope.skeleton, rendered.sha256


def carved(body: bytes, size: int) -> tuple[bytes, dict[str, bytes | None]] | str:
    """What is left of *body*, and what was taken out of it, fed in pieces of *size*."""
    carver = Carver(
        "d" * 64, at_most=5, rest_bytes=20_000, spool=lambda: Spool(in_memory=700, loose=LooseFile.in_memory)
    )
    try:
        for start in range(0, len(body), size):
            carver.feed(body[start : start + size])
        rest, bodies = carver.end()
    except Refused as refused:
        return refused.reason
    return rest, {token: content and content.head(content.size) for token, content in bodies.items()}


async def agree(body: bytes, *sizes: int, **options: object) -> Read:
    """Both ways give the same, and so does every cut; what it is.

    What XML alone, without any carving, makes of a document is the same, too, unless all refuse it."""
    for size in (1, 7) if len(body) < 20_000 else (997,):
        assert carved(body, size) == carved(body, len(body)), size
    whole = await looked_at(body, size=0, **options)
    for size in sizes:
        assert await looked_at(body, size=size, **options) == whole, size
    plain = await looked_at(body, size=0, adapter_of=Uncarved, **options)
    if _is_accepted(plain[0]) or _is_accepted(whole[0]):
        assert plain == whole
    return whole[0]


def _is_accepted(read: Read) -> bool:
    return not isinstance(read, str) and not any(f.severity is Severity.ERROR for f in read[1])


LONG = b64(PDF * 10)
HALF = len(LONG) // 8 * 4
PLACES = {
    "a comment": f"<!-- <ContentTransferEncoded>{LONG}</ContentTransferEncoded> -->",
    "CDATA": f"<![CDATA[<ContentTransferEncoded>{LONG}</ContentTransferEncoded>]]>",
    "another element": f"<Other><ContentTransferEncoded>{LONG}</ContentTransferEncoded></Other>",
    "another namespace": f"<x:ContentTransferEncoded xmlns:x='urn:x'>{LONG}</x:ContentTransferEncoded>",
    "an instruction": f"<?x <ContentTransferEncoded>{LONG}</ContentTransferEncoded>?>",
    "an attribute": f"<Other a='<ContentTransferEncoded>{LONG}'/>",
    "an attribute's end": f"<Other a='ContentTransferEncoded>{LONG}'/>",
    "a name": f"<ContentTransferEncodedToo>{LONG}</ContentTransferEncodedToo>",
    "a long tag": f"<ContentTransferEncoded a='{'x' * 2000}'>{LONG}</ContentTransferEncoded>",
}
TEXTS = {
    "lines": b64(PDF * 10, 76, "\r\n"),
    "lines as .NET writes them": b64(PDF * 10, 76, "&#xD;\n"),
    "other references to blanks": b64(PDF * 10, 64, "&#10;&#9;&#32;&#13;"),
    "a letter as a reference": LONG[:HALF] + f"&#{ord(LONG[HALF])};" + LONG[HALF + 1 :],
    "an entity": LONG[:HALF] + "&amp;" + LONG[HALF:],
    "an unknown entity": LONG[:HALF] + "&x;" + LONG[HALF:],
    "a reference without its end": LONG[:HALF] + "&#1",
    "CDATA": f"<![CDATA[{LONG}]]>",
    "CDATA within": LONG[:HALF] + f"<![CDATA[{LONG[HALF:]}]]>",
    "a comment": LONG[:HALF] + "<!-- & < > -->" + LONG[HALF:],
    "an instruction": LONG[:HALF] + "<?x?>" + LONG[HALF:],
    "an element": LONG[:HALF] + "<a/>" + LONG[HALF:],
    "padding, and more": b64(PDF * 7 + b"1") + LONG,
    "padding, blanks, and more": b64(PDF * 7 + b"1") + " " * 4000 + LONG,
    "padding, and blanks": b64(PDF * 7 + b"1") + "\n" * 4001,
    "no padding": b64(PDF * 7 + b"1").rstrip("="),
    "letters of base64url": LONG[:HALF] + "-_-_" + LONG[HALF:],
    "garbage": LONG + "!",
    "letters beyond ASCII": LONG[:HALF] + "đ" + LONG[HALF:],
    "blanks": " \t\r\n" * 300,
    "nothing": "",
    "a little": "QQ==",
    "511 letters": "A" * 508 + " A=",
    "512 letters": "A" * 512,
    "NUL": LONG + "\0",
    "]]>": LONG + "]]>",
}
SIZES = (1023, 4096)


@pytest.mark.parametrize("name", PLACES)
async def test_what_only_looks_like_an_attachment_is_the_same_in_pieces(name: str) -> None:
    """Nothing may be inspected that is not delivered, and the other way round."""
    seen = await agree(an_edxml(around=PLACES[name], attached=PDF * 20), *SIZES)
    if name == "an attribute":  # there XML has no such sign
        assert seen == "xml-malformed"
    else:
        assert not isinstance(seen, str)
        envelope, _ = seen
        assert isinstance(envelope, Edoc)
        assert [a.payload.sha256 for a in envelope.attachments] == [sha256(PDF * 20).hexdigest()]


@pytest.mark.parametrize("name", TEXTS)
async def test_any_text_is_the_same_in_pieces(name: str) -> None:
    await agree(an_edxml(attachments=an_attachment("1", "a.pdf", TEXTS[name])), *SIZES)


@pytest.mark.parametrize("name", sorted(edocs() | statuses()))
async def test_every_producer_is_the_same_in_pieces(name: str) -> None:
    body = (edocs() | statuses())[name]
    assert not isinstance(await agree(body, *SIZES), str)


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.999])
async def test_a_document_that_ends_too_early_is_no_document(cut: float) -> None:
    body = an_edxml(attached=os.urandom(5000))
    assert await agree(body[: int(len(body) * cut)], *SIZES) == "xml-malformed"


FILES = {
    "stored": zipped(PDF * 9, method=ZIP_STORED),
    "deflated": zipped(PDF * 9, method=ZIP_DEFLATED),
    "an office file": office(),
    "an office file, wrapped": zipped(office()),
    "a ZIP in a ZIP": zipped(zipped(PDF)),
    "cut short": zipped(PDF * 9)[:-30],
    "raw": PDF * 9,
    "text": b"a;b\n" * 700,
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("called", ["a.pdf", "a.zip"])
async def test_any_file_is_the_same_in_pieces(name: str, called: str) -> None:
    await agree(an_edxml(attached=FILES[name], name=called), 4096)


@pytest.mark.heavy_body("makes bombs")
@pytest.mark.parametrize("name", ZIPS)
async def test_a_dishonest_zip_is_the_same_in_pieces(name: str) -> None:
    rule, make = ZIPS[name]
    seen = await agree(an_edxml(attached=make()), 4096)
    assert not isinstance(seen, str)
    assert {f.code for f in seen[1] if f.severity is Severity.ERROR} == {rule}


_FILE = st.one_of(
    st.binary(min_size=1, max_size=3000),
    st.sampled_from(sorted(FILES.values())),
    st.binary(min_size=300, max_size=1200).map(zipped),
)
_PART = st.one_of(
    st.sampled_from(sorted(PLACES.values())),
    st.sampled_from(["", "\n", "<!-- -->", "<Unknown/>", "ContentTransferEncoded>", "<![CDATA[<]]>"]),
)


@pytest.mark.heavy_body("reads one document in five ways")
@settings(max_examples=40, deadline=None)
@given(
    files=st.lists(_FILE, min_size=1, max_size=4),
    texts=st.lists(st.sampled_from(sorted(TEXTS.values())), max_size=1),
    between=st.lists(_PART, min_size=6, max_size=6),
    width=st.sampled_from([0, 64, 76]),
    end=st.sampled_from(["\n", "\r\n", "&#13;\n"]),
    prefix=st.sampled_from(["", "edXML:", "q:"]),
    attribute=st.sampled_from(["", ' encoding="base64"', " a='>'"]),
    size=st.integers(500, 5000),
)
def test_any_document_is_the_same_in_pieces(
    files: list[bytes],
    texts: list[str],
    between: list[str],
    width: int,
    end: str,
    prefix: str,
    attribute: str,
    size: int,
) -> None:
    encoded = [b64(file, width, end) for file in files] + texts
    attachments = between[0]
    for at, text in enumerate(encoded):
        attachments += an_attachment(str(at), f"{at}.pdf", text) + between[at + 1]
    if prefix:
        declared = prefix.rstrip(":")
        for name in ("Attachment", "ContentId", "AttachmentName", "ContentTransferEncoded"):
            attachments = attachments.replace(f"<{name}>", f"<{prefix}{name} xmlns:{declared}='{NS}'>")
            attachments = attachments.replace(f"</{name}>", f"</{prefix}{name}>")
    attachments = attachments.replace("ContentTransferEncoded>", f"ContentTransferEncoded{attribute}>", 1)
    references = "".join(f"<Reference><ContentId>{at}</ContentId></Reference>" for at in range(len(encoded)))
    body = an_edxml(attachments=attachments, references=references)
    asyncio.run(agree(body, size))


@pytest.mark.heavy_body("reads one document in five ways")
@settings(max_examples=60, deadline=None)
@given(body=mutated(), size=st.integers(500, 5000))
def test_a_mutated_document_is_the_same_in_pieces(body: bytes, size: int) -> None:
    asyncio.run(agree(body, size))


# --- large ones -------------------------------------------------------------------------------------


async def test_large_files_do_not_ride_along_in_memory() -> None:
    """They lie in a file without a name until nobody holds their reference."""
    bodies = [os.urandom(MIB), zipped(os.urandom(MIB), method=ZIP_STORED), b"small"]
    vault = MemoryVault()
    adapter = EdxmlEnvelopes(Options(), vault)
    body = an_edxml(
        references="".join(f"<Reference><ContentId>{i}</ContentId></Reference>" for i in range(3)),
        attachments="".join(an_attachment(str(i), "a.bin", b64(one)) for i, one in enumerate(bodies)),
    )
    edoc, _ = await adapter.read(await vault.put(body))
    assert isinstance(edoc, Edoc)
    assert [a.payload.body is None for a in edoc.attachments] == [True, True, False]
    assert [a.payload.loose is None for a in edoc.attachments] == [False, False, True]
    rendered = await adapter.render(edoc, hop=HOP, at=NOON, sealed={})
    assert rendered.body is None
    again, _ = await adapter.read(rendered)
    assert isinstance(again, Edoc)
    assert [a.payload for a in again.attachments] == [a.payload for a in edoc.attachments]


async def test_references_to_blanks_do_not_make_a_large_file_unreadable() -> None:
    """.NET writes a line end within a text as ``&#xD;`` and a newline."""
    body = os.urandom(3 * MIB)
    letters = b64(body)
    text = "&#xD;\n".join(letters[at : at + 4000] for at in range(0, len(letters), 4000))
    seen = await looked_at(an_edxml(attachments=an_attachment("1", "a.bin", text)), size=MIB)
    assert not isinstance(seen[0], str)
    assert isinstance(seen[0][0], Edoc)
    assert seen[0][0].attachments[0].payload.sha256 == sha256(body).hexdigest()


@pytest.mark.parametrize(
    "text",
    [b"A" * 3 * MIB + b"&amp;", b"A" * 3 * MIB + b"<!-- -->AAAA", b"<![CDATA[" + b"A" * 3 * MIB + b"]]>"],
)
async def test_a_large_text_that_xml_alone_could_read_is_refused(text: bytes) -> None:
    """It would have to be in memory; nobody writes so."""
    body = an_edxml(attachments=an_attachment("1", "a.bin", "T")).replace(b">T<", b">" + text + b"<")
    assert (await looked_at(body, size=MIB))[0] == "xml-too-costly"


async def test_what_a_broken_disk_made_of_a_document_is_not_refused() -> None:
    """The digest is known at the end: until then nothing is final."""

    class Broken(MemoryVault):
        async def open(self, ref: PayloadRef, *, start: int = 0) -> AsyncIterator[bytes]:
            yield b"<" * 3 * MIB
            raise Unavailable("digest-mismatch")

    with pytest.raises(Unavailable, match="digest-mismatch"):
        await EdxmlEnvelopes(Options(), Broken()).read(PayloadRef(sha256="0" * 64, size=3 * MIB))


async def test_a_full_disk_is_no_verdict(tmp_path: Path) -> None:
    """In a process whose files may not grow: the document waits, and nothing of it is left."""
    script = """
import asyncio, os, resource, signal, sys
from pathlib import Path
from adapters.envelope import EdxmlEnvelopes, Options
from adapters.memory import MemoryVault
from gateway.errors import Unavailable
from gateway.model.payload import PayloadRef
from tests.envelope.edxml import an_edxml
from tests.vectors.edxml.producers import zipped

async def main():
    folder = Path(sys.argv[1])
    adapter = EdxmlEnvelopes(Options(folder=folder), MemoryVault())
    for attached in (os.urandom(3_000_000), zipped(os.urandom(900_000) + bytes(60_000_000))):
        try:
            await adapter.read(PayloadRef.of(an_edxml(attached=attached, name="a.bin")))
        except Unavailable as full:
            print(full.reason, len(list(folder.iterdir())))

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
asyncio.run(main())
"""
    told = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True
    )
    assert told.stdout.split() == ["disk-full", "0", "disk-full", "0"], told.stderr


async def test_a_zip_is_written_as_the_library_would() -> None:
    for name, extension in (("a.PDF", "pdf"), ("công văn", "bin")):
        body = os.urandom(1000)
        ours = wrap(body, "0" * 64, name, NOON)
        with ZipFile(BytesIO(ours)) as archive:
            (entry,) = archive.infolist()
            assert entry.filename.endswith(f".{extension}")
            assert archive.read(entry) == body
        theirs = ZipInfo(entry.filename, NOON.timetuple()[:6])
        theirs.external_attr = 0o644 << 16
        theirs.create_system = 3
        out = BytesIO()
        with ZipFile(out, "w", ZIP_STORED) as archive:
            archive.writestr(theirs, body)
        assert ours == out.getvalue()


async def test_a_zip64_directory_is_not_believed() -> None:
    """Here it tells the truth; but it could be as large as the file, and ``zipfile`` would read it at once."""
    body = zipped(PDF)
    end = body.rindex(b"PK\x05\x06")
    directory = body.rindex(b"PK\x01\x02")
    record = b"PK\x06\x06" + (44).to_bytes(8, "little") + bytes(12) + (1).to_bytes(8, "little") * 2
    record += (end - directory).to_bytes(8, "little") + directory.to_bytes(8, "little")
    locator = b"PK\x06\x07" + bytes(4) + end.to_bytes(8, "little") + (1).to_bytes(4, "little")
    seen = await agree(an_edxml(attached=body[:end] + record + locator + body[end:]), 999)
    assert not isinstance(seen, str)
    assert {f.code for f in seen[1]} == {"EDX-071"}


async def test_a_file_beyond_its_own_bound_is_told_and_may_be_refused() -> None:
    """A province's rule: each file at most 50 MB."""
    seen = await agree(an_edxml(attached=PDF * 9), 999, large_file_bytes=len(PDF) * 8)
    assert not isinstance(seen, str)
    assert [(f.code, f.severity) for f in seen[1]] == [("EDX-079", Severity.WARNING)]
    severities = {"EDX-079": Severity.ERROR}
    seen = await agree(an_edxml(attached=PDF * 9), 999, large_file_bytes=len(PDF) * 8, severities=severities)
    assert not isinstance(seen, str)
    assert [(f.code, f.severity) for f in seen[1]] == [("EDX-079", Severity.ERROR)]


@pytest.mark.heavy_body("packs 80 MiB")
async def test_a_small_document_may_not_become_a_large_one() -> None:
    """Though no single ZIP in it is a bomb: ten seconds of work would cost its sender a second of line."""
    wrapped = b64(zipped(os.urandom(MIB // 4) + bytes(40 * MIB)))
    body = an_edxml(
        references="".join(f"<Reference><ContentId>{i}</ContentId></Reference>" for i in range(2)),
        attachments="".join(an_attachment(str(i), "a.bin", wrapped) for i in range(2)),
    )
    seen, _, _ = await looked_at(body, size=MIB)
    assert not isinstance(seen, str)
    assert {f.code for f in seen[1]} == {"EDX-074"}


async def test_one_zip_has_a_bound_of_its_own() -> None:
    seen = await agree(an_edxml(attached=zipped(PDF * 9)), 999, file_unpacked_bytes=len(PDF) * 8)
    assert not isinstance(seen, str)
    assert {f.code for f in seen[1]} == {"EDX-074"}


def test_base64_of_every_length_is_decoded() -> None:
    for length in range(600, 620):
        body = base64.b64encode(bytes(length)).decode()
        asyncio.run(agree(an_edxml(attachments=an_attachment("1", "a.bin", body)), 400))
