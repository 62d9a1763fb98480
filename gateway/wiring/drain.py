"""Drain: the parent's side.  Every worker rests, and that nothing is in flight is read from store and broker.

Strategy: what a worker says of itself is a hint; what counts is what others hold against it.
1. Every worker takes nothing in, finishes or gives back what is in hand, closes its channels, and answers.
2. No worker starts meanwhile, nor after, until ``resume``.
3. The store is asked how much work is leased to our lives: it must be none.
4. The broker is asked for the channels of our lives.  A channel that is closed has no consumer, nothing
   unacknowledged and nothing unconfirmed, and is gone from the broker's list at once: there must be none.
5. Both are asked again until both say so, or the time is over; then what is left is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import timedelta
from typing import Any

import structlog

from adapters.broker.management import Management
from adapters.clock import SystemClock
from adapters.store import Store
from gateway.errors import Unavailable
from gateway.supervisor import Supervisor
from gateway.wiring.renewal import Broker

log = structlog.get_logger("drain")

AGAIN_S = 0.2
ANSWER_S = 5.0
"""How much longer than its time a worker may take to answer, and store and broker to be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What is in flight after a drain, from each point of view, and what waits in the store for better times.

    ``given_back`` is what the workers broke off because the time was over, by what it was: it is in the store or at the
    broker, and will be done again.  ``silent`` are the workers that did not answer, or could not do it.  ``problems`` say why something
    could not be asked: then it counts as in flight.
    """

    request: str = ""
    seconds: float = 0.0
    workers: int = 0
    silent: tuple[int, ...] = ()
    leased: int = 0
    channels: int = 0
    given_back: Mapping[str, int] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)
    others: int = 0
    problems: tuple[str, ...] = ()

    @property
    def is_proved(self) -> bool:
        """Whether store and broker agree that nothing is in flight."""
        return not (self.silent or self.leased or self.channels or self.problems)


class Draining:
    """Has all workers of a stack rest, and wake again."""

    def __init__(self, supervisor: Supervisor, store: Store, broker: Broker) -> None:
        self._supervisor = supervisor
        self._store = store
        self._broker = replace(broker, options=replace(broker.options, within=timedelta(seconds=ANSWER_S)))
        self._held = AsyncExitStack()
        self.is_drained = False

    async def drain(self, within_s: float) -> Drained:
        """Take nothing in and bring what is in hand to an end within *within_s*; may be called again."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if not self.is_drained:
            self.is_drained = True
            await self._held.enter_async_context(self._supervisor.quiet())
        numbers = self._supervisor.numbers
        answers = await self._supervisor.order({"drain": within_s}, within_s + ANSWER_S)
        told = {number: answer["drained"] for number, answer in answers.items() if "drained" in answer}
        given_back: dict[str, int] = {}
        for counts in told.values():
            for what, count in counts.items():
                given_back[what] = given_back.get(what, 0) + count
        silent = tuple(n for n in numbers if n not in told and n in self._supervisor.numbers)
        until = max(began + within_s, loop.time() + (0 if silent else ANSWER_S))
        while True:
            found = await self._look()
            if found.is_proved or loop.time() >= until:
                break
            await asyncio.sleep(AGAIN_S)
        done = replace(
            found,
            seconds=round(loop.time() - began, 2),
            workers=len(numbers),
            silent=silent,
            given_back={what: count for what, count in given_back.items() if count},
        )
        log.info("drained", proved=done.is_proved, **asdict(done))
        return done

    async def resume(self) -> Mapping[int, bool]:
        """Have every worker take work in again; who did not obey starts anew, and works then."""
        answers = await self._supervisor.order({"resume": True}, ANSWER_S)
        done = {n: bool(answers.get(n, {}).get("resumed")) for n in self._supervisor.numbers}
        self._supervisor.restart([n for n, obeyed in done.items() if not obeyed])
        await self._held.aclose()
        self.is_drained = False
        log.info("resumed", workers=len(done))
        return done

    async def _look(self) -> Drained:
        """What store and broker know of our lives now."""
        ours = frozenset(self._supervisor.owners)
        problems: list[str] = []
        leased, others, channels = 0, 0, 0
        waiting: Mapping[str, int] = {}
        try:
            async with asyncio.timeout(ANSWER_S):
                held = await self._store.records.leased()
                waiting = await self._store.records.waiting()
            leased = sum(count for owner, count in held.items() if owner in ours)
            others = sum(held.values()) - leased
        except (Unavailable, TimeoutError) as away:
            problems.append(f"store: {away or 'no answer'}")
        try:
            async with Management(self._broker.options, self._broker.site) as api:
                channels = await api.channels(ours)
        except Unavailable as away:
            problems.append(f"broker: {away}")
        return Drained(
            leased=leased, others=others, channels=channels, waiting=waiting, problems=tuple(problems)
        )


def told_left(done: Drained) -> str:
    """What is in flight, or may be, in few words."""
    parts = [
        (done.leased, f"{done.leased} leased"),
        (done.channels, f"{done.channels} channels"),
        (done.silent, "silent workers " + ", ".join(map(str, done.silent))),
        *((True, problem) for problem in done.problems),
    ]
    return "; ".join(text for is_there, text in parts if is_there)


def told_drained(done: Drained) -> str:
    """The report for people: the verdict, what it rests on, and what waits."""
    lines = [
        f"đã rút trong {done.seconds} s, không còn gì đang xử lý · drained in {done.seconds} s: nothing in flight"
        if done.is_proved
        else f"CHƯA RÚT HẾT sau {done.seconds} s · NOT DRAINED after {done.seconds} s: {told_left(done)}",
        f"  kho · store: {done.leased} việc đang giữ · pieces of work leased to our {done.workers} workers"
        + (f" ({done.others} to other machines)" if done.others else ""),
        f"  broker: {done.channels} kênh mở · channels open (consumers, unacknowledged and unconfirmed messages live in these)",
    ]
    if done.given_back:
        broken = ", ".join(f"{count} {what}" for what, count in done.given_back.items())
        lines.append(f"  hết giờ, đã trả lại · broken off and given back: {broken}")
    waits = {
        what: count for what, count in done.waiting.items() if count and what not in ("deadline", "waiting")
    }
    if waits:
        told = ", ".join(f"{count} {what}" for what, count in waits.items())
        lines.append(f"  đợi trong kho cho lần chạy tới · waits in the store for the next life: {told}")
    return "\n".join(lines)


def stamped(done: Drained, request: str) -> dict[str, object]:
    """*done* as the answer to *request*."""
    return {
        **asdict(replace(done, request=request)),
        "proved": done.is_proved,
        "at": SystemClock().now().isoformat(timespec="seconds"),
    }


def drained_of(answer: Mapping[str, Any]) -> Drained:
    """The reverse of ``stamped``."""
    told = {f.name: answer[f.name] for f in fields(Drained) if f.name in answer}
    return Drained(
        **(told | {"silent": tuple(told.get("silent", ())), "problems": tuple(told.get("problems", ()))})
    )
