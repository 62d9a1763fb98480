"""The parent of ``serve``: keeps *n* worker processes alive and tells the store when one has died.

A worker is given its runtime facts as one line of JSON on standard input; the pipe stays open, and its end
tells the worker that the parent is gone.  A worker answers with one line of JSON when it is ready.  Further lines are
orders, each answered with one line that repeats its number.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import structlog

from gateway.errors import ConfigError
from gateway.model.ids import Owner

log = structlog.get_logger("supervisor")

READY_WITHIN_S = 60.0
LONGEST_PAUSE_S = 10.0
_FIRST_PAUSE_S = 0.1
_AT_ONCE_S = 10.0


@dataclass(slots=True)
class Child:
    """One worker process; ``owner`` is the life that it announced."""

    number: int
    process: asyncio.subprocess.Process
    owner: Owner


class Supervisor:
    """Starts workers, restarts those that die, stops all.

    *command* starts a worker; *facts* is what it is told; *bury* tells the store that a life has ended.
    """

    def __init__(
        self,
        command: Sequence[str],
        facts: Mapping[str, Any],
        count: int,
        bury: Callable[[Owner], Awaitable[None]],
        *,
        grace_s: float,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._command = command
        self._facts = dict(facts)
        self._count = count
        self._bury = bury
        self._grace_s = grace_s
        self._env = env
        self._children: dict[int, Child] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False
        self._orders = 0
        self._one_order = asyncio.Lock()
        self._holders = 0
        self._may_spawn = asyncio.Event()
        self._may_spawn.set()
        self._spawning = 0
        self._spawned = asyncio.Event()

    @property
    def pids(self) -> Sequence[int]:
        """The process ids of the workers that live."""
        living = (child.process for child in self._children.values())
        return [process.pid for process in living if process.returncode is None]

    async def start(self) -> None:
        """Start all workers; returns when each is ready.  Raises ``ConfigError`` where one can't start."""
        started = await asyncio.gather(*(self._spawn(n) for n in range(self._count)))
        for child in started:
            keeper = asyncio.create_task(self._keep(child), name=f"keep-worker-{child.number}")
            self._keepers.append(keeper)

    async def stop(self) -> None:
        """SIGTERM to each, then SIGKILL to what is still there after the grace."""
        self._stopping = True
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(self._end(child) for child in self._children.values()))
        self._children.clear()

    def remember(self, **facts: Any) -> None:
        """Workers that start from now on are told *facts* instead of what they were told before."""
        self._facts.update(facts)

    @asynccontextmanager
    async def quiet(self) -> AsyncIterator[None]:
        """No worker starts meanwhile: whoever lives hears the orders, whoever starts later knows the new facts."""
        self._holders += 1
        self._may_spawn.clear()
        try:
            while self._spawning:
                self._spawned.clear()
                await self._spawned.wait()
            yield
        finally:
            self._holders -= 1
            if not self._holders:
                self._may_spawn.set()

    async def order(self, order: Mapping[str, Any], within_s: float) -> Mapping[int, Mapping[str, Any]]:
        """Give every living worker *order*; the answers, by worker.

        One that dies over it, or does not answer in time, is not among them.
        """
        async with self._one_order:  # two who read the same pipe would take each other's answers
            self._orders += 1
            line = {**order, "order": self._orders}
            children = [child for child in self._children.values() if child.process.returncode is None]
            answers = await asyncio.gather(*(_ask(child, line, within_s) for child in children))
        return {
            child.number: answer
            for child, answer in zip(children, answers, strict=True)
            if answer is not None
        }

    def restart(self, numbers: Collection[int]) -> None:
        """End the workers of these *numbers* at once; they start again with the facts that hold now."""
        for number in numbers:
            child = self._children.get(number)
            if child is not None and child.process.returncode is None:
                log.error("worker restarted: it did not obey", number=number)
                child.process.kill()

    @property
    def owners(self) -> Sequence[Owner]:
        """The lives of the workers that live."""
        return [child.owner for child in self._children.values() if child.process.returncode is None]

    @property
    def numbers(self) -> Sequence[int]:
        """The numbers of the workers that live."""
        return [n for n, child in self._children.items() if child.process.returncode is None]

    async def _spawn(self, number: int) -> Child:
        await self._may_spawn.wait()
        self._spawning += 1
        try:
            return await self._begin(number)
        finally:
            self._spawning -= 1
            self._spawned.set()

    async def _begin(self, number: int) -> Child:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1024 * 1024,
            env=self._env,
            start_new_session=True,  # Ctrl-C goes to the parent alone, which stops its workers in order
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({**self._facts, "number": number}).encode() + b"\n")
            async with asyncio.timeout(READY_WITHIN_S):
                await process.stdin.drain()
                line = await process.stdout.readline()
            owner = Owner(json.loads(line)["ready"])
        except (TimeoutError, ConnectionError, ValueError, KeyError) as error:
            if process.returncode is None:
                process.kill()
            code = await process.wait()
            raise ConfigError(f"worker {number} did not start (exit code {code}); see its log") from error
        except asyncio.CancelledError:
            if process.returncode is None:
                process.kill()
            raise
        child = Child(number=number, process=process, owner=owner)
        self._children[number] = child
        return child

    async def _keep(self, child: Child) -> None:
        pause = 0.0
        loop = asyncio.get_running_loop()
        born_at = loop.time()
        while True:
            code = await child.process.wait()
            if self._stopping:
                return
            log.error("worker died", number=child.number, exit_code=code)
            await _close_line(child.process)
            await self._bury(child.owner)
            pause = pause_after(loop.time() - born_at, pause)
            while True:
                await asyncio.sleep(pause)
                born_at = loop.time()
                try:
                    child = await self._spawn(child.number)
                except ConfigError as error:
                    log.error("worker not restarted", number=child.number, detail=str(error))
                    pause = pause_after(0, pause)
                    continue
                break

    async def _end(self, child: Child) -> None:
        process = child.process
        if process.returncode is not None:
            return
        try:
            process.terminate()
            async with asyncio.timeout(self._grace_s):
                await process.wait()
        except ProcessLookupError:
            return
        except TimeoutError:
            log.error("worker killed after the grace", number=child.number)
            process.kill()
            await process.wait()
        await _close_line(process)
        await self._bury(child.owner)


def pause_after(lived_s: float, before_s: float) -> float:
    """How many seconds to wait before the next worker begins: none after one that lived for a while; else twice as
    long as *before_s*, the wait before that one, so that what dies at once does not take all the processor."""
    if lived_s >= _AT_ONCE_S:
        return 0.0
    return min(max(2 * before_s, _FIRST_PAUSE_S), LONGEST_PAUSE_S)


async def _ask(child: Child, order: Mapping[str, Any], within_s: float) -> Mapping[str, Any] | None:
    stdin, stdout = child.process.stdin, child.process.stdout
    assert stdin is not None
    assert stdout is not None
    try:
        async with asyncio.timeout(within_s):
            stdin.write(json.dumps(order).encode() + b"\n")
            await stdin.drain()
            while line := await stdout.readline():
                answer: Mapping[str, Any] = json.loads(line)
                if answer.get("order") == order["order"]:  # else a late answer to an earlier one
                    return answer
    except (TimeoutError, ConnectionError, ValueError) as error:
        log.error("worker does not answer", number=child.number, error=type(error).__name__)
    return None


async def _close_line(process: asyncio.subprocess.Process) -> None:
    """Close our end of the pipe that told the worker that we live."""
    if process.stdin is not None:
        process.stdin.close()
        with suppress(ConnectionError, BrokenPipeError):
            await process.stdin.wait_closed()
