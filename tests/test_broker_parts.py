"""The broker adapter's parts that need no broker: bounds and quotas, lenient decoding, dead letters."""

from __future__ import annotations

import asyncio
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiormq.abc import DeliveredMessage
from hypothesis import given
from hypothesis import strategies as st
from pamqp import encode
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from adapters.broker import decoding
from adapters.broker.admission import Flight, Gate, Hold
from adapters.broker.dead_letters import delivery_of, submission_of
from adapters.broker.encoding import Properties
from adapters.broker.node import Options as NodeOptions
from adapters.broker.node_folder import NodeFolder

# --- bounds -----------------------------------------------------------------------------------------


async def test_the_gate_lets_urgent_ones_in_first_and_keeps_its_bound() -> None:
    gate = Gate(2)
    entered: list[str] = []
    leave = asyncio.Event()

    async def pass_through(name: str, *, urgent: bool) -> None:
        async with gate.place(urgent=urgent):
            entered.append(name)
            await leave.wait()

    names = [("a", False), ("b", False), ("c", False), ("d", True), ("e", False), ("f", True)]
    tasks = [asyncio.create_task(pass_through(name, urgent=urgent)) for name, urgent in names]
    await turns()
    assert entered == ["a", "b"]
    tasks[3].cancel()
    leave.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert entered == ["a", "b", "f", "c", "e"]


async def test_a_place_that_is_handed_to_somebody_who_leaves_is_not_lost() -> None:
    gate = Gate(1)
    leave = asyncio.Event()

    async def pass_through() -> None:
        async with gate.place():
            await leave.wait()

    first, second = asyncio.create_task(pass_through()), asyncio.create_task(pass_through())
    await turns()
    leave.set()
    first.cancel()
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    async with asyncio.timeout(1), gate.place():
        pass


async def test_bytes_in_flight_are_bounded_and_the_largest_goes_alone() -> None:
    flight = Flight(100)
    flying: list[int] = []
    most = 0

    async def fly(size: int) -> None:
        nonlocal most
        async with flight.of(size):
            flying.append(size)
            most = max(most, sum(flying))
            await turns()
            flying.remove(size)

    async with asyncio.timeout(5):
        await asyncio.gather(*(fly(size) for size in (60, 30, 30, 100, 1, 99, 50, 50)))
        assert most == 100
        await asyncio.gather(fly(5000), fly(1))
    assert most == 5000, "alone"


async def test_a_flight_that_is_cancelled_holds_up_nobody() -> None:
    flight = Flight(10)
    async with flight.of(10):
        waiting = [asyncio.create_task(_fly(flight, size)) for size in (10, 1)]
        await turns()
        waiting[0].cancel()
    async with asyncio.timeout(1):
        await waiting[1]
        async with flight.of(10):
            pass


async def _fly(flight: Flight, size: int) -> None:
    async with flight.of(size):
        pass


async def test_a_full_hold_stops_reading_until_something_is_settled() -> None:
    hold = Hold(100, patience_s=60)
    hold.take(99)
    await hold.room()
    hold.take(1)
    waiting = asyncio.create_task(hold.room())
    await turns()
    assert not waiting.done()
    hold.settle(99)
    async with asyncio.timeout(1):
        await waiting
    assert hold.held == 1


async def test_a_full_hold_in_which_nothing_moves_lets_reading_go_on() -> None:
    hold = Hold(1, patience_s=0.05)
    hold.take(5)
    async with asyncio.timeout(5):
        await hold.room()
        await hold.room()


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


# --- decoding ---------------------------------------------------------------------------------------

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**31), 2**31 - 1)
    | st.text(max_size=20)
    | st.binary(max_size=9).map(bytearray)
    | st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)).map(
        lambda d: d.replace(microsecond=0, tzinfo=UTC)
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=10), plain, max_size=4))
def test_what_pamqp_writes_is_read_alike(table: dict[str, Any]) -> None:
    raw = encode.field_table(table)
    consumed, found = decoding.table(raw + b"more")
    assert consumed == len(raw)
    assert found == table


@given(st.binary(max_size=200))
def test_no_bytes_make_decoding_fail(raw: bytes) -> None:
    decoding.table(raw)
    decoding.array(raw)
    decoding.timestamp(raw)
    decoding.short_text(raw)
    framed = struct.pack(">I", len(raw)) + raw
    assert decoding.table(framed)[0] == len(framed)
    assert decoding.array(framed)[0] == len(framed)


@pytest.mark.parametrize("seconds", [2**63, 2**64 - 1, 1_700_000_000_000_000])
def test_a_time_that_is_none_is_the_epoch(seconds: int) -> None:
    assert decoding.timestamp(struct.pack(">Q", seconds)) == (8, datetime(1970, 1, 1, tzinfo=UTC))


# --- dead letters -----------------------------------------------------------------------------------


def a_dead(routing_key: str, headers: dict[str, Any] | None, **properties: Any) -> DeliveredMessage:
    header = ContentHeader(properties=Basic.Properties(headers=headers, **properties))
    deliver = Basic.Deliver(routing_key=routing_key, exchange="vanthu.dead", consumer_tag="c", delivery_tag=1)
    return DeliveredMessage(delivery=deliver, header=header, body=b"", channel=None)  # type: ignore[arg-type]  # unused


def a_death(queue: str, reason: str, key: str) -> dict[str, Any]:
    return {"queue": queue, "reason": reason, "count": 1, "exchange": "", "routing-keys": [key]}


