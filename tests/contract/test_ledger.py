"""The contract of ``Ledger``: the twin and the store in SQL on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.memory import FixedClock
from gateway.errors import Reason
from gateway.model.change import (
    Change,
    Committed,
    Fence,
    Known,
    Postponed,
    Stale,
    Work,
    WorkKind,
    line_to,
)
from gateway.model.document import Namesake
from gateway.model.envelope import Business, DocumentReference, Priority
from gateway.model.ids import DocumentId, MessageId, OfficialId, OrganCode, PartyKey
from gateway.model.journey import Answer, Ask, HandOverState, Request, SubmissionState
from gateway.model.payload import PayloadRef
from tests.builders import COMMUNE, DEPARTMENT, NOON, PROVINCE, a_submission
from tests.contract.conftest import AnyStore
from tests.contract.entries import (
    D1,
    D2,
    ME,
    YOU,
    a_copy,
    a_header,
    accepted,
    an_event,
    an_item,
    registered,
    some_evidence,
    some_work,
)

MINUTE = timedelta(minutes=1)


# --- load -------------------------------------------------------------------------------------------


async def test_a_dossier_comes_back_as_it_was_written(store: AnyStore) -> None:
    """ "The dossier of *document*, with all copies": every field, to the microsecond."""
    change = Change(
        submission=replace(
            a_submission(document=D1),
            received_at=NOON + timedelta(microseconds=1),
            reason=Reason("poison"),
            traceparent="00-aa-bb-01",
            slot="x:y",
            priority=Priority.URGENT,
        ),
        header=replace(a_header(dated=None), business=Business.UPDATE),
        handovers=(
            a_copy(
                recipient=COMMUNE,
                state=HandOverState.HANDED_OVER,
                available_at=NOON,
                handed_over_at=NOON + MINUTE,
                is_quiet=True,
                about=D2,
                asks=Ask.RECALL,
                answer=Answer.DECLINED,
                request=Request.UPDATE_AGREED,
                asked_by=D2,
                reason=Reason("queue-full"),
                payload=None,
            ),
            a_copy(recipient=DEPARTMENT),
        ),
    )
    assert await store.ledger.commit(change) == Committed()
    found = await store.ledger.load(D1)
    assert found is not None
    assert found.submission == change.submission
    assert found.header == change.header
    assert {h.recipient: h for h in found.handovers} == {h.recipient: h for h in change.handovers}


async def test_a_dossier_can_be_narrowed_to_one_recipient(store: AnyStore) -> None:
    """ "or only *recipient*'s"; a recipient without a copy has none."""
    both = (a_copy(recipient=DEPARTMENT), a_copy(recipient=COMMUNE))
    await store.ledger.commit(replace(registered(), handovers=both))
    of_one = await store.ledger.load(D1, PartyKey(COMMUNE))
    of_none = await store.ledger.load(D1, PartyKey("nobody"))
    assert of_one is not None
    assert of_one.handovers == both[1:]
    assert of_none is not None
    assert of_none.handovers == ()


async def test_an_unknown_document_has_no_dossier(store: AnyStore) -> None:
    """ "``None`` if unknown"."""
    assert await store.ledger.load(D1) is None


async def test_many_dossiers_are_loaded_at_once(store: AnyStore) -> None:
    """Whoever asks at the same time gets his own answer."""
    documents = [DocumentId(f"0195d000-0000-7000-8000-{n:012}") for n in range(150)]
    await asyncio.gather(*(store.ledger.commit(accepted(d)) for d in documents))
    found = await asyncio.gather(
        *(store.ledger.load(d) for d in documents),
        *(store.ledger.load(d, PartyKey(DEPARTMENT)) for d in documents),
        *(store.ledger.load(d, PartyKey(COMMUNE)) for d in documents),
    )
    assert [f.submission.document for f in found if f] == documents * 3
    assert [len(f.handovers) for f in found if f] == [1] * 300 + [0] * 150


async def test_cached_bytes_are_not_stored_with_a_reference(store: AnyStore) -> None:
    """``PayloadRef.body`` "is never stored with the reference"."""
    body = PayloadRef.of(b"riding along")
    change = replace(
        registered(payload=body), handovers=(a_copy(payload=body),), items=(an_item(payload=body),)
    )
    await store.ledger.commit(change)
    dossier = await store.ledger.load(D1)
    item = await store.inboxes.item(PartyKey(COMMUNE), "item-1")
    assert dossier is not None
    assert item is not None
    for payload in (dossier.submission.payload, dossier.handovers[0].payload, item.payload):
        assert payload == body
        assert payload is not None
        assert payload.body is None


# --- commit -----------------------------------------------------------------------------------------


async def test_a_row_replaces_the_version_before_it(store: AnyStore) -> None:
    """ "a row with ``version`` *n* replaces version *n - 1*"; for every table with versions."""
    await store.ledger.commit(replace(accepted(), items=(an_item(),)))
    first = await store.ledger.load(D1)
    assert first is not None
    assert first.header is not None
    later = Change(
        submission=replace(first.submission, state=SubmissionState.ACCEPTED, version=2),
        header=replace(first.header, subject="Khác", version=2),
        handovers=(replace(first.handovers[0], state=HandOverState.AVAILABLE, version=2),),
        items=(an_item(taken_at=NOON, version=2),),
    )
    assert await store.ledger.commit(later) == Committed()
    second = await store.ledger.load(D1)
    assert second is not None
    assert (second.submission, second.header, second.handovers) == (
        later.submission,
        later.header,
        later.handovers,
    )
    assert await store.inboxes.item(PartyKey(COMMUNE), "item-1") == later.items[0]


@pytest.mark.parametrize("version", [1, 3])
@pytest.mark.parametrize("row", ["submission", "header", "handover"])
async def test_another_version_than_the_expected_one_is_stale(
    store: AnyStore, row: str, version: int
) -> None:
    """ "``Stale`` where a row's version … no longer holds": version 1 exists, version 2 does not."""
    change = accepted()
    await store.ledger.commit(change)
    assert change.submission is not None
    assert change.header is not None
    stale = {
        "submission": Change(
            submission=replace(change.submission, message_id=MessageId("other"), version=version)
        ),
        "header": Change(header=replace(change.header, version=version)),
        "handover": Change(handovers=(replace(change.handovers[0], version=version),)),
    }[row]
    assert await store.ledger.commit(stale) == Stale()


async def test_a_stale_change_writes_nothing_of_itself(store: AnyStore) -> None:
    """ "all or nothing": one stale row keeps every other part from being written."""
    await store.ledger.commit(accepted())
    stale = Change(
        submission=registered(D2).submission,
        header=a_header(D2),
        handovers=(a_copy(D2), a_copy(D1, version=7)),
        items=(an_item(),),
        events=(an_event(document=D2),),
        evidence=(some_evidence(D2),),
        work=(some_work(),),
    )
    assert await store.ledger.commit(stale) == Stale()
    assert await store.ledger.load(D2) is None
    assert await store.inboxes.peek(PartyKey(COMMUNE), 10) == []
    assert await store.records.timeline(D2) == []
    assert await store.records.evidence(D2) == []
    assert await store.ledger.lease(YOU, 10) == []


async def test_evidence_is_issued_once(store: AnyStore) -> None:
    """Evidence that exists already makes the change stale: it is never written over."""
    await store.ledger.commit(Change(evidence=(some_evidence(body=b"first"),)))
    again = Change(evidence=(some_evidence(body=b"second"),), events=(an_event(),))
    assert await store.ledger.commit(again) == Stale()
    assert [e.body for e in await store.records.evidence(D1)] == [b"first"]
    assert await store.records.timeline(D1) == []


async def test_a_fence_lets_the_owner_of_the_work_through(store: AnyStore) -> None:
    """``Fence``: "the work ``key`` must still be leased by ``owner``"."""
    work = some_work(owner=ME)
    await store.lives.beat(ME, MINUTE)
    await store.ledger.commit(Change(work=(work,)))
    fence = Fence(key=work.key, owner=ME)
    assert await store.ledger.commit(Change(fence=fence, events=(an_event(),))) == Committed()
    assert await store.ledger.commit(Change(fence=fence, forgets=(work.key,))) == Committed()
    assert await store.ledger.commit(Change(fence=fence, events=(an_event(),))) == Stale()
    assert len(await store.records.timeline(D1)) == 1


@pytest.mark.parametrize("owner", [YOU, None])
async def test_a_fence_stops_whoever_lost_the_work(store: AnyStore, owner: object) -> None:
    """ "``Stale`` where … the fence no longer holds": it is somebody else's, or free."""
    await store.ledger.commit(Change(work=(some_work(owner=owner),)))
    change = Change(fence=Fence(key=some_work().key, owner=ME), forgets=(some_work().key,))
    assert await store.ledger.commit(change) == Stale()
    assert await store.records.waiting() == {
        "document": 1,
        "delivery": 0,
        "receipt": 0,
        "deadline": 0,
        "waiting": 0,
    }


