"""Judges a container with nothing but root certificates: no store, no configuration, no network.

Strategy: from the outside inwards, and each step names what it finds.  1. Is every byte of the archive
accounted for?  (What another program has packed again is noted, and then read like any ZIP file, so that it is
told which piece is missing.)  2. Does the gateway's seal over the list of files hold?  3. Is every file the one
that was sealed, none missing, none more?  4. Does every piece of evidence hold by itself, and the chains
together, to their very ends?  5. Does the head commit to every piece?  6. Is the document the one that the
evidence is about?  A step goes on where the one before it found something, so that a changed file is also told
by what it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import BinaryIO

from cryptography import x509

from adapters.signing.chains import broken_chains
from adapters.signing.container import manifest as m
from adapters.signing.container.archive import Archive, Entry, Malformed
from adapters.signing.container.rewritten import Rewritten
from adapters.signing.container.story import Story, tell
from adapters.signing.evidence_check import EvidenceCheck, Standing, verify_evidence
from adapters.signing.evidence_reading import Said, read_evidence
from adapters.signing.head_check import HeadCheck, verify_head
from adapters.signing.stamps.token import check_token
from adapters.signing.xades_check import NOT_OURS, SignedFiles, path_to_root, sentence, verify_files
from gateway.model.finding import Finding, Severity
from gateway.model.merkle import is_included, leaf_hash

_UNSEALED = ("mimetype", m.LISTING, m.SIGNATURES)
LARGEST_EVIDENCE = 4 * 1024 * 1024
LARGEST_SEAL = 32 * 1024 * 1024
MOST_FINDINGS = 200
UNKNOWN = "signer-unknown"


@dataclass(slots=True, kw_only=True)
class ContainerReport:
    """What a container says, and what is wrong with it.

    ``story`` is told from evidence that holds; ``proved`` and ``pieces`` count the evidence under the head,
    and all of it.
    """

    findings: list[Finding] = field(default_factory=list)
    more: int = 0
    story: Story | None = None
    manifest: m.Manifest | None = None
    sealed_by: str = ""
    sealed_at: datetime | None = None
    head: HeadCheck | None = None
    stamped_at: datetime | None = None
    pieces: int = 0
    proved: int = 0

    @property
    def verdict(self) -> str:
        """``intact``; ``untrusted`` where nothing is wrong but that nobody trusted has signed; else ``broken``.

        A remark is nothing wrong.
        """
        wrong = {f.code for f in self.findings if f.severity is Severity.ERROR}
        return "intact" if not wrong else "untrusted" if wrong == {UNKNOWN} else "broken"

    @property
    def is_intact(self) -> bool:
        """Whether the verdict is ``intact``."""
        return self.verdict == "intact"

    def find_unknown(self, signer: str, where: str) -> None:
        """*signer*, first met at *where*, leads to no trusted root; each is told once."""
        if not any(f.code == UNKNOWN and f.detail == signer[:300] for f in self.findings):
            self.find(UNKNOWN, where, signer)

    def find(self, code: str, where: str, detail: str = "", severity: Severity = Severity.ERROR) -> None:
        """Note something; beyond two hundred things they are counted."""
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(
                Finding(code=code, severity=severity, where=where[:300], detail=detail[:300])
            )
        else:
            self.more += 1


def check_container(file: BinaryIO, roots: Sequence[x509.Certificate]) -> ContainerReport:
    """Judge the container in *file*.  Raises nothing but ``OSError``, whatever the bytes are."""
    report = ContainerReport()
    archive: Archive | Rewritten
    try:
        archive = Archive(file)
    except Malformed as malformed:
        report.find("container-malformed", malformed.where, malformed.why)
        try:
            archive = Rewritten(file)
        except Malformed:
            return report
    return _Check(archive, roots, report).run()


class _Check:
    """One container on the table."""

    def __init__(
        self,
        archive: Archive | Rewritten,
        roots: Sequence[x509.Certificate],
        report: ContainerReport,
    ) -> None:
        self._archive = archive
        self._entries = {entry.name: entry for entry in archive.entries}
        self._roots = roots
        self._report = report
        self._digests: dict[str, str] = {}
        self._signers: set[str] = set()

    def run(self) -> ContainerReport:
        """All steps."""
        self._digest_all()
        seal = self._check_seal()
        if seal is not None:
            self._compare_files(seal)
        told = self._read_manifest()
        pieces = dict(self._check_pieces())
        self._check_chains(pieces, told)
        self._check_log(pieces, told)
        if told is not None:
            self._check_content(pieces, told)
        if len(self._signers) > 1:
            self._report.find("signers-differ", m.SIGNATURES, "; ".join(sorted(self._signers)))
        return self._report

    # --- 2 and 3: the seal and the files ------------------------------------------------------------

    def _digest_all(self) -> None:
        for entry in self._archive.entries:
            digest = sha256()
            try:
                for piece in self._archive.pieces(entry):
                    digest.update(piece)
            except Malformed as malformed:
                self._report.find("container-file-altered", malformed.where, malformed.why)
            self._digests[entry.name] = digest.hexdigest()
        first = self._archive.entries[0].name if self._archive.entries else ""
        if first != "mimetype" or self._read("mimetype", 100) != m.MEDIA_TYPE.encode():
            self._report.find("container-malformed", "mimetype", "it is not the first file, or another type")

    def _check_seal(self) -> SignedFiles | None:
        xml = self._read(m.SIGNATURES, LARGEST_SEAL)
        if xml is None:
            self._report.find("container-file-missing", m.SIGNATURES)
            return None
        try:
            seal = verify_files(xml)
        except NOT_OURS as exc:
            self._report.find("container-seal-unsound", m.SIGNATURES, sentence(exc))
            return None
        signer = seal.signer
        self._signers.add(signer.name)
        self._report.sealed_by, self._report.sealed_at = signer.name, signer.signed_at
        way = path_to_root(signer.certificates, self._roots, signer.signed_at)
        if not way:
            self._report.find_unknown(signer.name, m.SIGNATURES)
        elif not set(signer.certificates) <= set(way):
            # every byte counts: a certificate that is needed for nothing could be anything
            self._report.find("container-seal-unsound", m.SIGNATURES, "It carries a certificate too many.")
        return seal

    def _compare_files(self, seal: SignedFiles) -> None:
        meant = {file.uri: file.sha256.hex() for file in seal.files}
        for name, digest in meant.items():
            if name not in self._digests:
                self._report.find("container-file-missing", name)
            elif self._digests[name] != digest:
                self._report.find("container-file-altered", name)
        for name in self._digests:
            if name not in meant and name not in _UNSEALED:
                self._report.find("container-file-unexpected", name)
        if self._read(m.LISTING, LARGEST_SEAL) != m.listing(file.uri for file in seal.files):
            is_there = m.LISTING in self._digests
            self._report.find("container-file-altered" if is_there else "container-file-missing", m.LISTING)
        order = ["mimetype", *(file.uri for file in seal.files), m.LISTING, m.SIGNATURES]
        if list(self._digests) != order and set(self._digests) == set(order):
            self._report.find("container-malformed", "container", "its files are in another order")

    # --- 4: evidence --------------------------------------------------------------------------------

    def _read_manifest(self) -> m.Manifest | None:
        data = self._read(m.NAME, LARGEST_SEAL)
        try:
            if data is None:
                raise ValueError("it is missing")
            self._report.manifest = m.read_manifest(data)
        except ValueError as error:
            self._report.find("container-file-altered", m.NAME, str(error)[:200])
            return None
        return self._report.manifest

    def _check_pieces(self) -> Iterator[tuple[str, tuple[EvidenceCheck, Said | None]]]:
        said: list[Said] = []
        for name in self._digests:
            if not name.startswith("evidence/"):
                continue
            self._report.pieces += 1
            xml = self._read(name, LARGEST_EVIDENCE) or b""
            check = verify_evidence(xml, self._roots)
            one: Said | None = None
            if check.standing is Standing.UNKNOWN:
                self._report.find_unknown(check.signer, name)
            elif check.standing is Standing.FAILED:
                self._report.find("evidence-unsound", name, check.reason)
            if check.standing is not Standing.FAILED:
                self._signers.add(check.signer)
                try:
                    one = read_evidence(xml)
                    said.append(one)
                except NOT_OURS as exc:
                    self._report.find("evidence-unsound", name, sentence(exc))
            yield name, (check, one)
        self._report.story = tell(said)

    def _check_chains(
        self, pieces: dict[str, tuple[EvidenceCheck, Said | None]], told: m.Manifest | None
    ) -> None:
        checks = {name: check for name, (check, _) in pieces.items() if check.document}
        for broken in broken_chains(list(checks.values())):
            self._report.find("chain-broken", f"{broken.recipient or '*'} #{broken.sequence}", broken.why)
        if told is None:
            return
        if list(pieces) != list(told.evidence):
            for name in sorted(set(told.evidence) ^ set(pieces)):
                why = "the manifest names it" if name in told.evidence else "the manifest does not name it"
                self._report.find("chain-broken", name, why)
            if set(told.evidence) == set(pieces):
                self._report.find("chain-broken", m.NAME, "the evidence is in another order")
        ends = {(c.recipient, c.sequence): c.sha256 for c in checks.values()}
        lasts: dict[str, int] = {}
        for check in checks.values():
            lasts[check.recipient] = max(lasts.get(check.recipient, 0), check.sequence)
        for chain in told.chains:
            where = f"{chain.recipient or '*'} #{chain.last}"
            is_there = not chain.sha256 or ends.get((chain.recipient, chain.last)) == chain.sha256
            if not is_there or lasts.get(chain.recipient, 0) != chain.last:
                have = lasts.get(chain.recipient, 0)
                self._report.find(
                    "chain-broken", where, f"it ends with {have}, sealed was its end with {chain.last}"
                )
        for recipient in lasts.keys() - {chain.recipient for chain in told.chains}:
            self._report.find("chain-broken", recipient or "*", "the manifest knows no such chain")
        if any(check.document != told.document for check in checks.values()):
            self._report.find("chain-broken", m.NAME, "there is evidence of another document")

    # --- 5: the log ---------------------------------------------------------------------------------

    def _check_log(
        self, pieces: dict[str, tuple[EvidenceCheck, Said | None]], told: m.Manifest | None
    ) -> None:
        xml = self._read(m.HEAD, LARGEST_EVIDENCE)
        if xml is None:
            self._report.find("evidence-unproved", m.HEAD, f"{len(pieces)}", Severity.WARNING)
            return
        head = self._report.head = verify_head(xml, self._roots)
        if head.standing is Standing.FAILED:
            self._report.find("head-unsound", m.HEAD, head.reason)
            return
        if head.standing is Standing.UNKNOWN:
            self._report.find_unknown(head.signer, m.HEAD)
        self._signers.add(head.signer)
        proofs = {p.file: p for p in self._proofs()}
        root = bytes.fromhex(head.root)
        meant_unproved = set(told.unproved) if told else set()
        numbers: dict[int, str] = {}
        for name in pieces:
            proof = proofs.pop(name, None)
            if proof is None:
                is_said = name in meant_unproved
                severity = Severity.WARNING if is_said else Severity.ERROR
                self._report.find("evidence-unproved", name, severity=severity)
                continue
            leaf = leaf_hash(self._read(name, LARGEST_EVIDENCE) or b"")
            if not is_included(leaf, proof.number, head.size, proof.path, root):
                self._report.find("proof-unsound", name, f"#{proof.number} of {head.size}")
            elif proof.number in numbers:
                self._report.find(
                    "proof-unsound", name, f"#{proof.number} is that of {numbers[proof.number]}, too"
                )
            else:
                numbers[proof.number] = name
                self._report.proved += 1
        for name in proofs:
            self._report.find("proof-unsound", name, "there is a proof without its evidence")
        token = self._read(m.STAMP, LARGEST_EVIDENCE)
        if token is not None:
            stamp = check_token(xml, token, self._roots)
            self._report.stamped_at = stamp.at
            if stamp.standing is Standing.FAILED:
                self._report.find("stamp-unsound", m.STAMP, stamp.reason)
            elif stamp.standing is Standing.UNKNOWN:
                # the evidence holds by itself; the time-stamp only adds to it, for those who trust its authority
                self._report.find(UNKNOWN, m.STAMP, stamp.signer, Severity.WARNING)

    def _proofs(self) -> tuple[m.Proof, ...]:
        try:
            return m.read_proofs(self._read(m.PROOFS, LARGEST_SEAL) or b"")
        except ValueError as error:
            self._report.find("container-file-altered", m.PROOFS, str(error)[:200])
            return ()

    # --- 6: the document ----------------------------------------------------------------------------

    def _check_content(self, pieces: dict[str, tuple[EvidenceCheck, Said | None]], told: m.Manifest) -> None:
        contents = [*([told.received] if told.received else []), *told.delivered]
        for content in contents:
            entry = self._entries.get(content.file)
            if entry is None:
                self._report.find("container-file-missing", content.file)
            elif (self._digests[content.file], entry.size) != (content.sha256, content.size):
                self._report.find("container-file-altered", content.file)
        stated = {said.content_sha256 for _, said in pieces.values() if said is not None}
        if len(stated) > 1 or (told.received and stated and stated != {told.received.sha256}):
            self._report.find("content-differs", "document/received.xml")
        story = self._report.story
        if story is not None and story.message_id != told.message_id:
            self._report.find("content-differs", m.NAME, "message_id")

    def _read(self, name: str, most: int) -> bytes | None:
        """The bytes of a file; ``None`` where it is missing, too large or bent."""
        entry: Entry | None = self._entries.get(name)
        if entry is None or entry.size > most:
            return None
        try:
            return b"".join(self._archive.pieces(entry))
        except Malformed:
            return None
