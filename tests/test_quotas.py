"""Quotas over all workers: whatever the workers, the clocks and the deaths do, nobody gets more than was promised.

The promise is that of ``docs/adr/0023-quotas.md``: over any time a party gets no more than its quota, what drains
meanwhile by the store's clock, and for each worker one allowance and one document; besides an allowance and a document
for each worker that was killed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta

import pytest
import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.memory import FixedClock, MemoryDirectory
from adapters.memory.usage import MemoryUsage
from gateway.errors import QuotaExceeded, Unavailable
from gateway.model.change import Work, WorkKind
from gateway.model.ids import DocumentId, PartyKey
from gateway.model.quota import (
    NO_BOUND,
    PERIODS,
    UNSAID,
    Measure,
    Quota,
    Used,
    allowance,
    drained,
    full,
    room_in,
)
from gateway.quotas import Quotas, Rhythm
from tests.builders import NOON, a_party
from tests.journey.weather import MemoryNumbers

A, B = "000.00.01.H53", "000.00.02.H53"
LARGEST = 4_000
"""The largest document that anybody sends here."""


class SharedUsage(MemoryUsage):
    """The store's twin, whose answers take a while, may be lost, and may not come at all."""

    is_away = is_away_for_looks = False
    loses_answers = False
    looks = draws = 0

    async def look(self, quotas: Mapping[PartyKey, Quota]) -> Mapping[PartyKey, Used]:
        self.looks += 1
        await self._waits()
        if self.is_away_for_looks:
            raise Unavailable("store-away")
        return await super().look(quotas)

    async def draw(self, drawn: Mapping[PartyKey, tuple[Used, Quota]]) -> Mapping[PartyKey, Used]:
        self.draws += 1
        await self._waits()
        answer = await super().draw(drawn)
        await asyncio.sleep(0)
        if self.loses_answers:
            raise Unavailable("store-away")
        return answer

    async def _waits(self) -> None:
        await asyncio.sleep(0)
        if self.is_away:
            raise Unavailable("store-away")


class House:
    """Workers over one store and one clock, and everything that they ever let in."""

    def __init__(self, quota: Quota, workers: int = 1, default: Quota = UNSAID) -> None:
        self.clock = FixedClock(NOON)
        self.work: dict[str, Work] = {}
        self.usage = SharedUsage(clock=self.clock, work=self.work)
        self.directory = MemoryDirectory([a_party(A, quota=quota), a_party(B)], [])
        self.numbers = MemoryNumbers()
        self.default = default
        self.quotas = [self.born() for _ in range(workers)]
        self.forward = 0.0
        self.let_in: list[tuple[float, Measure, float]] = []
        self.kills: list[float] = []

    def born(self) -> Quotas:
        return Quotas(self.usage, self.directory, self.clock, self.numbers, self.default)

    def pass_time(self, seconds: float) -> None:
        """The store's clock moves, back too."""
        self.forward += max(0.0, seconds)
        self.clock.advance(timedelta(seconds=seconds))

    def kill(self, worker: int) -> None:
        """What this worker had not told is lost."""
        self.quotas[worker] = self.born()
        self.kills.append(self.forward)

    async def send(self, worker: int, size: int = 1, *, party: str = A) -> timedelta | None:
        """``None``: let in; else after how long there is room."""
        try:
            await self.quotas[worker].admit(PartyKey(party), size)
        except QuotaExceeded as over:
            return over.room_in
        except Unavailable:
            return timedelta(seconds=1)
        self.let_in.append((self.forward, Measure.DOCUMENTS, 1))
        self.let_in.append((self.forward, Measure.BYTES, size))
        return None

    async def hurry(self, worker: int) -> None:
        """An urgent document."""
        try:
            hurries = await self.quotas[worker].may_hurry(PartyKey(A))
        except Unavailable:
            return
        if hurries:
            self.let_in.append((self.forward, Measure.URGENT, 1))

    def most(self, quota: Quota, measure: Measure, forward: float, kills: int) -> float:
        """What is promised while the clock moves *forward* by so many seconds."""
        bound = quota.of(measure)
        one = LARGEST if measure is Measure.BYTES else 1
        beyond = allowance(bound) + one
        drains = bound * forward / PERIODS[measure].total_seconds()
        return bound + drains + beyond * (len(self.quotas) + kills)

    def audit(self, quota: Quota) -> None:
        """Over every span of time."""
        for measure in PERIODS:
            let_in = [(at, amount) for at, what, amount in self.let_in if what is measure]
            for first, (begin, _) in enumerate(let_in):
                total = 0.0
                for at, amount in let_in[first:]:
                    total += amount
                    kills = sum(1 for killed in self.kills if begin <= killed <= at)
                    assert total <= self.most(quota, measure, at - begin, kills) + 1e-6, (measure, begin, at)


