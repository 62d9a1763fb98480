"""The seams: what we need from the world, and what the world asks of us.

Each port is a small ``Protocol``; its docstrings are its contract, and ``tests/contract`` holds one
suite per port that the in-memory twin (``adapters.memory``) and every real adapter pass.  Nothing here
carries bytes where a reference will do.  Unless said otherwise a port raises ``Unavailable`` when the
world does not answer, lets no library's exception out, and may be called again with the same
arguments without harm.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

from gateway.model.change import AuditEntry, Change, Event, Outcome, Relation, Work, WorkKind
from gateway.model.dead import DeadLetter, Place, Wanted
from gateway.model.document import Dossier, Namesake
from gateway.model.envelope import DocumentReference, Edoc, Envelope, Marks, Priority
from gateway.model.evidence import EventName, Evidence, EvidenceRecord
from gateway.model.finding import Finding
from gateway.model.handover import HandOverResult, InboxItem, Parcel
from gateway.model.ids import (
    ClientId,
    DocumentId,
    EvidenceId,
    OrganCode,
    Owner,
    PartyKey,
)
from gateway.model.log import HeadRecord, Leaf, LogState, TreeHead, Unnumbered
from gateway.model.party import Client, Found, Party
from gateway.model.payload import PayloadRef
from gateway.model.policy import Acceptance
from gateway.model.quota import Quota, Used
from gateway.model.retention import DataClass, Due, Lying
from gateway.model.signature import Inspection, Seal, Sealed, SealOrder
from gateway.model.stuck import Page, Undone
from gateway.model.submission import Arrival, Ticket
from gateway.model.upload import Upload, UploadId

# --- what we need from the world --------------------------------------------------------------------


class Ledger(Protocol):
    """The only thing that is "the state".  All waiting changes are grouped into one commit by one writer."""

    async def load(self, document: DocumentId, recipient: PartyKey | None = None) -> Dossier | None:
        """The dossier of *document*, with all copies or only *recipient*'s; ``None`` if unknown."""
        ...

    async def commit(self, change: Change) -> Outcome:
        """Write *change*, all or nothing; durable on return.

        ``Stale`` where a row's version or the fence no longer holds.  ``Known`` where
        ``change.submission`` has version 1 and its (realm, party, message id, slot) exists: then nothing
        is written.  New work whose key exists already is left as it is.  ``Stale``, too, where work in
        ``withdraws`` is not there, is leased, or was attempted with an end that leaves a doubt.
        """
        ...

    async def lease(
        self,
        owner: Owner,
        limit: int,
        kinds: frozenset[WorkKind] = frozenset(WorkKind),
        *,
        sated: frozenset[str] = frozenset(),
    ) -> Sequence[Work]:
        """Take up to *limit* pieces of work that are due and free: the most urgent first; of one degree the longest
        due of each line, then the second of each, and so on.  Of a recipient's line only the first two, and none
        from the lines *sated*: their parties have enough in hand here.

        Of the deliveries to one party none is leased while a more urgent one waits for a place in its queue (was
        postponed as ``queue-full`` and is not done): the next place goes to the most urgent.  Fresh work, work whose owner is dead, and work postponed until now are all just due.  Each
        attempt is counted before the work is returned.  No work is leased to two living owners, and none to one
        whose life is over by the store's clock, or never began: first the next beat.
        """
        ...

    async def find(self, reference: DocumentReference, recipient: PartyKey) -> Sequence[DocumentId]:
        """The documents that *reference* may mean and of which *recipient* had a copy, oldest first.

        The organ must match (the sender's code); the official id decides where both have one, else code
        and date do.  *reference* is canonical.  Several may match: that is an answer.  Recalls are never meant:
        they carry the number of what they recall.
        """
        ...

    async def namesakes(self, reference: DocumentReference) -> Sequence[Namesake]:
        """Documents with the official id of *reference*, or with its organ, code and year, oldest first; where there are
        more than 10 of either, any 10.  Refused ones are none, nor are recalls.  *reference* is canonical.  Asked of
        every new document: it must cost little, however many there are."""
        ...

    async def originals(
        self, reference: DocumentReference, senders: Sequence[PartyKey]
    ) -> Sequence[DocumentId]:
        """The documents of *senders* that *reference* may mean, oldest first; refused ones are none, nor are recalls.

        As ``find``, but the organ of the reference does not count.  Documents that still wait are found.
        """
        ...


