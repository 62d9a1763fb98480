"""What befalls a port call: nothing as a rule; else it is slow, fails before or after it was done, or its life ends.

Every call of every life goes through ``Weather.through``.  After a death a call never returns.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from gateway.errors import Reason, Unavailable
from gateway.model.handover import Delivery, Handed, HandOverResult

if TYPE_CHECKING:
    from tests.simulation.town import Life, SimTown

AWAY = {
    "ledger": "store-away",
    "lives": "store-away",
    "inboxes": "store-away",
    "records": "store-away",
    "vault": "disk-full",
    "envelopes": "disk-full",
    "inspector": "judge-away",
    "sealer": "seal-failed",
    "outlet": "broker-away",
}
PORTS = {
    "ledger": ("load", "commit", "lease", "find", "namesakes", "originals"),
    "lives": ("beat", "bury", "died"),
    "inboxes": ("peek", "item", "lock"),
    "records": ("timeline", "evidence", "one_evidence", "relations"),
    "vault": ("put", "read"),
    "envelopes": ("read", "render"),
    "inspector": ("judge",),
    "sealer": ("seal", "find_seal"),
    "outlet": ("hand_over",),
}
LOSES_ANSWERS = {"put", "beat", "bury", "lock"}
"""Calls that may be done although their caller is told that they were not."""
DOUBTFUL_COMMITS = {"commit", "died"}
"""The same of the store's writes, which only ``is_doubtful`` draws: of what was leased by a commit whose answer was
lost nobody knows, as long as its life lasts."""


class Weather:
    """How bad it is in this seed.  Rates are per port call; ``is_calm`` ends it all but what has begun."""

    def __init__(self, random: Random, town: SimTown, *, is_doubtful: bool = False) -> None:
        self._draw = random.random
        self._random = random
        self._town = town
        self.is_calm = False
        self._loses = LOSES_ANSWERS | DOUBTFUL_COMMITS if is_doubtful else LOSES_ANSWERS
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
        self.away_until = dict.fromkeys(AWAY, -1.0)

    def port(self, life: Life, name: str, target: Any) -> SimpleNamespace:
        """*target* as *life* sees it."""
        return SimpleNamespace(
            **{method: self._gate(life, name, method, getattr(target, method)) for method in PORTS[name]}
        )

    def _gate(self, life: Life, name: str, method: str, call: Any) -> Any:
        point, draw, trace = f"{name}.{method}", self._draw, self._town.trace
        loop, mortal = self._town.loop, life.mortal

        async def through(*args: Any, **keywords: Any) -> Any:
            if mortal.is_dead:
                await loop.create_future()
            self.calls += 1
            trace.append((loop._moment, life.owner, point, args))
            if draw() < 0.3:
                await asyncio.sleep(0)
            if self.is_calm:
                return await call(*args, **keywords)
            if self.away_until[name] > loop._moment:
                return self._away(name, args)
            if draw() >= self.trouble:
                result = await call(*args, **keywords)
                if draw() < 0.3:
                    await asyncio.sleep(0)
                return result
            return await self._trouble(life, name, method, point, call, args, keywords)

        return through

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
            self.deaths += 1
            self.blows += 1
            is_done = self._draw() < 0.5
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
            if isinstance(args[0], Delivery) and self._draw() < 0.3:
                await call(*args)  # and the message is doubled besides
        else:
            self._tell(life, "the broker loses it and does not say so")
        return HandOverResult(handed=Handed.NOT_NOW, reason=Reason("broker-away"), is_sure=False)

    def _tell(self, life: Life, what: str) -> None:
        self.seen["a call is slow" if " takes " in what else what.split(" for ")[0]] += 1
        self._town.tell(f"{life.owner} {what}")
