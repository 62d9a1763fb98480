"""The sealer: an agency's seal as a PAdES B-B signature in an incremental update (``gateway.ports.Sealer``).

    sealer = PadesSealer(ring, vault=vault, clock=clock)
    sealed = await sealer.seal(ref, order)

Three steps, so that a slow key (a token, a remote service) fits between two pieces of plain work:
prepare the file and its digest, let the key sign, fill and read back.  234 KB take about 1.5 ms.

The first step reads what somebody else wrote, and no look from outside tells how long that takes (a form of
5,000 fields in 385 KB: 0.3 s).  So it runs in a thread, always, for 0.1 ms more; the others hash and copy,
and need one for large files only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import structlog

from adapters.loose import LooseFile
from adapters.signing.cms import CmsTemplate
from adapters.signing.keyring import KeyRing
from adapters.signing.keys import Identity
from adapters.signing.pdf import Draft, Wish, prepare
from adapters.signing.readback import NotWhatWeSealed, read_back, read_back_apart, read_back_as_pdf
from adapters.signing.visible.looks import Looks
from adapters.signing.visible.looks import Options as LookOptions
from gateway.errors import Refused, Unavailable
from gateway.model.ids import PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.signature import Seal, Sealed, SealOrder
from gateway.ports import Clock, Vault

_log = structlog.get_logger(__name__)

_LARGE = 2 * 1024 * 1024
"""Larger files are sealed in threads, one at a time: the original is in memory, once.  What comes of it lies in a
loose file; only of those that are odd it is in memory, too."""

_RESERVE_STEP = 1_024
"""Room for the CMS is given in steps of this many bytes, at least one more than it needs."""

_REMARKABLE = frozenset({"no-page", "no-room", "page-unreadable", "certified"})
"""Why a seal shows nothing, where that is the document's doing.  A missing picture is told once."""


class PadesSealer:
    """Seals with the keys of a ring.  *look*: what the seals show; without it, what the law asks for.

    *folder*: where large sealed files lie as long as somebody holds them; by default, where temporary files do.
    """

    def __init__(
        self,
        ring: KeyRing,
        *,
        vault: Vault,
        clock: Clock,
        look: LookOptions | None = None,
        folder: Path | None = None,
    ) -> None:
        self._ring = ring
        self._folder = folder
        self._looks = Looks(look or LookOptions(), ring)
        self._vault = vault
        self._clock = clock
        self._large = asyncio.Semaphore(1)

    async def seal(self, ref: PayloadRef, order: SealOrder) -> Sealed:
        """The sealed PDF; its bytes ride along, where they are many as a loose file.

        The time in the signature is the order's, but never before the certificate's first instant: a
        document may have waited for its key.  The same order and file give the same bytes, for ECDSA too
        (for PSS only the signature value differs).

        Raises ``Unavailable`` with ``seal-key-missing``, ``seal-key-unusable`` or ``seal-failed``, and
        ``Refused`` with ``seal-certificate-expired``, ``seal-forbidden``, ``pdf-encrypted`` or
        ``pdf-unreadable``.
        """
        ready = await self._ring.key(order.party)
        identity = ready.key.identity
        signed_at = max(order.signed_at, identity.not_before)
        identity.check(signed_at, self._clock.now())
        wish = Wish(
            signed_at=signed_at,
            digest=identity.scheme.digest.value,
            reserved=_room(ready.template),
            seed=f"{ref.sha256} {identity.sha256} {signed_at.isoformat()}".encode(),
            mark=await self._looks.mark(order, signed_at),
        )
        is_large = ref.size > _LARGE
        async with self._large if is_large else nullcontext():
            pdf = await self._vault.read(ref)
            draft = await asyncio.to_thread(prepare, pdf, wish, ref.hashed if pdf is ref.body else None)
            attributes = ready.template.attributes(draft.digest)
            cms = ready.template.assemble(attributes, await ready.key.sign(attributes))
            if is_large and not draft.was_odd:
                payload = await asyncio.to_thread(_put_away, draft, cms, ready.template, self._folder)
            elif is_large or draft.was_odd:
                payload = await asyncio.to_thread(_finish, draft, cms, ready.template)
            else:
                payload = _finish(draft, cms, ready.template)
        _log.debug("sealed", sha256=ref.sha256, kind=str(order.kind), shown=draft.shown, hidden=draft.hidden)
        if draft.hidden in _REMARKABLE:
            _log.warning("a seal shows nothing", sha256=ref.sha256, party=order.party, why=draft.hidden)
        return Sealed(payload=payload, seal=_seal(order.party, identity), was_odd=draft.was_odd)

    async def find_seal(self, party: PartyKey) -> Seal | None:
        """The seal with which *party* would seal now; ``None`` without a key."""
        try:
            ready = await self._ring.key(party)
        except Unavailable as exc:
            if exc.reason == "seal-key-missing":
                return None
            raise
        return _seal(party, ready.key.identity)


def _put_away(draft: Draft, cms: bytes, template: CmsTemplate, folder: Path | None) -> PayloadRef:
    """The finished file, read back, without ever being put together in memory."""
    with _seal_failures(is_odd=False):
        update = draft.filled(cms)
        payload = read_back_apart(draft.original, update, template, draft.hashed)
    file = LooseFile.in_folder(folder)
    file.write(draft.original)
    file.write(update)
    return replace(payload, loose=file)


def _finish(draft: Draft, cms: bytes, template: CmsTemplate) -> PayloadRef:
    """The finished file, read back."""
    with _seal_failures(is_odd=draft.was_odd):
        sealed = draft.fill(cms)
        payload = read_back(draft.original, sealed, template, draft.hashed)
        if draft.was_odd:
            read_back_as_pdf(sealed, draft.field_name)
    return payload


@contextmanager
def _seal_failures(*, is_odd: bool) -> Iterator[None]:
    try:
        yield
    except NotWhatWeSealed as exc:
        if is_odd:
            # the file is at fault: no reader that we know makes sense of it with an update
            raise Refused("pdf-unreadable", str(exc)) from exc
        raise Unavailable("seal-failed", str(exc)) from exc
    except ValueError as exc:
        raise Unavailable("seal-failed", "the CMS is larger than its room") from exc


def _room(template: CmsTemplate) -> int:
    return (template.max_size // _RESERVE_STEP + 2) * _RESERVE_STEP


def _seal(party: PartyKey, identity: Identity) -> Seal:
    return Seal(
        party=party,
        subject=identity.subject,
        certificate_sha256=identity.sha256,
        not_before=identity.not_before,
        not_after=identity.not_after,
    )