class Lives(Protocol):
    """Who is alive, by the store's own clock, and how often something died before it was registered."""

    async def beat(self, owner: Owner, lasting: timedelta) -> None:
        """*owner* lives for *lasting* from now on; what it leased stays its own for as long."""
        ...

    async def bury(self, owner: Owner) -> None:
        """*owner* is dead: what it leased is free at once.  Unknown owners are no error."""
        ...

    async def died(self, key: str, *, first: int = 1) -> int:
        """Count one more death under *key* and answer how many there are now; durable on return.  The count
        begins at *first*."""
        ...


class Usage(Protocol):
    """What parties have used of their quotas, counted over all workers and lives, by the store's own clock."""

    async def look(self, quotas: Mapping[PartyKey, Quota]) -> Mapping[PartyKey, Used]:
        """What each of these parties has used, drained until now at the pace of its quota; nothing is written.

        ``waiting`` is counted where a quota bounds it, and 0 elsewhere."""
        ...

    async def draw(self, drawn: Mapping[PartyKey, tuple[Used, Quota]]) -> Mapping[PartyKey, Used]:
        """Add what was drawn (below 0: given back) to what each party has used, and answer as ``look`` does; durable on
        return.  Nothing sinks below 0.  ``waiting`` of what was drawn counts for nothing.  Not to be repeated: what
        was drawn twice counts twice."""
        ...


class Inboxes(Protocol):
    """What waits for parties that fetch by HTTP.  Items are put by ``Ledger.commit``."""

    async def peek(self, party: PartyKey, limit: int) -> Sequence[InboxItem]:
        """Items of *party* not yet taken nor expired, the most urgent first, then oldest; locked ones too."""
        ...

    async def item(self, party: PartyKey, item: str) -> InboxItem | None:
        """One item of *party*, taken or not; ``None`` where it has no such item.

        ``locked_until`` tells of a lock that holds, by the store's clock, by which it was made; of no other."""
        ...

    async def lock(self, party: PartyKey, item: str, lock: str, lasting: timedelta) -> InboxItem | None:
        """Lock the item under the token *lock*; ``None`` where another lock still holds or it is taken."""
        ...


class Records(Protocol):
    """Questions that people ask; never in the hot path."""

    async def timeline(self, document: DocumentId) -> Sequence[Event]:
        """The events of *document*, oldest first."""
        ...

    async def evidence(self, document: DocumentId) -> Sequence[EvidenceRecord]:
        """Every evidence of *document* as issued: the acceptance first, then by recipient and sequence."""
        ...

    async def one_evidence(self, evidence: EvidenceId) -> EvidenceRecord | None:
        """One evidence as issued."""
        ...

    async def relations(self, document: DocumentId) -> Sequence[Relation]:
        """What *document* recalls, updates or replaces, and what does so to it: per recipient, oldest first."""
        ...

    async def search(self, text: str, limit: int = 20) -> Sequence[DocumentId]:
        """Documents whose id, message id, official id or full code is *text*, newest first."""
        ...

    async def waiting(self) -> Mapping[str, int]:
        """How much work is undone, by kind; and ``waiting`` documents as ``waiting``."""
        ...

    async def leased(self) -> Mapping[Owner, int]:
        """How much work each owner has in hand; who has none is not named."""
        ...

    async def note(self, entry: AuditEntry) -> None:
        """Put an operator's action on record; durable on return."""
        ...

    async def notes(self, limit: int = 100) -> Sequence[AuditEntry]:
        """The latest actions on record, newest first."""
        ...


class DeadLetters(Protocol):
    """What ended without success; never in the hot path, and none reads what has not died.

    Both lists are by document (ours are UUIDv7: in the order of their coming) and recipient, from behind *after* on.
    """

    async def dead_copies(
        self, wanted: Wanted, after: Place | None, limit: int, newest_first: bool = False
    ) -> Sequence[DeadLetter]:
        """Copies that failed or expired, each with its document; times are the generations that have ended so."""
        ...

    async def dead_submissions(
        self, wanted: Wanted, after: Place | None, limit: int, newest_first: bool = False
    ) -> Sequence[DeadLetter]:
        """Submissions refused for one of ``wanted.refusals``; times are the deaths counted under their work.

        None where recipients are wanted."""
        ...