async def test_the_same_message_id_is_known(store: AnyStore) -> None:
    """ "``Known`` where … (realm, party, message id, slot) exists: then nothing is written"."""
    await store.ledger.commit(registered(message_id="m", sha256="11" * 32))
    again = replace(registered(D2, message_id="m", sha256="22" * 32), events=(an_event(document=D2),))
    known = Known(document=D1, sha256="11" * 32, state=SubmissionState.RECEIVED)
    assert await store.ledger.commit(again) == known
    assert await store.ledger.load(D2) is None
    assert await store.records.timeline(D2) == []


async def test_a_known_message_is_told_whatever_else_no_longer_holds(store: AnyStore) -> None:
    """Who asks under a fence that nobody holds learns whether the message is known, and writes nothing."""
    await store.ledger.commit(registered(message_id="m", sha256="11" * 32))
    nobody = Fence(key="", owner=ME)
    known = Known(document=D1, sha256="11" * 32, state=SubmissionState.RECEIVED)
    assert await store.ledger.commit(replace(registered(D2, message_id="m"), fence=nobody)) == known
    assert await store.ledger.commit(replace(registered(D2, message_id="new"), fence=nobody)) == Stale()
    assert await store.ledger.load(D2) is None


@pytest.mark.parametrize(
    "different", [{"realm": "H01"}, {"party": DEPARTMENT}, {"message_id": "other"}, {"slot": "poison:ab"}]
)
async def test_any_other_part_makes_another_submission(store: AnyStore, different: dict[str, str]) -> None:
    """All four parts of (realm, party, message id, slot) count."""
    await store.ledger.commit(registered(message_id="m"))
    other = registered(D2, **({"message_id": "m"} | different))
    assert await store.ledger.commit(other) == Committed()


