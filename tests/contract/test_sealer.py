"""``gateway.ports.Sealer``: each sentence of its docstrings, for the twin and for the PAdES sealer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from pyhanko.sign.fields import MDPPerm

from adapters.memory import FixedClock, MemoryDirectory, MemorySealer
from adapters.signing import KeyRing, Options, PadesSealer
from gateway.errors import Refused, Unavailable
from gateway.model.ids import OrganCode, PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.signature import SealKind, SealOrder
from gateway.ports import Sealer
from tests.pki import FIRST, LAST, NOW, pki
from tests.signing.pdfs import a_pdf, signed

AGENCY = PartyKey("000.00.13.H53")
EXPIRED = PartyKey("000.00.14.H53")
EARLY = PartyKey("000.00.15.H53")
KEYLESS = PartyKey("000.00.16.H53")


@dataclass
class Shelf:
    """The one method of a vault that a sealer calls."""

    kept: dict[str, bytes] = field(default_factory=dict)

    def lay(self, body: bytes) -> PayloadRef:
        """Keep *body*; its reference carries no bytes."""
        ref = PayloadRef.of(body).bare()
        self.kept[ref.sha256] = body
        return ref

    async def read(self, ref: PayloadRef) -> bytes:
        return ref.body if ref.body is not None else self.kept[ref.sha256]

    async def put(self, chunks: AsyncIterator[bytes] | bytes | PayloadRef) -> PayloadRef:
        assert isinstance(chunks, bytes)
        return self.lay(chunks)

    async def open(self, ref: PayloadRef, *, start: int = 0) -> AsyncIterator[bytes]:
        yield (await self.read(ref))[start:]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture(params=["memory", "pades"])
def sealer(request: pytest.FixtureRequest, tmp_path: Path, shelf: Shelf) -> Sealer:
    """One agency with a good key, one expired, one not yet valid, one without."""
    clock = FixedClock(NOW)
    if request.param == "memory":
        yesterday, tomorrow = NOW - timedelta(days=1), NOW + timedelta(days=1)
        return MemorySealer(
            vault=shelf,
            clock=clock,
            lacking=frozenset({KEYLESS}),
            validity={EXPIRED: (FIRST, yesterday), EARLY: (tomorrow, LAST)},
        )
    pki().agency(AGENCY, "Sở Thông tin và Truyền thông").write_pem(tmp_path / f"{AGENCY}.pem")
    pki().expired(EXPIRED).write_pem(tmp_path / f"{EXPIRED}.pem")
    pki().not_yet_valid(EARLY).write_pem(tmp_path / f"{EARLY}.pem")
    ring = KeyRing(
        Options(keys=tmp_path, organ=OrganCode("000.00.00.H53"), name="Vanthu"),
        directory=MemoryDirectory(),
        clock=clock,
    )
    return PadesSealer(ring, vault=shelf, clock=clock)


def an_order(party: PartyKey = AGENCY) -> SealOrder:
    return SealOrder(
        party=party, kind=SealKind.MAIN, signed_at=NOW - timedelta(seconds=2), code="517/QĐ-UBND"
    )


async def test_the_sealed_pdf_begins_with_the_original_and_its_bytes_ride_along(
    sealer: Sealer, shelf: Shelf
) -> None:
    """ "The sealed PDF; its bytes ride along." Signed bytes are carried, never rebuilt."""
    pdf = a_pdf()

    sealed = await sealer.seal(shelf.lay(pdf), an_order())

    body = sealed.payload.body
    assert body is not None
    assert body.startswith(pdf)
    assert len(body) > len(pdf)
    assert sealed.payload.sha256 == sha256(body).hexdigest()
    assert sealed.payload.size == len(body)


async def test_a_party_without_a_key_waits(sealer: Sealer) -> None:
    """ "Raises ``Unavailable("seal-key-missing")`` where the party has no key." """
    with pytest.raises(Unavailable) as caught:
        await sealer.seal(PayloadRef.of(a_pdf()), an_order(KEYLESS))
    assert caught.value.reason == "seal-key-missing"


@pytest.mark.parametrize("party", [EXPIRED, EARLY])
async def test_a_certificate_outside_its_validity_is_refused(sealer: Sealer, party: PartyKey) -> None:
    """ "``Refused("seal-certificate-expired")``" """
    with pytest.raises(Refused) as caught:
        await sealer.seal(PayloadRef.of(a_pdf()), an_order(party))
    assert caught.value.reason == "seal-certificate-expired"


async def test_a_pdf_certified_against_every_change_is_refused(sealer: Sealer) -> None:
    """ "``Refused("seal-forbidden")`` where the PDF's certification allows no change." """
    certified = await signed(a_pdf(), pki().leader(), certify=MDPPerm.NO_CHANGES)
    with pytest.raises(Refused) as caught:
        await sealer.seal(PayloadRef.of(certified), an_order())
    assert caught.value.reason == "seal-forbidden"


async def test_bytes_that_are_no_pdf_are_refused(sealer: Sealer) -> None:
    """The head of ``gateway.ports``: no library's exception comes out."""
    with pytest.raises(Refused) as caught:
        await sealer.seal(PayloadRef.of(b"PK\x03\x04 not a PDF"), an_order())
    assert caught.value.reason == "pdf-unreadable"


async def test_the_same_order_twice_gives_the_same_bytes(sealer: Sealer) -> None:
    """The head of ``gateway.ports``: may be called again without harm."""
    ref = PayloadRef.of(a_pdf())
    first, second = await asyncio.gather(sealer.seal(ref, an_order()), sealer.seal(ref, an_order()))
    assert first == second


async def test_another_time_or_another_file_gives_other_bytes(sealer: Sealer) -> None:
    """The other side of the sentence before: nothing is answered from memory."""
    order = an_order()
    later = SealOrder(party=AGENCY, kind=SealKind.MAIN, signed_at=NOW)
    digests = {
        (await sealer.seal(PayloadRef.of(a_pdf()), order)).payload.sha256,
        (await sealer.seal(PayloadRef.of(a_pdf()), later)).payload.sha256,
        (await sealer.seal(PayloadRef.of(a_pdf(filler=10)), order)).payload.sha256,
    }
    assert len(digests) == 3


async def test_the_seal_that_is_found_is_the_seal_that_is_put_on(sealer: Sealer) -> None:
    """ "The seal with which *party* would seal now." """
    found = await sealer.find_seal(AGENCY)
    assert found is not None
    assert (await sealer.seal(PayloadRef.of(a_pdf()), an_order())).seal == found
    assert found.party == AGENCY
    assert found.not_before <= NOW <= found.not_after


async def test_no_seal_is_found_without_a_key(sealer: Sealer) -> None:
    """ "``None`` without a key." """
    assert await sealer.find_seal(KEYLESS) is None
