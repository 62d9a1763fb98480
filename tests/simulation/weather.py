"""What befalls a port call: nothing as a rule; else it is slow, fails before or after it was done, or its life ends.

Every call of every life goes through a gate of ``Weather``.  After a death a call never returns.  In every third
seed deaths are aimed: what has not happened in this seed yet (a state, an event, a call) is likelier to be the end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from adapters.memory import MemoryNotary
from gateway.errors import Reason, Unavailable
from gateway.model.handover import Handed, HandOverResult

if TYPE_CHECKING:
    from tests.simulation.town import Life, SimTown

STORE = (
    "ledger",
    "lives",
    "inboxes",
    "records",
    "dead",
    "watch",
    "usage",
    "disposal",
    "log",
    "log_records",
)
AWAY = dict.fromkeys(STORE, "store-away") | {
    "vault": "disk-full",
    "shelves": "disk-full",
    "uploads": "disk-full",
    "envelopes": "disk-full",
    "inspector": "judge-away",
    "sealer": "seal-failed",
    "stamper": "stamp-unavailable",
    "outlet": "broker-away",
}
PORTS = {
    "ledger": ("load", "commit", "lease", "find", "namesakes", "originals"),
    "lives": ("beat", "bury", "died"),
    "inboxes": ("peek", "item", "lock"),
    "records": ("timeline", "evidence", "one_evidence", "relations", "search", "note"),
    "dead": ("dead_copies", "dead_submissions"),
    "watch": ("held", "strays"),
    "usage": ("look", "draw"),
    "disposal": ("lead", "due", "undone", "named", "forget", "sweep"),
    "shelves": ("look", "set_aside", "destroy", "put_back"),
    "log": ("lead", "waiting", "adopt", "append", "publish", "unstamped", "stamp"),
    "log_records": ("state",),
    "vault": ("put", "read"),
    "uploads": ("begin", "append", "finish"),
    "envelopes": ("read", "render"),
    "inspector": ("judge",),
    "sealer": ("seal", "find_seal"),
    "stamper": ("stamp",),
    "outlet": ("hand_over",),
}
LOSES_ANSWERS = {"put", "beat", "bury", "lock", "begin", "append", "finish", "publish"}
LOSES_ANSWERS |= {"forget", "set_aside", "destroy", "put_back"}
"""Calls that may be done although their caller is told that they were not."""
DOUBTFUL_COMMITS = {"commit", "died", "lease", "draw"}
"""The same of the store's writes, in a third of the seeds (in all with ``is_doubtful``): what was leased by a call
whose answer was lost is in nobody's hand until the rounds find it."""
LATENCIES_S = dict.fromkeys(STORE, (0.0, 0.0, 0.0, 0.02, 0.2)) | {
    "vault": (0.0, 0.0, 0.1),
    "inspector": (0.0, 0.0, 0.3, 10.0),
    "sealer": (0.0, 0.0, 0.3, 3.0),
    "outlet": (0.0, 0.0, 0.05, 2.0),
}
"""How long the calls of a port take at most in a seed, one of these."""
AIM = 0.03