async def test_parts_of_a_message_id_do_not_run_together(store: AnyStore) -> None:
    """No two different quadruples are taken for one."""
    await store.ledger.commit(registered(message_id="ab", slot="c"))
    assert await store.ledger.commit(registered(D2, message_id="a", slot="bc")) == Committed()


async def test_known_tells_how_far_the_document_has_come(store: AnyStore) -> None:
    """``Known.state`` is today's."""
    change = registered(message_id="m")
    await store.ledger.commit(change)
    assert change.submission is not None
    refused = replace(change.submission, state=SubmissionState.REFUSED, version=2)
    await store.ledger.commit(Change(submission=refused))
    known = await store.ledger.commit(registered(D2, message_id="m"))
    assert isinstance(known, Known)
    assert known.state is SubmissionState.REFUSED


async def test_work_that_exists_is_left_as_it_is(store: AnyStore) -> None:
    """ "New work whose key exists already is left as it is"."""
    await store.lives.beat(ME, MINUTE)
    await store.ledger.commit(Change(work=(some_work(owner=ME, attempts=3),)))
    assert await store.ledger.commit(Change(work=(some_work(), some_work("delivery:x")))) == Committed()
    assert [w.key for w in await store.ledger.lease(YOU, 10)] == ["delivery:x"]


async def test_an_inbox_item_that_exists_is_left_as_it_is(store: AnyStore) -> None:
    """A receipt that is sent again does not touch the one that waits, nor one that was taken."""
    await store.ledger.commit(Change(items=(an_item(),)))
    await store.ledger.commit(Change(items=(an_item(taken_at=NOON, version=2),)))
    again = Change(items=(an_item(correlation="again"),), events=(an_event(),))
    assert await store.ledger.commit(again) == Committed()
    assert await store.inboxes.item(PartyKey(COMMUNE), "item-1") == an_item(taken_at=NOON, version=2)


@pytest.mark.parametrize("version", [3, 7])
async def test_an_inbox_item_of_another_version_is_stale(store: AnyStore, version: int) -> None:
    """Two acknowledgements of one item: the second one is stale."""
    await store.ledger.commit(Change(items=(an_item(),)))
    assert await store.ledger.commit(Change(items=(an_item(version=version),))) == Stale()
    assert await store.ledger.commit(Change(items=(an_item("other", version=2),))) == Stale()


async def test_postponed_work_is_free_again_when_its_time_comes(store: AnyStore, clock: FixedClock) -> None:
    """``Postponed``: "Work that is tried again at ``due_at``; it is free until then"."""
    await store.lives.beat(ME, timedelta(hours=1))
    await store.ledger.commit(Change(work=(some_work(owner=ME),)))
    later = Postponed(key=some_work().key, due_at=NOON + MINUTE, reason=Reason("queue-full"))
    fence = Fence(key=later.key, owner=ME)
    assert await store.ledger.commit(Change(fence=fence, postponed=(later,))) == Committed()
    assert await store.ledger.lease(YOU, 10) == []
    clock.advance(MINUTE)
    assert [w.due_at for w in await store.ledger.lease(YOU, 10)] == [NOON + MINUTE]
    assert await store.ledger.commit(Change(fence=fence, forgets=(later.key,))) == Stale()


async def test_work_can_be_made_postponed_and_forgotten_in_one_change(store: AnyStore) -> None:
    """The parts of a change are written in their order."""
    x, y = some_work("delivery:x"), some_work("delivery:y")
    later = Postponed(key=x.key, due_at=NOON - MINUTE)
    await store.ledger.commit(Change(work=(x, y), postponed=(later,), forgets=(y.key,)))
    assert [(w.key, w.due_at) for w in await store.ledger.lease(YOU, 10)] == [(x.key, NOON - MINUTE)]


async def test_forgetting_and_postponing_what_is_unknown_is_no_error(store: AnyStore) -> None:
    """Every step may run twice."""
    change = Change(forgets=("delivery:x",), postponed=(Postponed(key="delivery:y", due_at=NOON),))
    assert await store.ledger.commit(change) == Committed()
    assert await store.ledger.lease(YOU, 10) == []


@pytest.mark.parametrize("sure", [0, 1])
async def test_work_is_called_off_while_it_is_free_and_surely_brought_nothing(
    store: AnyStore, clock: FixedClock, sure: int
) -> None:
    """``Change.withdraws``: "it must be free, and no attempt at it may have brought anything to anybody"."""
    key = some_work("delivery:x").key
    await store.lives.beat(ME, MINUTE)
    await store.ledger.commit(Change(work=(some_work(key),)))
    for _ in range(sure):
        assert [w.key for w in await store.ledger.lease(ME, 10)] == [key]
        await store.ledger.commit(Change(postponed=(Postponed(key=key, due_at=NOON, is_sure=True),)))
    assert await store.ledger.commit(Change(withdraws=(key,), events=(an_event(),))) == Committed()
    assert await store.ledger.lease(ME, 10) == []
    assert await store.ledger.commit(Change(withdraws=(key,), events=(an_event(),))) == Stale()
    assert len(await store.records.timeline(D1)) == 1


