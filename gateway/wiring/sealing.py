"""The sealer, put together in one way for ``serve`` and for ``vanthu sign``."""

from __future__ import annotations

from adapters.signing.keyring import KeyRing, Options
from adapters.signing.sealer import PadesSealer
from gateway.config import Config
from gateway.model.ids import OrganCode
from gateway.ports import Clock, Directory, Vault


def ring_of(config: Config, *, directory: Directory, clock: Clock) -> KeyRing:
    """The keys of all parties and our own."""
    sections = config.sections
    return KeyRing(
        Options(
            keys=config.keys_folder,
            organ=OrganCode(sections.gateway.organ),
            name=sections.gateway.name,
            trust=config.trust_folder,
            development=sections.signing.development,
        ),
        directory=directory,
        clock=clock,
    )


def sealer_over(config: Config, ring: KeyRing, *, vault: Vault, clock: Clock) -> PadesSealer:
    """The sealer that seals with *ring* what lies in *vault*, as *config* wants seals to look."""
    return PadesSealer(ring, vault=vault, clock=clock)