class Weather:
    """How bad it is in this seed.  Rates are per port call; ``is_calm`` ends it all but what has begun."""

    def __init__(self, random: Random, town: SimTown, *, is_doubtful: bool = False) -> None:
        self._draw = random.random
        self._random = random
        self._town = town
        self.is_calm = False
        doubts = is_doubtful or random.random() < 0.33
        self._loses = LOSES_ANSWERS | DOUBTFUL_COMMITS if doubts else LOSES_ANSWERS
        self.calls = 0
        self.deaths = 0
        self.blows = 0
        """How often a life ended, or may have seemed to: it stood still, or its beat was late."""
        self.seen: Counter[str] = Counter()
        self.reached: Counter[tuple[str, str, str]] = Counter()
        storm = random.choice((0.3, 1.0, 1.0, 3.0))
        self.death = random.choice((0.0, 0.002, 0.006, 0.02)) * storm
        self.failure = random.choice((0.0, 0.01, 0.04)) * storm
        self.slowness = random.choice((0.0, 0.02, 0.1)) * storm
        self.freeze = random.choice((0.0, 0.0, 0.002)) * storm
        self.most_deaths = random.choice((0, 1, 2, 4, 8))
        self.trouble = self.death + self.failure + self.slowness + self.freeze
        self.is_aimed = random.random() < 0.33
        self.met: set[tuple[str, str, str]] = set()
        """What an aimed seed has met: each with its state and event, whether or not anything befell it."""
        self.away_until = dict.fromkeys(AWAY, -1.0)
        store = random.choice(LATENCIES_S["ledger"])
        self.latency = {
            name: store if name in STORE else random.choice(LATENCIES_S.get(name, (0.0,))) for name in AWAY
        }

    def returns(self, random: Random) -> None:
        """It is no longer calm, and some more may die."""
        self.is_calm = False
        self.most_deaths += random.choice((0, 1, 2))

    def port(self, life: Life, name: str, target: Any) -> SimpleNamespace:
        """*target* as *life* sees it."""
        return SimpleNamespace(
            **{method: self._gate(life, name, method, getattr(target, method)) for method in PORTS[name]}
        )

    def vault(self, life: Life, target: Any) -> SimpleNamespace:
        """A vault, from which bytes may come in pieces, too."""
        seen = self.port(life, "vault", target)
        look = self._gate(life, "vault", "open", _nothing)

        async def opened(ref: Any, *, start: int = 0) -> AsyncIterator[bytes]:
            async for piece in target.open(ref, start=start):
                await look(ref)
                yield piece

        seen.open = opened
        return seen

    def shelves(self, life: Life, target: Any) -> SimpleNamespace:
        """The vault as who clears it out sees it."""
        seen = self.port(life, "shelves", target)
        seen.shelves = target.shelves
        return seen

    def notary(self) -> MemoryNotary:
        """A notary whose key may not answer."""
        return _WeatheredNotary(self)

    def _gate(self, life: Life, name: str, method: str, call: Any) -> Any:
        point, draw, trace = f"{name}.{method}", self._draw, self._town.trace
        loop, mortal = self._town.loop, life.mortal

        latency = self.latency[name]

        async def through(*args: Any, **keywords: Any) -> Any:
            if mortal.is_dead:
                self._town.wrong(f"{life.owner} is dead, and calls {point}")
                await loop.create_future()
            self.calls += 1
            trace.append((loop._moment, life.owner, point, args))
            if method == "named":
                self._town.on_clearing(args[0])
            if latency:
                await asyncio.sleep(draw() * latency)
            elif draw() < 0.3:
                await asyncio.sleep(0)
            if self.is_calm:
                return await call(*args, **keywords)
            if self.away_until[name] > loop._moment:
                return self._away(name, args)
            if self.is_aimed and self._is_hit(name, method, point, args):
                await self._die(life, name, method, point, call, args, keywords)
            if draw() >= self.trouble:
                result = await call(*args, **keywords)
                if latency:
                    await asyncio.sleep(draw() * latency)
                elif draw() < 0.3:
                    await asyncio.sleep(0)
                return result
            return await self._trouble(life, name, method, point, call, args, keywords)

        return through

    def _is_hit(self, name: str, method: str, point: str, args: Any) -> bool:
        met = (*self._town.describe(name, method, args), point)
        if met in self.met:
            return False
        self.met.add(met)
        return self.deaths < self.most_deaths and self._draw() < AIM

    def _away(self, name: str, args: Any) -> Any:
        if name == "outlet":
            return HandOverResult(handed=Handed.NOT_NOW, reason=Reason("broker-away"), is_sure=True)
        raise Unavailable(AWAY[name])

    async def _trouble(
        self, life: Life, name: str, method: str, point: str, call: Any, args: Any, keywords: Any
    ) -> Any:
        fate = self._draw() * self.trouble
        self.blows += method == "beat"
        if fate < self.death:
            if self.deaths >= self.most_deaths:
                return await call(*args, **keywords)
            await self._die(life, name, method, point, call, args, keywords)
        fate -= self.death
        if fate < self.failure:
            return await self._failure(life, name, method, point, call, args, keywords)
        fate -= self.failure
        if fate < self.slowness:
            pause = self._draw() ** 6 * 40
            self._tell(life, f"{point} takes {pause:.1f} s")
            if self._draw() < 0.5:
                await asyncio.sleep(pause)
                return await call(*args, **keywords)
            result = await call(*args, **keywords)
            await asyncio.sleep(pause)
            return result
        self.blows += 1
        self._town.freeze(life, 5 + self._draw() * 40)
        return await call(*args, **keywords)

    def _dies_after(self) -> bool:
        return self._draw() < 0.5

    async def _die(
        self, life: Life, name: str, method: str, point: str, call: Any, args: Any, keywords: Any
    ) -> None:
        """The life ends before the call or after it; this never returns."""
        self.deaths += 1
        self.blows += life.is_worker
        is_done = self._dies_after()
        state, event = self._town.describe(name, method, args)
        if is_done:
            try:
                await call(*args, **keywords)
            except Exception:  # the call failed by itself: then the life ends before it
                is_done = False
        self.reached[state, event, f"{'after' if is_done else 'before'} {point}"] += 1
        self._tell(life, f"dies {'after' if is_done else 'before'} {point}")
        self._town.kill(life)
        await self._town.loop.create_future()

    async def _failure(
        self, life: Life, name: str, method: str, point: str, call: Any, args: Any, keywords: Any
    ) -> Any:
        if self._draw() < 0.05:
            lasting = self._draw() * 30
            self.away_until[name] = self._town.loop.time() + lasting
            self.blows += name == "lives"
            self._tell(life, f"{name} is away for {lasting:.0f} s")
            return self._away(name, args)
        if name == "outlet":
            return await self._lose_confirm(life, call, args)
        if method in self._loses and self._draw() < 0.5:
            self._tell(life, f"{point} loses its answer")
            await call(*args, **keywords)
        else:
            self._tell(life, f"{point} fails")
        raise Unavailable(AWAY[name])

    async def _lose_confirm(self, life: Life, call: Any, args: Any) -> Any:
        kind = self._draw()
        if kind < 0.4:
            self._tell(life, "the broker says no")
            return HandOverResult(handed=Handed.NOT_NOW, reason=Reason("broker-away"), is_sure=True)
        if kind < 0.7:
            self._tell(life, "the broker takes it and does not say so")
            await call(*args)
            if self._draw() < 0.3:
                await call(*args)  # and the message is doubled besides
        else:
            self._tell(life, "the broker loses it and does not say so")
        return HandOverResult(handed=Handed.NOT_NOW, reason=Reason("broker-away"), is_sure=False)

    def _tell(self, life: Life, what: str) -> None:
        self.seen["a call is slow" if " takes " in what else what.split(" for ")[0]] += 1
        self._town.tell(f"{life.owner} {what}")


class _WeatheredNotary(MemoryNotary):
    """Signs as a rule."""

    def __init__(self, weather: Weather) -> None:
        self._weather = weather

    def attest(self, evidence: Any) -> bytes:
        """``Notary.attest``."""
        weather = self._weather
        if not weather.is_calm and weather._draw() < weather.failure * 0.3:
            weather.seen["the notary fails"] += 1
            raise Unavailable("seal-key-unusable")
        return super().attest(evidence)


async def _nothing(*args: Any) -> None:
    """What a look at one piece of a stream does by itself."""