@pytest.mark.parametrize("end", ["leased", "doubtful", "dead", "doubtful once"])
async def test_work_that_somebody_may_have_done_is_not_called_off(store: AnyStore, end: str) -> None:
    """ "``Stale`` … where work in ``withdraws`` … is leased, or was attempted with an end that leaves a doubt"."""
    key = some_work("delivery:x").key
    await store.lives.beat(ME, MINUTE)
    await store.ledger.commit(Change(work=(some_work(key),)))
    await store.ledger.lease(ME, 10)
    if end == "dead":
        await store.lives.bury(ME)
    elif end.startswith("doubtful"):
        await store.ledger.commit(Change(postponed=(Postponed(key=key, due_at=NOON),)))
    if end == "doubtful once":
        await store.ledger.lease(YOU, 10)
        await store.ledger.commit(Change(postponed=(Postponed(key=key, due_at=NOON, is_sure=True),)))
    change = replace(accepted(), withdraws=(key,))
    assert await store.ledger.commit(change) == Stale()
    assert await store.ledger.load(D1) is None
    assert (await store.records.waiting())["delivery"] == 1


async def test_of_two_who_call_work_off_one_succeeds_and_their_group_commits(store: AnyStore) -> None:
    """Whoever comes second is ``Stale``; others of the group are not disturbed."""
    key = some_work("delivery:x").key
    await store.ledger.commit(Change(work=(some_work(key),)))
    outcomes = await asyncio.gather(
        store.ledger.commit(Change(withdraws=(key,))),
        store.ledger.commit(Change(withdraws=(key,))),
        store.ledger.commit(registered(D2)),
    )
    assert outcomes == [Committed(), Stale(), Committed()]


async def test_the_row_of_another_submission_is_written_with_the_decision(store: AnyStore) -> None:
    """``Change.original``: another submission that this decision ends; a stale one stops all of it."""
    await store.ledger.commit(registered(D1))
    await store.ledger.commit(registered(D2))
    first, second = await store.ledger.load(D1), await store.ledger.load(D2)
    assert first is not None
    assert second is not None
    ended = replace(first.submission, state=SubmissionState.REFUSED, reason=Reason("recalled"), version=2)
    decided = replace(second.submission, state=SubmissionState.ACCEPTED, version=2)
    change = Change(submission=decided, original=ended)
    assert await store.ledger.commit(change) == Committed()
    for document, row in ((D1, ended), (D2, decided)):
        found = await store.ledger.load(document)
        assert found is not None
        assert found.submission == row
    later = Change(submission=replace(decided, version=3), original=ended)
    assert await store.ledger.commit(later) == Stale()


async def test_an_empty_change_is_committed(store: AnyStore) -> None:
    """Nothing to write is nothing to contradict."""
    assert await store.ledger.commit(Change()) == Committed()


async def test_a_stale_change_does_not_disturb_its_group(store: AnyStore) -> None:
    """change: "A change whose expectations no longer hold … writes nothing; the others of its group commit"."""
    documents = [DocumentId(f"0195d000-0000-7000-8000-{n:012}") for n in range(60)]
    await asyncio.gather(*(store.ledger.commit(accepted(d)) for d in documents))

    def next_of(n: int) -> Change:
        version = 9 if n % 7 == 0 else 2
        copy = a_copy(documents[n], state=HandOverState.AVAILABLE, version=version)
        evidence = some_evidence(documents[n], DEPARTMENT, 1)
        return Change(handovers=(copy,), evidence=(evidence,), events=(an_event(document=documents[n]),))

    outcomes = await asyncio.gather(*(store.ledger.commit(next_of(n)) for n in range(60)))
    assert outcomes == [Stale() if n % 7 == 0 else Committed() for n in range(60)]
    for n, document in enumerate(documents):
        dossier = await store.ledger.load(document)
        assert dossier is not None
        assert dossier.handovers[0].version == (1 if n % 7 == 0 else 2)
        assert len(await store.records.evidence(document)) == (0 if n % 7 == 0 else 1)
        assert len(await store.records.timeline(document)) == (0 if n % 7 == 0 else 1)


async def test_of_many_that_race_for_one_version_one_wins(store: AnyStore) -> None:
    """Within a group later changes see the earlier ones."""
    await store.ledger.commit(accepted())
    claims = [
        Change(handovers=(a_copy(head=f"racer {n}", version=2),), events=(an_event(f"racer {n}"),))
        for n in range(20)
    ]
    outcomes = await asyncio.gather(*map(store.ledger.commit, claims))
    assert sorted(map(type, outcomes), key=repr).count(Committed) == 1
    winner = outcomes.index(Committed())
    dossier = await store.ledger.load(D1)
    assert dossier is not None
    assert dossier.handovers[0].head == f"racer {winner}"
    assert [e.event for e in await store.records.timeline(D1)] == [f"racer {winner}"]


async def test_of_many_with_one_message_id_one_is_registered(store: AnyStore) -> None:
    """The others know its document, also where they come in the same group."""
    documents = [DocumentId(f"0195d000-0000-7000-8000-{n:012}") for n in range(20)]
    outcomes = await asyncio.gather(*(store.ledger.commit(registered(d, message_id="m")) for d in documents))
    winner = documents[outcomes.index(Committed())]
    assert [o.document for o in outcomes if isinstance(o, Known)] == [winner] * 19


