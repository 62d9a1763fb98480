"""Signed heads of the log, judged by our schema, by xmlsec1 and by our own check."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters.signing import Standing, XadesNotary, verify_head
from schemas import read
from tests.contract.test_notary import a_head, an_evidence
from tests.pki import NOW, pki
from tests.signing.test_evidence import a_notary


@pytest.fixture
def notary(tmp_path: Path) -> XadesNotary:
    return a_notary(tmp_path)


def test_a_head_fits_our_schema(notary: XadesNotary) -> None:
    etree.XMLSchema(etree.fromstring(read("head.xsd"))).assertValid(etree.fromstring(notary.vouch(a_head())))


def test_our_own_check_passes_it_and_tells_what_it_says(notary: XadesNotary) -> None:
    check = verify_head(notary.vouch(a_head()), [pki().root])
    assert (check.standing, check.reason) == (Standing.PASSED, "")
    assert (check.log, check.size, check.root, check.at) == ("00.53.W00", 517, "c" * 64, NOW)


def test_xmlsec_verifies_it(notary: XadesNotary, tmp_path: Path) -> None:
    path, root = tmp_path / "head.xml", tmp_path / "root.pem"
    path.write_bytes(notary.vouch(a_head()))
    root.write_bytes(pki().root.public_bytes(Encoding.PEM))
    command = ["xmlsec1", "--verify", "--trusted-pem", str(root), "--enabled-key-data", "x509"]
    command += ["--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties", str(path)]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert judged.returncode == 0, judged.stderr


def test_a_head_by_somebody_unknown_is_intact_but_not_passed(tmp_path: Path) -> None:
    stranger = a_notary(tmp_path / "stranger", pki().stranger("gateway"))
    assert verify_head(stranger.vouch(a_head()), [pki().root]).standing is Standing.UNKNOWN


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_single_changed_byte_makes_it_say_something_else(notary: XadesNotary, data: st.DataObject) -> None:
    xml = notary.vouch(a_head())
    at = data.draw(st.integers(0, len(xml) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != xml[at]))
    check = verify_head(xml[:at] + bytes((byte,)) + xml[at + 1 :], [pki().root])
    if check.standing is Standing.PASSED:
        assert (check.log, check.size, check.root, check.at) == ("00.53.W00", 517, "c" * 64, NOW)


@pytest.mark.parametrize("xml", [b"", b"<TreeHead/>", b'<TreeHead xmlns="urn:vanthu:log:1"/>', b"\xff"])
def test_whatever_the_bytes_the_check_answers(xml: bytes) -> None:
    assert verify_head(xml, [pki().root]).standing is Standing.FAILED


def test_evidence_is_no_head(notary: XadesNotary) -> None:
    assert verify_head(notary.attest(an_evidence()), [pki().root]).standing is Standing.FAILED
