"""What each seal shows: the pictures of the agencies, and the lines on appendices.

    looks = Looks(Options(), ring)
    mark = await looks.mark(order, signed_at)

A party's picture is ``<party>.seal.png`` beside its key or in a folder of its own; one that is replaced is
taken up with the next seal.  In development a missing one is drawn when it is first asked for.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import structlog

from adapters.signing.development import appear
from adapters.signing.keyring import KeyRing, Stamp, file_stem
from adapters.signing.visible.drawn_seal import draw
from adapters.signing.visible.mark import Hidden, Mark, PictureMark, TextMark
from adapters.signing.visible.picture import LARGEST_FILE, Picture, UnusablePicture, read_picture
from adapters.signing.visible.placement import Place
from adapters.signing.visible.typeface import Typeface, find_font
from gateway.errors import ConfigError, Unavailable
from gateway.model.ids import PartyKey
from gateway.model.signature import SealKind, SealOrder

_log = structlog.get_logger(__name__)

_VIETNAM = timezone(timedelta(hours=7))
_MOST_LOADED = 256
"""Pictures that are kept in memory, some 25 KB each."""

ANCHORS = ("TM.", "KT.", "TL.", "TUQ.", "Q.", "Nơi nhận")
"""How the lines begin that tell where a signer signs: his authority (ô 7a), and what stands level with it (9b)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How seals look.

    ``visible``: whether they show anything.  ``pictures``: the folder of ``<party>.seal.png``; ``None``: that
    of the keys.  ``diameter_mm``: the size of a seal whose PNG does not tell its resolution.  ``anchors``: how
    lines begin that tell where the signer signs, where no signature does.  ``place``: where the seal goes
    that finds neither.  ``font``: a TrueType file with Times New Roman's measures; ``None``: the machine's.
    """

    visible: bool = True
    pictures: Path | None = None
    diameter_mm: float = 36.0
    anchors: tuple[str, ...] = ANCHORS
    place: Place = field(default_factory=Place)
    font: Path | None = None


class Looks:
    """The looks of the seals that are made with the keys of *ring*."""

    def __init__(self, options: Options, ring: KeyRing) -> None:
        self._options = options
        self._ring = ring
        self._folder = options.pictures or ring.options.keys
        self._loaded: OrderedDict[PartyKey, tuple[Stamp, Picture | None]] = OrderedDict()
        # Preparing a picture is heavy, like loading a key: one at a time.
        self._loading = asyncio.Lock()
        self._typeface: Typeface | None = None

    async def mark(self, order: SealOrder, signed_at: datetime) -> Mark | Hidden:
        """What the seal of *order* shows.

        Raises ``Unavailable("seal-picture-unusable")`` where the party's PNG is broken, too large, not
        transparent or of no seal's size, and ``Unavailable("seal-failed")`` where the font has gone.
        """
        if not self._options.visible:
            return Hidden(why="switched-off")
        match order.kind:
            case SealKind.APPENDIX:
                typeface = self._typeface
                if typeface is None:
                    typeface = await asyncio.to_thread(self._open_typeface)
                # spec: NĐ 30/2020 Annex I, Part I, II.8.b - number and notation; ISO 8601, Vietnam's zone
                time = signed_at.astimezone(_VIETNAM).isoformat(timespec="seconds")
                return TextMark(lines=(order.code, time) if order.code else (time,), typeface=typeface)
            case SealKind.MAIN:
                picture = await self._picture(order.party)
                if picture is None:
                    return Hidden(why="no-picture")
                return PictureMark(picture=picture, place=self._options.place, anchors=self._options.anchors)

    def _open_typeface(self) -> Typeface:
        try:
            typeface = Typeface(find_font(self._options.font))
            typeface.prepare()
        except (OSError, ConfigError) as exc:
            # it was there at start-up
            raise Unavailable("seal-failed", str(exc)) from exc
        self._typeface = typeface
        return typeface

    async def _picture(self, party: PartyKey) -> Picture | None:
        file = self._folder / f"{file_stem(party)}.seal.png"
        found = self._loaded.get(party)
        if found is None or found[0] != self._ring.looks.at(file):
            async with self._loading:
                found = self._loaded.get(party)
                if found is None or found[0] != self._ring.looks.at(file):
                    found = await asyncio.to_thread(self._load, file, party)
                    self._loaded[party] = found
        self._loaded.move_to_end(party)
        while len(self._loaded) > _MOST_LOADED:
            self._loaded.popitem(last=False)
        return found[1]

    def _load(self, file: Path, party: PartyKey) -> tuple[Stamp, Picture | None]:
        try:
            if self._ring.options.development and not file.exists():
                appear(file, self._drawn(party), mode=0o644)
            read_at = self._ring.looks.anew(file)
            if read_at[2] > LARGEST_FILE:
                raise UnusablePicture(f"larger than {LARGEST_FILE} bytes")
            picture = read_picture(file.read_bytes(), diameter_mm=self._options.diameter_mm)
        except FileNotFoundError:
            _log.warning("a party has no picture of its seal", party=party, why="no-picture")
            return self._ring.looks.anew(file), None
        except (OSError, UnusablePicture) as exc:
            raise Unavailable("seal-picture-unusable", f"{file.name}: {exc}") from exc
        return read_at, picture

    def _drawn(self, party: PartyKey) -> bytes:
        return draw(
            self._ring.name_of(party),
            font=find_font(self._options.font),
            diameter_mm=self._options.diameter_mm,
        )
