"""A container tells what happened, and whatever is done to it is noticed and named."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate
from lxml import etree

from adapters.signing.container import manifest as m
from adapters.signing.container.archive import Archive, Malformed
from adapters.signing.container.checking import check_container
from adapters.signing.stamps.token import granted, request
from gateway.model.evidence import EVENTS_IN_WORDS, EventName, in_words
from schemas import read
from tests.evidence.parcels import Files, Office, an_office, check, codes, repacked, taken_apart
from tests.pki import ec_key, pki
from tests.signing.test_stamps import AT, a_token, answered, authority
from tests.signing.test_stamps import BODY as STAMPED

FIRST = "evidence/0001-000.00.11.H53/"
SECOND = "evidence/0002-000.00.12.H53/"


@cache
def made() -> tuple[Office, bytes]:
    """An office, and its container: a document to two recipients who both accepted it."""

    async def make() -> tuple[Office, bytes]:
        office, document = await an_office(Path(mkdtemp()))
        return office, await office.export(document)

    return asyncio.run(make())


@pytest.fixture
def container() -> bytes:
    return made()[1]


@pytest.fixture
def files(container: bytes) -> dict[str, bytes]:
    return taken_apart(container)


def packed(files: Files) -> bytes:
    return asyncio.run(repacked(files))


def resealed(files: Files) -> bytes:
    """What somebody with the gateway's own key would write."""
    return packed(made()[0].sealed(files))


# --- what it says -----------------------------------------------------------------------------------


def test_an_intact_container_tells_who_sent_what_to_whom_and_when(container: bytes) -> None:
    report = check(container)
    assert (report.is_intact, report.findings) == (True, [])
    assert (report.pieces, report.proved) == (7, 7)
    story = report.story
    assert story is not None
    assert (story.sender.name, story.message_id) == ("UBND tỉnh Tây Ninh", "m-1")
    assert [c.recipient.name for c in story.copies] == ["Sở thứ 11", "Sở thứ 12"]
    for copy in story.copies:
        times = [story.submitted_at, copy.available_at, copy.handed_over_at, copy.accepted_at]
        assert [at.second for at in times if at] == [0, 2, 3, 4]
        assert copy.rejected_at is None
    assert "Trục Tây Ninh" in report.sealed_by
    assert report.head is not None
    assert report.head.size == 7


def test_other_programs_open_it_and_see_what_it_is(container: bytes, files: Files) -> None:
    """spec: ETSI EN 319 162-1 - ``mimetype`` first and stored: its text stands at byte 38."""
    assert container[30:69] == b"mimetypeapplication/vnd.etsi.asic-e+zip"
    assert next(iter(files)) == "mimetype"
    assert list(files)[-1] == "META-INF/signatures.xml"
    assert files["document/received.xml"] == "<edXML>đến 1</edXML>".encode()
    assert files["document/delivered-1.xml"] == "<edXML>đi 1</edXML>".encode()
    page = files["summary.html"].decode()
    assert "UBND tỉnh Tây Ninh" in page
    assert "Sở thứ 12" in page
    assert "đã vào sổ" in page
    schema = etree.XMLSchema(etree.fromstring(read("evidence.xsd")))
    for name, body in files.items():
        if name.startswith("evidence/"):
            schema.assertValid(etree.fromstring(body))


def test_xmlsec_confirms_the_seal_over_every_file_and_every_evidence(files: Files, tmp_path: Path) -> None:
    """A second program that shares no code with ours, with the root alone; it notices a changed file, too."""
    for name, body in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    (tmp_path / "root").write_bytes(pki().root.public_bytes(Encoding.PEM))

    def judge(name: str) -> subprocess.CompletedProcess[str]:
        command = ["xmlsec1", "--verify", "--trusted-pem", "root", "--enabled-key-data", "x509"]
        command += ["--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties", name]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)

    count = len(files) - 3 + 1  # every file but the first and the last two, and the signed properties
    sealed = judge("META-INF/signatures.xml")
    assert sealed.returncode == 0, sealed.stderr
    assert f"{count}/{count}" in sealed.stdout + sealed.stderr
    for name in [n for n in files if n.startswith("evidence/")] + ["log/head.xml"]:
        assert judge(name).returncode == 0, name
    with (tmp_path / m.SUMMARY).open("ab") as page:
        page.write(b" ")
    assert judge("META-INF/signatures.xml").returncode != 0


