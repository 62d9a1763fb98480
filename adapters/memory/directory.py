"""Twin of ``Directory``: parties and clients put in by hand, searched one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from gateway.model.ids import ClientId, OrganCode, PartyKey, normalised
from gateway.model.party import Client, Found, Gone, Party, Successor, Unknown


class MemoryDirectory:
    """``gateway.ports.Directory`` in the plainest form.

    *successors* names, by the party that was merged, the heir and since when; *gone* the parties that ended
    without one.
    """

    def __init__(
        self,
        parties: Iterable[Party] = (),
        clients: Iterable[Client] = (),
        *,
        successors: Mapping[PartyKey, tuple[PartyKey, datetime | None]] | None = None,
        gone: Mapping[PartyKey, datetime | None] | None = None,
    ) -> None:
        self._parties = tuple(parties)
        self._clients = tuple(clients)
        self._successors = dict(successors or {})
        self._gone = dict(gone or {})

    def put(self, party: Party) -> None:
        """Register *party*, or change the one with its key."""
        self._parties = (*(p for p in self._parties if p.key != party.key), party)

    def strike(self, key: PartyKey) -> None:
        """Forget the party *key*."""
        self._parties = tuple(p for p in self._parties if p.key != key)

    def merge(self, key: PartyKey, into: PartyKey, since: datetime | None = None) -> None:
        """The party *key* ends at *since*; *into* has its duties from then on."""
        self._successors[key] = (into, since)

    def admit(self, client: Client) -> None:
        """Register *client*, or change the one with its name."""
        self._clients = (*(c for c in self._clients if c.id != client.id), client)

    def find(self, code: OrganCode, at: datetime) -> Found:
        """Whom *code* names at the instant *at*; a former code leads to who holds its duties now."""
        code = OrganCode(normalised(code))
        held = [(c, p) for p in self._parties for c in p.codes if normalised(c.code) == code]
        for validity, party in held:
            if validity.holds_at(at):
                return self._heir(party, code, at)
        ended = sorted(
            ((c.until, p.key) for c, p in held if c.until is not None and c.until <= at), reverse=True
        )
        if not ended:
            return Unknown(code=code)
        until, key = ended[0]
        party = self._by_key(key)
        heir = self._heir(party, code, at)
        return Successor(party=heir, former=code, since=until) if isinstance(heir, Party) else heir

    def party(self, key: PartyKey) -> Party | None:
        """The party that was registered under *key*."""
        return next((p for p in self._parties if p.key == key), None)

    def predecessors(self, key: PartyKey, at: datetime) -> Sequence[PartyKey]:
        """The parties whose duties *key* has at the instant *at*, the nearest first."""
        found: list[PartyKey] = []
        asked = [key]
        while asked:
            heir = asked.pop(0)
            ended = [p for p, (into, since) in self._successors.items() if into == heir and _past(since, at)]
            found += sorted(ended)
            asked += sorted(ended)
        return found

    def parties(self) -> Sequence[Party]:
        """All parties, by key."""
        return sorted(self._parties, key=lambda p: p.key)

    def client(self, client: ClientId) -> Client | None:
        """The client of that name."""
        return next((c for c in self._clients if c.id == client), None)

    def clients(self) -> Sequence[Client]:
        """All clients, by name."""
        return sorted(self._clients, key=lambda c: c.id)

    def _heir(self, party: Party, code: OrganCode, at: datetime) -> Party | Successor | Gone:
        if party.key in self._gone and _past(self._gone[party.key], at):
            return Gone(former=code, since=self._gone[party.key])
        if party.key not in self._successors or not _past(self._successors[party.key][1], at):
            return replace(party, name=party.name_at(at))
        key, since = self._successors[party.key]
        match self._heir(self._by_key(key), code, at):
            case Gone() as gone:
                return gone
            case Successor(party=last, through=between):
                return Successor(party=last, former=code, since=since, through=(key, *between))
            case heir:
                return Successor(party=heir, former=code, since=since)

    def _by_key(self, key: PartyKey) -> Party:
        return next(p for p in self._parties if p.key == key)


def _past(since: datetime | None, at: datetime) -> bool:
    return since is None or since <= at
