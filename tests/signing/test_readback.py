"""What the read-back catches: every way in which an output could be other than what was signed."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from adapters.signing.cms import CmsTemplate, read_back
from adapters.signing.der import MalformedDer, element_at, encode, integer, oid
from adapters.signing.keys import LoadedKey, load
from adapters.signing.pdf import Draft, Wish, prepare
from adapters.signing.readback import NotWhatWeSealed, read_back_as_pdf
from adapters.signing.readback import read_back as read_back_file
from gateway.model.payload import PayloadRef
from tests.pki import NOW, pki, rsa_key
from tests.signing.pdfs import a_pdf

PDF = a_pdf()


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> LoadedKey:
    return load(pki().agency("a", "A").write_pem(tmp_path_factory.mktemp("keys") / "a.pem"))


def _draft(key: LoadedKey) -> Draft:
    return prepare(PDF, Wish(signed_at=NOW, digest="sha256", reserved=4096, seed=b"seed"))


def _sealed(key: LoadedKey, change: Callable[[bytes], bytes] = bytes) -> bytes:
    draft, template = _draft(key), CmsTemplate(key.identity)
    attributes = template.attributes(draft.digest)
    return draft.fill(change(template.assemble(attributes, key.sign_now(attributes))))


def test_a_true_seal_passes(key: LoadedKey) -> None:
    sealed = _sealed(key)
    assert read_back_file(PDF, sealed, CmsTemplate(key.identity)).body == sealed
    read_back_as_pdf(sealed, "VanThu-1")


def test_a_hash_of_the_original_that_was_at_hand_leads_to_the_same_file(key: LoadedKey) -> None:
    sealed, template = _sealed(key), CmsTemplate(key.identity)
    assert read_back_file(PDF, sealed, template, sha256(PDF)) == PayloadRef.of(sealed)
    with pytest.raises(NotWhatWeSealed, match="digest"):
        read_back_file(PDF, sealed, template, sha256(b"another"))


def test_any_changed_byte_is_caught(key: LoadedKey) -> None:
    sealed, template = _sealed(key), CmsTemplate(key.identity)
    for at in range(0, len(sealed), 61):
        broken = bytearray(sealed)
        broken[at] ^= 0x01
        with pytest.raises(NotWhatWeSealed):
            read_back_file(PDF, bytes(broken), template)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sealed: sealed + b"\n",
        lambda sealed: sealed[:-1],
        lambda sealed: b"\n" + sealed,
        lambda sealed: sealed.replace(b"/ByteRange", b"/ByteRunge"),
        lambda sealed: sealed + sealed[len(PDF) :],
    ],
    ids=["longer", "shorter", "shifted", "no ByteRange", "two updates"],
)
def test_a_seal_that_does_not_cover_the_whole_file_is_caught(
    key: LoadedKey, spoil: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(NotWhatWeSealed):
        read_back_file(PDF, spoil(_sealed(key)), CmsTemplate(key.identity))


def test_a_true_seal_over_another_original_is_caught(key: LoadedKey) -> None:
    altered = PDF.replace(b"%PDF-1.7", b"%PDF-1.6")
    assert altered != PDF
    with pytest.raises(NotWhatWeSealed, match="original"):
        read_back_file(altered, _sealed(key), CmsTemplate(key.identity))


def test_a_signature_by_another_key_is_caught(key: LoadedKey, tmp_path: Path) -> None:
    other = load(pki().agency("b", "B", key=rsa_key("other")).write_pem(tmp_path / "b.pem"))
    with pytest.raises(NotWhatWeSealed, match="certificate"):
        read_back_file(PDF, _sealed(key), CmsTemplate(other.identity))


def test_a_wrong_signature_value_is_caught(key: LoadedKey) -> None:
    with pytest.raises(NotWhatWeSealed, match="signature value"):
        read_back_file(
            PDF, _sealed(key, lambda cms: cms[:-1] + bytes((cms[-1] ^ 1,))), CmsTemplate(key.identity)
        )


def test_a_reader_that_finds_no_such_field_is_believed(key: LoadedKey) -> None:
    with pytest.raises(NotWhatWeSealed, match="does not find"):
        read_back_as_pdf(_sealed(key), "VanThu-2")


def test_a_cms_that_does_not_fit_is_never_written(key: LoadedKey) -> None:
    with pytest.raises(ValueError, match="hole"):
        _draft(key).fill(b"\x30" * 4097)


def test_the_template_knows_its_longest_cms(key: LoadedKey) -> None:
    template = CmsTemplate(key.identity)
    attributes = template.attributes(bytes(32))
    assert len(template.assemble(attributes, key.sign_now(attributes))) <= template.max_size


@pytest.mark.parametrize(
    "der", [b"", b"\x30", b"\x30\x80\x00\x00", b"\x30\x05\x02", b"\x1f\x01", b"\x30\x03\x02\x01\x00"]
)
def test_a_cms_of_any_other_shape_is_malformed(der: bytes) -> None:
    with pytest.raises(MalformedDer):
        read_back(der)


@pytest.mark.parametrize("length", [0, 1, 127, 128, 255, 256, 65_535, 65_536, 100_000])
def test_lengths_are_written_as_they_are_read(length: int) -> None:
    element = element_at(encode(0x04, bytes(length)))
    assert len(element.value()) == length
    assert element.end == len(element.data)


def test_numbers_and_names_are_encoded_as_the_standard_says() -> None:
    # spec: X.690 §8.3, §8.19
    assert integer(0) == b"\x02\x01\x00"
    assert integer(127) == b"\x02\x01\x7f"
    assert integer(128) == b"\x02\x02\x00\x80"
    assert oid("1.2.840.113549.1.7.2").hex() == "06092a864886f70d010702"