class Log(Protocol):
    """The Merkle log of all evidence, as the one who numbers it writes it.

    Evidence waits for its number from the commit that issued it.  Numbers are gap-free from 0 and never change.
    """

    async def lead(self, owner: Owner) -> int | None:
        """The term in which *owner* may number; ``None`` while another owner lives who does.

        Of two who ask at once one gets it; a dead owner's successor gets a later term.
        """
        ...

    async def waiting(self, limit: int) -> Sequence[Unnumbered]:
        """Evidence without a number, in the order in which it is to get one: along every chain."""
        ...

    async def adopt(self, after: EvidenceId, limit: int) -> EvidenceId | None:
        """Let evidence wait for its number that does not yet: an older version of us issued it beside a newer one.

        Looks at *limit* pieces by id from behind *after* on; answers the last of them, ``None`` at the end.
        """
        ...

    async def append(self, term: int, size: int, evidence: Sequence[Unnumbered]) -> bool:
        """Give *evidence* the numbers from *size* on, all or nothing; durable on return.

        Nothing is written and the answer is ``False`` where *term* is over or the log has another size.
        """
        ...

    async def publish(self, term: int, head: HeadRecord) -> bool:
        """Keep *head* as the latest; ``False``, and nothing kept, where *term* is over or the log has another size.

        Of heads over one size the first is kept for good; one that only renews it gives way to the next head.
        """
        ...

    async def unstamped(self) -> HeadRecord | None:
        """The newest head without a time-stamp, of those that are kept for good."""
        ...

    async def stamp(self, head: HeadRecord, token: bytes) -> None:
        """Keep the time-stamp over *head*.  The first stays; a head that is gone is no error."""
        ...


class LogRecords(Protocol):
    """Questions about the log; never in the hot path, and none reads the whole tree."""

    async def state(self) -> LogState:
        """How far the log is."""
        ...

    async def want(self) -> None:
        """Ask whoever numbers for a head now."""
        ...

    async def heads(self, after: int, limit: int) -> Sequence[tuple[int, HeadRecord]]:
        """Kept heads in their order, those behind the place *after* (0: all), each with its place."""
        ...

    async def head_over(self, size: int) -> HeadRecord | None:
        """The head to prove with: of those over *size* leaves or more the first with a time-stamp, else the first."""
        ...

    async def entries(self, begin: int, limit: int) -> Sequence[tuple[Leaf, EvidenceRecord | None]]:
        """Leaves from *begin* on, each with its evidence; without where that is gone."""
        ...

    async def documents(self, after: DocumentId, limit: int) -> Sequence[DocumentId]:
        """Documents that have evidence, by id from behind *after* on."""
        ...

    async def places(self, evidence: Sequence[EvidenceId]) -> Mapping[EvidenceId, Leaf]:
        """The leaves of those of *evidence* that have one."""
        ...

    async def inclusion(self, numbers: Sequence[int], size: int) -> Mapping[int, tuple[bytes, ...]]:
        """Proofs that the leaves *numbers* are in the tree of *size* leaves.  Raises ``ValueError`` for others."""
        ...

    async def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """The proof that the tree of *old* leaves is the beginning of that of *new* leaves."""
        ...


class Watch(Protocol):
    """What nobody works on.  Asked in the background; never in the way of a document."""

    async def held(self, owner: Owner) -> Sequence[str]:
        """The keys of the work that is leased to *owner*; where it is very much, some of them."""
        ...

    async def strays(self, after: DocumentId, limit: int) -> Page:
        """What is undone without work that would do it, among *limit* documents by id from behind *after* on."""
        ...

    async def undone(self, before: datetime, limit: int) -> Sequence[Undone]:
        """Work, deadlines apart, of documents received before *before*; of the oldest documents first."""
        ...


class Vault(Protocol):
    """Bytes by their SHA-256.  What rides along with a reference is read from there, and need not be kept here.

    Bytes that no row names are garbage: put for a document that was never registered, or rendered for a
    decision that was never committed.  Their age is that of the last ``put`` or ``open``.
    """

    async def put(self, chunks: AsyncIterator[bytes] | bytes | PayloadRef) -> PayloadRef:
        """Keep the bytes; durable on return.  A second time is harmless and makes them young again.

        Of a reference, the body that rides along is kept: not hashed again where it was hashed to make it."""
        ...

    def open(self, ref: PayloadRef, *, start: int = 0) -> AsyncIterator[bytes]:
        """The bytes from the offset *start* on, in chunks of at most 1 MiB.

        Raises ``Unavailable("payload-missing")`` where they are gone, ``digest-mismatch`` at their end where
        they are others; of bytes from the middle nobody can tell but by their number."""
        ...

    async def read(self, ref: PayloadRef) -> bytes:
        """All the bytes (those that ride along with *ref*, if any)."""
        ...


