"""The bytes of a connection to the broker: frames are those that pamqp reads and writes, however they are cut on their way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from types import SimpleNamespace
from typing import Any, cast

import aiormq.connection
import pytest
import uvloop
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from aiormq.exceptions import AMQPConnectionError, InvalidFrameError
from hypothesis import example, given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic, Connection
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from adapters.broker import framing
from adapters.broker.wire import Wire, Wires

METHOD = Basic.Publish(exchange="", routing_key="vanthu.deliver.x")

framing.install()


class Tap:
    """A transport that does nothing but remember what it was asked for."""

    def __init__(self) -> None:
        self.is_paused = False
        self.sent: list[bytes] = []

    def pause_reading(self) -> None:
        assert not self.is_paused
        self.is_paused = True

    def resume_reading(self) -> None:
        assert self.is_paused
        self.is_paused = False

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def writelines(self, data: Iterable[bytes]) -> None:
        self.sent += data


def tapped(room: Callable[[], Any] | None = None) -> tuple[Wire, Tap]:
    wire, tap = Wire(room), Tap()
    wire.connection_made(cast("asyncio.Transport", tap))
    return wire, tap


def feed(wire: Wire, data: bytes) -> None:
    """What a transport does with bytes that have come."""
    while data:
        room = wire.get_buffer(-1)
        size = min(len(room), len(data))
        room[:size] = data[:size]
        wire.buffer_updated(size)
        data = data[size:]


def receiver_of(wire: Wire) -> aiormq.connection.FrameReceiver:
    return aiormq.connection.FrameReceiver(cast("asyncio.StreamReader", wire))


# --- frames -----------------------------------------------------------------------------------------


@given(bodies=st.lists(st.binary(max_size=40), max_size=4), channel=st.integers(1, 2**16 - 1))
def test_frames_are_written_as_pamqp_writes_them(bodies: list[bytes], channel: int) -> None:
    frames: list[Any] = [METHOD, ContentHeader(body_size=7), *map(ContentBody, bodies)]
    written = ChannelFrame.marshall(channel, frames)
    assert written.payload == b"".join(frame.marshal(one, channel) for one in frames)
    assert not written.should_close
    assert ChannelFrame.marshall(0, [Connection.CloseOk()]).should_close


@given(body=st.binary(max_size=100), most=st.integers(1, 40))
def test_a_body_is_split_into_frames_that_make_it_up(body: bytes, most: int) -> None:
    channel: Any = SimpleNamespace(max_content_size=most, connection=None)
    values = [bytes(part.value) for part in Channel._split_body(channel, body)]
    assert b"".join(values) == body
    assert all(0 < len(value) <= most for value in values)


@pytest.mark.parametrize("wires", [None, Wires(None)])
def test_a_large_body_goes_in_pieces_where_a_wire_takes_them_and_else_in_one(wires: Wires | None) -> None:
    body = bytes(range(256)) * 1024
    channel: Any = SimpleNamespace(
        max_content_size=100_000, connection=SimpleNamespace(_transport_factory=wires)
    )
    frames: list[Any] = [METHOD, ContentHeader(body_size=len(body)), *Channel._split_body(channel, body)]
    written = ChannelFrame.marshall(3, frames)
    wire, tap = tapped()
    wire.write(written.payload)
    assert len(tap.sent) == (1 if wires is None else 2 + 3 * 3)
    assert b"".join(tap.sent) == b"".join(frame.marshal(one, 3) for one in frames)


@given(cuts=st.lists(st.integers(1, 60_000), min_size=1, max_size=20))
def test_frames_are_read_as_pamqp_reads_them_wherever_they_are_cut(cuts: list[int]) -> None:
    bodies = [b"", b"\xce", b"x" * 100_000]
    frames: list[Any] = [METHOD, ContentHeader(body_size=3), *map(ContentBody, bodies), Heartbeat()]
    stream = b"".join(frame.marshal(one, 5) for one in frames)

    async def read() -> list[tuple[int, int, Any]]:
        wire, _ = tapped()

        async def come() -> None:
            at = 0
            for cut in cuts:
                feed(wire, stream[at : at + cut])
                at += cut
                await asyncio.sleep(0)
            feed(wire, stream[at:])

        coming = asyncio.create_task(come())
        receiver = receiver_of(wire)
        told = [await receiver.get_frame() for _ in frames]
        await coming
        wire.eof_received()
        with pytest.raises(StopAsyncIteration):
            await receiver.get_frame()
        return told

    told = asyncio.run(read())
    assert [channel for _, channel, _ in told] == [5, 5, 5, 5, 5, 0]
    assert [type(one) for *_, one in told] == [type(one) for one in frames]
    assert [one.value for *_, one in told[2:5]] == bodies
    assert sum(size for size, *_ in told) == len(stream)


@pytest.mark.parametrize(
    ("cut", "raised"), [(3, AMQPConnectionError), (9, AMQPConnectionError), (None, InvalidFrameError)]
)
async def test_a_frame_that_is_cut_or_ends_wrongly_is_told_as_a_lost_connection(
    cut: int | None, raised: type[Exception]
) -> None:
    wire, _ = tapped()
    receiver = receiver_of(wire)
    broken = frame.marshal(ContentBody(b"body"), 1)
    broken = broken[:cut] if cut else broken[:-1] + b"?"
    feed(wire, frame.marshal(Heartbeat(), 0) + broken)
    wire.eof_received()
    await receiver.get_frame()
    with pytest.raises(raised):
        await receiver.get_frame()


async def test_a_frame_that_no_broker_has_agreed_to_is_a_lost_connection_and_takes_no_memory() -> None:
    wire, _ = tapped()
    receiver = receiver_of(wire)
    feed(wire, frame.marshal(Heartbeat(), 0) + b"\x03\x00\x01\xff\xff\xff\xff")
    await receiver.get_frame()
    with pytest.raises(AMQPConnectionError, match="4294967303 bytes"):
        await receiver.get_frame()


@pytest.mark.parametrize("sizes", [[], [7], [100, 200, 1]])
async def test_a_message_is_put_together_from_its_frames(sizes: list[int]) -> None:
    coming = [ContentBody(bytes([at]) * size) for at, size in enumerate(sizes)]
    frames = asyncio.Queue[Any]()
    for one in coming:
        frames.put_nowait((0, one))
    channel: Any = SimpleNamespace(_get_frame=lambda: _second(frames))
    message = await Channel._read_content(channel, Basic.Deliver(), ContentHeader(body_size=sum(sizes)))
    assert message.body == b"".join(one.value for one in coming)
    assert type(message.body) is bytes
    frames.put_nowait((0, Basic.Deliver()))
    with pytest.raises(ValueError, match="Unexpected frame"):
        await Channel._read_content(channel, Basic.Deliver(), ContentHeader(body_size=1))


async def _second(frames: asyncio.Queue[Any]) -> Any:
    return (await frames.get())[1]


# --- the wire ---------------------------------------------------------------------------------------

_STEPS = st.lists(st.tuples(st.booleans(), st.integers(1, 300_000)), max_size=30)
_PERIOD = bytes(range(251))  # 251 is prime: no power of two of bytes lost or doubled goes unseen
_PERIODS = _PERIOD * (300_000 // len(_PERIOD) + 2)


def _stream(start: int, size: int) -> bytes:
    """Bytes ``start`` to ``start + size`` of an endless stream that tells where it was cut."""
    return _PERIODS[start % len(_PERIOD) :][:size]


@given(steps=_STEPS)
@example(steps=[(True, 300_000), (True, 300_000), (False, 1), (False, 300_000), (True, 9), (False, 300_000)])
def test_every_byte_comes_once_and_in_order_and_who_reads_slowly_is_sent_no_more(
    steps: list[tuple[bool, int]],
) -> None:
    async def run() -> None:
        wire, tap = tapped()
        came, read = 0, 0
        for comes, size in steps:
            if comes and not tap.is_paused:
                feed(wire, _stream(came, size))
                came += size
            elif not comes:
                size = min(size, came - read)
                assert await wire.readexactly(size) == _stream(read, size)
                read += size
            if came - read >= 512 * 1024:
                assert tap.is_paused
            if came == read:
                assert not tap.is_paused

    asyncio.run(run())


async def test_more_than_is_read_ahead_can_be_asked_for_at_once() -> None:
    wire, tap = tapped()
    body = bytes(range(256)) * 8192
    asked = asyncio.create_task(wire.readexactly(len(body)))
    await asyncio.sleep(0)
    feed(wire, body)
    assert await asked == body
    assert not tap.is_paused


async def test_who_has_enough_and_did_not_read_it_yet_is_sent_no_more() -> None:
    """A transport may bring many buffers in one turn of the loop, before whoever waits is woken."""
    wire, tap = tapped()
    asked = asyncio.create_task(wire.readexactly(7))
    await asyncio.sleep(0)
    came = 0
    while not tap.is_paused and came < 8 * 1024 * 1024:
        feed(wire, bytes(64 * 1024))
        came += 64 * 1024
    assert came <= 512 * 1024
    assert await asked == bytes(7)
    await wire.readexactly(came - 7)
    assert not tap.is_paused


async def test_each_frame_waits_for_room() -> None:
    waited = 0

    async def room() -> None:
        nonlocal waited
        waited += 1

    wire, _ = tapped(room)
    receiver = receiver_of(wire)
    feed(wire, 4 * frame.marshal(Heartbeat(), 0))
    await receiver.get_frame()
    before = waited
    for _ in range(3):
        await receiver.get_frame()
    assert waited == before + 3


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_wire_carries_what_is_written_at_either_end(
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    async def carry() -> None:
        loop = asyncio.get_running_loop()
        here, there = Wire(), asyncio.Queue[Wire]()

        def accepted() -> Wire:
            there.put_nowait(wire := Wire())
            return wire

        server = await loop.create_server(accepted, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        await loop.create_connection(lambda: here, "127.0.0.1", port)
        peer = await there.get()
        body = bytes(range(256)) * 16_384

        async def send() -> None:
            for _ in range(4):
                here.write([b"head", memoryview(body), b"end"])
                await here.drain()

        sending = asyncio.create_task(send())
        for _ in range(4):
            assert await peer.readexactly(4) == b"head"
            assert await peer.readexactly(len(body)) == body
            assert await peer.readexactly(3) == b"end"
        await sending
        here.close()
        await here.wait_closed()
        with pytest.raises(asyncio.IncompleteReadError):
            await peer.readexactly(1)
        with pytest.raises(OSError, match="closed"):
            await here.drain()
        peer.transport.abort()
        await peer.wait_closed()
        server.close()
        await server.wait_closed()

    run(carry())


async def test_who_waits_for_a_connection_that_is_lost_is_told() -> None:
    wire, _ = tapped()
    wire.pause_writing()
    reading, draining = asyncio.create_task(wire.readexactly(1)), asyncio.create_task(wire.drain())
    await asyncio.sleep(0)
    wire.connection_lost(ConnectionResetError("reset by peer"))
    for waiting in (reading, draining):
        with pytest.raises(ConnectionResetError, match="reset by peer"):
            await waiting
    assert wire.at_eof()
    await wire.wait_closed()
