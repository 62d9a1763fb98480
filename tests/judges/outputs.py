"""What is judged: our seals of every kind, made on the spot, and one that was tampered with.

outputs = asyncio.run(make(folder))
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.memory import FixedClock, MemoryDirectory, MemoryVault
from adapters.signing import KeyRing, Options, PadesSealer
from adapters.signing.keys import Digest
from adapters.signing.visible.drawn_seal import draw
from adapters.signing.visible.looks import Options as LookOptions
from adapters.signing.visible.typeface import find_font
from gateway.model.ids import OrganCode, PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.signature import SealKind, SealOrder
from tests.pki import NOW, ec_key, pki, rsa_key
from tests.signing.pdfs import a_pdf, signed

AGENCY, PARENT = PartyKey("000.00.13.H53"), PartyKey("000.00.00.H53")

SCHEMES: Mapping[str, tuple[str | None, Mapping[str, object]]] = {
    "RSA-2048 PKCS#1 v1.5, SHA-256": (None, {}),
    "RSA-2048 PSS, SHA-256": (None, {"prefer_pss": True}),
    "ECDSA P-256, SHA-256": ("secp256r1", {}),
    "ECDSA P-384, SHA-384": ("secp384r1", {"digest": Digest.SHA384}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A sealed file.  ``signatures``: how many it bears; ``is_altered``: a byte of its page was changed."""

    path: Path
    scheme: str
    kind: str
    signatures: int
    is_altered: bool = False


async def make(folder: Path) -> Sequence[Output]:
    """All of them as files in *folder*, beside ``root.pem`` and the revocation lists of ``lists``."""
    _lay_the_ground(folder)
    page = a_pdf(filler=20_000)
    by_leader = await signed(page, pki().leader(), box=(330, 120, 480, 190))
    found: list[Output] = []
    for number, scheme in enumerate(SCHEMES):
        keys = _lay_keys(folder / "keys" / str(number), scheme)
        hidden, shown = _sealer(keys, scheme, visible=False), _sealer(keys, scheme)
        invisible = await _sealed(hidden, page)
        over_leader = await _sealed(shown, by_leader)
        for kind, pdf, signatures in (
            ("invisible", invisible, 1),
            ("visible, at its place", await _sealed(shown, page), 1),
            ("visible, on an appendix", await _sealed(shown, page, kind=SealKind.APPENDIX), 1),
            ("invisible, after a leader's signature", await _sealed(hidden, by_leader), 2),
            ("visible, over a leader's picture", over_leader, 2),
            ("two seals, invisible", await _sealed(hidden, invisible, PARENT), 2),
            ("leader and two seals, visible", await _sealed(shown, over_leader, PARENT), 3),
        ):
            path = folder / f"{number}-{re.sub('[^a-z]+', '-', kind)}.pdf"
            path.write_bytes(pdf)
            found.append(Output(path=path, scheme=scheme, kind=kind, signatures=signatures))
        if number == 0:
            kind, path = "one byte of the page altered", folder / "altered.pdf"
            path.write_bytes(_altered(invisible))
            found.append(Output(path=path, scheme=scheme, kind=kind, signatures=1, is_altered=True))
    return found


def lists(folder: Path) -> Sequence[Path]:
    """The revocation lists that ``make`` left there."""
    return sorted(folder.glob("*.crl"))


def _lay_the_ground(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "root.pem").write_bytes(pki().root.public_bytes(Encoding.PEM))
    for name, revocation_list in _revocation_lists():
        (folder / name).write_bytes(revocation_list)


def _lay_keys(keys: Path, scheme: str) -> Path:
    curve, _ = SCHEMES[scheme]
    for party, name in ((AGENCY, "Sở Thông tin và Truyền thông"), (PARENT, "UBND tỉnh Tây Ninh")):
        credential = pki().agency(party, name, key=ec_key(curve) if curve else None)
        credential.write_pem(keys / f"{party}.pem")
        picture = draw(name, font=find_font(None), diameter_mm=36)
        (keys / f"{party}.seal.png").write_bytes(picture)
    return keys


def _sealer(keys: Path, scheme: str, *, visible: bool = True) -> PadesSealer:
    _, options = SCHEMES[scheme]
    made = Options(keys=keys, organ=OrganCode("000.00.00.H53"), name="Vanthu", **options)  # type: ignore[arg-type]
    clock = FixedClock(NOW)
    ring = KeyRing(made, directory=MemoryDirectory(), clock=clock)
    return PadesSealer(ring, vault=MemoryVault(), clock=clock, look=LookOptions(visible=visible))


async def _sealed(
    sealer: PadesSealer, pdf: bytes, party: PartyKey = AGENCY, kind: SealKind = SealKind.MAIN
) -> bytes:
    order = SealOrder(party=party, kind=kind, signed_at=NOW, code="517/QĐ-UBND")
    body = (await sealer.seal(PayloadRef.of(pdf), order)).payload.body
    assert body is not None
    return body


def _altered(pdf: bytes) -> bytes:
    changed = pdf.replace(b"(Quyet dinh 517)", b"(Quyet dinh 519)")
    assert changed != pdf
    return changed


def _revocation_lists() -> Iterator[tuple[str, bytes]]:
    # Nobody is on them.  They are of today: a judge that knows the time asks for fresh ones.
    now = datetime.now(UTC)
    for use, issuer in (("root", pki().root), ("issuing", pki().issuing)):
        key = rsa_key(use)
        built = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.subject)
            .last_update(now - timedelta(hours=1))
            .next_update(now + timedelta(days=1))
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
            )
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        yield f"{use}.crl", built.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
