"""The sealer, put together in one way for ``serve`` and for ``vanthu sign``."""

from __future__ import annotations

from pathlib import Path

from adapters.signing.keyring import KeyRing, Options
from adapters.signing.keys import Digest
from adapters.signing.sealer import PadesSealer
from adapters.signing.visible.looks import Options as LookOptions
from adapters.signing.visible.placement import Corner, Leaf, Place
from adapters.signing.visible.typeface import find_font
from gateway.config import Config, secret
from gateway.model.ids import OrganCode
from gateway.ports import Clock, Directory, Vault

KEYS_LOOKED_AT_S = 0.25
"""A key or a picture that is replaced is taken up that much later at most."""


def ring_of(config: Config, *, directory: Directory, clock: Clock) -> KeyRing:
    """The keys of all parties and our own.  Raises ``ConfigError`` where the passphrase's variable is not set."""
    sections = config.sections
    passphrase = secret(sections.signing.passphrase, "signing.passphrase")
    return KeyRing(
        Options(
            keys=config.keys_folder,
            organ=OrganCode(sections.gateway.organ),
            name=sections.gateway.name,
            trust=config.trust_folder,
            passphrase=passphrase.encode() if passphrase else None,
            development=sections.signing.development,
            digest=Digest(sections.signing.digest),
            prefer_pss=sections.signing.prefer_pss,
            looks_every_s=KEYS_LOOKED_AT_S,
        ),
        directory=directory,
        clock=clock,
    )


def sealer_over(
    config: Config, ring: KeyRing, *, vault: Vault, clock: Clock, folder: Path | None = None
) -> PadesSealer:
    """The sealer that seals with *ring* what lies in *vault*, as *config* wants seals to look; large sealed files
    lie in *folder* while somebody holds them."""
    return PadesSealer(ring, vault=vault, clock=clock, look=look(config), folder=folder)


def look(config: Config) -> LookOptions:
    """What the section ``[seal]`` asks for.  Raises ``ConfigError`` where the font for appendices is missing."""
    section = config.sections.seal
    font = config.file(section.font, Path()) if section.font else None
    return LookOptions(
        visible=section.visible,
        pictures=config.data(section.pictures, "") if section.pictures else None,
        diameter_mm=section.diameter_mm,
        anchors=section.anchors,
        place=Place(
            leaf=Leaf(section.page), corner=Corner(section.corner), x_mm=section.x_mm, y_mm=section.y_mm
        ),
        font=find_font(font) if section.visible else None,
    )
