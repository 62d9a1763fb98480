"""Sealed PDFs, judged by pyHanko's validator, pdfsig, mutool and openssl (those that are installed)."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, MDPPerm
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from adapters.inspection.judge import Options as JudgeOptions
from adapters.inspection.judge import judge
from adapters.memory import FixedClock, MemoryDirectory
from adapters.signing import KeyRing, Options, PadesSealer
from adapters.signing.keys import Digest
from adapters.signing.pdf import Wish, prepare
from gateway.errors import Refused
from gateway.model.ids import OrganCode, PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.signature import SealKind, SealOrder, Verdict
from tests.contract.test_sealer import Shelf
from tests.pki import FIRST, NOW, Credential, ec_key, pki
from tests.signing.pdfs import a_hybrid_pdf, a_pdf, judgements, signed
from tests.vectors.make_pdfs import revised

AGENCY = PartyKey("000.00.13.H53")
ORDER = SealOrder(party=AGENCY, kind=SealKind.MAIN, signed_at=NOW)


def a_sealer(folder: Path, credential: Credential | None = None, **options: object) -> PadesSealer:
    credential = credential or pki().agency(AGENCY, "Sở Thông tin và Truyền thông")
    credential.write_pem(folder / f"{AGENCY}.pem")
    clock = FixedClock(NOW)
    made = Options(keys=folder, organ=OrganCode("000.00.00.H53"), name="Vanthu", **options)  # type: ignore[arg-type]
    return PadesSealer(KeyRing(made, directory=MemoryDirectory(), clock=clock), vault=Shelf(), clock=clock)


@pytest.fixture
def sealer(tmp_path: Path) -> PadesSealer:
    return a_sealer(tmp_path / "keys")


async def sealed_by(sealer: PadesSealer, pdf: bytes, order: SealOrder = ORDER) -> bytes:
    payload = (await sealer.seal(PayloadRef.of(pdf), order)).payload
    if payload.loose is not None:
        return payload.loose.read(0, payload.size)
    assert payload.body is not None
    return payload.body


SCHEMES: dict[str, tuple[str | None, dict[str, object]]] = {
    "rsa-pkcs1-sha256": (None, {}),
    "rsa-pkcs1-sha512": (None, {"digest": Digest.SHA512}),
    "rsa-pss-sha256": (None, {"prefer_pss": True}),
    "rsa-pss-sha384": (None, {"prefer_pss": True, "digest": Digest.SHA384}),
    "p256-sha256": ("secp256r1", {}),
    "p384-sha256": ("secp384r1", {}),
    "p384-sha384": ("secp384r1", {"digest": Digest.SHA384}),
}


@pytest.fixture(params=list(SCHEMES))
def any_sealer(request: pytest.FixtureRequest, tmp_path: Path) -> PadesSealer:
    """A sealer for each kind of key and hash."""
    curve, options = SCHEMES[request.param]
    credential = pki().agency(AGENCY, "Sở Thông tin", key=ec_key(curve) if curve else None)
    return a_sealer(tmp_path / "keys", credential, **options)


async def test_pyhanko_finds_the_seal_whole_and_trusted(any_sealer: PadesSealer) -> None:
    judged = await judgements(await sealed_by(any_sealer, a_pdf()))
    seal = judged["VanThu-1"]
    assert seal.bottom_line, seal.summary()
    assert seal.trusted
    assert seal.modification_level is ModificationLevel.NONE


async def test_pdfsig_finds_the_seal_valid_over_the_whole_file(
    any_sealer: PadesSealer, tmp_path: Path
) -> None:
    path = tmp_path / "sealed.pdf"
    path.write_bytes(await sealed_by(any_sealer, a_pdf(filler=50_000)))
    judged = _run("pdfsig", path)
    assert "Signature is Valid" in judged.stdout, judged.stdout + judged.stderr
    assert "Total document signed" in judged.stdout


async def test_mutool_finds_the_digest_right(sealer: PadesSealer, tmp_path: Path) -> None:
    path = tmp_path / "sealed.pdf"
    path.write_bytes(await sealed_by(sealer, a_pdf()))
    judged = _run("mutool", "sign", "-v", path)
    assert "The document is unchanged since signing" in judged.stdout, judged.stdout + judged.stderr


async def test_openssl_verifies_the_cms_its_certificate_and_its_chain(
    any_sealer: PadesSealer, tmp_path: Path
) -> None:
    sealed = await sealed_by(any_sealer, a_pdf())
    found = re.search(rb"/ByteRange ?\[0 (\d+) (\d+) (\d+)\]", sealed)
    assert found is not None
    before, after, _ = (int(number) for number in found.groups())
    (tmp_path / "cms.der").write_bytes(bytes.fromhex(sealed[before + 1 : after - 1].decode()))
    (tmp_path / "content").write_bytes(sealed[:before] + sealed[after:])
    (tmp_path / "root.pem").write_bytes(pki().root.public_bytes(Encoding.PEM))
    command = "openssl cms -verify -cades -binary -inform DER -in cms.der -content content -CAfile root.pem"
    judged = _run(*command.split(), "-attime", str(int(NOW.timestamp())), "-out", "/dev/null", cwd=tmp_path)
    assert judged.returncode == 0, judged.stderr


async def test_the_time_of_the_seal_is_the_orders_in_vietnams_zone_and_nowhere_else(
    sealer: PadesSealer,
) -> None:
    sealed = await sealed_by(sealer, a_pdf())
    signature = _signature(sealed)
    assert signature.sig_object["/M"] == "D:20160304080000+07'00'"
    # spec: EN 319 142-1 §6.3 - the CMS of a PAdES signature carries no signing-time
    kinds = {attribute["type"].native for attribute in signature.signer_info["signed_attrs"]}
    assert kinds == {"content_type", "message_digest", "signing_certificate_v2"}


async def test_a_document_that_waited_for_its_key_bears_the_certificates_first_instant(
    sealer: PadesSealer,
) -> None:
    order = SealOrder(party=AGENCY, kind=SealKind.MAIN, signed_at=FIRST - timedelta(days=3))
    sealed = await sealed_by(sealer, a_pdf(), order)
    assert _signature(sealed).sig_object["/M"] == "D:20100101070000+07'00'"


async def test_every_kind_of_key_but_pss_gives_the_same_bytes_again(any_sealer: PadesSealer) -> None:
    ref = PayloadRef.of(a_pdf())
    first, second = await any_sealer.seal(ref, ORDER), await any_sealer.seal(ref, ORDER)
    ready = await any_sealer._ring.key(AGENCY)
    if ready.key.identity.scheme.mechanism == "rsa-pss":
        assert first.payload.size == second.payload.size
    else:
        assert first == second


async def test_two_lives_of_the_process_give_the_same_bytes(tmp_path: Path) -> None:
    credential = pki().agency(AGENCY, "Sở")
    one = await sealed_by(a_sealer(tmp_path / "one", credential), a_pdf(eol_at_end=False))
    other = await sealed_by(a_sealer(tmp_path / "other", credential), a_pdf(eol_at_end=False))
    assert one == other


async def test_the_update_tells_nothing_of_the_run_that_wrote_it(sealer: PadesSealer) -> None:
    pdf = a_pdf(catalog=b"", extra={9: b"<< /Producer (Word) /ModDate (D:20160101000000Z) >>"})
    pdf = pdf.replace(b"/Root 1 0 R >>", b"/Root 1 0 R /Info 9 0 R >>")
    update = (await sealed_by(sealer, pdf))[len(pdf) :]
    assert b"/ModDate" not in update
    assert b"/Producer" not in update


@pytest.mark.parametrize("certify", [None, MDPPerm.FILL_FORMS, MDPPerm.ANNOTATE])
async def test_the_leaders_signature_stays_valid_under_the_seal(
    sealer: PadesSealer, certify: MDPPerm | None
) -> None:
    by_leader = await signed(a_pdf(), pki().leader(), certify=certify)
    judged = await judgements(await sealed_by(sealer, by_leader))
    assert set(judged) == {"Leader", "VanThu-1"}
    for name, signature in judged.items():
        assert signature.bottom_line, (name, signature.summary())
    assert judged["Leader"].docmdp_ok
    assert judged["Leader"].modification_level <= ModificationLevel.FORM_FILLING


async def test_seals_upon_seals_get_names_of_their_own_and_all_stay_valid(sealer: PadesSealer) -> None:
    pdf = a_pdf()
    for _ in range(3):
        pdf = await sealed_by(sealer, pdf)
    judged = await judgements(pdf)
    assert set(judged) == {"VanThu-1", "VanThu-2", "VanThu-3"}
    assert all(signature.bottom_line for signature in judged.values())


async def test_a_field_that_bears_our_name_already_is_not_touched(sealer: PadesSealer) -> None:
    taken = b"/AcroForm << /Fields [20 0 R] >> "
    field = b"<< /FT /Tx /T (VanThu-1) /V (mine) /Subtype /Widget /Type /Annot /Rect [0 0 9 9] >>"
    sealed = await sealed_by(sealer, a_pdf(catalog=taken, extra={20: field}))
    judged = await judgements(sealed)
    assert judged["VanThu-2"].bottom_line
    assert sealed.count(b"(mine)") == 1


@pytest.mark.parametrize(
    "lock",
    [
        FieldMDPSpec(FieldMDPAction.ALL),
        FieldMDPSpec(FieldMDPAction.INCLUDE, ["VanThu-1"]),
        FieldMDPSpec(FieldMDPAction.EXCLUDE, ["Other"]),
    ],
    ids=["all", "include", "exclude"],
)
async def test_a_lock_on_the_field_that_we_would_use_is_obeyed(
    sealer: PadesSealer, lock: FieldMDPSpec
) -> None:
    locked = await signed(a_pdf(), pki().leader(), lock=lock)
    with pytest.raises(Refused) as caught:
        await sealed_by(sealer, locked)
    assert caught.value.reason == "seal-forbidden"


async def test_a_lock_on_other_fields_does_not_stop_the_seal(sealer: PadesSealer) -> None:
    lock = FieldMDPSpec(FieldMDPAction.INCLUDE, ["Number"])
    judged = await judgements(await sealed_by(sealer, await signed(a_pdf(), pki().leader(), lock=lock)))
    assert all(signature.bottom_line for signature in judged.values())


async def test_a_file_with_hybrid_cross_references_is_sealed(sealer: PadesSealer, tmp_path: Path) -> None:
    sealed = await sealed_by(sealer, a_hybrid_pdf())
    assert (await judgements(sealed))["VanThu-1"].intact
    path = tmp_path / "sealed.pdf"
    path.write_bytes(sealed)
    judged = _run("pdfsig", path)
    assert "Signature is Valid" in judged.stdout


async def test_a_large_file_is_sealed_beside_the_loop(sealer: PadesSealer) -> None:
    judged = await judgements(await sealed_by(sealer, a_pdf(filler=3_000_000)))
    assert judged["VanThu-1"].bottom_line


def test_a_file_is_let_go_of_when_its_draft_is() -> None:
    """Not when the process collects its garbage: ten files of 50 MB would be in memory by then."""
    pdf = a_pdf(filler=3_000_000)
    wish = Wish(signed_at=NOW, digest="sha256", reserved=8192, seed=b"1")
    gc.disable()
    try:
        before = sys.getrefcount(pdf)
        prepare(pdf, wish)
        assert sys.getrefcount(pdf) == before
    finally:
        gc.enable()


def test_a_draft_leaves_no_work_for_the_garbage_collector() -> None:
    pdf, wish = a_pdf(), Wish(signed_at=NOW, digest="sha256", reserved=8192, seed=b"1")
    prepare(pdf, wish)  # whatever is kept for the next one is made now
    gc.collect()
    gc.disable()
    try:
        prepare(pdf, wish)
        assert gc.collect() == 0
    finally:
        gc.enable()


async def test_a_large_sealed_file_is_not_in_memory(sealer: PadesSealer) -> None:
    sealed = await sealer.seal(PayloadRef.of(a_pdf(filler=3_000_000)), ORDER)
    assert sealed.payload.body is None
    assert sealed.payload.loose is not None


async def test_an_encrypted_file_is_refused(sealer: PadesSealer) -> None:
    encrypted = a_pdf().replace(
        b"/Root 1 0 R >>",
        b"/Root 1 0 R /Encrypt << /Filter /Standard /V 1 /R 2 /Length 40 /P -4"
        b" /O <%s> /U <%s> >> /ID [<01> <01>] >>" % (b"00" * 32, b"00" * 32),
    )
    with pytest.raises(Refused) as caught:
        await sealed_by(sealer, encrypted)
    assert caught.value.reason == "pdf-encrypted"


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
async def test_a_truncated_file_is_refused(sealer: PadesSealer, cut: float) -> None:
    pdf = a_pdf()
    with pytest.raises(Refused) as caught:
        await sealed_by(sealer, pdf[: int(len(pdf) * cut)])
    assert caught.value.reason == "pdf-unreadable"


async def test_whatever_is_broken_in_a_file_nothing_but_our_own_errors_comes_out(sealer: PadesSealer) -> None:
    pdf = await signed(a_pdf(), pki().leader())
    for at in range(0, len(pdf), 173):
        broken = pdf[:at] + b"<<[(/" + pdf[at + 5 :]
        with suppress(Refused):
            await sealed_by(sealer, broken)


def _signature(pdf: bytes) -> EmbeddedPdfSignature:
    (signature,) = PdfFileReader(BytesIO(pdf)).embedded_regular_signatures
    assert isinstance(signature, EmbeddedPdfSignature)
    return signature


def _run(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=20, check=False)


def test_p256_and_p384_are_what_they_say() -> None:
    """The table of schemes would prove little if both names led to one curve."""
    assert isinstance(ec_key("secp256r1").curve, ec.SECP256R1)
    assert isinstance(ec_key("secp384r1").curve, ec.SECP384R1)


@pytest.mark.parametrize("kind", [b"", b"/Type /Filter"])
async def test_a_page_that_does_not_call_itself_one_keeps_its_signatures_under_the_seal(
    sealer: PadesSealer, kind: bytes
) -> None:
    page = b"<< %s /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << >> >>" % kind
    twice = await sealed_by(sealer, await sealed_by(sealer, a_pdf(extra={3: page})))
    inspection = judge(twice, JudgeOptions(unsafe_accept_any_signer=True))
    assert inspection.verdict is Verdict.VALID
    assert len(inspection.signatures) == 2
    turned = revised(twice, {3: page.replace(b"/Contents", b"/Rotate 90 /Contents")})
    assert judge(turned, JudgeOptions(unsafe_accept_any_signer=True)).verdict is Verdict.INVALID


async def test_what_stands_in_the_page_tree_and_is_no_page_is_not_sealed(sealer: PadesSealer) -> None:
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    with pytest.raises(Refused) as refused:
        await sealed_by(sealer, a_pdf(extra={3: font}))
    assert refused.value.reason == "pdf-unreadable"