class Disposal(Protocol):
    """What has been kept long enough.  Whether it may go is another question; what goes, goes by ``Ledger.commit``
    or ``forget``.  Never in the hot path."""

    async def lead(self, owner: Owner) -> bool:
        """Whether *owner* is the one who clears out now; nobody else is while it lives.  For economy alone: two
        that clear out side by side do no harm."""
        ...

    async def due(self, part: DataClass, at: datetime, after: DocumentId | None, limit: int) -> Sequence[Due]:
        """Documents of which *part* is here and has been kept long enough at the instant *at*, in an order that does
        not change, those behind *after* (``None``: from the first)."""
        ...

    async def undone(self, keys: Collection[str]) -> Collection[str]:
        """Those of *keys* under which there is work."""
        ...

    async def named(self, digests: Collection[str]) -> Collection[str]:
        """Those of *digests* to which a document or a copy refers."""
        ...

    async def forget(self, document: DocumentId, items: Sequence[tuple[PartyKey, str]], at: datetime) -> bool:
        """Delete the header of *document*, and those of *items* that were taken, or expired, before *at*; all or
        nothing.  ``False`` where it has none, or it is not due at *at*."""
        ...

    async def sweep(self, before: datetime) -> int:
        """Forget how often something died whose last death was before *before*; how many those were."""
        ...


class Shelves(Protocol):
    """The vault as whoever clears it out sees it.

    Removing bytes takes three steps, because the same bytes may be put or opened again at any instant between two of them:
    they are set aside (whoever reads still finds them), it is asked once more whether anything refers to them, and
    then they are destroyed, or put back where something does or they were put again meanwhile.  Who dies between two
    steps leaves what the next look finds and brings to an end.
    """

    @property
    def shelves(self) -> int:
        """How many shelves there are, from 0."""
        ...

    async def look(self, shelf: int, before: datetime) -> Sequence[Lying]:
        """What lies on *shelf* and was last put before *before*, or was set aside.  What was set aside and
        put again since is put back on the way."""
        ...

    async def set_aside(self, lying: Lying) -> bool:
        """Take the first step; ``False`` where it is not there any more, or was put again since."""
        ...

    async def destroy(self, lying: Lying) -> bool:
        """Remove for good what was set aside; ``False``, and it is put back, where it was put again since."""
        ...

    async def put_back(self, lying: Lying) -> None:
        """Undo ``set_aside``; harmless where it was undone."""
        ...


class Uploads(Protocol):
    """Bytes that come in pieces, each durable when it is acknowledged, until they are a payload.

    An upload is its party's alone: whoever else asks for it gets the answer that there is none.  Any process
    may go on with what another began.
    """

    async def begin(self, party: PartyKey, declared: PayloadRef) -> Upload:
        """A new upload, durable on return; or, where *party* has begun one of the same bytes, that one, however
        far it came: whoever lost an answer or an address begins again.  Raises ``Refused("uploads-too-many")``
        where the unfinished ones of *party* are too many, or together too large."""
        ...

    async def find(self, party: PartyKey, upload: UploadId) -> Upload | None:
        """The upload and how much of it is durable; ``None`` where *party* has none of that id any more."""
        ...

    async def append(
        self, party: PartyKey, upload: UploadId, offset: int, pieces: AsyncIterator[bytes]
    ) -> Upload:
        """Add *pieces* from *offset* on; durable on return.

        What came before an error stays and is durable, whoever raised it.  Raises ``Refused`` with
        ``not-found``, ``upload-offset-wrong`` (it ends elsewhere), ``upload-busy`` (somebody else is writing:
        ask again later) or ``upload-length-wrong`` (a piece reaches beyond the declared size: not taken).
        """
        ...

    async def finish(self, party: PartyKey, upload: UploadId) -> Upload:
        """Compare all bytes with the declared digest and hand them to the vault; harmless a second time.

        Raises ``Refused("claim-mismatch")`` where they are others: then nothing of them is kept; further
        ``not-found``, ``upload-busy``, and ``upload-length-wrong`` where some are still missing.
        """
        ...

    async def drop(self, party: PartyKey, upload: UploadId) -> None:
        """Keep nothing of it.  What the vault has already stays there.  Raises ``Refused`` with ``not-found``
        or ``upload-busy``."""
        ...

    async def sweep(self) -> int:
        """Drop what nobody has gone on with for too long; how many those were."""
        ...


