"""The contract of ``Clock`` and ``Ids``: the twins and the real ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from adapters.clock import SystemClock, SystemIds
from adapters.memory import CountingIds, FixedClock
from gateway.ports import Clock, Ids

AT = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)


@pytest.fixture(params=[FixedClock, SystemClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


@pytest.fixture(params=[CountingIds, SystemIds])
def ids(request: pytest.FixtureRequest) -> Ids:
    made: Ids = request.param()
    return made


def test_now_is_in_utc_with_its_time_zone(clock: Clock) -> None:
    """Clock.now: "Now, in UTC, with its time zone."."""
    assert clock.now().tzinfo is UTC


def test_time_does_not_run_backwards(clock: Clock) -> None:
    """Clock.now: "Now"."""
    told = [clock.now() for _ in range(100)]
    assert told == sorted(told)


def test_a_document_id_is_a_new_uuid_of_version_7(ids: Ids) -> None:
    """Ids.document: "A new UUIDv7."."""
    made = [ids.document() for _ in range(2000)]
    assert len(set(made)) == 2000
    assert {UUID(one).version for one in made} == {7}
    assert {UUID(one).variant for one in made} == {"specified in RFC 4122"}
    assert all(one == str(UUID(one)) for one in made)


def test_document_ids_sort_by_the_time_they_were_made(ids: Ids) -> None:
    """``DocumentId``: ids sort by the time of receipt; also many within one millisecond."""
    made = [ids.document() for _ in range(2000)]
    assert made == sorted(made)


def test_jitter_is_at_least_nought_and_less_than_one_and_varies(ids: Ids) -> None:
    """Ids.jitter: "A number in [0, 1)."."""
    numbers = [ids.jitter() for _ in range(1000)]
    assert all(0 <= number < 1 for number in numbers)
    assert len(set(numbers)) > 900
    assert min(numbers) < 0.1
    assert max(numbers) > 0.9


def test_the_real_clock_tells_the_machines_time() -> None:
    before = datetime.now(UTC)
    told = SystemClock().now()
    assert before <= told <= datetime.now(UTC)


def test_a_fixed_clock_stands_until_it_is_moved() -> None:
    clock = FixedClock(AT)
    assert clock.now() == clock.now() == AT
    clock.advance(timedelta(hours=1))
    assert clock.now() == AT + timedelta(hours=1)
    clock.set(AT)
    assert clock.now() == AT


def test_a_clock_with_a_step_moves_each_time_it_is_asked() -> None:
    clock = FixedClock(AT, step=timedelta(seconds=1))
    assert [clock.now() - AT for _ in range(3)] == [timedelta(seconds=n) for n in range(3)]


def test_counting_ids_are_the_same_in_every_run() -> None:
    first, second = CountingIds(), CountingIds()
    assert [first.document() for _ in range(5)] == [second.document() for _ in range(5)]
    assert first.jitter() == second.jitter()
    # 1457053200000 ms: 08:00 on 4 March 2016 in Tây Ninh
    assert CountingIds().document() == f"{1457053200000:012x}"[:8] + "-6e80-7000-8000-000000000001"
