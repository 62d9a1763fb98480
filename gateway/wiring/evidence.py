"""What the command line does with the evidence of one document: export it as a container, judge a container."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from adapters.clock import SystemClock
from adapters.files import OutTray
from adapters.signing.container.archive import packed
from adapters.signing.container.checking import ContainerReport, check_container
from adapters.signing.container.packing import Bundle, members
from adapters.signing.notary import XadesNotary
from adapters.store import FileVault, Store, VaultOptions
from gateway.config import Config
from gateway.errors import Refused, Unavailable
from gateway.model.evidence import EvidenceRecord
from gateway.model.ids import DocumentId, EvidenceId, OrganCode, Owner
from gateway.model.log import HeadRecord
from gateway.model.payload import PayloadRef
from gateway.sequencer import Sequencer
from gateway.stages.dispose import PURGED
from gateway.wiring.audit import must_have_store
from gateway.wiring.evidence_log import roots_of
from gateway.wiring.ground import open_the_store
from gateway.wiring.parties import registered
from gateway.wiring.sealing import ring_of

PATIENCE_S = 10.0
"""How long a running gateway is given to sign a head over what is exported."""
_LOOK_S = 0.2
_LIFE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written.  ``unproved``: pieces that no signed head commits to yet; ``gone``: bytes of the document
    that are no longer kept, though they should be; ``is_purged``: all were removed when their time was over."""

    document: DocumentId
    size: int
    pieces: int
    unproved: int
    gone: int
    is_purged: bool
    head: HeadRecord | None


async def export_evidence(config: Config, name: str, out: Path) -> Exported:
    """Write one container with all evidence of the document that *name* names; the file appears whole or not at all.

    Raises ``Refused`` with ``not-found``, or with ``document-ambiguous`` and the ids of those that match;
    ``Unavailable`` where the gateway's own key can't be used.
    """
    must_have_store(config)
    with OutTray(out) as tray:
        store = await open_the_store(config)
        try:
            document = await _one(store, name)
            return await _export(config, store, document, tray)
        finally:
            await store.close()


async def verify_container(config: Config, file: Path, root: Path | None) -> ContainerReport:
    """Judge the container *file*; only *root* is believed where it is given, else the roots of *config*.

    Raises ``Refused("file-unreadable")``, and ``ConfigError`` where *root* holds no certificate.
    """
    roots = roots_of(config, root)
    return await asyncio.to_thread(_judge, file, roots)


def _judge(file: Path, roots: Sequence[x509.Certificate]) -> ContainerReport:
    try:
        if not file.is_file():
            raise Refused("file-unreadable", str(file))
        with file.open("rb") as opened:
            return check_container(opened, roots)
    except OSError as error:
        raise Refused("file-unreadable", f"{file}: {error.strerror}") from error


async def _one(store: Store, name: str) -> DocumentId:
    found = await store.records.search(name)
    if not found:
        raise Refused("not-found", name)
    if len(found) > 1:
        raise Refused("document-ambiguous", ", ".join(found))
    return found[0]


async def _export(config: Config, store: Store, document: DocumentId, tray: OutTray) -> Exported:
    clock = SystemClock()
    dossier = await store.ledger.load(document)
    if dossier is None:
        raise Refused("not-found", document)
    records = await store.records.evidence(document)
    ring = ring_of(config, directory=registered(config), clock=clock)
    key = await asyncio.to_thread(ring.gateway)
    notary = XadesNotary(ring, policy=config.sections.signing.policy_id)
    organ = OrganCode(config.sections.gateway.organ)
    owner = Owner(f"{os.getpid()}-{uuid.uuid4().hex[:12]}")
    sequencer = Sequencer(store.log, store.log_records, notary, clock, organ=organ, owner=owner)
    head, proofs = await _proved(store, records, sequencer, owner)
    vault = FileVault(VaultOptions(folder=config.data(config.sections.vault.folder, "vault")))
    payloads = {
        p.sha256: p for p in (dossier.submission.payload, *(h.payload for h in dossier.handovers)) if p
    }
    gone = frozenset([sha for sha, ref in payloads.items() if not await _is_kept(vault, ref)])
    bundle = Bundle(dossier=dossier, records=records, head=head, proofs=proofs, open=vault.open, gone=gone)
    issuer = f"{config.sections.gateway.name} ({organ})"
    packing = await members(bundle, key, issuer=issuer, at=clock.now())
    try:
        written = await tray.put(packed(packing))
    except ValueError as error:
        raise Refused("file-unwritable", str(error)) from error
    await asyncio.to_thread(tray.hand_out, written)
    return Exported(
        document=document,
        size=written.size,
        pieces=len(records),
        unproved=len(records) - len(proofs),
        gone=len(gone),
        is_purged=any(one.event == PURGED for one in await store.records.timeline(document)),
        head=head,
    )


Proofs = dict[EvidenceId, tuple[int, tuple[bytes, ...]]]


async def _proved(
    store: Store, records: Sequence[EvidenceRecord], sequencer: Sequencer, owner: Owner
) -> tuple[HeadRecord | None, Proofs]:
    """A head that commits to all of *records*, and the proofs; to as many as can be had where none commits to all."""
    ids = [record.id for record in records]
    places = await store.log_records.places(ids)
    head = await _over(store, ids)
    if head is None:
        await _ask_for_head(store, ids, sequencer, owner)
        places = await store.log_records.places(ids)
        head = await _over(store, ids) or (await store.log_records.state()).head
    if head is None:
        return None, {}
    numbers = {leaf.number: it for it, leaf in places.items() if leaf.number < head.size}
    paths = await store.log_records.inclusion(list(numbers), head.size)
    return head, {numbers[number]: (number, path) for number, path in paths.items()}


async def _over(store: Store, ids: Sequence[EvidenceId]) -> HeadRecord | None:
    """The best head over all of *ids*, if there is one."""
    places = await store.log_records.places(ids)
    if len(places) < len(ids) or not ids:
        return None
    return await store.log_records.head_over(max(leaf.number for leaf in places.values()) + 1)


async def _ask_for_head(store: Store, ids: Sequence[EvidenceId], sequencer: Sequencer, owner: Owner) -> None:
    """Have a head signed: by the gateway that runs, or where none does, by ourselves."""
    with suppress(Unavailable, TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            await store.log_records.want()
            await store.lives.beat(owner, _LIFE)
            while await _over(store, ids) is None:
                if not await sequencer.turn():
                    await asyncio.sleep(_LOOK_S)
    with suppress(Unavailable):
        await store.lives.bury(owner)


async def _is_kept(vault: FileVault, ref: PayloadRef) -> bool:
    pieces: AsyncIterator[bytes] = vault.open(ref)
    try:
        await anext(pieces, b"")
    except Unavailable:
        return False
    finally:
        await pieces.aclose()  # type: ignore[attr-defined]  # it is a generator
    return True
