"""What ``vanthu organs`` asks of the directory: list, show, check, compare.  No broker and no store is needed."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters.clock import SystemClock
from adapters.directory import Difference as Difference
from adapters.directory import (
    Ending,
    Options,
    OrganList,
    compare,
    load,
    load_clients,
    read_organs,
)
from gateway.config import Config
from gateway.errors import ConfigError, Refused
from gateway.model.ids import OrganCode, PartyKey
from gateway.model.party import Client, Gone, Party, Successor, Unknown, form_of
from gateway.model.quota import Measure
from gateway.wiring.parties import clients_file, files_of, registered


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedList:
    """A list of organs that was looked at.  ``problem`` says why the directory as a whole can't be made with it."""

    listed: OrganList
    problem: str = ""

    @property
    def verdict(self) -> str:
        """``ok``, ``warnings``, or ``refused`` where a row or the whole is not taken as it stands."""
        report = self.listed.report
        if self.problem or report.errors:
            return "refused"
        return "warnings" if report.remarks else "ok"


def check_organs(config: Config, file: Path) -> CheckedList:
    """Look at *file* as an import would: every row, then the directory that it would make with the other files."""
    listed = read_organs(file, queues=config.sections.directory.queues)
    if listed.report.fatal:
        return CheckedList(listed=listed)
    try:
        load(with_list(config, file))
    except ConfigError as error:
        return CheckedList(listed=listed, problem=str(error))
    return CheckedList(listed=listed)


def diff_organs(config: Config, file: Path, other: Path | None) -> Difference:
    """What *file* would change of the configured directory, or what *other* changes of *file*.  Raises ``ConfigError``."""
    if other is None:
        before, after = registered(config), load(with_list(config, file))[0]
    else:
        queues = config.sections.directory.queues
        before, after = (load(Options(organs=one, queues=queues))[0] for one in (file, other))
    return compare(before, after)


class Organs:
    """The configured directory as people ask it."""

    def __init__(self, config: Config) -> None:
        self._directory = registered(config)
        self._default = config.quota
        self._now = SystemClock().now()
        self._clients = clients_of(config)
        self._below: dict[PartyKey, int] = {}
        for party in self._directory.parties():
            if party.parent is not None:
                self._below[party.parent] = self._below.get(party.parent, 0) + 1

    def all(self, text: str = "", parent: str = "") -> Iterator[dict[str, Any]]:
        """The parties, by key; those that *text* occurs in (code or name, also without accents), directly below
        *parent*.  Raises ``Refused("not-found")`` where *parent* is nobody's code."""
        above = self._named(parent).key if parent else None
        wanted = _plain(text)
        for party in self._directory.parties():
            if above is not None and party.parent != above:
                continue
            told = (party.name, *(c.code for c in party.codes), *(f.name for f in party.former_names))
            if not wanted or any(wanted in _plain(one) for one in told):
                yield self._told(party)

    def one(self, code: str) -> dict[str, Any]:
        """All that is known of the party that *code* names or named.  Raises ``Refused("not-found")``."""
        found = self._directory.find(OrganCode(code), self._now)
        party = self._named(code)
        told = self._told(party)
        told["asked"] = code
        told["ancestors"] = list(self._ancestors(party))
        told["heir_of"] = [
            {"organ": ending.party, "name": self._name(ending.party), "since": _text(ending.since)}
            for ending in self._directory.endings().values()
            if ending.into == party.key
        ]
        told["clients"] = [client.id for client in self._clients if party.key in client.acts_for]
        if isinstance(found, Successor):
            told["reaches"] = {
                "organ": found.party.key,
                "name": found.party.name,
                "code": found.party.code_at(self._now),
                "through": list(found.through),
                "since": _text(found.since),
            }
        return told

    def _named(self, code: str) -> Party:
        """The party that bears, bore or will bear *code* itself, merged or not."""
        wanted = OrganCode(code)
        own = self._directory.party(PartyKey(wanted))
        if own is not None:
            return own
        match self._directory.find(wanted, self._now):
            case Party() as party:
                return party
            case Successor() | Gone():
                pass
            case Unknown():
                pass
        for party in self._directory.parties():
            if any(held.code == wanted for held in party.codes):
                return party
        raise Refused("not-found", code)

    def _told(self, party: Party) -> dict[str, Any]:
        ending = self._directory.endings().get(party.key)
        return {
            "organ": party.key,
            "name": party.name,
            "codes": [
                {
                    "code": held.code,
                    "form": str(form_of(held.code)),
                    "since": _text(held.since),
                    "until": _text(held.until),
                    "holds": held.holds_at(self._now),
                }
                for held in party.codes
            ],
            "state": _state(party, ending, self._now),
            "successor": ending.into if ending else None,
            "ends": _text(ending.since) if ending else None,
            "link": str(party.link),
            "parent": party.parent,
            "children": self._below.get(party.key, 0),
            "former_names": [{"name": f.name, "until": _text(f.until)} for f in party.former_names],
            "max_bytes": party.max_bytes,
            "quota": {
                measure.value: {
                    "bound": party.quota.over(self._default).of(measure) or None,
                    "own": getattr(party.quota, measure.value) is not None,
                }
                for measure in Measure
            },
            "takes": {
                "kinds": sorted(map(str, party.takes.kinds)),
                "business": sorted(int(kind) for kind in party.takes.business),
                "max_bytes": party.takes.max_bytes,
                "dialects": sorted(party.takes.dialects),
            },
        }

    def _ancestors(self, party: Party) -> Iterator[dict[str, str]]:
        above = party.parent
        while above is not None:
            yield {"organ": above, "name": self._name(above)}
            found = self._directory.party(above)
            above = found.parent if found else None

    def _name(self, key: PartyKey) -> str:
        found = self._directory.party(key)
        return found.name if found else key


def with_list(config: Config, file: Path) -> Options:
    """The configured files, *file* in the place of the list; the clients too, where people write them."""
    clients = clients_file(config)
    return replace(files_of(config, clients if config.sections.clients.file else None), organs=file)


def clients_of(config: Config) -> tuple[Client, ...]:
    """The clients of the parties in force; none where development has not made them yet."""
    path = clients_file(config)
    if not path.exists():
        return ()
    return load_clients(path, registered(config).parties(), drop_unknown_parties=True)


def _state(party: Party, ending: Ending | None, now: datetime) -> str:
    if ending is not None and (ending.since is None or ending.since <= now):
        return "succeeded" if ending.into else "gone"
    if not any(held.holds_at(now) for held in party.codes):
        return "not-yet" if any(held.since and held.since > now for held in party.codes) else "codeless"
    return "locked" if party.is_locked else "active"


def _plain(text: str) -> str:
    """*text* as clerks type it in a hurry: no accents, no capitals."""
    bare = unicodedata.normalize("NFD", text.casefold().replace("đ", "d").replace("ð", "d"))
    return " ".join("".join(c for c in bare if not unicodedata.combining(c)).split())


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