async def test_a_chain_of_versions_written_at_once_arrives_in_order(store: AnyStore) -> None:
    """Changes that build on each other may be given without waiting."""
    await store.ledger.commit(accepted())
    chain = [Change(handovers=(a_copy(head=str(n), version=n),)) for n in range(2, 12)]
    assert await asyncio.gather(*map(store.ledger.commit, chain)) == [Committed()] * 10
    dossier = await store.ledger.load(D1)
    assert dossier is not None
    assert dossier.handovers[0].head == "11"


async def test_work_forgotten_by_one_change_is_made_anew_by_the_next(store: AnyStore) -> None:
    """Two changes about one piece of work, given at once, act one after the other."""
    await store.lives.beat(ME, MINUTE)
    await store.ledger.commit(Change(work=(some_work(owner=ME),)))
    fence = Fence(key=some_work().key, owner=ME)
    outcomes = await asyncio.gather(
        store.ledger.commit(Change(fence=fence, forgets=(fence.key,))),
        store.ledger.commit(Change(work=(some_work(attempts=5),))),
        store.ledger.commit(Change(fence=fence, forgets=(fence.key,))),
    )
    assert list(outcomes) == [Committed(), Committed(), Stale()]
    assert [w.attempts for w in await store.ledger.lease(YOU, 10)] == [6]


@pytest.mark.heavy_body("makes thousands of rows")
async def test_a_fan_out_to_many_recipients_is_one_change(store: AnyStore) -> None:
    """More rows than any database takes as parameters of one statement."""
    recipients = [f"R.{n:04}" for n in range(2500)]
    change = replace(
        registered(),
        handovers=tuple(a_copy(recipient=r) for r in recipients),
        work=tuple(some_work(f"delivery:{r}") for r in recipients),
        events=tuple(an_event(str(n)) for n in range(2500)),
    )
    assert await store.ledger.commit(change) == Committed()
    dossier = await store.ledger.load(D1)
    assert dossier is not None
    assert len(dossier.handovers) == 2500
    assert len(await store.ledger.lease(YOU, 5000)) == 2500


# --- lease ------------------------------------------------------------------------------------------


async def test_urgent_work_is_leased_first_then_the_longest_due(store: AnyStore) -> None:
    """ "Take up to *limit* pieces of work that are due and free, urgent first, then the longest due"."""
    await store.lives.beat(ME, MINUTE)
    await store.ledger.commit(
        Change(
            work=(
                some_work("delivery:c", due_at=NOON - MINUTE),
                some_work("delivery:d", due_at=NOON),
                some_work("delivery:a", due_at=NOON - MINUTE, priority=Priority.URGENT),
                some_work("delivery:e", due_at=NOON - 2 * MINUTE),
                some_work("delivery:b", due_at=NOON, priority=Priority.URGENT),
                some_work("delivery:z", due_at=NOON + MINUTE, priority=Priority.URGENT),
            )
        )
    )
    assert [w.key for w in await store.ledger.lease(ME, 3)] == ["delivery:a", "delivery:b", "delivery:e"]
    assert [w.key for w in await store.ledger.lease(ME, 3)] == ["delivery:c", "delivery:d"]


async def test_the_more_urgent_go_before_the_less(store: AnyStore) -> None:
    """ "the most urgent first": hỏa tốc hẹn giờ, hỏa tốc, thượng khẩn, khẩn, thường; however long they wait."""
    await store.lives.beat(ME, MINUTE)
    work = [
        some_work(f"delivery:{p}", due_at=NOON - (5 - p) * MINUTE, priority=p, party=PartyKey("x"))
        for p in Priority
    ]
    await store.ledger.commit(Change(work=tuple(work)))
    leased = [*await store.ledger.lease(ME, 2), *await store.ledger.lease(ME, 9)]
    assert [w.priority for w in leased] == sorted(Priority, reverse=True)


async def test_lines_are_leased_by_turns_however_long_one_of_them_is(store: AnyStore) -> None:
    """ "the longest due of each line, then the second of each": who came late with little is not last."""
    await store.lives.beat(ME, MINUTE)
    many = [some_work(f"delivery:a{n}", due_at=NOON - (20 - n) * MINUTE, line="a") for n in range(9)]
    few = [some_work(f"delivery:{line}{n}", line=line) for line in "bc" for n in range(2)]
    await store.ledger.commit(Change(work=(*many, *few, some_work("deadline:d", kind=WorkKind.DEADLINE))))
    assert [w.key for w in await store.ledger.lease(ME, 6)] == [
        *("delivery:a0", "deadline:d", "delivery:b0", "delivery:c0"),
        *("delivery:a1", "delivery:b1"),
    ]
    assert [w.key for w in await store.ledger.lease(ME, 3, sated=frozenset("b"))] == [
        *("delivery:a2", "delivery:c1", "delivery:a3"),
    ]
    assert [w.line for w in await store.ledger.lease(ME, 9)] == ["a"] * 5


