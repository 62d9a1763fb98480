"""The folders of roots and records: read again at once, whatever is done to them, and quick at any size."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asn1crypto import crl as asn1_crl
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.inspection.authority import certificates
from adapters.inspection.authority.folder import Folder, unwrapped
from adapters.inspection.authority.revocation import Crl, read_crl
from adapters.inspection.judge import Options, judge
from adapters.inspection.processes.inspector import Options as InspectorOptions
from adapters.inspection.processes.inspector import ProcessInspector
from gateway.model.ids import PartyKey
from gateway.model.policy import Acceptance
from gateway.model.signature import Verdict
from tests.authority import Authority
from tests.inspection.aged import sign
from tests.inspection.cast import DURING, PLACE, bare, issuing, plain, root, signer, stranger
from tests.inspection.files import Shelf
from tests.pki import Credential

pytestmark = pytest.mark.heavy_body("stock pyHanko signs, some 100 ms a time")


def _pem(authority: Authority) -> bytes:
    return authority.certificate.public_bytes(Encoding.PEM)


def test_a_file_replaced_in_place_by_one_of_the_same_size_and_time_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "root.der"
    folder = Folder(tmp_path, (".der",), max_bytes=100)
    file.write_bytes(b"first")
    stamps = file.stat()
    assert folder.look()
    with file.open("r+b") as same:
        same.write(b"other")
    os.utime(file, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    assert folder.look()
    assert folder.files == {"root.der": b"other"}
    assert not folder.look()


def test_a_file_that_goes_is_forgotten_and_so_is_the_folder(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    folder = Folder(inner, (".der",), max_bytes=100)
    assert not folder.look()
    inner.mkdir()
    (inner / "a.der").write_bytes(b"a")
    (inner / "a.txt").write_bytes(b"a")
    assert folder.look()
    assert list(folder.files) == ["a.der"]
    (inner / "a.der").unlink()
    assert folder.look()
    (inner / "a.txt").unlink()
    inner.rmdir()
    assert not folder.look()
    assert folder.files == {}


def test_what_cannot_be_read_or_is_too_long_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "long.pem").write_bytes(b"x" * 101)
    (tmp_path / "folder.pem").mkdir()
    (tmp_path / "nowhere.pem").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe.pem")
    (tmp_path / "good.PEM").write_bytes(b"x" * 100)
    folder = Folder(tmp_path, (".pem",), max_bytes=100)
    folder.look()
    assert list(folder.files) == ["good.PEM"]


def test_a_garbled_block_spoils_none_of_the_others() -> None:
    good = _pem(root())
    garbled = b"-----BEGIN CERTIFICATE-----\nMII=BAD\n-----END CERTIFICATE-----\n"
    key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    found = unwrapped(good + garbled + key + b"a remark\n" + _pem(stranger()), (b"CERTIFICATE",))
    assert found == [one.certificate.public_bytes(Encoding.DER) for one in (root(), stranger())]


@pytest.mark.parametrize("body", [b"", b"\x30\x82\xff\xff", b"\x30" * 70_000, b"no certificate", bytes(5000)])
def test_what_is_no_certificate_is_none(body: bytes) -> None:
    assert certificates.read(body) is None
    assert read_crl(body) is None


def test_a_root_that_goes_is_no_longer_believed_and_one_that_comes_is(tmp_path: Path) -> None:
    options = Options(trust=tmp_path, moment=DURING)
    (tmp_path / "roots.pem").write_bytes(_pem(stranger()) + _pem(root()))
    assert judge(bare(plain), options).verdict is Verdict.VALID
    (tmp_path / "roots.pem").write_bytes(_pem(stranger()))
    assert judge(bare(plain), options).verdict is Verdict.INDETERMINATE
    (tmp_path / "root.CER").write_bytes(root().certificate.public_bytes(Encoding.DER))
    assert judge(bare(plain), options).verdict is Verdict.VALID


def test_a_list_that_comes_is_heard_at_once(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(_pem(root()))
    options = Options(trust=tmp_path, revocations=tmp_path / "records", moment=DURING)
    assert _told(options) == "TRY_LATER"
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "a.crl").write_bytes(issuing().crl(issued=DURING))
    assert _told(options) == ""
    (tmp_path / "records" / "a.crl").write_bytes(issuing().crl(issued=DURING, revoked={signer(): DURING}))
    assert _told(options) == "REVOKED_NO_POE"


async def test_a_list_that_comes_reaches_the_judging_processes(tmp_path: Path) -> None:
    trust, records = tmp_path / "trust", tmp_path / "records"
    trust.mkdir()
    (trust / "root.pem").write_bytes(_pem(root()))
    now = datetime.now(UTC)
    shelf = Shelf()
    ref = shelf.lay(sign(root().issue("Of today", crl=PLACE)))
    options = InspectorOptions(workers=1, trust=trust, revocations=records)
    async with ProcessInspector(shelf, options) as inspector:
        (before,) = (await inspector.judge(ref, Acceptance(), share=PartyKey("x"))).signatures
        records.mkdir()
        (records / "root.crl").write_bytes(root().crl(issued=now))
        (after,) = (await inspector.judge(ref, Acceptance(), share=PartyKey("x"))).signatures
    assert (before.sub_indication, after.sub_indication) == ("TRY_LATER", "")
    assert after.chain == ("Of today", "The root")


def test_a_certificate_among_the_records_completes_a_chain_and_is_no_root(tmp_path: Path) -> None:
    trust, records = tmp_path / "trust", tmp_path / "records"
    trust.mkdir()
    records.mkdir()
    orphan = Credential(key=plain().key, certificate=plain().certificate, above=())
    pdf = bare(lambda: orphan)
    options = Options(trust=trust, revocations=records, moment=DURING)
    (trust / "root.pem").write_bytes(_pem(root()))
    assert judge(pdf, options).signatures[0].sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"
    (records / "issuing.cer").write_bytes(issuing().certificate.public_bytes(Encoding.DER))
    assert judge(pdf, options).verdict is Verdict.VALID
    (trust / "root.pem").write_bytes(_pem(stranger()))
    assert judge(pdf, options).signatures[0].sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"


def test_a_list_of_many_is_walked_once_and_then_answers_at_once() -> None:
    """200,000 entries, as an authority of many years may have them: 7 MB."""
    found = read_crl(_long_list(200_000))
    assert isinstance(found, Crl)
    mine, above = _read(signer().certificate), _read(issuing().certificate)
    first = found.ask(mine, above)
    assert first is not None
    assert first.revoked_at == DURING
    began = time.process_time()
    for _ in range(1000):
        assert found.ask(mine, above) == first
    assert time.process_time() - began < 2.0, "a thousand walks would take minutes"


def test_a_list_with_a_garbled_entry_is_not_heard() -> None:
    found = read_crl(_long_list(3, last=b"\x30\x03\x02\x01"))
    assert isinstance(found, Crl)
    assert found.ask(_read(signer().certificate), _read(issuing().certificate)) is None


def _long_list(length: int, *, last: bytes = b"") -> bytes:
    """A list of strangers and, last but one, the signer; put together by hand, for a library takes long."""
    at = b"\x17\x0d" + DURING.strftime("%y%m%d%H%M%SZ").encode()
    number = signer().certificate.serial_number
    serial = number.to_bytes(number.bit_length() // 8 + 1, "big")
    entries = [b"\x30\x21\x02\x10" + (1 << 126 | n).to_bytes(16, "big") + at for n in range(length)]
    entries.insert(-1, bytes((0x30, len(serial) + 17, 0x02, len(serial))) + serial + at)
    parsed = asn1_crl.CertificateList.load(issuing().crl(issued=DURING))
    body = parsed["tbs_cert_list"]
    body["revoked_certificates"] = asn1_crl.RevokedCertificates(contents=b"".join(entries) + last)
    key = issuing().credential.key
    assert isinstance(key, rsa.RSAPrivateKey)
    parsed["signature"] = key.sign(body.dump(), padding.PKCS1v15(), hashes.SHA256())
    return bytes(parsed.dump())


def _told(options: Options) -> str:
    return judge(bare(), options).signatures[0].sub_indication


def _read(certificate: x509.Certificate) -> certificates.Certificate:
    found = certificates.read(certificate.public_bytes(Encoding.DER))
    assert found is not None
    return found