def test_the_head_can_be_checked_by_hand(files: Files) -> None:
    """With nothing but SHA-256, as the page in ``docs`` tells it."""
    proofs = m.read_proofs(files[m.PROOFS])
    assert len(proofs) == 7
    root = etree.fromstring(files[m.HEAD]).findtext("{urn:vanthu:log:1}Root")
    for proof in proofs:
        here, last = proof.number, 6
        value = sha256(b"\0" + files[proof.file]).digest()
        for step in proof.path:
            if here % 2 or here == last:
                value = sha256(b"\1" + step + value).digest()
                while here % 2 == 0:
                    here, last = here // 2, last // 2
            else:
                value = sha256(b"\1" + value + step).digest()
            here, last = here // 2, last // 2
        assert value.hex() == root


# --- every byte -------------------------------------------------------------------------------------


def _structure(container: bytes) -> set[int]:
    """Where no file's bytes stand: headers, names, directory, end."""
    inside: set[int] = set()
    for entry in Archive(io.BytesIO(container)).entries:
        inside.update(range(entry.offset, entry.offset + entry.size))
    return set(range(len(container))) - inside


def _noticed(container: bytes, at: int, bit: int) -> bool:
    bent = bytearray(container)
    bent[at] ^= 1 << bit
    return not check(bytes(bent)).is_intact


def _bends_the_form(container: bytes, at: int, bit: int) -> bool:
    """The first of the checks says so; the others, which would take long for every byte, are not needed."""
    bent = bytearray(container)
    bent[at] ^= 1 << bit
    try:
        Archive(io.BytesIO(bytes(bent)))
    except Malformed:
        return True
    return not check(bytes(bent)).is_intact


def test_no_changed_byte_between_the_files_goes_unnoticed(container: bytes) -> None:
    """Every one of them, names, directory and end as well."""
    places = sorted(_structure(container))
    assert len(places) > 1500
    assert next((at for at in places if not _bends_the_form(container, at, at % 8)), None) is None


def test_no_changed_byte_of_a_file_goes_unnoticed(container: bytes) -> None:
    """Some of each file; of the seal, which nothing else covers, many.  VANTHU_EVERY_BYTE=1 takes all."""
    sparse, dense = (1, 1) if os.environ.get("VANTHU_EVERY_BYTE") else (1597, 97)
    places: list[int] = []
    for entry in Archive(io.BytesIO(container)).entries:
        step = dense if entry.name == m.SIGNATURES else sparse
        places += range(entry.offset + (entry.offset % step), entry.offset + entry.size, step)
        places += (entry.offset, entry.offset + entry.size - 1)
    assert next((at for at in places if not _noticed(container, at, at % 8)), None) is None


@pytest.mark.parametrize("more", [b"\0", b"PK\5\6" + bytes(18), b"x" * 5000])
def test_bytes_before_or_behind_are_noticed(container: bytes, more: bytes) -> None:
    for bent in (container + more, more + container, container[: -len(more)], container[len(more) :]):
        assert "container-malformed" in codes(check(bent))


def test_a_comment_is_noticed(container: bytes) -> None:
    bent = container[:-2] + b"\x05\x00hello"
    assert codes(check(bent)) == {"container-malformed"}


# --- every file -------------------------------------------------------------------------------------


def test_every_file_that_is_changed_dropped_or_renamed_is_named(files: dict[str, bytes]) -> None:
    for name in files:
        changed = packed({**files, name: files[name] + b" "})
        dropped = packed({n: b for n, b in files.items() if n != name})
        renamed = packed({n + (".x" if n == name else ""): b for n, b in files.items()})
        for bent in (changed, dropped, renamed):
            report = check(bent)
            assert not report.is_intact
            assert any(name in f.where for f in report.findings), name


