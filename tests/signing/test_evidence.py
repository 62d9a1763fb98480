"""Signed evidence, judged by our schema, by signxml, by xmlsec1 where it is installed, and by our own check."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from signxml.verifier import SignatureConfiguration
from signxml.xades.xades import XAdESVerifier

from adapters.memory import FixedClock, MemoryDirectory
from adapters.signing import KeyRing, Options, Standing, XadesNotary, broken_link, load_roots, verify_evidence
from gateway.errors import Reason
from gateway.model.evidence import EventName, EventReason, Evidence
from gateway.model.ids import OrganCode
from schemas import read
from tests.contract.test_notary import a_party, an_evidence
from tests.pki import NOW, Credential, PrivateKey, ec_key, pki, rsa_key

AWKWARD = "Sở <Thông tin> & \"Truyền thông\" 'Đ' Ð 😀 \t x\r\ny \x00\x0b\ud800 ]]>"


def a_notary(folder: Path, credential: Credential | None = None) -> XadesNotary:
    credential = credential or pki().agency("gateway", "Vanthu", key=ec_key())
    credential.write_pem(folder / "gateway.pem")
    options = Options(keys=folder, organ=OrganCode("000.00.99.H53"), name="Trục liên thông <Tây Ninh>")
    return XadesNotary(KeyRing(options, directory=MemoryDirectory(), clock=FixedClock(NOW)))


@pytest.fixture
def notary(tmp_path: Path) -> XadesNotary:
    return a_notary(tmp_path)


def awkward_evidence() -> Evidence:
    reason = EventReason(
        code=Reason("rule-broken"), detail=AWKWARD, message_vi=AWKWARD, message_en="It broke a rule."
    )
    return an_evidence(
        EventName.SUBMISSION_REJECTION,
        recipients=(a_party(name=AWKWARD),),
        reasons=(reason,),
        message_id=AWKWARD,
    )


@pytest.mark.parametrize("evidence", [an_evidence(), awkward_evidence()], ids=["plain", "awkward"])
def test_what_we_write_fits_our_schema(notary: XadesNotary, evidence: Evidence) -> None:
    schema = etree.XMLSchema(etree.fromstring(read("evidence.xsd")))
    schema.assertValid(etree.fromstring(notary.attest(evidence)))


@pytest.mark.parametrize(
    "evidence",
    [
        an_evidence(),
        an_evidence(EventName.SUBMISSION_ACCEPTANCE, recipients=(), refers_to=None, previous=""),
        awkward_evidence(),
    ],
    ids=["plain", "bare", "awkward"],
)
def test_signxml_verifies_it(notary: XadesNotary, evidence: Evidence) -> None:
    xml = notary.attest(evidence)
    in_it = etree.fromstring(xml).findtext(".//{*}X509Certificate")
    assert in_it is not None
    results = XAdESVerifier().verify(
        xml,
        x509_cert=f"-----BEGIN CERTIFICATE-----\n{in_it}\n-----END CERTIFICATE-----\n",
        expect_config=SignatureConfiguration(location="./", expect_references=2, verification_time=NOW),
    )
    assert isinstance(results, list)
    assert results[0].signed_xml is not None
    assert results[0].signed_xml.tag == "{urn:vanthu:evidence:1}Evidence"


@pytest.mark.parametrize("make", ["p256", "p384", "rsa"])
def test_xmlsec_verifies_it(tmp_path: Path, make: str) -> None:
    keys: dict[str, PrivateKey] = {"p256": ec_key(), "p384": ec_key("secp384r1"), "rsa": rsa_key("agency")}
    key = keys[make]
    notary = a_notary(tmp_path / "keys", pki().agency("gateway", "Vanthu", key=key))
    path, root = tmp_path / "evidence.xml", tmp_path / "root.pem"
    path.write_bytes(notary.attest(awkward_evidence()))
    root.write_bytes(pki().root.public_bytes(Encoding.PEM))
    command = ["xmlsec1", "--verify", "--trusted-pem", str(root), "--enabled-key-data", "x509"]
    command += ["--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties", str(path)]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert judged.returncode == 0, judged.stderr


def test_the_body_stands_in_the_file_in_canonical_form(notary: XadesNotary) -> None:
    xml = notary.attest(awkward_evidence())
    root = etree.fromstring(xml)
    signature = root[-1]
    root.remove(signature)
    canonical = etree.tostring(root, method="c14n", exclusive=True)
    assert canonical == xml[: xml.index(b"<ds:Signature ")] + b"</Evidence>"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(), message=st.text())
def test_no_text_breaks_the_signature(notary: XadesNotary, name: str, message: str) -> None:
    xml = notary.attest(an_evidence(recipients=(a_party(name=name),), message_id=message))
    assert verify_evidence(xml, [pki().root]).standing is Standing.PASSED


def test_our_own_check_passes_it_and_tells_what_it_says(notary: XadesNotary) -> None:
    evidence = an_evidence()
    xml = notary.attest(evidence)

    check = verify_evidence(xml, [pki().root])

    assert check.standing is Standing.PASSED
    assert check.sha256 == sha256(xml).hexdigest()
    assert (check.evidence, check.document) == (evidence.id, evidence.document)
    assert (check.event, check.recipient) == ("ContentHandover", "000.00.13.H53")
    assert (check.sequence, check.previous) == (2, evidence.previous)
    assert check.signed_at == evidence.event_time
    assert "Vanthu" in check.signer


def test_roots_come_from_a_folder_and_what_is_no_certificate_is_left_out(
    notary: XadesNotary, tmp_path: Path
) -> None:
    trust = tmp_path / "trust"
    trust.mkdir()
    (trust / "root.pem").write_bytes(pki().root.public_bytes(Encoding.PEM))
    (trust / "note.pem").write_bytes(b"to whom it may concern")
    assert verify_evidence(notary.attest(an_evidence()), load_roots(trust)).standing is Standing.PASSED


def test_evidence_by_somebody_unknown_is_intact_but_not_passed(notary: XadesNotary, tmp_path: Path) -> None:
    stranger = a_notary(tmp_path / "stranger", pki().stranger("gateway"))
    assert verify_evidence(stranger.attest(an_evidence()), [pki().root]).standing is Standing.UNKNOWN
    assert verify_evidence(notary.attest(an_evidence()), []).standing is Standing.UNKNOWN


def test_evidence_signed_outside_the_certificates_validity_is_not_passed(tmp_path: Path) -> None:
    late = a_notary(tmp_path, pki().expired("gateway"))
    assert verify_evidence(late.attest(an_evidence()), [pki().root]).standing is Standing.UNKNOWN


def _forgeries() -> dict[str, tuple[bytes, bytes]]:
    return {
        "another document": (b"000000000517", b"000000000518"),
        "another instant": (b"<Available>2016", b"<Available>2015"),
        "another signing time": (b"<xades:SigningTime>2016", b"<xades:SigningTime>2015"),
        "another digest": (b"a" * 64, b"b" * 64),
        "a comment inside a name": (b"Truy\xe1\xbb\x81n", b"Tru<!-- x -->y\xe1\xbb\x81n"),
        "a processing instruction": (b"<SenderDetails>", b"<?x y?><SenderDetails>"),
        "another event": (b"ContentHandover<", b"ContentConsignment<"),
        "a weaker transform": (b"xmldsig#enveloped-signature", b"xmldsig#base64"),
        "another certificate digest": (b"SigningCertificateV2", b"SigningCertificateV3"),
    }


@pytest.mark.parametrize("forgery", list(_forgeries()))
def test_evidence_that_was_altered_fails(notary: XadesNotary, forgery: str) -> None:
    before, after = _forgeries()[forgery]
    xml = notary.attest(an_evidence())
    assert before in xml
    assert verify_evidence(xml.replace(before, after), [pki().root]).standing is Standing.FAILED


def test_a_signed_piece_wrapped_into_a_forged_one_fails(notary: XadesNotary) -> None:
    inner = notary.attest(an_evidence())
    signature = inner[inner.index(b"<ds:Signature ") : -len(b"</Evidence>")]
    forged = inner.replace(b"000000000517", b"000000000999")
    wrapped = forged[: forged.index(b"<ds:Signature ")] + inner + signature + b"</Evidence>"
    assert verify_evidence(wrapped, [pki().root]).standing is Standing.FAILED


@pytest.mark.parametrize(
    "bytes_",
    [
        b"",
        b"\x00\xff",
        b"<a/>",
        b'<Evidence xmlns="urn:vanthu:evidence:1"/>',
        b'<!DOCTYPE Evidence [<!ENTITY x "y">]><Evidence xmlns="urn:vanthu:evidence:1">&x;</Evidence>',
        b'<?xml version="1.0" encoding="nonsense"?><Evidence/>',
    ],
)
def test_whatever_the_bytes_the_check_answers(bytes_: bytes) -> None:
    assert verify_evidence(bytes_, [pki().root]).standing is Standing.FAILED


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_single_changed_byte_makes_it_say_something_else(notary: XadesNotary, data: st.DataObject) -> None:
    xml = notary.attest(an_evidence())
    at = data.draw(st.integers(0, len(xml) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != xml[at]))
    forged = xml[:at] + bytes((byte,)) + xml[at + 1 :]
    check = verify_evidence(forged, [pki().root])
    if check.standing is Standing.PASSED:
        # the change is in what nobody signs, such as the signature's own Id
        assert _meaning(forged) == _meaning(xml)


def _meaning(xml: bytes) -> bytes:
    root = etree.fromstring(xml)
    root.remove(root[-1])
    return bytes(etree.tostring(root, method="c14n", exclusive=True))


def test_a_chain_of_evidence_that_lacks_a_link_is_noticed(notary: XadesNotary) -> None:
    roots = [pki().root]
    first = notary.attest(an_evidence(EventName.SUBMISSION_ACCEPTANCE, refers_to=None, previous=""))
    second = notary.attest(an_evidence(previous=sha256(first).hexdigest()))
    third = notary.attest(
        replace(
            an_evidence(EventName.CONSIGNMENT_ACCEPTANCE, previous=sha256(second).hexdigest()),
            event_time=NOW + timedelta(minutes=3),
        )
    )
    checks = [verify_evidence(xml, roots) for xml in (first, second, third)]
    assert broken_link(checks) is None
    assert broken_link([checks[0], checks[2]]) == 1