STEP = st.one_of(
    st.tuples(st.just("send"), st.integers(0, 2), st.integers(1, LARGEST)),
    st.tuples(st.just("flood"), st.integers(0, 2), st.integers(1, 40)),
    st.tuples(st.just("hurry"), st.integers(0, 2), st.integers(1, 20)),
    st.tuples(st.just("beat"), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("time"), st.just(0), st.integers(0, 90)),
    st.tuples(st.just("jump"), st.just(0), st.sampled_from((-100_000, -50, -1, 5, 70, 3_600, 100_000))),
    st.tuples(st.just("kill"), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("away"), st.just(0), st.integers(0, 1)),
    st.tuples(st.just("lost"), st.just(0), st.integers(0, 1)),
)


async def _live(house: House, steps: list[tuple[str, int, int]]) -> None:
    running: list[asyncio.Task[object]] = []
    for what, number, amount in steps:
        worker = number % len(house.quotas)
        match what:
            case "send":
                running.append(asyncio.create_task(house.send(worker, amount)))
            case "flood":
                running += [asyncio.create_task(house.send(worker)) for _ in range(amount)]
            case "hurry":
                running += [asyncio.create_task(house.hurry(worker)) for _ in range(amount)]
            case "beat":
                running.append(asyncio.create_task(_beat(house.quotas[worker])))
            case "time" | "jump":
                house.pass_time(amount)
            case "kill":
                await asyncio.gather(*running)  # the dead let nothing in any more
                running.clear()
                house.kill(worker)
            case "away":
                house.usage.is_away = bool(amount)
            case "lost":
                house.usage.loses_answers = bool(amount)
        for _ in range((number * 7 + amount) % 4):
            await asyncio.sleep(0)
    await asyncio.gather(*running)


async def _beat(quotas: Quotas) -> None:
    try:
        await quotas.beat()
    except Unavailable:
        return


@settings(deadline=None, max_examples=150)
@given(
    workers=st.integers(1, 3),
    per_minute=st.sampled_from((1, 2, 30, 64)),
    per_day=st.sampled_from((1, 5_000, 200_000)),
    urgent=st.sampled_from((1, 20)),
    steps=st.lists(STEP, min_size=5, max_size=60),
)
@example(  # two who could each give away all of it before the other hears
    workers=2,
    per_minute=64,
    per_day=200_000,
    urgent=20,
    steps=[("flood", 0, 40), ("flood", 1, 40), ("flood", 0, 30), ("flood", 1, 30)],
)
@example(  # one who comes while the others are being told of those before
    workers=1,
    per_minute=1,
    per_day=1,
    urgent=1,
    steps=[("beat", 0, 0), ("send", 0, 1268), ("send", 0, 2), ("beat", 0, 0), ("send", 0, 2735)],
)
def test_nobody_gets_more_than_was_promised_and_nobody_waits_for_ever(
    workers: int, per_minute: int, per_day: int, urgent: int, steps: list[tuple[str, int, int]]
) -> None:
    quota = Quota(bytes_per_day=per_day, documents_per_minute=per_minute, urgent_per_minute=urgent)
    house = House(quota, workers)

    async def go() -> None:
        await _live(house, steps)
        house.audit(quota)
        house.usage.is_away = house.usage.loses_answers = False
        await _comes_in(house)

    asyncio.run(go())


async def _comes_in(house: House) -> None:
    """Whatever has been: who waits as long as he is told, and again where another was quicker, comes in."""
    for quotas in house.quotas:
        await quotas.beat()
    for _ in range(5):
        wait = await house.send(0, LARGEST)
        if wait is None:
            return
        await house.quotas[0].beat()  # as it does each second
        house.pass_time(wait.total_seconds())
    raise AssertionError("it waits for ever")


