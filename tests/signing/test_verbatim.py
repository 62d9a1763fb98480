"""Promise 4: sealing appends; of the bytes that somebody has signed before, none is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.memory import FixedClock, MemoryDirectory
from adapters.signing import KeyRing, Options, PadesSealer
from gateway.model.ids import OrganCode, PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.signature import SealKind, SealOrder
from tests.contract.test_sealer import Shelf
from tests.pki import NOW, pki
from tests.signing.pdfs import a_pdf

AGENCY = PartyKey("000.00.13.H53")


@pytest.fixture
def sealer(tmp_path: Path) -> PadesSealer:
    pki().agency(AGENCY, "Sở Nội vụ").write_pem(tmp_path / f"{AGENCY}.pem")
    clock = FixedClock(NOW)
    options = Options(keys=tmp_path, organ=OrganCode("000.00.00.H53"), name="Vanthu")
    return PadesSealer(KeyRing(options, directory=MemoryDirectory(), clock=clock), vault=Shelf(), clock=clock)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r", b"\n\n\n", b" \t\r\n"])
async def test_a_sealed_file_begins_with_the_file_as_it_came_however_that_ended(
    sealer: PadesSealer, end: bytes
) -> None:
    pdf = a_pdf().rstrip() + end
    order = SealOrder(party=AGENCY, kind=SealKind.MAIN, signed_at=NOW)
    sealed = await sealer.seal(PayloadRef.of(pdf), order)
    assert sealed.payload.body is not None
    assert sealed.payload.body.startswith(pdf)
