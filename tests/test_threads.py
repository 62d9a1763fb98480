"""Calls that block, in threads of our own."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from adapters.threads import Threads


async def test_a_call_answers_or_raises_as_if_it_were_made_here() -> None:
    """With its arguments, in another thread."""
    threads = Threads(2, "test")
    assert await threads.run(divmod, 7, 2) == (3, 1)
    assert await threads.run(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await threads.run(divmod, 7, 0)
    assert await threads.run(divmod, 9, 2) == (4, 1)
    await threads.close()


async def test_no_more_calls_run_at_once_than_there_are_threads() -> None:
    """The third waits until one of two is done; then it has its turn."""
    threads = Threads(2, "test")
    gate = threading.Event()
    both = threading.Barrier(3)
    inside: list[int] = []

    def held(number: int) -> int:
        inside.append(number)
        if number < 2:
            both.wait()
            gate.wait()
        return number

    waiting = [asyncio.create_task(threads.run(held, number)) for number in range(3)]
    await asyncio.to_thread(both.wait)
    assert sorted(inside) == [0, 1]
    gate.set()
    assert await asyncio.gather(*waiting) == [0, 1, 2]
    await threads.close()


async def test_who_is_cancelled_takes_along_what_has_not_begun_and_nothing_else() -> None:
    """What has begun goes on, and the thread serves the next."""
    threads = Threads(1, "test")
    begun, gate = threading.Event(), threading.Event()
    made: list[str] = []
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    def first() -> None:
        begun.set()
        gate.wait()
        made.append("first")

    running = asyncio.create_task(threads.run(first))
    waiting = asyncio.create_task(threads.run(made.append, "second"))
    last = asyncio.create_task(threads.run(made.append, "third"))
    await asyncio.to_thread(begun.wait)
    running.cancel()
    waiting.cancel()
    await asyncio.gather(running, waiting, return_exceptions=True)
    gate.set()
    await last
    assert made == ["first", "third"]
    assert complaints == []  # an answer that nobody waits for any more is no mistake
    await threads.close()


async def test_what_was_asked_for_is_finished_before_they_close() -> None:
    """And nothing more is taken; twice is as good as once."""
    threads = Threads(1, "test")
    gate = threading.Event()
    made: list[int] = []
    slow = asyncio.create_task(threads.run(gate.wait))
    asked = [asyncio.create_task(threads.run(made.append, number)) for number in range(20)]
    await asyncio.sleep(0)  # they are in the queue
    asyncio.get_running_loop().call_later(0.05, gate.set)
    await threads.close()
    assert made == list(range(20))
    await threads.close()
    await asyncio.gather(slow, *asked)
    with pytest.raises(RuntimeError, match="closed"):
        await threads.run(made.append, 20)


async def test_threads_that_never_ran_close() -> None:
    """They begin with the first call."""
    await Threads(3, "test").close()


class _Bytes(bytearray):
    """What can be watched."""


@pytest.mark.parametrize("call", [lambda one: one, lambda one: one["no such"]], ids=["answers", "raises"])
async def test_a_thread_that_rests_holds_nothing_of_its_last_call(call: Callable[[Any], Any]) -> None:
    """A payload of 50 MB would stay until the next one comes, or until the garbage collector does."""
    threads = Threads(1, "test")
    gone = threading.Event()
    given = _Bytes(b"x")
    watched = weakref.ref(given, lambda _: gone.set())
    gc.disable()
    try:
        with suppress(TypeError):
            await threads.run(call, given)
        del given
        assert await asyncio.to_thread(gone.wait, 5), watched()
    finally:
        gc.enable()
    await threads.close()


def test_an_answer_for_a_loop_that_is_gone_disturbs_nobody() -> None:
    """Nobody waits for it any more, and the thread serves the next loop."""
    threads = Threads(1, "test")
    begun, gate = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        gate.wait()

    async def leave() -> None:
        asyncio.create_task(threads.run(slow)).add_done_callback(lambda task: task.cancelled())
        await asyncio.to_thread(begun.wait)

    asyncio.run(leave())
    gate.set()

    async def again() -> None:
        async with asyncio.timeout(10):
            assert await threads.run(divmod, 7, 2) == (3, 1)
        await threads.close()

    asyncio.run(again())