class Envelopes(Protocol):
    """edXML and its kin, read and written.  Reads hostile bytes: bounded, and never out to a network."""

    def peek(self, head: bytes | memoryview, *, is_whole: bool) -> Marks:
        """What the header tells, from the first bytes alone.

        Raises ``Refused`` with ``xml-malformed``, ``xml-forbidden`` (DTD, entities), ``xml-too-costly``,
        ``header-incomplete`` (no complete header in *head*) or ``kind-unknown``.
        """
        ...

    async def read(self, ref: PayloadRef) -> tuple[Envelope | None, tuple[Finding, ...]]:
        """The envelope, and every finding at once; no envelope where an error leaves none to speak of.

        The bytes of its attachments ride along, small ones in memory and large ones as loose files; nothing is
        put into the vault.  Memory does not grow with the document.  Raises ``Refused`` with ``xml-malformed``, ``xml-forbidden`` or ``xml-too-costly``.
        """
        ...

    async def render(
        self,
        edoc: Edoc,
        *,
        hop: OrganCode,
        at: datetime,
        sealed: Mapping[int, PayloadRef],
    ) -> PayloadRef:
        """*edoc* in the strict form, our ``TraceHeader`` (*hop*, *at*) appended, sealed attachments in
        place of theirs; all other bytes verbatim.  The same arguments give the same bytes.

        A small body rides along and is not stored; a large one is in the vault, durable, and rides not.
        Raises ``Unavailable`` with ``payload-missing``, ``digest-mismatch`` or ``disk-full``."""
        ...


class Inspector(Protocol):
    """Opens PDFs, in processes that can be ended."""

    async def judge(
        self,
        ref: PayloadRef,
        policy: Acceptance,
        *,
        share: PartyKey,
        priority: Priority = Priority.ORDINARY,
        name: str = "",
    ) -> Inspection:
        """What is in the file and what its signatures are worth.

        Whatever the bytes, the answer comes within the configured time and memory; what breaks either is
        ``refused`` with the finding ``pdf-too-costly``.  *share* is whose share of judging is used; the
        most urgent by *priority* are judged first.
        """
        ...


class Sealer(Protocol):
    """Puts an agency's seal (PAdES) on a PDF."""

    async def seal(self, ref: PayloadRef, order: SealOrder) -> Sealed:
        """The sealed PDF; its bytes ride along, where they are many as a loose file.

        Raises ``Unavailable("seal-key-missing")`` where the party has no key (the document waits),
        ``Refused("seal-certificate-expired")``, and ``Refused("seal-forbidden")`` where the PDF's
        certification allows no change.
        """
        ...

    async def find_seal(self, party: PartyKey) -> Seal | None:
        """The seal with which *party* would seal now; ``None`` without a key."""
        ...


class Notary(Protocol):
    """Signs evidence in the gateway's name."""

    def attest(self, evidence: Evidence) -> bytes:
        """The evidence as signed XML (XAdES), as it will be stored and sent.  Under 1 ms; no I/O."""
        ...

    def vouch(self, head: TreeHead) -> bytes:
        """The head of the log as signed XML (XAdES), as it will be kept and published.  Under 1 ms; no I/O."""
        ...


class Stamper(Protocol):
    """A time-stamp authority.  spec: RFC 3161"""

    async def stamp(self, body: bytes) -> bytes:
        """A token (DER) over the SHA-256 of *body* that was verified against the trusted roots.

        Raises ``Unavailable("stamp-unavailable")`` where none can be had, or it does not hold.
        """
        ...


class Directory(Protocol):
    """Who takes part.  Answers from memory."""

    def find(self, code: OrganCode, at: datetime) -> Found:
        """Whom *code* names at the instant *at*, under the name that it bears then."""
        ...

    def party(self, key: PartyKey) -> Party | None:
        """The party that was registered under *key*."""
        ...

    def predecessors(self, key: PartyKey, at: datetime) -> Sequence[PartyKey]:
        """The parties whose duties *key* has at the instant *at*, because they were merged into it, or into one of
        them; those merged into it directly first."""
        ...

    def parties(self) -> Sequence[Party]:
        """All parties, by key."""
        ...

    def client(self, client: ClientId) -> Client | None:
        """The client (broker user, token holder) of that name."""
        ...

    def clients(self) -> Sequence[Client]:
        """All clients, by name."""
        ...


