"""What signatures are worth: intact and believed, intact and not, broken, changed after signing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, MDPPerm

from adapters.inspection.judge import Options, judge
from adapters.pdf.reader import QuickReader, references_in
from gateway.model.finding import Severity
from gateway.model.policy import Acceptance, Attitude
from gateway.model.signature import Indication, Verdict
from tests.inspection.files import leader, signed_and_sealed, signed_by_leader, signed_by_stranger, trusting
from tests.pki import NOW, Credential, pki
from tests.signing.pdfs import a_pdf, signed
from tests.vectors import make_pdfs as vectors

ANYBODY = Options(unsafe_accept_any_signer=True)


def test_an_intact_signature_whose_chain_ends_in_a_trusted_root_is_valid(tmp_path: Path) -> None:
    inspection = judge(signed_by_leader(), trusting(tmp_path))
    assert inspection.verdict is Verdict.VALID
    (report,) = inspection.signatures
    assert report.field == "Leader"
    assert report.signer == "Nguyễn Văn A"
    assert (report.sub_filter, report.level) == ("ETSI.CAdES.detached", "B-B")
    assert (report.indication, report.sub_indication) == (Indication.PASSED, "")
    assert (report.coverage, report.changes) == ("whole-file", "none")
    assert report.signed_at is not None
    assert report.certificate_sha256 == _digest(leader())


def test_a_certificate_that_names_no_place_to_ask_is_told_as_info(tmp_path: Path) -> None:
    (finding,) = judge(signed_by_leader(), trusting(tmp_path)).findings
    assert (finding.code, finding.severity) == ("signature-revocation-unknown", Severity.INFO)


def test_an_untrusted_signer_is_indeterminate_with_a_warning(tmp_path: Path) -> None:
    inspection = judge(signed_by_stranger(), trusting(tmp_path))
    assert inspection.verdict is Verdict.INDETERMINATE
    assert inspection.signatures[0].sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"
    assert [(f.code, f.severity) for f in inspection.findings] == [("signature-untrusted", Severity.WARNING)]


def test_a_strict_policy_makes_an_untrusted_signer_an_error(tmp_path: Path) -> None:
    options = Options(
        trust=trusting(tmp_path).trust,
        moment=NOW,
        acceptance=Acceptance(untrusted_signer=Attitude.REFUSE),
    )
    (finding,) = judge(signed_by_stranger(), options).findings
    assert (finding.code, finding.severity) == ("signature-untrusted", Severity.ERROR)


def test_without_any_roots_nobody_is_believed() -> None:
    assert judge(signed_by_leader()).verdict is Verdict.INDETERMINATE


@pytest.mark.parametrize(
    ("credential", "sub_indication"),
    [
        (lambda: pki().expired("x"), "OUT_OF_BOUNDS_NO_POE"),
        (lambda: pki().not_yet_valid("x"), "OUT_OF_BOUNDS_NO_POE"),
        (lambda: pki().for_encryption("x"), "CHAIN_CONSTRAINTS_FAILURE"),
    ],
)
def test_a_certificate_with_a_flaw_is_not_believed(
    credential: Callable[[], Credential], sub_indication: str, tmp_path: Path
) -> None:
    (report,) = judge(_signed_in_spite(credential()), trusting(tmp_path)).signatures
    assert (report.indication, report.sub_indication) == (Indication.INDETERMINATE, sub_indication)


def test_trusted_roots_are_read_again_when_the_folder_changes(tmp_path: Path) -> None:
    options = Options(trust=tmp_path / "roots", moment=NOW)
    assert judge(signed_by_leader(), options).verdict is Verdict.INDETERMINATE
    trusting(tmp_path / "roots")
    assert judge(signed_by_leader(), options).verdict is Verdict.VALID
    (tmp_path / "roots" / "root.pem").write_bytes(b"no certificate")
    assert judge(signed_by_leader(), options).verdict is Verdict.INDETERMINATE
    (tmp_path / "roots" / "root.der").write_bytes(pki().root.public_bytes(Encoding.DER))
    assert judge(signed_by_leader(), options).verdict is Verdict.VALID


def test_a_later_signature_leaves_the_earlier_one_valid(tmp_path: Path) -> None:
    inspection = judge(signed_and_sealed(), trusting(tmp_path))
    assert inspection.verdict is Verdict.VALID
    leader, seal = inspection.signatures
    assert (leader.coverage, leader.changes) == ("whole-revision", "form-filling")
    assert (seal.coverage, seal.changes) == ("whole-file", "none")
    assert [f for f in inspection.findings if f.severity is not Severity.INFO] == []


@pytest.mark.parametrize(
    "attack",
    [
        vectors.bit_flipped,
        vectors.signature_flipped,
        vectors.bytes_appended,
        vectors.objects_appended,
        vectors.objects_appended_with_an_end,
        vectors.page_replaced,
        vectors.annotation_added,
    ],
)
@pytest.mark.parametrize("original", [signed_by_leader, signed_and_sealed])
def test_no_attack_on_a_signed_file_goes_unnoticed(
    attack: Callable[[bytes], bytes], original: Callable[[], bytes]
) -> None:
    assert judge(original(), ANYBODY).verdict is Verdict.VALID
    inspection = judge(attack(original()), ANYBODY)
    assert inspection.verdict is Verdict.INVALID
    assert "signature-broken" in [f.code for f in inspection.findings if f.severity is Severity.ERROR]


@pytest.mark.parametrize(
    ("attack", "sub_indication"),
    [
        (vectors.bit_flipped, "HASH_FAILURE"),
        (vectors.signature_flipped, "SIG_CRYPTO_FAILURE"),
        (vectors.bytes_appended, "FORMAT_FAILURE"),
    ],
)
def test_a_failure_is_named_as_the_standard_names_it(
    attack: Callable[[bytes], bytes], sub_indication: str
) -> None:
    (report,) = judge(attack(signed_by_leader()), ANYBODY).signatures
    assert (report.indication, report.sub_indication) == (Indication.FAILED, sub_indication)


def test_line_ends_after_the_file_are_harmless() -> None:
    assert judge(vectors.blanks_appended(signed_by_leader()), ANYBODY).verdict is Verdict.VALID


def test_an_object_that_the_signed_file_lacked_may_not_come_later() -> None:
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents [4 0 R 99\n0  R]"
        b" /Resources << /Font << /F1 5 0 R >> >> >>"
    )
    shadowed = asyncio.run(signed(a_pdf(extra={3: page}), leader()))
    assert judge(shadowed, ANYBODY).verdict is Verdict.VALID
    assert judge(vectors.hole_filled(shadowed, 99), ANYBODY).verdict is Verdict.INVALID


def test_an_object_that_nothing_refers_to_may_come_later() -> None:
    assert judge(vectors.hole_filled(signed_by_leader(), 99), ANYBODY).verdict is Verdict.VALID


def test_an_object_stream_that_waits_outside_every_table_is_a_warning() -> None:
    stray = b"77 0 obj\n<< /Type /Page >>\nendobj\n"
    plain = a_pdf()
    at = plain.index(b"xref")
    shifted = plain[:at] + stray + plain[at:]
    shifted = shifted.replace(b"startxref\n%d" % at, b"startxref\n%d" % (at + len(stray)))
    inspection = judge(asyncio.run(signed(shifted, leader())), ANYBODY)
    warnings = [f.code for f in inspection.findings if f.severity is Severity.WARNING]
    assert (inspection.verdict, warnings) == (Verdict.VALID, ["signature-changes"])


def test_a_certification_that_forbids_changes_is_broken_by_a_later_signature() -> None:
    certified = asyncio.run(signed(a_pdf(), leader(), certify=MDPPerm.NO_CHANGES))
    assert judge(certified, ANYBODY).verdict is Verdict.VALID
    late = _with_empty_field(certified)
    assert judge(late, ANYBODY).verdict is Verdict.INVALID


def test_a_form_that_was_filled_after_signing_is_indeterminate() -> None:
    form = asyncio.run(signed(_a_form(), leader()))
    assert judge(form, ANYBODY).verdict is Verdict.VALID
    inspection = judge(_filled(form), ANYBODY)
    assert inspection.verdict is Verdict.INDETERMINATE
    assert "signature-changes" in [f.code for f in inspection.findings if f.severity is Severity.WARNING]


def test_a_locked_field_may_not_be_filled() -> None:
    lock = FieldMDPSpec(action=FieldMDPAction.ALL)
    form = asyncio.run(signed(_a_form(), leader(), lock=lock))
    assert judge(form, ANYBODY).verdict is Verdict.VALID
    assert judge(_filled(form), ANYBODY).verdict is Verdict.INVALID


@pytest.mark.parametrize(
    "byte_range",
    [b"/ByteRange [1 %d %d %d]", b"/ByteRange [0 %d %d 10]", b"/ByteRange [0 %d]", b"/ByteRange (no)"],
)
def test_a_byte_range_that_leaves_something_out_is_never_valid(byte_range: bytes) -> None:
    original = signed_by_leader()
    found = re.search(rb"/ByteRange \[0 (\d+) (\d+) (\d+)\]", original)
    assert found is not None
    numbers = [int(n) for n in found.groups()][: byte_range.count(b"%d")]
    other = (byte_range % tuple(numbers)).ljust(len(found[0]))
    inspection = judge(original.replace(found[0], other), ANYBODY)
    assert inspection.verdict in (Verdict.INVALID, Verdict.INDETERMINATE)


@pytest.mark.parametrize("made", [vectors.empty_signature, vectors.unknown_kind_of_signature])
def test_what_we_cannot_judge_is_listed_as_unsupported(made: Callable[[], bytes]) -> None:
    inspection = judge(made())
    assert inspection.verdict is Verdict.INDETERMINATE
    assert [r.field for r in inspection.signatures] == ["s"]
    assert [(f.code, f.severity) for f in inspection.findings] == [
        ("signature-unsupported", Severity.WARNING)
    ]


def test_one_odd_field_does_not_hide_the_others() -> None:
    odd = {
        20: b"<< /FT /Sig /T (odd) /V 21 0 R /Type /Annot /Subtype /Widget /Rect [0 0 0 0] >>",
        21: b"<< /Type /Sig /SubFilter /x /Contents <00> /ByteRange [0 1 2 3] >>",
    }
    pdf = a_pdf(catalog=b"/AcroForm << /Fields [20 0 R] /SigFlags 3 >>", extra=odd)
    inspection = judge(asyncio.run(signed(pdf, leader())), ANYBODY)
    outcomes = [(r.field, r.indication) for r in inspection.signatures]
    assert outcomes == [("odd", Indication.INDETERMINATE), ("Leader", Indication.PASSED)]


@given(at=st.integers(min_value=0), byte=st.integers(min_value=0, max_value=255))
@settings(max_examples=300, deadline=None)
def test_whatever_byte_is_exchanged_the_judge_answers_and_is_not_fooled(at: int, byte: int) -> None:
    original = signed_by_leader()
    at %= len(original)
    inspection = judge(original[:at] + bytes([byte]) + original[at + 1 :], ANYBODY)
    contents = re.search(rb"/Contents <[0-9a-fA-F]{99,}>", original)
    assert contents is not None
    if original[at] != byte and not contents.start() <= at < contents.end():
        assert inspection.verdict is not Verdict.VALID


def test_a_comment_between_the_parts_hides_no_reference() -> None:
    data = b"12 0 R 13\n0 R 14 %x 1\n 0 %y\r R 0015\x00 0\tR 16 0R FR 17 0 Rx"
    assert [number for _, number in references_in(data)] == [12, 13, 1, 14, 15, 17]


def test_the_quick_reader_reads_contents_as_pyhanko_does() -> None:
    data = signed_by_leader()
    found = re.search(rb"/Contents <([0-9a-fA-F]{99,})>", data)
    assert found is not None
    reader = QuickReader(data, contents_bytes=1 << 20)
    field = reader.root["/AcroForm"]["/Fields"][0]
    assert field["/V"]["/Contents"].original_bytes == bytes.fromhex(found[1].decode())


def test_a_signature_ages_with_its_certificate(tmp_path: Path) -> None:
    folder = trusting(tmp_path).trust
    ending = asyncio.run(signed(a_pdf(), pki().ending("x", days=5)))
    assert judge(ending, Options(trust=folder, moment=NOW)).verdict is Verdict.VALID
    later = Options(trust=folder, moment=NOW + timedelta(days=6))
    assert judge(ending, later).verdict is Verdict.INDETERMINATE


def _digest(credential: Credential) -> str:
    return sha256(credential.certificate.public_bytes(Encoding.DER)).hexdigest()


def _signed_in_spite(credential: Credential) -> bytes:
    return asyncio.run(signed(a_pdf(), credential))


def _a_form() -> bytes:
    field = (
        b"<< /FT /Tx /T (text) /V (before) /Type /Annot /Subtype /Widget /Rect [9 9 99 29]"
        b" /DA (/F1 9 Tf) /F 4 >>"
    )
    return a_pdf(
        catalog=b"/AcroForm << /Fields [20 0 R] /DR << /Font << /F1 5 0 R >> >> >>", extra={20: field}
    )


def _filled(form: bytes) -> bytes:
    field = (
        b"<< /FT /Tx /T (text) /V (after) /Type /Annot /Subtype /Widget /Rect [9 9 99 29]"
        b" /DA (/F1 9 Tf) /F 4 >>"
    )
    return vectors.revised(form, {20: field})


def _with_empty_field(pdf: bytes) -> bytes:
    writer = IncrementalPdfFileWriter(BytesIO(pdf), strict=False)
    field = generic.DictionaryObject({generic.pdf_name("/FT"): generic.pdf_name("/Sig")})
    field[generic.pdf_name("/T")] = generic.pdf_string("late")
    fields = writer.root["/AcroForm"]["/Fields"]
    fields.append(writer.add_object(field))
    writer.update_container(fields)
    out = BytesIO()
    writer.write(out)
    return out.getvalue()