def test_a_file_more_is_named(files: Files) -> None:
    report = check(packed({**files, "evidence/note.xml": b"<note/>"}))
    assert ("container-file-unexpected", "evidence/note.xml") in [(f.code, f.where) for f in report.findings]


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_DEFLATED], ids=["stored", "deflated"])
def test_what_an_ordinary_program_took_out_changed_or_put_in_is_named_too(files: Files, method: int) -> None:
    evidence = [name for name in files if name.startswith("evidence/")]
    for name in (*evidence, m.HEAD, m.NAME, "document/received.xml"):
        for bent in (
            {n: b for n, b in files.items() if n != name},
            {n: b + b" " if n == name else b for n, b in files.items()},
            {n + (".x" if n == name else ""): b for n, b in files.items()},
        ):
            report = check(_zipped(bent, method))
            assert not report.is_intact
            assert "container-malformed" in codes(report)
            assert any(name in f.where and f.code != "container-malformed" for f in report.findings), name


def test_a_container_that_was_only_packed_again_is_told_so_and_nothing_else(files: Files) -> None:
    report = check(_zipped(files, ZIP_DEFLATED))
    assert codes(report) == {"container-malformed"}
    assert report.story is not None
    assert report.proved == report.pieces > 0


def test_files_in_another_order_are_noticed(files: Files) -> None:
    first, *middle, last = files
    bent = packed({name: files[name] for name in (first, *reversed(middle), last)})
    assert "container-malformed" in codes(check(bent))


def test_the_evidence_of_two_recipients_that_changed_places_is_named(files: dict[str, bytes]) -> None:
    one, other = f"{FIRST}02-ContentHandover.xml", f"{SECOND}02-ContentHandover.xml"
    report = check(packed({**files, one: files[other], other: files[one]}))
    altered = {f.where for f in report.findings if f.code == "container-file-altered"}
    assert {one, other} <= altered


# --- somebody with a key ----------------------------------------------------------------------------


def _last_dropped(files: dict[str, bytes]) -> Files:
    return {n: b for n, b in files.items() if n != f"{SECOND}03-ConsignmentAcceptance.xml"}


def _middle_dropped(files: dict[str, bytes]) -> Files:
    return {n: b for n, b in files.items() if n != f"{FIRST}02-ContentHandover.xml"}


def _acceptance_dropped(files: dict[str, bytes]) -> Files:
    return {n: b for n, b in files.items() if n != "evidence/00-SubmissionAcceptance.xml"}


def _swapped(files: dict[str, bytes]) -> Files:
    one, other = f"{FIRST}02-ContentHandover.xml", f"{SECOND}02-ContentHandover.xml"
    return {**files, one: files[other], other: files[one]}


def _reordered(files: dict[str, bytes]) -> Files:
    names = list(files)
    at = names.index(f"{FIRST}02-ContentHandover.xml")
    names[at], names[at + 1] = names[at + 1], names[at]
    return {name: files[name] for name in names}


def _doubled(files: dict[str, bytes]) -> Files:
    return {**files, f"{FIRST}04-again.xml": files[f"{FIRST}03-ConsignmentAcceptance.xml"]}


def _of_another_document(files: dict[str, bytes]) -> Files:
    async def make() -> bytes:
        office = made()[0]
        document = await office.desk.document(2)
        await office.desk.number()
        return await office.export(document)

    other = taken_apart(asyncio.run(make()))
    name = f"{FIRST}01-ContentConsignment.xml"
    return {**files, name: other[name]}


def _another_document(files: dict[str, bytes]) -> Files:
    return {**files, "document/received.xml": b"<edXML>another</edXML>"}


