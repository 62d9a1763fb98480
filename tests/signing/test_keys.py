"""Keys in files, keys for development, and what readiness says of them."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.memory import FixedClock, MemoryDirectory
from adapters.signing import KeyRing, Options, PadesSealer
from adapters.signing.keys import load
from gateway.errors import Refused, Unavailable
from gateway.model.ids import OrganCode, PartyKey
from gateway.model.party import CodeValidity, Party
from gateway.model.payload import PayloadRef
from gateway.model.signature import SealKind, SealOrder
from tests.contract.test_sealer import Shelf
from tests.pki import LAST, NOW, ec_key, pki, rsa_key
from tests.signing.pdfs import a_pdf

AGENCY = PartyKey("000.00.13.H53")
NAME = "Sở Thông tin và Truyền thông tỉnh Tây Ninh, nước Cộng hòa xã hội chủ nghĩa Việt Nam"


def a_ring(folder: Path, **options: object) -> KeyRing:
    party = Party(key=AGENCY, name=NAME, codes=(CodeValidity(code=OrganCode(AGENCY)),))
    made = Options(keys=folder, organ=OrganCode("000.00.99.H53"), name="Trục Tây Ninh", **options)  # type: ignore[arg-type]
    return KeyRing(made, directory=MemoryDirectory([party]), clock=FixedClock(NOW))


@pytest.mark.parametrize("passphrase", [None, b"m\xe1\xba\xadt kh\xe1\xba\xa9u"])
@pytest.mark.parametrize("form", ["pem", "p12"])
def test_a_key_is_loaded_from_pem_and_pkcs12(tmp_path: Path, form: str, passphrase: bytes | None) -> None:
    credential, path = pki().agency(AGENCY, NAME), tmp_path / f"{AGENCY}.{form}"
    write = credential.write_pem if form == "pem" else credential.write_p12
    key = load(write(path, passphrase), passphrase=passphrase)
    assert key.identity.certificate == credential.certificate
    # the issuing authority travels with the signature, the root does not
    assert key.identity.chain == (pki().issuing.public_bytes(Encoding.DER),)


async def test_a_passphrase_may_lie_beside_its_file(tmp_path: Path) -> None:
    pki().agency(AGENCY, NAME).write_p12(tmp_path / f"{AGENCY}.p12", b"one")
    (tmp_path / f"{AGENCY}.passphrase").write_bytes(b"one\n")
    assert (await a_ring(tmp_path, passphrase=b"another").key(AGENCY)).key.identity.subject.startswith("CN=")


def _wrong_files() -> dict[str, bytes]:
    good = pki().agency(AGENCY, NAME)
    other = pki().agency(AGENCY, NAME, key=rsa_key("other"))
    return {
        "nothing": b"",
        "no key": good.certificate.public_bytes(Encoding.PEM),
        "no certificate": good.pem().split(b"-----BEGIN CERTIFICATE")[0],
        "another's certificate": good.pem().split(b"-----BEGIN CERTIFICATE")[0]
        + other.certificate.public_bytes(Encoding.PEM),
        "locked": good.pem(b"secret"),
        "not for signing": pki().for_encryption(AGENCY).pem(),
        "garbage": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    }


@pytest.mark.parametrize("wrong", list(_wrong_files()))
async def test_a_key_that_cannot_serve_makes_documents_wait(tmp_path: Path, wrong: str) -> None:
    (tmp_path / f"{AGENCY}.pem").write_bytes(_wrong_files()[wrong])
    with pytest.raises(Unavailable) as caught:
        await a_ring(tmp_path).key(AGENCY)
    assert caught.value.reason == "seal-key-unusable"
    assert "secret" not in str(caught.value)


async def test_a_file_that_is_replaced_is_taken_up_with_the_next_use(tmp_path: Path) -> None:
    path, ring = tmp_path / f"{AGENCY}.pem", a_ring(tmp_path)
    pki().agency(AGENCY, NAME).write_pem(path)
    before = await ring.key(AGENCY)
    assert await ring.key(AGENCY) is before

    pki().agency(AGENCY, "Sở khác", key=ec_key()).write_pem(path)

    after = await ring.key(AGENCY)
    assert after.key.identity.sha256 != before.key.identity.sha256
    path.unlink()
    with pytest.raises(Unavailable):
        await ring.key(AGENCY)


async def test_a_file_is_seen_to_be_replaced_even_if_its_size_and_date_stay(tmp_path: Path) -> None:
    path, ring = tmp_path / f"{AGENCY}.pem", a_ring(tmp_path)
    first, second = (pki().agency(AGENCY, name).pem() for name in (NAME, "Sở khác"))
    size = max(len(first), len(second))
    path.write_bytes(first.ljust(size, b"\n"))
    before, dates = await ring.key(AGENCY), path.stat()
    path.write_bytes(second.ljust(size, b"\n"))
    os.utime(path, ns=(dates.st_atime_ns, dates.st_mtime_ns))
    assert (await ring.key(AGENCY)).key.identity.sha256 != before.key.identity.sha256


async def test_files_are_looked_at_now_and_then(tmp_path: Path) -> None:
    """Each look costs a change of threads; what was replaced is taken up with the next one."""
    path, ring = tmp_path / f"{AGENCY}.pem", a_ring(tmp_path, looks_every_s=3600.0)
    pki().agency(AGENCY, NAME).write_pem(path)
    before = await ring.key(AGENCY)
    pki().agency(AGENCY, "Sở khác", key=ec_key()).write_pem(path)
    assert await ring.key(AGENCY) is before
    ring.looks.anew(path)  # as when the time is over
    after = await ring.key(AGENCY)
    assert after.key.identity.sha256 != before.key.identity.sha256
    assert await ring.key(AGENCY) is after


async def test_a_key_that_is_replaced_by_one_that_cannot_serve_serves_no_more(tmp_path: Path) -> None:
    path, ring = tmp_path / f"{AGENCY}.pem", a_ring(tmp_path)
    pki().agency(AGENCY, NAME).write_pem(path)
    await ring.key(AGENCY)
    pki().for_encryption(AGENCY).write_pem(path)
    with pytest.raises(Unavailable) as caught:
        await ring.key(AGENCY)
    assert caught.value.reason == "seal-key-unusable"


async def test_key_usage_and_dates_are_looked_at_before_each_use(tmp_path: Path) -> None:
    pki().agency(AGENCY, NAME).write_pem(tmp_path / f"{AGENCY}.pem")
    identity = (await a_ring(tmp_path).key(AGENCY)).key.identity
    identity.check(NOW)
    with pytest.raises(Refused):
        identity.check(NOW, LAST + timedelta(seconds=1))
    with pytest.raises(Unavailable):
        replace(identity, may_sign=False).check(NOW)


async def test_no_more_keys_are_kept_loaded_than_allowed(tmp_path: Path) -> None:
    ring = a_ring(tmp_path, max_loaded=3)
    pki().agency("gateway", "Vanthu", key=ec_key()).write_pem(tmp_path / "gateway.pem")
    ring.gateway()
    for number in range(6):
        pki().agency(str(number), NAME).write_pem(tmp_path / f"{number}.pem")
        await ring.key(PartyKey(str(number)))
    assert set(ring.days_left()) == {"gateway", "4", "5"}


@pytest.mark.parametrize("party", ["gateway", "../000.00.13.H53", "..", "", "a/b", "000.00.99.H53"])
async def test_a_party_reaches_no_file_but_its_own(tmp_path: Path, party: str) -> None:
    folder = tmp_path / "keys"
    pki().agency(AGENCY, NAME).write_pem(tmp_path / f"{AGENCY}.pem")
    pki().agency("gateway", "Vanthu", key=ec_key()).write_pem(folder / "gateway.pem")
    ring = a_ring(folder)
    ring.gateway()
    with pytest.raises(Unavailable) as caught:
        await ring.key(PartyKey(party))
    assert caught.value.reason == "seal-key-missing"


# --- development ------------------------------------------------------------------------------------


async def test_in_development_a_missing_key_is_made_and_kept(tmp_path: Path) -> None:
    trust = tmp_path / "trust"
    first = await a_ring(tmp_path / "keys", development=True, trust=trust).key(AGENCY)
    again = await a_ring(tmp_path / "keys", development=True, trust=trust).key(AGENCY)
    identity = first.key.identity
    assert again.key.identity.sha256 == identity.sha256
    assert identity.certificate.subject.rfc4514_string().count(NAME.split(",")[0]) >= 1
    assert AGENCY in identity.subject
    assert identity.not_before < NOW < NOW + timedelta(days=365) < identity.not_after
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").rglob("*.pem")}
    assert set(modes.values()) == {0o600}
    (root,) = x509.load_pem_x509_certificates(next(trust.iterdir()).read_bytes())
    issuing = x509.load_der_x509_certificate(identity.chain[0])
    issuing.verify_directly_issued_by(root)
    identity.certificate.verify_directly_issued_by(issuing)


def test_a_trust_folder_that_was_emptied_gets_its_root_again(tmp_path: Path) -> None:
    trust = tmp_path / "trust"
    a_ring(tmp_path / "keys", development=True, trust=trust).gateway()
    (root,) = trust.iterdir()
    kept = root.read_bytes()
    root.unlink()
    a_ring(tmp_path / "keys", development=True, trust=trust).gateway()
    assert root.read_bytes() == kept


async def test_in_development_nobody_but_registered_parties_gets_a_key(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        await a_ring(tmp_path, development=True).key(PartyKey("000.00.77.H53"))
    assert caught.value.reason == "seal-key-missing"


async def test_development_keys_are_refused_in_earnest(tmp_path: Path) -> None:
    await a_ring(tmp_path, development=True).key(AGENCY)
    with pytest.raises(Unavailable) as caught:
        await a_ring(tmp_path).key(AGENCY)
    assert caught.value.reason == "seal-key-unusable"


async def test_one_key_is_made_however_many_ask_at_once(tmp_path: Path) -> None:
    ring = a_ring(tmp_path, development=True)
    ready = await asyncio.gather(*(ring.key(AGENCY) for _ in range(8)))
    assert len({r.key.identity.sha256 for r in ready}) == 1


def test_processes_that_start_together_agree_on_every_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    with context.Pool(4) as pool:
        answers = pool.map(_keys_as_one_process_sees_them, [tmp_path / "keys"] * 4, chunksize=1)
    assert len(set(answers)) == 1
    assert not list((tmp_path / "keys").rglob(".*"))


def _keys_as_one_process_sees_them(folder: Path) -> tuple[str, str]:
    ring = a_ring(folder, development=True, trust=folder / "trust")
    ours = ring.gateway().identity.sha256
    return ours, asyncio.run(ring.key(AGENCY)).key.identity.sha256


# --- readiness --------------------------------------------------------------------------------------


@pytest.mark.heavy_body("makes an authority and our own key, as a start does")
async def test_readiness_is_ok_when_all_keys_sign(tmp_path: Path) -> None:
    ring = a_ring(tmp_path, development=True)
    ring.gateway()
    await ring.key(AGENCY)
    assert await ring.check() == "ok"
    assert set(ring.days_left()) == {"gateway", AGENCY}


async def test_readiness_tells_that_our_own_key_is_missing(tmp_path: Path) -> None:
    assert "own key" in await a_ring(tmp_path).check()


async def test_readiness_tells_of_a_certificate_that_has_ended(tmp_path: Path) -> None:
    pki().expired("gateway").write_pem(tmp_path / "gateway.pem")
    assert "outside its validity" in await a_ring(tmp_path).check()


async def test_readiness_warns_of_a_certificate_that_will_end_soon(tmp_path: Path) -> None:
    pki().agency("gateway", "Vanthu", key=ec_key()).write_pem(tmp_path / "gateway.pem")
    pki().ending(AGENCY, days=12).write_pem(tmp_path / f"{AGENCY}.pem")
    ring = a_ring(tmp_path)
    await ring.key(AGENCY)
    assert ring.days_left()[AGENCY] == 12
    assert (
        await ring.certificates() == f"ok, 1 loaded, 1 end within 30 days; {AGENCY} ends first, in 12 day(s)"
    )


async def test_an_agencys_certificate_that_has_ended_is_told_and_stops_nobody_else(tmp_path: Path) -> None:
    pki().agency("gateway", "Vanthu", key=ec_key()).write_pem(tmp_path / "gateway.pem")
    pki().expired(AGENCY).write_pem(tmp_path / f"{AGENCY}.pem")
    ring = a_ring(tmp_path)
    ring.gateway()
    await ring.key(AGENCY)
    assert await ring.check() == "ok"
    told = await ring.certificates()
    assert told.startswith("ok, 2 loaded, 1 end within 30 days")
    assert f"{AGENCY} ended" in told


async def test_our_own_certificate_that_has_ended_is_not_well(tmp_path: Path) -> None:
    pki().expired("gateway").write_pem(tmp_path / "gateway.pem")
    ring = a_ring(tmp_path)
    ring.gateway()
    assert "own certificate ended" in await ring.certificates()


async def test_a_development_key_seals_at_once(tmp_path: Path) -> None:
    clock = FixedClock(NOW)
    sealer = PadesSealer(a_ring(tmp_path, development=True), vault=Shelf(), clock=clock)
    order = SealOrder(party=AGENCY, kind=SealKind.MAIN, signed_at=NOW)
    sealed = await sealer.seal(PayloadRef.of(a_pdf()), order)
    assert sealed.seal == await sealer.find_seal(AGENCY)
    assert os.listdir(tmp_path)