async def test_of_what_a_recipient_had_no_room_for_only_two_are_tried_at_once(
    store: AnyStore, clock: FixedClock
) -> None:
    """ "Of a recipient's line only the first two": whoever takes nothing costs no more for a thousand than for two."""
    await store.lives.beat(ME, 10 * MINUTE)
    work = [
        some_work(f"delivery:{n}", party=PartyKey("dead"), line="sender", due_at=NOON - n * MINUTE)
        for n in range(5)
    ]
    await store.ledger.commit(Change(work=tuple(work)))
    assert len(await store.ledger.lease(ME, 9)) == 5, "not before the first of them was tried"
    later = [Postponed(key=w.key, due_at=NOON + MINUTE, reason=Reason("queue-full")) for w in work]
    await store.ledger.commit(Change(postponed=tuple(later)))
    new = some_work("delivery:new", party=PartyKey("other"), line="sender", due_at=NOON + MINUTE)
    await store.ledger.commit(Change(work=(new,)))
    clock.advance(MINUTE)
    leased = await store.ledger.lease(ME, 9)
    assert [w.key for w in leased] == ["delivery:0", "delivery:new", "delivery:1"]
    assert [w.line for w in leased] == [
        line_to(WorkKind.DELIVERY, PartyKey("dead")),
        "sender",
        leased[0].line,
    ]


async def test_the_next_place_in_a_full_queue_is_for_the_most_urgent(
    store: AnyStore, clock: FixedClock
) -> None:
    """ "none is leased while a more urgent one waits for a place in its queue"; others to others are."""
    await store.lives.beat(ME, 10 * MINUTE)

    def to(party: str, key: str, priority: Priority = Priority.ORDINARY) -> Work:
        return some_work(f"delivery:{key}", party=PartyKey(party), priority=priority, due_at=NOON)

    urgent = [
        to("full", "u1", Priority.URGENT),
        to("full", "u3", Priority.EXPRESS),
        to("away", "u4", Priority.URGENT),
    ]
    await store.ledger.commit(Change(work=tuple(urgent)))
    await store.ledger.lease(ME, 9)
    for work in urgent:
        reason = Reason("queue-full" if work.party == "full" else "queue-missing")
        later = Postponed(key=work.key, due_at=NOON + MINUTE, reason=reason)
        await store.ledger.commit(Change(fence=Fence(key=work.key, owner=ME), postponed=(later,)))
    await store.ledger.commit(Change(work=(to("full", "o1"), to("away", "o2"), to("other", "o3"))))
    assert {w.key for w in await store.ledger.lease(ME, 9)} == {"delivery:o2", "delivery:o3"}
    clock.advance(MINUTE)
    assert [w.key for w in await store.ledger.lease(ME, 9)] == ["delivery:u3", "delivery:u4"]
    assert await store.ledger.lease(ME, 9) == [], "one in hand still goes before the others"
    await store.ledger.commit(Change(fence=Fence(key="delivery:u3", owner=ME), forgets=("delivery:u3",)))
    assert [w.key for w in await store.ledger.lease(ME, 9)] == ["delivery:u1"]
    await store.ledger.commit(Change(fence=Fence(key="delivery:u1", owner=ME), forgets=("delivery:u1",)))
    assert [w.key for w in await store.ledger.lease(ME, 9)] == ["delivery:o1"]


async def test_an_attempt_is_counted_before_the_work_is_returned(store: AnyStore, clock: FixedClock) -> None:
    """ "Each attempt is counted before the work is returned"."""
    await store.ledger.commit(Change(work=(some_work(attempts=1),)))
    for attempts in (2, 3):
        await store.lives.beat(ME, MINUTE)
        leased = await store.ledger.lease(ME, 1)
        assert leased == [some_work(attempts=attempts, owner=ME)]
        clock.advance(MINUTE)


async def test_only_the_kinds_asked_for_are_leased(store: AnyStore) -> None:
    """``kinds`` narrows the choice."""
    await store.lives.beat(ME, MINUTE)
    kinds = [kind.value for kind in WorkKind]
    await store.ledger.commit(Change(work=tuple(some_work(f"{kind}:x") for kind in kinds)))
    some = await store.ledger.lease(ME, 10, frozenset({WorkKind.RECEIPT, WorkKind.DEADLINE}))
    assert {w.kind for w in some} == {WorkKind.RECEIPT, WorkKind.DEADLINE}
    assert await store.ledger.lease(ME, 10, frozenset()) in ([], ())
    assert len(await store.ledger.lease(YOU, 10)) == 2


async def test_nothing_is_leased_where_nothing_is_asked_for(store: AnyStore) -> None:
    """*limit* may be 0."""
    await store.ledger.commit(Change(work=(some_work(),)))
    assert list(await store.ledger.lease(ME, 0)) == []


async def test_work_of_a_living_owner_is_not_leased(store: AnyStore, clock: FixedClock) -> None:
    """ "No work is leased to two living owners": neither what was leased nor what was born owned."""
    await store.lives.beat(ME, MINUTE)
    await store.ledger.commit(Change(work=(some_work("delivery:x", owner=ME), some_work("delivery:y"))))
    assert [w.key for w in await store.ledger.lease(ME, 10)] == ["delivery:y"]
    clock.advance(MINUTE - timedelta(microseconds=1))
    assert await store.ledger.lease(YOU, 10) == []
    assert await store.ledger.lease(ME, 10) == []


async def test_work_of_a_dead_owner_is_due(store: AnyStore, clock: FixedClock) -> None:
    """ "work whose owner is dead … [is] just due": its life has run out by the store's clock."""
    await store.lives.beat(ME, MINUTE)
    await store.ledger.commit(Change(work=(some_work("delivery:x", owner=ME), some_work("delivery:y"))))
    await store.ledger.lease(ME, 10)
    clock.advance(MINUTE)
    assert [w.key for w in await store.ledger.lease(YOU, 10)] == ["delivery:x", "delivery:y"]