async def test_the_whole_quota_is_given_exactly_once_by_one_worker_and_again_as_it_drains() -> None:
    house = House(Quota(documents_per_minute=60))
    sent = [await house.send(0) for _ in range(70)]
    assert sent == [None] * 60 + [timedelta(seconds=1)] * 10
    house.pass_time(10)
    sent = [await house.send(0) for _ in range(12)]
    assert sent == [None] * 10 + [timedelta(seconds=1)] * 2


async def test_what_another_worker_gave_away_counts() -> None:
    house = House(Quota(documents_per_minute=160), workers=2)
    first = [await house.send(0) for _ in range(150)]
    await house.quotas[0].beat()
    second = [await house.send(1) for _ in range(20)]
    assert first == [None] * 150
    assert second.count(None) == 10


async def test_what_the_others_are_just_being_told_counts_here_meanwhile() -> None:
    house = House(Quota(documents_per_minute=2))
    assert [await house.send(0) for _ in range(2)] == [None, None]
    beat = asyncio.create_task(house.quotas[0].beat())
    await asyncio.sleep(0)  # the store has been told and has not answered
    assert await house.send(0) == timedelta(seconds=30)
    await beat


async def test_what_the_store_has_written_counts_though_it_is_away_right_after() -> None:
    house = House(Quota(documents_per_minute=2), default=Quota(documents_per_minute=2))
    assert [await house.send(0) for _ in range(2)] == [None, None]
    house.usage.is_away_for_looks = True
    assert await house.send(0, party=B) == timedelta(seconds=1), (
        "it was told of A, and was away for a look at B"
    )
    house.usage.is_away_for_looks = False
    assert await house.send(0) == timedelta(seconds=30)


async def test_a_clock_that_went_back_holds_nobody_back() -> None:
    """Nothing had drained when it went back, and from the next beat on it drains as ever."""
    house = House(Quota(documents_per_minute=2))
    assert [await house.send(0) for _ in range(3)] == [None, None, timedelta(seconds=30)]
    await house.quotas[0].beat()
    house.pass_time(-100_000)
    await house.quotas[0].beat()
    assert await house.send(0) == timedelta(seconds=30)
    house.pass_time(30)
    assert await house.send(0) is None


async def test_what_was_used_is_remembered_after_a_restart() -> None:
    house = House(Quota(bytes_per_day=1_000_000))
    for _ in range(10):
        assert await house.send(0, 100_000) is None
    await house.quotas[0].stop()
    await house.quotas[0].beat()
    house.kill(0)
    assert await house.send(0, 100_000) is not None


async def test_the_ordinary_way_asks_the_store_nothing() -> None:
    """Who has no quota never; who has one at the first document of a life.  A beat tells of all parties together."""
    house = House(Quota(documents_per_minute=1_600), default=Quota(documents_per_minute=3_200))
    house.directory.put(a_party("000.00.03.H53", quota=Quota(documents_per_minute=NO_BOUND)))
    for _ in range(99):
        for party in (A, B, "000.00.03.H53"):
            assert await house.send(0, party=party) is None
    assert (house.usage.looks, house.usage.draws) == (2, 1), "what was not told yet goes along"
    await house.quotas[0].beat()
    await house.quotas[0].beat()
    assert (house.usage.looks, house.usage.draws) == (2, 2)


async def test_a_document_larger_than_the_whole_quota_comes_in_and_is_paid_for_afterwards() -> None:
    house = House(Quota(bytes_per_day=1_000))
    assert await house.send(0, 3_000) is None
    wait = await house.send(0, 1)
    assert wait == timedelta(days=1) * (3_000 + 1 - 1_000) / 1_000, "two quotas have to drain, and a byte"
    house.pass_time(wait.total_seconds() - 5)
    assert await house.send(0, 1) is not None, "what is told is true"
    house.pass_time(5)
    assert await house.send(0, 3_000) is None


async def test_what_could_not_be_taken_in_is_given_back() -> None:
    house = House(Quota(documents_per_minute=1, urgent_per_minute=1))
    for _ in range(3):
        assert await house.send(0) is None
        assert await house.quotas[0].may_hurry(PartyKey(A))
        house.quotas[0].give_back(PartyKey(A), 1, was_urgent=True)


async def test_what_is_owed_comes_in_and_counts() -> None:
    house = House(Quota(documents_per_minute=2))
    for _ in range(5):
        await house.quotas[0].admit(PartyKey(A), 1, is_owed=True)
    assert await house.send(0) == timedelta(seconds=120), "four of two have drained in two minutes"


