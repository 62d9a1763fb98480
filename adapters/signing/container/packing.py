"""Packs one document with its evidence, proofs, head and certificates, and seals the whole in the gateway's name."""

from __future__ import annotations

import re
from base64 import encodebytes
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from adapters.signing.container import manifest as m
from adapters.signing.container.archive import Member, member, member_from
from adapters.signing.container.story import tell
from adapters.signing.container.summary import summary
from adapters.signing.evidence_reading import Said, read_evidence
from adapters.signing.evidence_xml import instant
from adapters.signing.keys import LoadedKey
from adapters.signing.xades import Pen, SignedFile
from gateway.model.document import Dossier
from gateway.model.evidence import EvidenceRecord
from gateway.model.ids import EvidenceId
from gateway.model.log import HeadRecord
from gateway.model.payload import PayloadRef

Open = Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What goes into a container.

    ``head`` commits to the pieces in ``proofs`` (number and path by id); the others have no proof yet.
    ``open`` gives the bytes of a payload of *dossier*; those in ``gone`` are no longer kept.
    """

    dossier: Dossier
    records: Sequence[EvidenceRecord]
    head: HeadRecord | None
    proofs: Mapping[EvidenceId, tuple[int, tuple[bytes, ...]]]
    open: Callable[[PayloadRef], AsyncIterator[bytes]]
    gone: frozenset[str] = frozenset()


async def members(bundle: Bundle, key: LoadedKey, *, issuer: str, at: datetime) -> list[Member]:
    """Everything in the container, sealed with *key* at *at*, in its order.

    Raises what ``Bundle.open`` raises, and ``xades_check.NOT_OURS`` for evidence that can't be read.
    """
    pieces = [(record, read_evidence(record.body)) for record in bundle.records]
    files = _names(pieces)
    content = await _contents(bundle)
    proofs = tuple(
        m.Proof(files[record.id], *bundle.proofs[record.id])
        for record in bundle.records
        if record.id in bundle.proofs
    )
    submission, header = bundle.dossier.submission, bundle.dossier.header
    told = m.Manifest(
        exported_at=instant(at),
        issuer=issuer,
        document=submission.document,
        message_id=submission.message_id,
        code=header.reference.code if header else "",
        subject=header.subject if header else "",
        received=content.received,
        delivered=content.delivered,
        chains=tuple(_chains(bundle.dossier, pieces)),
        evidence=tuple(files[record.id] for record in bundle.records),
        unproved=tuple(files[record.id] for record in bundle.records if record.id not in bundle.proofs),
    )
    story = tell([said for _, said in pieces])
    made = [member(m.NAME, told.written())]
    if story is not None:
        made.append(member(m.SUMMARY, summary(story, told, bundle.head).encode()))
    made += content.members
    made += [member(files[record.id], record.body) for record in bundle.records]
    if bundle.head is not None:
        made.append(member(m.HEAD, bundle.head.body))
        made.append(member(m.PROOFS, m.write_proofs(bundle.head.size, proofs)))
        if bundle.head.stamp is not None:
            made.append(member(m.STAMP, bundle.head.stamp))
    made.append(member("certificates/gateway.pem", _pem((key.identity.der, *key.identity.chain))))
    seal = Pen(key).sign_files([SignedFile(f.name, f.sha256, m.media_type(f.name)) for f in made], at)
    listing = member(m.LISTING, m.listing(f.name for f in made))
    return [member("mimetype", m.MEDIA_TYPE.encode()), *made, listing, member(m.SIGNATURES, seal)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contents:
    members: tuple[Member, ...]
    received: m.Content | None
    delivered: tuple[m.Content, ...]


async def _contents(bundle: Bundle) -> _Contents:
    """The document as it came, and in every form in which it went."""
    submission = bundle.dossier.submission
    made: list[Member] = []

    async def put(name: str, payload: PayloadRef, recipients: tuple[str, ...] = ()) -> m.Content:
        made.append(await member_from(name, lambda: bundle.open(payload)))
        return m.Content(file=name, sha256=payload.sha256, size=payload.size, recipients=recipients)

    received = None
    if submission.payload is not None and submission.payload.sha256 not in bundle.gone:
        received = await put("document/received.xml", submission.payload)
    went: dict[str, tuple[PayloadRef, list[str]]] = {}
    for copy in bundle.dossier.handovers:
        if copy.payload is not None and copy.payload.sha256 not in bundle.gone:
            went.setdefault(copy.payload.sha256, (copy.payload, []))[1].append(str(copy.addressed_as))
    delivered = [
        await put(f"document/delivered-{n}.xml", payload, tuple(codes))
        for n, (payload, codes) in enumerate(went.values(), 1)
    ]
    return _Contents(members=tuple(made), received=received, delivered=tuple(delivered))


def _names(pieces: Sequence[tuple[EvidenceRecord, Said]]) -> dict[EvidenceId, str]:
    """A file name for every piece: readable, and safe whatever a code holds."""
    places = {
        code: n for n, code in enumerate(sorted({said.recipient for _, said in pieces if said.recipient}), 1)
    }
    names = {}
    for record, said in pieces:
        folder = f"{places[said.recipient]:04}-{_safe(said.recipient)}/" if said.recipient else ""
        names[record.id] = f"evidence/{folder}{said.sequence:02}-{_safe(said.event)}.xml"
    return names


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)[:60]


def _chains(dossier: Dossier, pieces: Sequence[tuple[EvidenceRecord, Said]]) -> list[m.Chain]:
    """Where each chain ends; a recipient of whom nothing was said yet has one that ends at 0."""
    by_code = sorted(pieces, key=lambda piece: (piece[1].recipient, piece[1].sequence))
    ends = {code: list(chain)[-1] for code, chain in groupby(by_code, key=lambda piece: piece[1].recipient)}
    copies = {str(copy.addressed_as): copy for copy in dossier.handovers}
    chains = []
    for code in sorted({*ends, *copies}):
        record, said = ends.get(code, (None, None))
        copy = copies.get(code)
        name = copy.name if copy else said.recipients[0].name if code and said and said.recipients else ""
        state = str(copy.state) if copy else str(dossier.submission.state) if not code else ""
        last, digest = (said.sequence, record.sha256) if said and record else (0, "")
        chains.append(m.Chain(recipient=code, name=name, state=state, last=last, sha256=digest))
    return chains


def _pem(ders: Sequence[bytes]) -> bytes:
    begin, end = b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n"
    return b"".join(begin + encodebytes(der) + end for der in ders)