async def test_work_of_an_owner_who_never_lived_is_due(store: AnyStore) -> None:
    """An owner of whom the store knows nothing is dead."""
    await store.ledger.commit(Change(work=(some_work(owner=ME),)))
    assert len(await store.ledger.lease(YOU, 10)) == 1


async def test_the_dead_lease_nothing_until_the_next_beat(store: AnyStore, clock: FixedClock) -> None:
    """ "none to one whose life is over by the store's clock, or never began": each look of one of several whose
    lives seem over would take the others' work, and count for a death."""
    await store.ledger.commit(Change(work=(some_work(),)))
    assert await store.ledger.lease(ME, 10) == []
    await store.lives.beat(ME, MINUTE)
    clock.advance(MINUTE)
    assert await store.ledger.lease(ME, 10) == []
    await store.lives.beat(ME, MINUTE)
    assert [w.attempts for w in await store.ledger.lease(ME, 10)] == [1]
    await store.lives.bury(ME)
    assert await store.ledger.lease(ME, 10) == []
    assert [w.attempts for w in await store.ledger.lease(YOU, 10)] == [2]


async def test_leased_work_tells_how_many_attempts_surely_brought_nothing(store: AnyStore) -> None:
    """``Work.sure``, as ``Postponed.is_sure`` counts it."""
    x = some_work()
    await store.ledger.commit(Change(work=(x,)))
    for sure in (0, 1, 1):
        (leased,) = await store.ledger.lease(YOU, 10)
        assert leased.sure == sure
        later = Postponed(key=x.key, due_at=NOON, is_sure=leased.attempts == 1)
        await store.ledger.commit(Change(fence=Fence(key=x.key, owner=YOU), postponed=(later,)))


async def test_many_who_lease_at_once_never_share(store: AnyStore) -> None:
    """ "No work is leased to two living owners"."""
    await store.lives.beat(ME, MINUTE)
    await store.lives.beat(YOU, MINUTE)
    await store.ledger.commit(Change(work=tuple(some_work(f"delivery:{n}") for n in range(100))))
    leased = await asyncio.gather(*(store.ledger.lease(owner, 7) for owner in (ME, YOU) * 10))
    keys = [work.key for some in leased for work in some]
    assert len(keys) == 100
    assert len(set(keys)) == 100


# --- find -------------------------------------------------------------------------------------------

ABOUT = DocumentReference(
    organ=OrganCode(PROVINCE),
    code="517/QĐ-UBND",
    dated=NOON.date().replace(2016, 3, 4),
    official_id=OfficialId("517-2016"),
)
TO = PartyKey(DEPARTMENT)


async def test_a_document_is_found_by_its_official_id(store: AnyStore) -> None:
    """ "the official id decides where both have one": whatever code and date say."""
    await store.ledger.commit(accepted(D1))
    await store.ledger.commit(accepted(D2, official_id="other"))
    assert await store.ledger.find(replace(ABOUT, code="", dated=None), TO) == [D1]
    assert await store.ledger.find(replace(ABOUT, code="1/X"), TO) == [D1]


@pytest.mark.parametrize(("its", "ours"), [("", "517-2016"), ("517-2016", ""), ("", "")])
async def test_code_and_date_decide_where_an_official_id_is_missing(
    store: AnyStore, its: str, ours: str
) -> None:
    """ "else code and date do"."""
    await store.ledger.commit(accepted(D1, official_id=ours))
    about = replace(ABOUT, official_id=OfficialId(its))
    assert await store.ledger.find(about, TO) == [D1]
    assert await store.ledger.find(replace(about, code="518/QĐ-UBND"), TO) == []
    assert await store.ledger.find(replace(about, dated=NOON.date()), TO) == []


@pytest.mark.parametrize("missing", [{"code": ""}, {"dated": None}])
async def test_without_official_id_both_code_and_date_are_needed(
    store: AnyStore, missing: dict[str, Any]
) -> None:
    """ "code and date do": what both lack makes them no match."""
    await store.ledger.commit(accepted(D1, official_id="", **missing))
    assert await store.ledger.find(replace(ABOUT, official_id=OfficialId(""), **missing), TO) == []


async def test_another_organ_is_no_match(store: AnyStore) -> None:
    """ "The organ must match (the sender's code)"."""
    await store.ledger.commit(accepted(D1))
    assert await store.ledger.find(replace(ABOUT, organ=OrganCode(COMMUNE)), TO) == []
    nameless = replace(ABOUT, organ=OrganCode(COMMUNE), official_id=OfficialId(""))
    assert await store.ledger.find(nameless, TO) == []


async def test_whoever_had_no_copy_finds_nothing(store: AnyStore) -> None:
    """ "of which *recipient* had a copy"."""
    await store.ledger.commit(accepted(D1))
    assert await store.ledger.find(ABOUT, PartyKey(COMMUNE)) == []


@pytest.mark.parametrize("state", list(HandOverState))
async def test_a_copy_that_never_left_is_not_found(store: AnyStore, state: HandOverState) -> None:
    """A copy that failed or was withdrawn was never had; one that expired may have been."""
    await store.ledger.commit(accepted(D1, state=state))
    never = state in (HandOverState.FAILED, HandOverState.WITHDRAWN)
    assert await store.ledger.find(ABOUT, TO) == ([] if never else [D1])


