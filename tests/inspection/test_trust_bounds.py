"""What certificates and lists of an attacker may cost, and that they never make us call anybody."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from threading import Thread

import pytest
from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.inspection.authority import certificates
from adapters.inspection.authority.paths import Pool, chains
from adapters.inspection.authority.revocation import read_crl, read_ocsp
from adapters.inspection.judge import Options, judge
from gateway.model.signature import Indication, Verdict
from tests.authority import Authority, day
from tests.inspection.aged import carry, enclose, exchange, sign, stamp, with_cms
from tests.inspection.cast import (
    DURING,
    SIGNED,
    bare,
    issuing,
    plain,
    root,
    signer,
    stamper,
    told,
)
from tests.pki import Credential

pytestmark = pytest.mark.heavy_body("stock pyHanko signs, some 100 ms a time")


@pytest.fixture
def listener() -> Iterator[tuple[str, list[object]]]:
    """A server on the loopback, and who called it."""
    calls: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    caller, address = server.accept()
                except OSError:
                    return
                calls.append(address)
                caller.close()

        thread = Thread(target=listen, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", calls
        server.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=10)
        assert not thread.is_alive()


def test_nobody_is_called_whose_address_stands_in_a_document(
    listener: tuple[str, list[object]], tmp_path: Path
) -> None:
    url, calls = listener
    below = root().authority("Inviting", key="authority-other", crl=url + "/root.crl")
    inviting = below.issue("Inviting signer", crl=url + "/a.crl", answers=url + "/ocsp")
    # without the certificate in between, its issuer's address is all there is to go by
    orphan = Credential(key=inviting.key, certificate=inviting.certificate, above=())
    stamping = root().stamper("Inviting stamps", crl=url + "/stamps.crl")
    for one in (inviting, orphan):
        pdf = stamp(enclose(sign(one, stamp=(stamping, SIGNED))), stamping, DURING)
        assert told(tmp_path, pdf, now=DURING)[0].indication is Indication.INDETERMINATE
    assert calls == []
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as caller:
        caller.recv(1)
    assert len(calls) == 1, "the server would have noticed"


def test_hundreds_of_certificates_that_might_be_the_issuer_are_not_all_tried() -> None:
    pretenders = [_read(one) for one in _pretenders(500)]
    leaf, anchor = _read(plain().certificate), _read(root().certificate)
    began = time.process_time()
    found = chains(leaf, Pool([anchor]), (Pool(pretenders),), frozenset({anchor.sha256}))
    assert found == []
    assert time.process_time() - began < 2.0


def test_a_signature_that_carries_a_thousand_certificates_is_judged_in_time(tmp_path: Path) -> None:
    many = [one.public_bytes(Encoding.DER) for one in _pretenders(1000)]

    def crowd(signed: cms.SignedData) -> None:
        signed["certificates"] = [
            *signed["certificates"],
            *(cms.CertificateChoices("certificate", asn1_x509.Certificate.load(der)) for der in many),
        ]

    pdf = with_cms(sign(plain(), reserved=2_000_000), crowd)
    began = time.process_time()
    (report,) = told(tmp_path, pdf, now=DURING)
    assert report.sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"
    assert time.process_time() - began < 5.0
    # whoever lies in our own folder is asked first
    issuer = issuing().certificate.public_bytes(Encoding.DER)
    (report,) = told(tmp_path, pdf, now=DURING, cache={"issuing.cer": issuer})
    assert report.indication is Indication.PASSED


def test_authorities_that_certify_each_other_are_no_chain_and_no_endless_one(tmp_path: Path) -> None:
    one = Authority.root("One", key="authority-one")
    other = Authority.root("Other", key="authority-other")
    crossed = one.authority("Other", key="authority-other")
    back = other.authority("One", key="authority-one")
    leaf = crossed.issue("Astray")
    pdf = enclose(sign(leaf), certificates=[crossed.credential, back.credential])
    (report,) = told(tmp_path, pdf, now=DURING)
    assert report.sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"
    # and from within the circle there is a way out
    out = root().authority("One", key="authority-one")
    pdf = enclose(sign(leaf), certificates=[crossed.credential, back.credential, out.credential])
    (report,) = told(tmp_path, pdf, now=DURING)
    assert (report.indication, report.chain) == (Indication.PASSED, ("Astray", "Other", "One", "The root"))


def test_an_authority_whose_certificate_was_renewed_is_believed_by_either(tmp_path: Path) -> None:
    old = root().authority("Renewed", key="authority-known", until=day("2016-03-20"))
    new = root().authority("Renewed", key="authority-known", since=day("2016-03-10"))
    leaf = old.issue("Below renewed")
    orphan = Credential(key=leaf.key, certificate=leaf.certificate, above=())
    for both in ([old.credential, new.credential], [new.credential, old.credential]):
        pdf = enclose(sign(orphan), certificates=both)
        for now in (SIGNED, DURING):
            (report,) = told(tmp_path, pdf, now=now)
            assert report.indication is Indication.PASSED


def test_constraints_that_would_take_half_a_minute_are_not_checked() -> None:
    forbidden = [x509.DNSName(f"b{number}.example") for number in range(2500)]
    limits = x509.NameConstraints(permitted_subtrees=None, excluded_subtrees=forbidden)
    names = x509.SubjectAlternativeName([x509.DNSName(f"a{number}.example") for number in range(2500)])
    bomb = root().authority("Bomb", key="authority-other", more=[(limits, True)])
    leaf, above = _read(bomb.issue("Bombed", more=[(names, False)]).certificate), _read(bomb.certificate)
    anchor = _read(root().certificate)
    began = time.process_time()
    (chain,) = chains(leaf, Pool([anchor]), (Pool([above]),), frozenset({anchor.sha256}))
    assert chain.flaw == "CERTIFICATE_CHAIN_GENERAL_FAILURE"
    assert time.process_time() - began < 2.0
    # the same limits over one name are kept
    (chain,) = chains(
        _read(bomb.issue("Bombed").certificate), Pool([anchor]), (Pool([above]),), frozenset({anchor.sha256})
    )
    assert chain.flaw == ""


def test_a_chain_of_ten_is_too_long() -> None:
    step, above = root(), []
    for number in range(8):
        step = step.authority(f"Step {number}", key=f"authority-step-{number}")
        above.append(_read(step.certificate))
    leaf = _read(step.issue("Far below").certificate)
    anchor = _read(root().certificate)
    pools = (Pool(above),)
    assert chains(leaf, Pool([anchor]), pools, frozenset({anchor.sha256})) == []
    # from the middle it is near enough
    (chain,) = chains(above[5], Pool([anchor]), pools, frozenset({anchor.sha256}))
    assert len(chain.certificates) == 7
    assert chain.flaw == ""


def test_a_thousand_roots_are_looked_at_in_milliseconds(tmp_path: Path) -> None:
    for number, one in enumerate(_pretenders(999, name="Another root")):
        (tmp_path / f"{number}.pem").write_bytes(one.public_bytes(Encoding.PEM))
    (tmp_path / "root.pem").write_bytes(root().certificate.public_bytes(Encoding.PEM))
    options = Options(trust=tmp_path, moment=DURING)
    assert judge(bare(plain), options).verdict is Verdict.VALID
    began = time.process_time()
    for _ in range(10):
        assert judge(bare(plain), options).verdict is Verdict.VALID
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize("junk", [b"\x30\x80" * 4000, b"\x30\x84\xff\xff\xff\xff", b"", b"\x05\x00"])
def test_validation_data_that_are_none_are_passed_over(junk: bytes, tmp_path: Path) -> None:
    good = issuing().crl(issued=DURING)
    pdf = enclose(bare(signer), crls=[good])
    assert told(tmp_path, pdf, now=DURING)[0].indication is Indication.PASSED
    (tmp_path / "records" / "junk.crl").write_bytes(junk)
    (tmp_path / "records" / "junk.ocsp").write_bytes(junk)
    (tmp_path / "records" / "junk.cer").write_bytes(junk)
    (tmp_path / "trust" / "junk.pem").write_bytes(junk)
    assert told(tmp_path, pdf, now=DURING)[0].indication is Indication.PASSED


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(("list", "answer", "certificate")), st.data())
def test_whatever_is_exchanged_in_a_record_it_is_read_or_passed_over(kind: str, data: st.DataObject) -> None:
    whole = {
        "list": _revoking(),
        "answer": _answer(),
        "certificate": signer().certificate.public_bytes(Encoding.DER),
    }[kind]
    at = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(at, min(len(whole), at + 8)))
    broken = whole[:at] + data.draw(st.binary(max_size=8)) + whole[end:]
    mine, above = _read(signer().certificate), _read(issuing().certificate)
    answer = None
    match kind:
        case "list":
            found = read_crl(broken)
            answer = found.ask(mine, above) if found is not None else None
        case "answer":
            said = read_ocsp(broken)
            answer = said.ask(mine, above, lambda _: True) if said is not None else None
        case _:
            certificates.read(broken)
    # only what was signed so may say anything, and it says that the signer was revoked
    assert answer is None or answer.revoked_at == DURING


@cache
def _revoking() -> bytes:
    return issuing().crl(issued=DURING, revoked={signer(): DURING})


@cache
def _answer() -> bytes:
    return issuing().answer(signer(), issued=DURING, revoked=DURING)


def test_a_stamp_whose_certificate_was_exchanged_proves_nothing(tmp_path: Path) -> None:
    """Its signed attribute names the certificate by SHA-1, in the first form of that attribute."""
    twin = root().stamper(serial=stamper().certificate.serial_number)
    pdf = with_cms(stamp(bare(plain), stamper(), SIGNED), exchange(twin))
    first, second = told(tmp_path, pdf, now=DURING.replace(year=2018))
    assert first.sub_indication == "OUT_OF_BOUNDS_NO_POE"
    assert second.sub_indication == "NO_SIGNING_CERTIFICATE_FOUND"


@pytest.mark.parametrize(
    ("made", "levels"),
    [
        (lambda: bare(signer), ["B-B"]),
        (lambda: sign(signer(), stamp=(stamper(), SIGNED)), ["B-T"]),
        (lambda: enclose(sign(signer(), stamp=(stamper(), SIGNED)), crls=[_list()]), ["B-LT"]),
        (lambda: _long_term(), ["B-LTA", "timestamp"]),
        (lambda: stamp(_long_term(), stamper(), DURING, field="Again"), ["B-LTA", "timestamp", "timestamp"]),
        (lambda: sign(signer(), archived=([_list()], [])), ["PKCS7-B"]),
        (lambda: with_cms(bare(signer), carry(crls=[_list()])), ["B-B"]),
    ],
    ids=["B-B", "B-T", "B-LT", "B-LTA", "B-LTA twice", "PKCS7", "B-B with a list inside"],
)
def test_every_level_is_recognised_and_believed(
    made: Callable[[], bytes], levels: list[str], tmp_path: Path
) -> None:
    reports = told(tmp_path, made(), now=DURING, cache={"issuing.crl": _list()})
    assert [report.level for report in reports] == levels
    assert {report.indication for report in reports} == {Indication.PASSED}


def _list() -> bytes:
    return issuing().crl(issued=DURING)


def _long_term() -> bytes:
    return stamp(enclose(sign(signer(), stamp=(stamper(), SIGNED)), crls=[_list()]), stamper(), DURING)


def _read(certificate: x509.Certificate) -> certificates.Certificate:
    found = certificates.read(certificate.public_bytes(Encoding.DER))
    assert found is not None
    return found


def _pretenders(count: int, *, name: str = "Issuing") -> list[x509.Certificate]:
    """Certificates that bear the issuer's name and key id, and not its key; one signature serves for all."""
    false = Authority.root(name, key="authority-other").certificate
    right = x509.SubjectKeyIdentifier.from_public_key(issuing().certificate.public_key())
    own = x509.SubjectKeyIdentifier.from_public_key(false.public_key())
    model = asn1_x509.Certificate.load(false.public_bytes(Encoding.DER).replace(own.digest, right.digest))
    found = []
    for number in range(count):
        model["tbs_certificate"]["serial_number"] = number + 1
        found.append(x509.load_der_x509_certificate(model.dump(force=True)))
    return found
