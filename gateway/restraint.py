"""Who takes much of a worker's time beside others leaves the rest of it to them.

Turns and shares of places do not help where processors are the bottleneck: one agency that sends as fast as it is let
keeps them busy, and every step of the others waits for them.  So what each party takes is counted as time: each
second of the worker is divided among those who hold a place.  Beside others a party has a part of it, and what it
saved; then it waits.  With nobody else there, or only others who take as much, nobody waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

SAVED_S = 0.5
"""So much of a worker's time may be taken at once: twenty documents that take 25 ms each."""

FOR_A_PLACE_S = 0.1
"""Beside others: of its saved time a party needs so much for each place more than one that it holds."""

LONGEST_S = 1.0
"""What takes longer waits for something else than this worker: a judge, whose turns are his own, or the store."""

OWES_FOR_S = 4.0
"""A party pays back for no longer than this, or than one document asks for: what it took in an hour alone it had of
nobody.  That it owes at all tells that it takes as much as it can."""

PRESENT_S = 2.0
"""Who entered so recently is there."""

SOONEST_S = 0.005
"""How soon a look at who waits is worth while."""

COPY_S = 0.0005
"""What a copy or receipt costs a worker after its document's place is free again: a copy with its receipt
took 0.7 to 1.2 ms of the gateway's CPU (docs/benchmarks-exchange.md, fan-out)."""


@dataclass(slots=True, kw_only=True)
class _Account:
    """Of one party: what it has saved, or owes, as of ``at``; when it last came; and where the worker's clock stood when
    it took each of the places that it holds."""

    saved: float = SAVED_S
    at: float
    came: float
    taken: deque[float] = field(default_factory=deque)


class Restraint:
    """Accounts of worker time, in seconds; *part*: of each second, for one party beside others.  1: no restraint.

    *now* is any clock that does not go back.
    """

    def __init__(self, part: float, now: Callable[[], float]) -> None:
        self._part = part
        self._now = now
        self._accounts: dict[str, _Account] = {}  # who came last stands last
        self._inside = 0
        self._shared = 0.0  # how much time each holder of a place has had so far
        self._shared_at = 0.0

    def came(self, whose: str) -> None:
        """*whose* knocks: it is there."""
        now = self._now()
        account = self._accounts.pop(whose, None) or _Account(at=now, came=now)
        self._settle(account, now)
        account.came = now
        self._accounts[whose] = account
        for party in tuple(islice(self._accounts, 2)):
            self._forget(party, now)

    def took(self, whose: str) -> None:
        """*whose* holds a place more."""
        self._go_on()
        self._inside += 1
        now = self._now()
        self._accounts.setdefault(whose, _Account(at=now, came=now)).taken.append(self._shared)

    def left(self, whose: str) -> None:
        """*whose* holds a place less."""
        self._go_on()
        self._inside -= 1
        account = self._accounts[whose]
        self._spend(account, min(LONGEST_S, self._shared - account.taken.popleft()))

    def charge(self, whose: str, copies: int) -> None:
        """A document of *whose* has led to *copies*."""
        if (account := self._accounts.get(whose)) is not None:
            self._spend(account, copies * COPY_S)

    def places(self, whose: str, most: int) -> int:
        """How many of *most* places *whose* may hold now."""
        account = self._accounts.get(whose)
        if account is None or self._part >= 1:
            return most
        now = self._now()
        self._settle(account, now)
        if account.saved >= SAVED_S or self._others_until(whose, now) <= now:
            return most
        return min(most, 1 + int(account.saved / FOR_A_PLACE_S)) if account.saved >= 0 else 0

    def rest(self, whose: str) -> float:
        """After how many seconds it is worth while to ask again for *whose*."""
        account = self._accounts.get(whose)
        if account is None or account.saved >= SAVED_S:
            return PRESENT_S
        now = self._now()
        lacks = FOR_A_PLACE_S - account.saved % FOR_A_PLACE_S if account.saved >= 0 else -account.saved
        return max(SOONEST_S, min(lacks / self._part, self._others_until(whose, now) - now))

    def _spend(self, account: _Account, seconds: float) -> None:
        most = max(seconds, OWES_FOR_S * self._part)
        account.saved = max(account.saved - seconds, min(account.saved, -most))

    def _settle(self, account: _Account, now: float) -> None:
        account.saved = min(SAVED_S, account.saved + (now - account.at) * self._part)
        account.at = now

    def _go_on(self) -> None:
        now = self._now()
        if self._inside:
            self._shared += (now - self._shared_at) / self._inside
        self._shared_at = now

    def _others_until(self, whose: str, now: float) -> float:
        """When the last of the others who owe nothing will count as gone; *now* where there is none."""
        for party, account in reversed(self._accounts.items()):
            if account.came + PRESENT_S <= now:
                break
            if party != whose and account.saved >= 0:
                return account.came + PRESENT_S
        return now

    def _forget(self, party: str, now: float) -> None:
        """Who is gone, holds nothing and owes nothing is as one who never came."""
        account = self._accounts[party]
        self._settle(account, now)
        if account.came + PRESENT_S <= now and not account.taken and account.saved >= SAVED_S:
            del self._accounts[party]
