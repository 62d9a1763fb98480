"""The line to a judging process: whatever comes of it, whoever asked has an answer or knows that there is none."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from adapters.inspection.processes import wire
from adapters.inspection.processes.line import Line

Told = Callable[[Line, socket.socket], Awaitable[None]]
ANSWER = b'{"pages": 1}'
FRAMED = wire.ANSWER.pack(len(ANSWER)) + ANSWER
MUCH = 2 * 1024 * 1024


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def on_a_line(request: pytest.FixtureRequest) -> Callable[[Told], None]:
    """Runs what it is given with a line and its other end, on each kind of loop."""

    def run(told: Told) -> None:
        async def whole() -> None:
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            theirs.settimeout(5)
            line = Line(ours)
            try:
                async with asyncio.timeout(5):
                    await told(line, theirs)
            finally:
                line.close()
                theirs.close()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(whole())

    return run


def test_one_is_asked_and_answers_again_and_again(on_a_line: Callable[[Told], None]) -> None:
    async def told(line: Line, theirs: socket.socket) -> None:
        for _ in range(3):
            await line.send(b"what of ", b"this?")
            assert theirs.recv(100) == b"what of this?"
            theirs.sendall(FRAMED)
            assert await line.answer() == ANSWER
            assert not line.has_ended

    on_a_line(told)


def test_an_answer_may_come_byte_by_byte(on_a_line: Callable[[Told], None]) -> None:
    async def told(line: Line, theirs: socket.socket) -> None:
        await line.send(b"?")
        answer = asyncio.create_task(line.answer())
        for at in range(len(FRAMED)):
            assert not answer.done()
            theirs.sendall(FRAMED[at : at + 1])
            await asyncio.sleep(0)
        assert await answer == ANSWER

    on_a_line(told)


def test_what_does_not_fit_at_once_is_sent_as_it_is_taken(on_a_line: Callable[[Told], None]) -> None:
    async def told(line: Line, theirs: socket.socket) -> None:
        def take() -> bytes:
            came = b""
            while len(came) < MUCH + 4:
                came += theirs.recv(65536)
            theirs.sendall(FRAMED)
            return came

        taking = asyncio.create_task(asyncio.to_thread(take))
        await line.send(b"head", b"x" * MUCH)
        assert await line.answer() == ANSWER
        assert await taking == b"head" + b"x" * MUCH

    on_a_line(told)


@pytest.mark.parametrize("part", [b"", FRAMED[:2], FRAMED[:-1]])
def test_whoever_goes_before_the_end_has_not_answered(on_a_line: Callable[[Told], None], part: bytes) -> None:
    async def told(line: Line, theirs: socket.socket) -> None:
        await line.send(b"?")
        theirs.sendall(part)
        theirs.close()
        with pytest.raises(EOFError):
            await line.answer()
        assert line.has_ended

    on_a_line(told)


def test_who_waits_learns_of_an_interruption(on_a_line: Callable[[Told], None]) -> None:
    async def told(line: Line, theirs: socket.socket) -> None:
        await line.send(b"?")
        answer = asyncio.create_task(line.answer())
        await asyncio.sleep(0)
        line.interrupt()
        with pytest.raises(EOFError):
            await answer

    on_a_line(told)


@pytest.mark.parametrize("said", [FRAMED + b"x", FRAMED + FRAMED])
def test_more_than_an_answer_is_none(on_a_line: Callable[[Told], None], said: bytes) -> None:
    async def told(line: Line, theirs: socket.socket) -> None:
        await line.send(b"?")
        theirs.sendall(said)
        with pytest.raises(ValueError, match="more than an answer"):
            await line.answer()
        assert line.has_ended

    on_a_line(told)


def test_an_answer_may_not_be_beyond_all_measure(on_a_line: Callable[[Told], None]) -> None:
    async def told(line: Line, theirs: socket.socket) -> None:
        await line.send(b"?")
        theirs.sendall(wire.ANSWER.pack(wire.MAX_ANSWER + 1))
        with pytest.raises(ValueError, match="too long"):
            await line.answer()

    on_a_line(told)


def test_who_speaks_unasked_is_not_listened_to(on_a_line: Callable[[Told], None]) -> None:
    """It has just read hostile bytes: whatever it says is kept nowhere, and it is asked nothing any more."""

    async def told(line: Line, theirs: socket.socket) -> None:
        theirs.sendall(FRAMED)
        assert line.has_ended
        said = asyncio.create_task(asyncio.to_thread(_speak, theirs))
        assert await said < MUCH
        assert line.has_ended
        assert len(line._came) <= MUCH

    on_a_line(told)


def _speak(theirs: socket.socket) -> int:
    """How much of a lot was taken before nobody took any more."""
    theirs.settimeout(0.2)
    sent = 0
    try:
        while sent < 16 * MUCH:
            sent += theirs.send(b"x" * 65536)
    except TimeoutError:
        pass
    return sent


def test_an_answer_counts_although_its_process_went_when_all_was_said(
    on_a_line: Callable[[Told], None],
) -> None:
    async def told(line: Line, theirs: socket.socket) -> None:
        await line.send(b"?")
        assert theirs.recv(100) == b"?"
        theirs.sendall(FRAMED)
        answer = asyncio.create_task(line.answer())
        theirs.close()
        assert await answer == ANSWER
        assert line.has_ended

    on_a_line(told)