class Outlet(Protocol):
    """One per link: brings a parcel to where its party takes it."""

    async def hand_over(self, parcel: Parcel) -> HandOverResult:
        """Hand *parcel* over; ``TAKEN`` means durably there.  Every failure is a result, none an exception.

        A repeat carries the same message id.
        """
        ...


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Now, in UTC, with its time zone."""
        ...


class Ids(Protocol):
    """New identifiers and the only randomness of the core."""

    def document(self) -> DocumentId:
        """A new UUIDv7."""
        ...

    def jitter(self) -> float:
        """A number in [0, 1)."""
        ...


class Observer(Protocol):
    """Is told what happens, for logs and numbers.  Never waits and never raises; the core itself does not log."""

    def stage(self, stage: str, document: DocumentId) -> AbstractContextManager[None]:
        """Around one stage of one document."""
        ...

    def document(self, outcome: str, document: DocumentId | None, reason: str = "") -> None:
        """A submission was received, accepted, refused, repeated, or waits."""
        ...

    def hand_over(self, document: DocumentId, link: str, outcome: str, reason: str = "") -> None:
        """An outlet answered."""
        ...

    def receipt(self, event: EventName) -> None:
        """Evidence was issued."""
        ...


# --- what the world asks of us ----------------------------------------------------------------------


class Intake(Protocol):
    """The door: the broker's consumer, HTTP and the command line bring submissions here."""

    async def submit(self, arrival: Arrival) -> Ticket:
        """Register *arrival* (T1), or refuse it with evidence.  Durable on return: acknowledge then.

        The same id with the same bytes gives the same document and sends its receipts again; with other
        bytes it is refused as ``message-id-reused``.  Raises ``Unavailable`` where nothing could be
        stored: do not acknowledge.
        """
        ...

    def screen(self, head: bytes) -> None:
        """Look at the first bytes of an upload before they are stored: raises ``Refused("state-secret")``
        where they carry a secrecy mark, and what ``Envelopes.peek`` raises where they are no envelope."""
        ...

    async def undeliverable(
        self, document: DocumentId, recipient: PartyKey, delivery: str, cause: str
    ) -> None:
        """A delivery came back as a dead letter.  *cause* is the broker's: ``expired``, ``rejected``,
        ``delivery_limit`` or ``maxlen``.  Late ones, and unknown ones, do no harm."""
        ...

    async def untaken(self, document: DocumentId, evidence: EvidenceId, cause: str) -> None:
        """A receipt came back as a dead letter: that is noted on the timeline, and the evidence stays as it is.
        Unknown ones do no harm."""
        ...


class Inlet(Protocol):
    """Whether more may come in by HTTP: asked before a body is read, so that nothing is held for who must wait."""

    def check(self) -> None:
        """Raises ``Unavailable`` with ``too-busy`` (so many wait already), ``memory-low`` or ``disk-low``, and how
        long to wait at the measured pace.  Costs next to nothing."""
        ...

    def time_for(self, ahead: int) -> timedelta:
        """How long *ahead* submissions take at the measured pace, within what a sender can be told."""
        ...


class Quotas(Protocol):
    """How much a party may send: asked before a body is read."""

    async def check(self, party: PartyKey) -> None:
        """Raises ``QuotaExceeded`` where a document of *party* would have to wait, with what it waits for and how long."""
        ...


class Desk(Protocol):
    """What a party does with its inbox.  Every method refuses what is not the party's own
    (``Refused("not-found")``)."""

    async def peek(self, party: PartyKey, limit: int) -> Sequence[InboxItem]:
        """What waits, without touching it."""
        ...

    async def lock(self, party: PartyKey, item: str, lasting: timedelta) -> InboxItem:
        """Lock one item; raises ``Refused("item-locked")`` where another lock holds, ``item-taken`` where
        it was acknowledged, ``delivery-expired`` where its time is over."""
        ...

    async def content(self, party: PartyKey, item: str) -> tuple[InboxItem, PayloadRef]:
        """The item and its bytes."""
        ...

    async def acknowledge(self, party: PartyKey, item: str, lock: str) -> None:
        """The party has it: the copy is handed over, with evidence.  A second time is harmless.
        Raises ``Refused("lock-lost")`` where *lock* no longer holds, ``delivery-expired`` where the copy has
        ended so."""
        ...


class Operations(Protocol):
    """What operators do; every call that changes something leaves an audit row."""

    async def health(self) -> Mapping[str, str]:
        """Each part by name with ``ok`` or one sentence that says what is wrong."""
        ...

    async def drain(self, actor: str) -> None:
        """Take in nothing more; finish what is running."""
        ...