def _older_head(files: dict[str, bytes]) -> Files:
    async def make() -> bytes:
        office, document = await an_office(Path(mkdtemp()), recipients=1, events=())
        return await office.export(document)

    return {**files, m.HEAD: taken_apart(asyncio.run(make()))[m.HEAD]}


def _no_head(files: dict[str, bytes]) -> Files:
    return {n: b for n, b in files.items() if n not in (m.HEAD, m.PROOFS)}


def _proof_of_another(files: dict[str, bytes]) -> Files:
    proofs = m.read_proofs(files[m.PROOFS])
    moved = (replace(proofs[0], number=proofs[1].number, path=proofs[1].path), *proofs[1:])
    return {**files, m.PROOFS: m.write_proofs(7, moved)}


def _no_proof(files: dict[str, bytes]) -> Files:
    return {**files, m.PROOFS: m.write_proofs(7, m.read_proofs(files[m.PROOFS])[1:])}


def _shorter_chain_in_the_manifest(files: dict[str, bytes]) -> Files:
    told = m.read_manifest(files[m.NAME])
    chains = tuple(replace(c, last=2) if c.recipient == "000.00.12.H53" else c for c in told.chains)
    return {**files, m.NAME: replace(told, chains=chains).written()}


@pytest.mark.parametrize(
    ("forge", "code", "where"),
    [
        (_last_dropped, "chain-broken", "000.00.12.H53 #3"),
        (_middle_dropped, "chain-broken", "000.00.11.H53 #2"),
        (_acceptance_dropped, "chain-broken", "* #0"),
        (_swapped, "proof-unsound", f"{FIRST}02-ContentHandover.xml"),
        (_reordered, "chain-broken", m.NAME),
        (_doubled, "chain-broken", f"{FIRST}04-again.xml"),
        (_of_another_document, "chain-broken", m.NAME),
        (_another_document, "container-file-altered", "document/received.xml"),
        (_older_head, "proof-unsound", f"{SECOND}03-ConsignmentAcceptance.xml"),
        (_proof_of_another, "proof-unsound", "evidence/00-SubmissionAcceptance.xml"),
        (_no_proof, "evidence-unproved", "evidence/00-SubmissionAcceptance.xml"),
        (_shorter_chain_in_the_manifest, "chain-broken", "000.00.12.H53 #2"),
    ],
)
def test_evidence_does_not_bend_even_for_the_gateways_own_key(
    files: dict[str, bytes], forge: Callable[[dict[str, bytes]], Files], code: str, where: str
) -> None:
    """Sealed again, every file is what the seal says: the pieces themselves tell that they do not fit."""
    report = check(resealed(forge(files)))
    assert not report.is_intact
    assert (code, where) in [(f.code, f.where) for f in report.findings], report.findings


def test_without_a_head_it_is_intact_but_says_that_nothing_is_proved(files: dict[str, bytes]) -> None:
    told = m.read_manifest(files[m.NAME])
    unproved = replace(told, unproved=told.evidence).written()
    report = check(resealed({**_no_head(files), m.NAME: unproved}))
    assert report.is_intact
    assert [f.code for f in report.findings] == ["evidence-unproved"]
    assert report.proved == 0


def test_another_trusted_signer_can_not_seal_it_in_his_own_name(files: Files, tmp_path: Path) -> None:
    agency = pki().agency("000.00.13.H53", "Sở Thông tin và Truyền thông", key=ec_key())
    report = check(packed(made()[0].sealed(files, agency, tmp_path)))
    assert codes(report) == {"signers-differ"}


def test_a_stranger_can_not_seal_it(files: Files, tmp_path: Path) -> None:
    report = check(packed(made()[0].sealed(files, pki().stranger("gateway"), tmp_path)))
    assert codes(report) == {"signer-unknown", "signers-differ"}
    assert report.verdict == "broken"