@pytest.mark.parametrize(
    "headers",
    [
        {"x-death": [a_death("vanthu.submit.A.1", "delivery_limit", "A.1.edoc")]},
        # publishers of old brokers can write deaths of their own
        {
            "x-death": [
                a_death("vanthu.submit.B.1", "expired", "B.1.edoc"),
                7,
                a_death("vanthu.submit.A.1", "delivery_limit", "A.1.edoc"),
            ]
        },
    ],
)
def test_a_dead_submission_is_its_queues_party_whatever_its_headers_say(headers: dict[str, Any]) -> None:
    dead = submission_of(a_dead("submit.A.1", headers))
    assert dead is not None
    assert (dead.party, dead.is_urgent, dead.routing_key, dead.cause) == (
        "A.1",
        False,
        "A.1.edoc",
        "delivery_limit",
    )


def test_a_dead_urgent_submission_is_urgent() -> None:
    headers = {"x-death": [a_death("vanthu.submit.A.1.urgent", "rejected", "A.1.edoc.urgent")]}
    dead = submission_of(a_dead("submit.A.1.urgent", headers))
    assert dead is not None
    assert (dead.party, dead.is_urgent, dead.routing_key) == ("A.1", True, "A.1.edoc.urgent")


@pytest.mark.parametrize(
    "headers", [None, {}, {"x-death": 7}, {"x-death": [{"queue": 1, "routing-keys": 2}]}]
)
def test_a_dead_submission_without_a_history_is_still_its_partys(headers: dict[str, Any] | None) -> None:
    dead = submission_of(a_dead("submit.A.1", headers))
    assert dead is not None
    assert (dead.party, dead.routing_key, dead.cause) == ("A.1", "", "")


@pytest.mark.parametrize("last", ["x-last-death-reason", "x-first-death-reason"])
def test_the_cause_is_also_found_where_only_the_short_headers_tell_it(last: str) -> None:
    headers = {last: "expired", "vanthu-document": "document"}
    dead = delivery_of(a_dead("deliver.A.1", headers, message_id="d", correlation_id="about"))
    assert dead is not None
    assert (dead.document, dead.recipient, dead.delivery, dead.cause) == ("document", "A.1", "d", "expired")


@pytest.mark.parametrize(
    ("key", "headers", "properties"),
    [
        ("deliver.A.1", {}, {"message_id": "d"}),
        ("deliver.A.1", {"vanthu-document": "document"}, {}),
        ("deliver.", {"vanthu-document": "document"}, {"message_id": "d"}),
        ("submit.A.1", {"vanthu-document": "document"}, {"message_id": "d"}),
    ],
)
def test_what_is_no_delivery_of_ours_is_none(
    key: str, headers: dict[str, Any], properties: dict[str, Any]
) -> None:
    assert delivery_of(a_dead(key, headers, **properties)) is None


def test_what_is_no_submission_is_none() -> None:
    assert submission_of(a_dead("submit.", {})) is None
    assert submission_of(a_dead("deliver.A.1", {})) is None


# --- what we publish --------------------------------------------------------------------------------

_texts = st.text(max_size=60)


@given(
    texts=st.fixed_dictionaries(
        dict.fromkeys(("content_type", "correlation_id", "message_id", "kind"), _texts)
    ),
    headers=st.dictionaries(_texts, st.text(max_size=300) | st.integers(-(2**31), 2**31 - 1), max_size=8),
    expiration=st.none() | st.integers(1, 2**32 - 1),
    priority=st.none() | st.integers(0, 9),
    seconds=st.integers(0, 2**32 - 1),  # pamqp takes more for milliseconds
)
def test_properties_are_read_by_others_as_they_were_meant(
    texts: dict[str, str],
    headers: dict[str, str | int],
    expiration: int | None,
    priority: int | None,
    seconds: int,
) -> None:
    properties = Properties(
        **texts,  # four texts by name
        headers=headers,
        timestamp=datetime.fromtimestamp(seconds, UTC),
        expiration=expiration,
        priority=priority,
    )
    header = ContentHeader()
    header.unmarshal(ContentHeader(body_size=7, properties=properties).marshal())
    read = header.properties
    assert header.body_size == 7
    told = {
        "content_type": read.content_type,
        "correlation_id": read.correlation_id,
        "message_id": read.message_id,
        "kind": read.message_type,
    }
    assert told == texts
    assert (read.headers, read.delivery_mode, read.priority) == (headers, 2, priority)
    assert read.expiration == (None if expiration is None else str(expiration))
    assert read.timestamp == datetime.fromtimestamp(seconds, UTC)


def test_a_text_that_is_too_long_for_a_property_is_an_error_and_no_broken_frame() -> None:
    with pytest.raises(ValueError, match="range"):
        Properties(
            content_type="application/xml",
            headers={},
            correlation_id="c" * 256,
            message_id="m",
            timestamp=datetime.now(UTC),
            kind="edoc",
        )


# --- the private node --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("queues", "tick_ms"), [(0, 5_000), (1_000, 5_000), (4_000, 20_000), (48_000, 30_000)]
)
def test_the_more_queues_the_less_often_each_counts_itself(tmp_path: Path, queues: int, tick_ms: int) -> None:
    """Else a node with thousands is busy with nothing."""
    NodeFolder(NodeOptions(folder=tmp_path / "node", queues=queues)).prepare()
    told = (tmp_path / "node" / "advanced.config").read_text()
    assert told == f"[{{rabbit, [{{quorum_tick_interval, {tick_ms}}}]}}].\n"
