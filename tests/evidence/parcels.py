"""Containers made on the spot, taken apart, and packed again in whatever way a forger likes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import ZipFile

from cryptography import x509

from adapters.memory import FixedClock, MemoryStore, MemoryVault
from adapters.signing.container import manifest as m
from adapters.signing.container.archive import Member, member, packed
from adapters.signing.container.checking import ContainerReport, check_container
from adapters.signing.container.packing import Bundle, members
from adapters.signing.keys import LoadedKey
from adapters.signing.xades import Pen, SignedFile
from gateway.model.evidence import EventName
from gateway.model.ids import DocumentId
from tests.builders import NOON
from tests.evidence.desk import WHOLE_WAY, Desk, a_notary, a_ring
from tests.pki import Credential, pki

Files = Mapping[str, bytes]


class Office:
    """A gateway in memory that exports.  ``desk`` brings the documents."""

    def __init__(self, folder: Path) -> None:
        self.store = MemoryStore(FixedClock(NOON))
        self.vault = MemoryVault()
        self.desk = Desk(self.store, self.vault, a_notary(folder / "keys"))
        self.key: LoadedKey = a_ring(folder / "keys").gateway()

    async def bundle(self, document: DocumentId, *, size: int | None = None) -> Bundle:
        """What would be exported of *document*, under the head over *size* leaves (or the best)."""
        dossier = await self.store.ledger.load(document)
        assert dossier is not None
        records = await self.store.records.evidence(document)
        places = await self.store.log_records.places([r.id for r in records])
        wanted = size or max((leaf.number + 1 for leaf in places.values()), default=1)
        head = await self.store.log_records.head_over(wanted)
        numbers = {leaf.number: it for it, leaf in places.items() if head and leaf.number < head.size}
        paths = await self.store.log_records.inclusion(list(numbers), head.size) if head else {}
        return Bundle(
            dossier=dossier,
            records=records,
            head=head,
            proofs={numbers[n]: (n, path) for n, path in paths.items()},
            open=self.vault.open,
        )

    async def export(self, document: DocumentId) -> bytes:
        """The container of *document*."""
        return await written(await self.members(await self.bundle(document)))

    async def members(self, bundle: Bundle) -> list[Member]:
        """The files of a container with *bundle*."""
        return await members(bundle, self.key, issuer="Trục Tây Ninh (00.53.W00)", at=self.desk.clock.now())

    def sealed(self, files: Files, credential: Credential | None = None, folder: Path | None = None) -> Files:
        """*files* with a new seal over them: what a forger does who has a key."""
        key = a_ring(folder, credential).gateway() if folder else self.key
        over = {n: b for n, b in files.items() if n not in ("mimetype", m.LISTING, m.SIGNATURES)}
        named = [SignedFile(n, member(n, b).sha256, m.media_type(n)) for n, b in over.items()]
        seal = Pen(key).sign_files(named, self.desk.clock.now())
        return {"mimetype": files["mimetype"], **over, m.LISTING: m.listing(over), m.SIGNATURES: seal}


async def an_office(
    folder: Path, *, recipients: int = 2, events: Sequence[EventName] = WHOLE_WAY
) -> tuple[Office, DocumentId]:
    """An office with one numbered document."""
    office = Office(folder)
    document = await office.desk.document(1, recipients=recipients, events=events)
    await office.desk.number()
    return office, document


async def written(made: Sequence[Member]) -> bytes:
    """The bytes of an archive with *made*."""
    return b"".join([piece async for piece in packed(made)])


async def repacked(files: Files) -> bytes:
    """*files* in an archive of the one form."""
    return await written([member(name, body) for name, body in files.items()])


def taken_apart(container: bytes) -> dict[str, bytes]:
    """The files of a container, by another library."""
    with ZipFile(io.BytesIO(container)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def check(container: bytes, roots: Sequence[x509.Certificate] | None = None) -> ContainerReport:
    """What the verifier says of *container*."""
    return check_container(io.BytesIO(container), roots or [pki().root])


def codes(report: ContainerReport) -> set[str]:
    """The codes of what is wrong."""
    return {f.code for f in report.findings if f.severity == "error"}