@pytest.mark.parametrize("roots", [list, lambda: [pki().stranger("x").certificate]], ids=["none", "another"])
def test_without_its_root_it_is_intact_but_not_trusted(
    container: bytes, roots: Callable[[], list[Certificate]]
) -> None:
    """The third answer: nothing was changed, and nobody whom we know says so."""
    report = check_container(io.BytesIO(container), roots())
    assert [f.code for f in report.findings] == ["signer-unknown"]
    assert (report.verdict, report.is_intact, report.story is None) == ("untrusted", False, False)


# --- time-stamps ------------------------------------------------------------------------------------


def test_a_time_stamp_over_the_head_is_checked_and_told(files: dict[str, bytes]) -> None:
    roots = [pki().root, authority()[0].certificate]
    stamped = resealed({**files, m.STAMP: a_token()})
    assert codes(check(stamped, roots)) == {"stamp-unsound"}, "it is over something else"

    token = granted(answered(request(files[m.HEAD], 1)), 1)
    report = check(resealed({**files, m.STAMP: token}), roots)
    assert (report.is_intact, report.stamped_at) == (True, AT)
    report = check(resealed({**files, m.STAMP: token}))
    assert (report.is_intact, report.stamped_at) == (True, None), "nobody trusts its authority here"
    assert [(f.code, f.where) for f in report.findings] == [("signer-unknown", m.STAMP)]
    assert files[m.HEAD] != STAMPED


# --- hostile ----------------------------------------------------------------------------------------


def _zipped(names: Files, method: int = ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with ZipFile(out, "w", method) as archive:
        for name, body in names.items():
            archive.writestr(name, body)
    return out.getvalue()


@pytest.mark.parametrize(
    "bytes_",
    [
        b"",
        b"PK",
        b"PK\5\6" + bytes(18),
        b"PK\5\6" + b"\xff" * 18,
        bytes(100_000),
        _zipped({"mimetype": b"application/vnd.etsi.asic-e+zip", "a": bytes(10_000_000)}),
        _zipped({"../../etc/passwd": b"x"}, 0),
        _zipped({f"{n}": b"" for n in range(2000)}, 0),
    ],
    ids=["empty", "two bytes", "an end", "a huge end", "zeros", "a bomb", "a path", "many"],
)
def test_whatever_the_bytes_it_answers_at_once(bytes_: bytes) -> None:
    began = time.process_time()
    report = check(bytes_)
    assert time.process_time() - began < 1
    assert "container-malformed" in codes(report)


@pytest.mark.parametrize("name", ["../a", "/a", "a//b", "a/../b", "A\\b", "a\0b", "ủ", ".a"])
def test_names_that_lead_elsewhere_are_refused(container: bytes, name: str) -> None:
    """In an archive that is otherwise in the one form."""
    with pytest.raises(ValueError, match="no name"):
        packed({"mimetype": b"", name: b""})
    inner = packed({"mimetype": b"", "x" * len(name.encode()): b""})
    bent = inner.replace(b"x" * len(name.encode()), name.encode())
    assert codes(check(bent)) == {"container-malformed"}


def test_a_name_twice_is_refused() -> None:
    inner = packed({"mimetype": b"", "aa": b"1", "ab": b"2"}).replace(b"ab", b"aa")
    assert codes(check(inner)) == {"container-malformed"}


def test_a_huge_file_is_read_in_pieces(tmp_path: Path) -> None:
    """Half a gigabyte of nothing behind good headers: time by its length, memory by a piece."""
    path = tmp_path / "huge.asice"
    inner = packed({"mimetype": m.MEDIA_TYPE.encode(), "evidence/a.xml": b""})
    path.write_bytes(inner)
    os.truncate(path, 1 << 29)
    tracemalloc.start()
    with path.open("rb") as file:
        report = check_container(file, [pki().root])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert codes(report) == {"container-malformed"}
    assert peak < 32 * 1024 * 1024


def test_events_that_we_do_not_know_are_told_by_their_name() -> None:
    assert in_words("SomethingNew") == ("SomethingNew", "SomethingNew")
    assert {event.value for event in EventName} <= EVENTS_IN_WORDS.keys(), "ours have words in both languages"
