"""Whatever is asked of them in whatever order: the twin and the stores in SQL give the same answers."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.memory import FixedClock, MemoryStore
from adapters.store import Options, Store
from gateway.errors import Reason
from gateway.model.change import Change, Fence, Postponed, Relation, Work, WorkKind
from gateway.model.envelope import Business, DocumentReference, Priority
from gateway.model.ids import DocumentId, OfficialId, OrganCode, Owner, PartyKey
from gateway.model.journey import HandOverState, SubmissionState
from tests.builders import COMMUNE, DEPARTMENT, NOON, PROVINCE, a_submission
from tests.contract.conftest import AnyStore, empty
from tests.contract.entries import a_copy, a_header, an_event, an_item, some_evidence, some_work

# Few names and few versions, so that the steps meet.
DOCUMENTS = [DocumentId(f"d{n}") for n in range(3)]
PARTIES = [PartyKey(DEPARTMENT), PartyKey(COMMUNE)]
OWNERS = [Owner("life-1"), Owner("life-2"), Owner("never-alive")]
KEYS = ["delivery:a", "delivery:b", "receipt:c", "document:d"]
SECOND = timedelta(seconds=1)

Step = tuple[str, Any]

documents = st.sampled_from(DOCUMENTS)
parties = st.sampled_from(PARTIES)
owners = st.sampled_from(OWNERS)
keys = st.sampled_from(KEYS)
# Versions are drawn as how far they are off what would hold; `aimed` makes them real.
versions = st.sampled_from([0, 0, 0, 0, 0, 0, 0, 0, 1, -1])
instants = st.integers(-2, 5).map(lambda n: NOON + n * SECOND)
texts = st.sampled_from(["", "x", "Đ", "517/QĐ-UBND"])
spans = st.integers(1, 3).map(lambda n: n * SECOND)

submissions = st.builds(
    lambda document, message_id, version, state, at: a_submission(
        document=document, message_id=message_id, version=version, state=state, received_at=at
    ),
    documents,
    st.sampled_from(["m1", "m2", "m3"]),
    versions,
    st.sampled_from(SubmissionState),
    instants,
)
headers = st.builds(
    lambda document, version, official_id, code, business: replace(
        a_header(document, official_id=official_id, code=code), version=version, business=business
    ),
    documents,
    versions,
    texts,
    texts,
    st.sampled_from(Business),
)
copies = st.builds(
    lambda document, party, version, state: a_copy(document, party, version=version, state=state),
    documents,
    parties,
    versions,
    st.sampled_from(HandOverState),
)
items = st.builds(
    lambda id, party, version, taken, at, urgency: an_item(
        id, party=party, version=version, taken_at=taken, expires_at=at, priority=urgency
    ),
    st.sampled_from(["i1", "i2"]),
    parties,
    versions,
    st.none() | instants,
    instants,
    st.sampled_from(Priority),
)
lines = st.sampled_from(["", "a", "b"])
pieces_of_work = st.builds(
    lambda key, owner, at, urgency, line, party: some_work(
        key, owner=owner, due_at=at, priority=urgency, line=line, party=party
    ),
    keys,
    st.none() | owners,
    instants,
    st.sampled_from(Priority),
    lines,
    st.none() | parties,
)


def few(strategy: st.SearchStrategy[Any], unique_by: Callable[[Any], Any] | None = None) -> Any:
    """Mostly none, one or two; two rows of one change are never the same row."""
    some = st.lists(strategy, min_size=1, max_size=2, unique_by=unique_by).map(tuple)
    return st.sampled_from([False, False, True]).flatmap(lambda any: some if any else st.just(()))


def seldom(strategy: st.SearchStrategy[Any]) -> Any:
    """Mostly ``None``."""
    return st.sampled_from([False, False, True]).flatmap(lambda any: strategy if any else st.none())


def _withdrawing_what_is_not_touched(change: Change) -> Change:
    """What is called off is not made, postponed or forgotten by the same change."""
    touched = {w.key for w in change.work} | {p.key for p in change.postponed} | set(change.forgets)
    touched |= {change.fence.key} if change.fence else set()
    return replace(change, withdraws=tuple(key for key in change.withdraws if key not in touched))


changes = st.builds(
    Change,
    fence=seldom(st.builds(Fence, key=keys, owner=owners)),
    submission=seldom(submissions),
    header=seldom(headers),
    handovers=few(copies, lambda c: (c.document, c.recipient)),
    items=few(items, lambda i: (i.party, i.id)),
    events=few(st.builds(an_event, texts, documents, instants)),
    evidence=few(st.builds(some_evidence, documents, st.none() | parties, st.integers(0, 3)), lambda e: e.id),
    work=few(pieces_of_work, lambda w: w.key),
    postponed=few(
        st.builds(
            Postponed,
            key=keys,
            due_at=instants,
            is_sure=st.booleans(),
            reason=st.sampled_from([None, Reason("queue-full")]),
        ),
        lambda p: p.key,
    ),
    forgets=few(keys, lambda key: key),
    withdraws=few(keys, lambda key: key),
    relations=few(
        st.builds(
            Relation,
            document=documents,
            recipient=parties,
            business=st.sampled_from(Business),
            other=documents,
        )
    ),
).map(_withdrawing_what_is_not_touched)
references = st.builds(
    lambda organ, code, official_id: DocumentReference(
        organ=OrganCode(organ),
        code=code,
        dated=a_header().dated,
        official_id=OfficialId(official_id),
    ),
    st.sampled_from([PROVINCE, COMMUNE]),
    texts,
    texts,
)
steps = st.one_of(
    st.tuples(st.just("commit"), changes),
    st.tuples(st.just("together"), st.lists(changes, min_size=2, max_size=4)),
    st.tuples(
        st.just("lease"),
        st.tuples(
            owners,
            st.integers(0, 3),
            st.frozensets(st.sampled_from(WorkKind), min_size=1),
            st.frozensets(lines, max_size=1),
        ),
    ),
    st.tuples(st.just("beat"), st.tuples(owners, spans)),
    st.tuples(st.just("bury"), owners),
    st.tuples(st.just("lock"), st.tuples(parties, st.sampled_from(["i1", "i2"]), texts, spans)),
    st.tuples(st.just("find"), st.tuples(references, parties)),
    st.tuples(st.just("search"), st.sampled_from(["d0", "m1", "x", "Đ", "517/QĐ-UBND"])),
    st.tuples(st.just("pass"), spans),
)


class Twin:
    """The twin, and what is needed to aim at what it holds."""

    def __init__(self, clock: FixedClock) -> None:
        self.store = MemoryStore(clock)
        self._owners: dict[str, Owner | None] = {}

    async def aimed(self, step: Step) -> Step:
        """*step* with versions and fences that mostly hold."""
        match step:
            case ("commit", change):
                return "commit", await self._aim(change)
            case ("together", changes):
                return "together", [await self._aim(change) for change in changes]
        return step

    def saw(self, leased: Sequence[Work]) -> None:
        """Remember who has what."""
        self._owners.update({work.key: work.owner for work in leased})

    async def _aim(self, change: Change) -> Change:
        submission, header, fence = change.submission, change.header, change.fence
        if submission is not None:
            dossier = await self.store.load(submission.document)
            now = dossier.submission.version if dossier else 0
            message_id = dossier.submission.message_id if dossier else submission.message_id
            submission = replace(submission, message_id=message_id, version=_next(now, submission.version))
        if header is not None:
            dossier = await self.store.load(header.document)
            now = dossier.header.version if dossier and dossier.header else 0
            header = replace(header, version=_next(now, header.version))
        handovers = []
        for copy in change.handovers:
            dossier = await self.store.load(copy.document, copy.recipient)
            now = dossier.handovers[0].version if dossier and dossier.handovers else 0
            handovers.append(replace(copy, version=_next(now, copy.version)))
        items = []
        for item in change.items:
            found = await self.store.item(item.party, item.id)
            items.append(replace(item, version=_next(found.version if found else 0, item.version)))
        if fence is not None:
            fence = replace(fence, owner=self._owners.get(fence.key) or fence.owner)
        return replace(
            change,
            fence=fence,
            submission=submission,
            header=header,
            handovers=tuple(handovers),
            items=tuple(items),
        )


def _next(now: int, off: int) -> int:
    return max(1, now + 1 + off)


async def take(store: AnyStore, clock: FixedClock, step: Step) -> Any:
    """One step, and its answer."""
    name, of = step
    match name:
        case "commit":
            return await store.ledger.commit(of)
        case "together":
            return list(await asyncio.gather(*map(store.ledger.commit, of)))
        case "lease":
            owner, limit, kinds, sated = of
            return list(await store.ledger.lease(owner, limit, kinds, sated=sated))
        case "beat":
            return await store.lives.beat(*of)
        case "bury":
            return await store.lives.bury(of)
        case "lock":
            return await store.inboxes.lock(*of)
        case "find":
            reference, party = of
            return [
                list(await store.ledger.find(reference, party)),
                list(await store.ledger.originals(reference, [party])),
                list(await store.ledger.namesakes(reference)),
            ]
        case "search":
            return list(await store.records.search(of))
        case "pass":
            return clock.advance(of)
    raise AssertionError(name)


async def everything(store: AnyStore) -> list[Any]:
    """All that can be seen of a store."""
    seen: list[Any] = [await store.records.waiting()]
    for document in DOCUMENTS:
        seen += [await store.ledger.load(document)]
        seen += [await store.ledger.load(document, party) for party in PARTIES]
        seen += [list(await store.records.timeline(document)), list(await store.records.evidence(document))]
        seen += [list(await store.records.relations(document))]
    for party in PARTIES:
        seen += [list(await store.inboxes.peek(party, 10)), list(await store.records.copies(party))]
        seen += [await store.inboxes.item(party, id) for id in ("i1", "i2")]
    return seen


async def compared(plan: list[Step], open_store: Callable[[FixedClock], Awaitable[Store]]) -> None:
    clock, other = FixedClock(NOON), FixedClock(NOON)
    twin = Twin(clock)
    store = await open_store(other)
    try:
        for step in plan:
            step = await twin.aimed(step)
            expected = await take(twin.store, clock, step)
            assert await take(store, other, step) == expected, step
            if step[0] == "lease":
                twin.saw(expected)
        assert await everything(store) == await everything(twin.store)
        last = ("lease", (Owner("the-last"), 10, frozenset(WorkKind), frozenset[str]()))
        assert await take(store, other, last) == await take(twin.store, clock, last)
    finally:
        await store.close()


quick = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@settings(quick, max_examples=60)
@given(plan=st.lists(steps, min_size=5, max_size=40))
def test_sqlite_answers_like_the_twin(store_file: Path, plan: list[Step]) -> None:
    """Random changes (alone and together), leases, beats, burials, locks and questions."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "ledger.sqlite")
        file.write_bytes(store_file.read_bytes())
        options = Options(url=f"sqlite:///{file}", realm="H53")
        asyncio.run(compared(plan, lambda clock: Store.open(options, now=clock.now)))


@settings(quick, max_examples=15)
@given(plan=st.lists(steps, min_size=5, max_size=40))
def test_postgresql_answers_like_the_twin(store_database: str, plan: list[Step]) -> None:
    """The same on PostgreSQL."""
    empty(store_database)
    options = Options(url=store_database, realm="H53")
    asyncio.run(compared(plan, lambda clock: Store.open(options, now=clock.now)))
