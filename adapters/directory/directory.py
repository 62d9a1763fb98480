"""The directory of a realm, held in memory: who takes part, under which code, when.

directory, report = load(Options(organs=Path("config/organs/tayninh_2020.csv")))
directory.find(OrganCode("000.00.13.H53"), clock.now())
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from adapters.directory.clients import load_clients
from adapters.directory.endings import Ending
from adapters.directory.organs import QUEUES, load_organs
from adapters.directory.overrides import override
from adapters.directory.remarks import Report
from gateway.errors import ConfigError
from gateway.model.ids import ClientId, OrganCode, PartyKey, normalised
from gateway.model.party import Client, CodeValidity, Found, Gone, Party, Successor, Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which files the directory comes from.

    ``queues`` is the pattern (whole code) of organs that take deliveries from queues, unless ``parties``
    says otherwise.  Without ``clients`` nobody can come in.
    """

    organs: Path
    parties: Path | None = None
    clients: Path | None = None
    queues: str = QUEUES


def load(options: Options) -> tuple[OrganDirectory, Report]:
    """The directory, and what was odd in the list of organs.  Raises ``ConfigError``."""
    listed = load_organs(options.organs, queues=options.queues)
    parties, endings = listed.parties, listed.endings
    if options.parties is not None:
        parties, endings = override(parties, options.parties, endings)
    clients = load_clients(options.clients, parties) if options.clients is not None else ()
    return OrganDirectory(parties, clients, endings), listed.report


def admit(directory: OrganDirectory, clients: Iterable[Client]) -> OrganDirectory:
    """*directory* with *clients* instead of its own."""
    return OrganDirectory(directory.parties(), clients, directory.endings().values())


class OrganDirectory:
    """``gateway.ports.Directory`` from parties, clients and endings.

    Raises ``ConfigError`` where two parties hold one code at the same time, where mergers or parents run in a
    circle, or name a party that is not there.
    """

    def __init__(
        self,
        parties: Iterable[Party],
        clients: Iterable[Client] = (),
        endings: Iterable[Ending] = (),
    ) -> None:
        self._parties = {party.key: party for party in parties}
        self._clients = {client.id: client for client in clients}
        self._endings = {ending.party: ending for ending in endings}
        # The same objects are answered each time, so that who asks may keep what it derived from them.
        self._all_parties = tuple(self._parties[key] for key in sorted(self._parties))
        self._all_clients = tuple(self._clients[name] for name in sorted(self._clients))
        self._holders: dict[OrganCode, list[tuple[CodeValidity, Party]]] = {}
        for party in self._all_parties:
            for validity in party.codes:
                holders = self._holders.setdefault(OrganCode(normalised(validity.code)), [])
                for other, holder in holders:
                    if _overlap(other, validity):
                        raise ConfigError(
                            f"{validity.code} is held by {holder.key} and {party.key} at one time"
                        )
                holders.append((validity, party))
        self._heritage: dict[PartyKey, list[Ending]] = {}
        for ending in sorted(self._endings.values(), key=lambda e: e.party):
            self._check(ending)
            if ending.into is not None:
                self._heritage.setdefault(ending.into, []).append(ending)
        self._check_parents()

    def find(self, code: OrganCode, at: datetime) -> Found:
        """Whom *code* names at the instant *at*; a former code leads to who holds its duties now."""
        code = OrganCode(normalised(code))
        holders = self._holders.get(code, ())
        for validity, party in holders:
            if validity.holds_at(at):
                return self._now(party, code, at)
        past = [(v.until, party) for v, party in holders if v.until is not None and v.until <= at]
        if not past:
            return Unknown(code=code)
        until, party = max(past, key=lambda held: held[0])
        match self._now(party, code, at):
            case Party() as same:  # the party lives on under another code
                return Successor(party=same, former=code, since=until)
            case found:
                return found

    def party(self, key: PartyKey) -> Party | None:
        """The party that was registered under *key*, also one that ended since."""
        return self._parties.get(key)

    def predecessors(self, key: PartyKey, at: datetime) -> Sequence[PartyKey]:
        """The parties whose duties *key* has at the instant *at*, the nearest first."""
        found: list[PartyKey] = []
        nearest = [key]
        while nearest:
            nearest = [
                ending.party
                for heir in nearest
                for ending in self._heritage.get(heir, ())
                if ending.since is None or ending.since <= at
            ]
            found += nearest
        return found

    def parties(self) -> Sequence[Party]:
        """All parties, by key."""
        return self._all_parties

    def endings(self) -> Mapping[PartyKey, Ending]:
        """The parties that have ended or will, with whom they go to."""
        return self._endings

    def client(self, client: ClientId) -> Client | None:
        """The client of that name."""
        return self._clients.get(client)

    def clients(self) -> Sequence[Client]:
        """All clients, by name."""
        return self._all_clients

    def _now(self, party: Party, code: OrganCode, at: datetime) -> Party | Successor | Gone:
        """*party*, or what has become of it by the instant *at*."""
        heir, since = party, None
        through: list[PartyKey] = []
        while ending := self._ended(heir.key, at):
            if ending.into is None:
                return Gone(former=code, since=ending.since)
            if heir is party:
                since = ending.since
            else:
                through.append(heir.key)
            heir = self._parties[ending.into]
        called = _called(heir, at)
        if heir is party:
            return called
        return Successor(party=called, former=code, since=since, through=tuple(through))

    def _ended(self, key: PartyKey, at: datetime) -> Ending | None:
        ending = self._endings.get(key)
        return ending if ending and (ending.since is None or ending.since <= at) else None

    def _check(self, ending: Ending) -> None:
        seen: list[PartyKey] = []
        follow: Ending | None = ending
        while follow is not None:
            for key in (follow.party, follow.into):
                if key is not None and key not in self._parties:
                    raise ConfigError(f"the ending of {follow.party} names an unknown party: {key}")
            if follow.party in seen:
                raise ConfigError(f"mergers run in a circle: {' → '.join((*seen, follow.party))}")
            seen.append(follow.party)
            follow = self._endings.get(follow.into) if follow.into is not None else None

    def _check_parents(self) -> None:
        done: set[PartyKey] = set()
        for party in self._all_parties:
            way: list[PartyKey] = []
            here: Party | None = party
            while here is not None and here.key not in done:
                if here.key in way:
                    raise ConfigError(f"parents run in a circle: {' → '.join((*way, here.key))}")
                way.append(here.key)
                if here.parent is not None and here.parent not in self._parties:
                    raise ConfigError(f"the parent of {here.key} is an unknown party: {here.parent}")
                here = self._parties[here.parent] if here.parent is not None else None
            done.update(way)


def _called(party: Party, at: datetime) -> Party:
    """*party* under the name that it bears at the instant *at*; the very same where that is its name."""
    name = party.name_at(at)
    return party if name == party.name else replace(party, name=name)


def _overlap(a: CodeValidity, b: CodeValidity) -> bool:
    a_ends_first = a.until is not None and b.since is not None and a.until <= b.since
    b_ends_first = b.until is not None and a.since is not None and b.until <= a.since
    return not (a_ends_first or b_ends_first)