async def test_documents_that_wait_hold_others_back_until_they_are_decided() -> None:
    house = House(Quota(documents_waiting=3))
    for number in range(3):
        key = f"document:{number}"
        house.work[key] = Work(key=key, kind=WorkKind.DOCUMENT, document=DocumentId(key), due_at=NOON, line=A)
        assert await house.send(0) is None or number
    assert await house.send(0) == Rhythm().decided
    house.work.clear()
    house.pass_time(5)
    assert await house.send(0) is None


async def test_a_default_holds_where_the_directory_says_nothing_and_none_means_no_bound() -> None:
    house = House(Quota(documents_per_minute=NO_BOUND), default=Quota(documents_per_minute=1))
    assert [await house.send(0) for _ in range(5)] == [None] * 5
    assert [await house.send(0, party=B) for _ in range(2)] == [None, timedelta(minutes=1)]


async def test_it_is_told_once_that_a_quota_holds_back_and_once_that_it_does_no_more() -> None:
    house = House(Quota(documents_per_minute=1), default=Quota(urgent_per_minute=1))
    with structlog.testing.capture_logs() as told:
        for _ in range(20):
            await house.send(0)
        await house.quotas[0].beat()
        assert house.numbers.parties == {"documents_per_minute": 1}
        house.pass_time(59)
        await house.send(0)
        await house.quotas[0].beat()
        house.pass_time(61)
        await house.quotas[0].beat()
        await house.quotas[0].beat()
    events = [(line["event"], line["party"], line["quota"]) for line in told]
    assert events == [
        ("quota holds back", A, "documents_per_minute"),
        ("quota holds back no more", A, "documents_per_minute"),
    ]
    assert house.numbers.waits == {"documents_per_minute": 20}
    assert house.numbers.parties == {}
    json.dumps(told)


@pytest.mark.parametrize(
    ("used", "elapsed", "left"),
    [
        (Used(bytes=86_400), timedelta(seconds=1), Used(bytes=86_399)),
        (Used(documents=60, urgent=6), timedelta(seconds=30), Used(documents=30, urgent=3)),
        (Used(documents=60), timedelta(seconds=-30), Used(documents=60)),
        (Used(documents=60, waiting=4), timedelta(days=30), Used(waiting=4)),
        (Used(documents=180), timedelta(minutes=1), Used(documents=120)),
    ],
)
def test_what_is_used_drains_evenly(used: Used, elapsed: timedelta, left: Used) -> None:
    quota = Quota(bytes_per_day=86_400, documents_per_minute=60, urgent_per_minute=6)
    assert drained(used, quota, elapsed) == left


@pytest.mark.parametrize(
    ("used", "lacking"),
    [
        (Used(), []),
        (Used(bytes=999, documents=4), []),
        (Used(bytes=1_000), [Measure.BYTES]),
        (Used(documents=4.5), [Measure.DOCUMENTS]),
        (Used(documents=4 + 1e-9), []),
        (Used(waiting=2), [Measure.WAITING]),
        (Used(bytes=2_000, documents=9), [Measure.BYTES, Measure.DOCUMENTS]),
    ],
)
def test_a_quota_is_full_where_not_one_is_left(used: Used, lacking: list[Measure]) -> None:
    quota = Quota(bytes_per_day=1_000, documents_per_minute=5, documents_waiting=2)
    measures = (Measure.BYTES, Measure.DOCUMENTS, Measure.WAITING, Measure.URGENT)
    assert [*full(used, quota, measures)] == lacking
    for measure in lacking:
        wait = room_in(used, quota, measure)
        assert (wait is None) is (measure is Measure.WAITING)
        if wait is not None:
            assert measure not in [*full(drained(used, quota, wait), quota, measures)]


def test_what_a_party_has_of_its_own_goes_before_the_default() -> None:
    default = Quota(bytes_per_day=9, documents_per_minute=9, documents_waiting=9, urgent_per_minute=9)
    own = Quota(bytes_per_day=1, documents_waiting=NO_BOUND)
    assert own.over(default) == Quota(
        bytes_per_day=1, documents_per_minute=9, documents_waiting=NO_BOUND, urgent_per_minute=9
    )
    assert UNSAID.over(default) == default
    assert UNSAID.of(Measure.BYTES) == NO_BOUND