async def test_several_documents_may_match_oldest_first(store: AnyStore) -> None:
    """ "Several may match: that is an answer"; "oldest first"."""
    for n, document in enumerate((D2, D1)):
        change = accepted(document)
        assert change.submission is not None
        received_at = NOON + n * MINUTE
        await store.ledger.commit(
            replace(change, submission=replace(change.submission, received_at=received_at))
        )
    assert await store.ledger.find(ABOUT, TO) == [D2, D1]


@pytest.mark.parametrize("business", list(Business))
async def test_a_recall_is_never_found(store: AnyStore, business: Business) -> None:
    """ "Recalls are never meant: they carry the number of what they recall"."""
    change = accepted(D1)
    assert change.header is not None
    await store.ledger.commit(replace(change, header=replace(change.header, business=business)))
    found = [] if business is Business.RECALL else [D1]
    assert await store.ledger.find(ABOUT, TO) == found
    assert await store.ledger.originals(ABOUT, [PartyKey(PROVINCE)]) == found


# --- namesakes ---------------------------------------------------------------------------------------


async def test_documents_of_one_name_know_each_other(store: AnyStore) -> None:
    """ "with the official id of *reference*, or with its organ, code and year"."""
    await store.ledger.commit(accepted(D1))
    named: list[tuple[dict[str, Any], list[Namesake]]] = [
        ({}, [Namesake(document=D1, same_id=True, same_code=True)]),
        ({"official_id": "x"}, [Namesake(document=D1, same_id=False, same_code=True)]),
        ({"official_id": ""}, [Namesake(document=D1, same_id=False, same_code=True)]),
        ({"code": "518/QĐ-UBND"}, [Namesake(document=D1, same_id=True, same_code=False)]),
        (
            {"dated": NOON.date().replace(2016, 12, 31), "official_id": ""},
            [Namesake(document=D1, same_id=False, same_code=True)],
        ),
        ({"dated": NOON.date().replace(2017, 3, 4), "official_id": ""}, []),
        ({"dated": None, "official_id": ""}, []),
        ({"organ": COMMUNE}, []),
        ({"code": "518/QĐ-UBND", "official_id": ""}, []),
    ]
    answers = await asyncio.gather(
        *(store.ledger.namesakes(replace(ABOUT, **changes)) for changes, _ in named), store.ledger.load(D1)
    )
    assert answers[-1] is not None
    assert answers[:-1] == [wanted for _, wanted in named]


async def test_neither_recalls_nor_refused_documents_have_a_name(store: AnyStore) -> None:
    """ "Refused ones are none, nor are recalls"; oldest first."""
    refused = Change(submission=a_submission(document=D1, state=SubmissionState.REFUSED), header=a_header(D1))
    recall = accepted(D2)
    assert recall.header is not None
    await store.ledger.commit(refused)
    await store.ledger.commit(replace(recall, header=replace(recall.header, business=Business.RECALL)))
    assert await store.ledger.namesakes(ABOUT) == []
    documents = [DocumentId(f"0195d000-0000-7000-8000-{n:012}") for n in range(22, 10, -1)]
    for document in documents:
        await store.ledger.commit(accepted(document))
    found = await store.ledger.namesakes(ABOUT)
    told = [one.document for one in found]
    assert len(told) == 10
    assert told == sorted(told)
    assert set(told) <= set(documents)


# --- originals --------------------------------------------------------------------------------------

WE = [PartyKey(PROVINCE)]


async def test_an_original_is_found_among_what_its_sender_sent_whatever_organ_is_named(
    store: AnyStore,
) -> None:
    """ "As ``find``, but the organ of the reference does not count"."""
    await store.ledger.commit(accepted(D1))
    name = replace(ABOUT, organ=OrganCode(COMMUNE))
    assert await store.ledger.originals(name, WE) == [D1]
    assert await store.ledger.originals(replace(name, official_id=OfficialId("")), WE) == [D1]
    assert await store.ledger.originals(replace(name, official_id=OfficialId("x")), WE) == []
    assert await store.ledger.originals(replace(name, official_id=OfficialId(""), dated=None), WE) == []
    assert await store.ledger.originals(name, [PartyKey(COMMUNE)]) == []
    assert await store.ledger.originals(name, [PartyKey(COMMUNE), *WE]) == [D1]
    assert await store.ledger.originals(name, []) == []


@pytest.mark.parametrize("state", list(SubmissionState))
async def test_an_original_that_waits_is_found_and_one_that_was_refused_is_not(
    store: AnyStore, state: SubmissionState
) -> None:
    """ "refused ones are none"; "Documents that still wait are found"."""
    change = Change(submission=a_submission(document=D1, state=state), header=a_header(D1))
    await store.ledger.commit(change)
    assert await store.ledger.originals(ABOUT, WE) == ([] if state is SubmissionState.REFUSED else [D1])


async def test_several_originals_are_found_oldest_first(store: AnyStore) -> None:
    """ "oldest first"."""
    for n, document in enumerate((D2, D1)):
        at = NOON + n * MINUTE
        submission = a_submission(document=document, message_id=document, received_at=at)
        await store.ledger.commit(Change(submission=submission, header=a_header(document)))
    assert await store.ledger.originals(ABOUT, WE) == [D2, D1]
