"""Our seal in its parts, as ``PadesSealer`` puts them together; and whole, as the gateway calls it.

The seal's figure is prepare, sign and fill.  What is read back before a file leaves stands on its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from adapters.clock import SystemClock
from adapters.memory import MemoryDirectory, MemoryVault
from adapters.signing.cms import CmsTemplate
from adapters.signing.keyring import KeyRing
from adapters.signing.keyring import Options as KeyOptions
from adapters.signing.keys import LoadedKey, load
from adapters.signing.pdf import Wish, prepare
from adapters.signing.readback import read_back
from adapters.signing.sealer import PadesSealer
from adapters.signing.visible.drawn_seal import draw
from adapters.signing.visible.looks import Looks
from adapters.signing.visible.looks import Options as LookOptions
from adapters.signing.visible.typeface import find_font
from benchmarks.sign.materials import ORGAN, Materials
from benchmarks.sign.pki import PASSPHRASE
from gateway.model.ids import OrganCode, PartyKey
from gateway.model.signature import SealKind, SealOrder
from gateway.ports import Vault

PARTY = PartyKey(ORGAN)
_NAME = "Sở Thông tin và Truyền thông"


class Parts:
    """The three steps of a seal, one after the other in this thread.  *visible*: as ``make serve`` has it."""

    def __init__(self, materials: Materials, *, visible: bool = False) -> None:
        self._key: LoadedKey = load(materials.key_file, passphrase=PASSPHRASE.encode())
        self._template = CmsTemplate(self._key.identity)
        looks = Looks(LookOptions(visible=visible), _ring(materials.key_file.parent))
        self._mark = asyncio.run(looks.mark(order(), datetime.now(UTC)))

    def seal(self, pdf: bytes) -> bytes:
        """*pdf* with a seal."""
        draft = prepare(pdf, self._wish())
        attributes = self._template.attributes(draft.digest)
        return draft.fill(self._template.assemble(attributes, self._key.sign_now(attributes)))

    def steps(self, pdf: bytes) -> Mapping[str, Callable[[], object]]:
        """Each step on its own; the hash is a part of the first, and shown beside it."""
        draft = prepare(pdf, self._wish())
        attributes = self._template.attributes(draft.digest)
        value = self._key.sign_now(attributes)
        cms = self._template.assemble(attributes, value)
        return {
            "prepare": lambda: prepare(pdf, self._wish()),
            "hash": lambda: sha256(pdf).digest(),
            "sign": lambda: self._key.sign_now(attributes),
            "cms": lambda: self._template.assemble(self._template.attributes(draft.digest), value),
            "fill": lambda: draft.fill(cms),
        }

    def reading_back(self, pdf: bytes) -> Callable[[], object]:
        """What is done with a sealed file before it leaves."""
        sealed = self.seal(pdf)
        return lambda: read_back(pdf, sealed, self._template)

    def _wish(self) -> Wish:
        signed_at = datetime.now(UTC)
        return Wish(
            signed_at=signed_at,
            digest=self._key.identity.scheme.digest.value,
            reserved=self._template.max_size + 1024,
            seed=signed_at.isoformat().encode(),
            mark=self._mark,
        )


def draw_seal(keys: Path) -> None:
    """A picture of a seal beside the key, as development has it."""
    picture = draw(_NAME, font=find_font(None), diameter_mm=LookOptions().diameter_mm)
    (keys / f"{ORGAN}.seal.png").write_bytes(picture)


def sealer(keys: Path, vault: Vault | None = None, *, visible: bool = True) -> PadesSealer:
    """The gateway's sealer over the key in the folder *keys*, set up as in ``make serve``."""
    look = LookOptions(visible=visible)
    return PadesSealer(_ring(keys), vault=vault or MemoryVault(), clock=SystemClock(), look=look)


def _ring(keys: Path) -> KeyRing:
    options = KeyOptions(keys=keys, organ=OrganCode(ORGAN), name="bench", passphrase=PASSPHRASE.encode())
    return KeyRing(options, directory=MemoryDirectory(), clock=SystemClock())


def order() -> SealOrder:
    """An order for a seal on a main document, now."""
    return SealOrder(party=PARTY, kind=SealKind.MAIN, signed_at=datetime.now(UTC))
