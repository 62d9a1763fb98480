"""A key that goes wrong (a token, a remote service) makes a document wait; what it signed leaves nobody's hands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.memory import FixedClock, MemoryDirectory
from adapters.signing import KeyRing, Options, PadesSealer
from adapters.signing.cms import CmsTemplate
from adapters.signing.keys import Identity, LoadedKey
from gateway.errors import Unavailable
from gateway.model.ids import OrganCode, PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.signature import SealKind, SealOrder
from tests.contract.test_sealer import Shelf
from tests.pki import NOW, pki
from tests.signing.pdfs import a_pdf

AGENCY = PartyKey("000.00.13.H53")


@dataclass(frozen=True)
class WrongKey:
    """Signs, by the right key, something else than it was asked for."""

    right: LoadedKey

    @property
    def identity(self) -> Identity:
        return self.right.identity

    async def sign(self, message: bytes) -> bytes:
        return await self.right.sign(message + b"!")


@dataclass(frozen=True)
class Ready:
    """What a ring answers."""

    key: WrongKey
    template: CmsTemplate


class WrongRing(KeyRing):
    """A ring whose keys went wrong."""

    async def key(self, party: PartyKey) -> Ready:  # type: ignore[override]  # the same shape
        """The right key's parts, and its wrong signature."""
        ready = await super().key(party)
        return Ready(WrongKey(ready.key), ready.template)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with the agency's key; making it is heavy, so no loop is running yet."""
    pki().agency(AGENCY, "Sở Nội vụ").write_pem(tmp_path / f"{AGENCY}.pem")
    return tmp_path


async def test_a_key_that_signs_something_else_seals_nothing(keys: Path) -> None:
    """ "The sealed PDF is read back before it leaves": the value does not verify, so the document waits."""
    clock = FixedClock(NOW)
    options = Options(keys=keys, organ=OrganCode("000.00.00.H53"), name="Vanthu")
    ring = WrongRing(options, directory=MemoryDirectory(), clock=clock)
    sealer = PadesSealer(ring, vault=Shelf(), clock=clock)
    order = SealOrder(party=AGENCY, kind=SealKind.MAIN, signed_at=NOW)
    with pytest.raises(Unavailable) as caught:
        await sealer.seal(PayloadRef.of(a_pdf()), order)
    assert caught.value.reason == "seal-failed"
