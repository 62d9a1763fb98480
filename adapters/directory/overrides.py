"""What a list of organs can't say, or says otherwise: codes in time, names, locks, mergers.  From one TOML file.

``config/parties.example.toml`` shows every key.  A name that the list does not have is an error unless the
file registers it (gives it a ``name``): a typing error must not pass for a party.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, time
from pathlib import Path
from typing import TypeVar

from adapters.directory.cells import VIETNAM
from adapters.directory.endings import Ending
from adapters.directory.organs import is_organ_code
from gateway.errors import ConfigError
from gateway.model.envelope import Business, Kind
from gateway.model.ids import OrganCode, PartyKey, normalised
from gateway.model.party import Capabilities, CodeValidity, Dialect, FormerName, Link, Party
from gateway.model.quota import NO_BOUND, Measure, Quota

_PARTY_KEYS = {"name", "link", "locked", "max_bytes", "codes", "parent", "former_names", "takes", "quota"}
_CODE_KEYS = {"code", "since", "until"}
_TAKES_KEYS = {"kinds", "business", "max_bytes", "dialects"}


def override(
    parties: Iterable[Party], path: Path, endings: Iterable[Ending] = ()
) -> tuple[tuple[Party, ...], tuple[Ending, ...]]:
    """*parties* as the file at *path* changes them, by key, and the parties that ended: those of *endings* about
    which the file says nothing, and its own.

    Raises ``ConfigError``, naming file and key, for anything that is not understood.
    """
    by_key = {party.key: party for party in parties}
    table = read_table(path)
    known(table, {"parties", "succeeded", "gone"}, str(path))
    for raw, entry in tables(table, "parties", str(path)).items():
        where = f'{path}: parties."{raw}"'
        key = PartyKey(normalised(raw))
        by_key[key] = _changed(by_key.get(key), key, entry, where)
    listed = {ending.party: ending for ending in endings}
    told: dict[PartyKey, Ending] = {}
    for section, wanted in (("succeeded", {"into", "since"}), ("gone", {"since"})):
        for raw, entry in tables(table, section, str(path)).items():
            where = f'{path}: {section}."{raw}"'
            known(entry, wanted, where)
            key = PartyKey(normalised(raw))
            into = PartyKey(normalised(text(entry, "into", where))) if section == "succeeded" else None
            for named in (key, into):
                if named is not None and named not in by_key:
                    raise ConfigError(f"{where}: no party {named!r}")
            if key in told:
                raise ConfigError(f"{where}: it ended twice")
            told[key] = Ending(party=key, into=into, since=_instant(entry, "since", where))
    return tuple(by_key[key] for key in sorted(by_key)), tuple((listed | told).values())


def _changed(party: Party | None, key: PartyKey, entry: Mapping[str, object], where: str) -> Party:
    known(entry, _PARTY_KEYS, where)
    if party is None:
        if "name" not in entry:
            raise ConfigError(f"{where}: the list of organs has no such id (a new party needs a name)")
        if not is_organ_code(key):
            raise ConfigError(
                f"{where}: an organ code has 1 to 35 letters and digits in groups set off by dots"
            )
        party = Party(key=key, name="", codes=(CodeValidity(code=OrganCode(key)),))
    if "name" in entry:
        party = replace(party, name=normalised(text(entry, "name", where)))
    if "link" in entry:
        try:
            party = replace(party, link=Link(text(entry, "link", where)))
        except ValueError:
            raise ConfigError(f'{where}.link: "amqp" or "http" is needed') from None
    if "locked" in entry:
        party = replace(party, is_locked=flag(entry, "locked", where))
    if "max_bytes" in entry:
        party = replace(party, max_bytes=_bytes(entry, where))
    if "codes" in entry:
        party = replace(party, codes=_codes(party, entry["codes"], f"{where}.codes"))
    if "parent" in entry:
        party = replace(party, parent=PartyKey(normalised(text(entry, "parent", where))))
    if "former_names" in entry:
        party = replace(party, former_names=_names(entry["former_names"], f"{where}.former_names"))
    if "takes" in entry:
        party = replace(party, takes=_takes(entry["takes"], f"{where}.takes"))
    if "quota" in entry:
        party = replace(party, quota=_quota(party.quota, entry["quota"], f"{where}.quota"))
    return party


def _quota(listed: Quota, value: object, where: str) -> Quota:
    """The quotas in *value*, and those of the list about which it says nothing."""
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: a table is needed")
    known(value, {measure.value for measure in Measure}, where)
    said: dict[str, int] = {}
    for name, bound in value.items():
        is_number = isinstance(bound, int) and not isinstance(bound, bool) and bound > 0
        if not is_number and bound != "none":
            raise ConfigError(f'{where}.{name}: a number above 0 is needed, or "none" for no bound')
        said[name] = bound if is_number else NO_BOUND
    return Quota(**said).over(listed)


def _names(value: object, where: str) -> tuple[FormerName, ...]:
    found: list[FormerName] = []
    for entry in _list_of_tables(value, where):
        known(entry, {"name", "until"}, where)
        name = normalised(text(entry, "name", where))
        found.append(FormerName(name=name, until=_instant(entry, "until", where)))
    return tuple(found)


def _takes(value: object, where: str) -> Capabilities:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: a table is needed")
    known(value, _TAKES_KEYS, where)
    everything = Capabilities()
    kinds, business, dialects = everything.kinds, everything.business, everything.dialects
    if "kinds" in value:
        names = {str(kind): kind for kind in Kind}
        kinds = frozenset(names[word] for word in _words(value["kinds"], f"{where}.kinds", set(names)))
    if "business" in value:
        numbers = {int(kind): kind for kind in Business}
        business = frozenset(numbers[n] for n in _words(value["business"], f"{where}.business", set(numbers)))
    if "dialects" in value:
        spoken = value["dialects"]
        if not isinstance(spoken, list) or not all(isinstance(word, str) and word for word in spoken):
            raise ConfigError(f"{where}.dialects: a list of texts is needed")
        dialects = frozenset(map(Dialect, spoken))
    return Capabilities(
        kinds=kinds,
        business=business,
        max_bytes=_bytes(value, where) if "max_bytes" in value else None,
        dialects=dialects,
    )


T = TypeVar("T")


def _words(value: object, where: str, allowed: set[T]) -> list[T]:
    if not isinstance(value, list) or not all(word in allowed for word in value):
        raise ConfigError(
            f"{where}: a list of some of these is needed: {', '.join(map(str, sorted(allowed, key=str)))}"
        )
    return value


def _bytes(table: Mapping[str, object], where: str) -> int:
    limit = table["max_bytes"]
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise ConfigError(f"{where}.max_bytes: a number of bytes is needed")
    return limit


def _codes(party: Party, value: object, where: str) -> tuple[CodeValidity, ...]:
    """The codes of *party* with those in *value* besides; one that it has already is replaced."""
    found: list[CodeValidity] = []
    for entry in _list_of_tables(value, where):
        known(entry, _CODE_KEYS, where)
        code = OrganCode(normalised(text(entry, "code", where)))
        if not is_organ_code(code):
            raise ConfigError(f"{where}: {code!r} is no organ code")
        since, until = _instant(entry, "since", where), _instant(entry, "until", where)
        if since is not None and until is not None and until <= since:
            raise ConfigError(f"{where}: {code!r} ends before it begins")
        found.append(CodeValidity(code=code, since=since, until=until))
    named = {validity.code for validity in found}
    return (*(c for c in party.codes if c.code not in named), *found)


def _list_of_tables(value: object, where: str) -> list[Mapping[str, object]]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ConfigError(f"{where}: a list of tables is needed")
    return value


# --- reading TOML with errors that name the key -------------------------------------------------------


def read_table(path: Path) -> dict[str, object]:
    """The TOML file at *path*; raises ``ConfigError``."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror or exc}") from exc
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc


def known(table: Mapping[str, object], allowed: set[str], where: str) -> None:
    """Raise ``ConfigError`` for a key of *table* that nobody reads."""
    for key in table:
        if key not in allowed:
            raise ConfigError(f"{where}: unknown key {key!r}; known are {', '.join(sorted(allowed))}")


def tables(table: Mapping[str, object], key: str, where: str) -> dict[str, dict[str, object]]:
    """The tables under *key*, by name; none where *key* is absent."""
    found = table.get(key, {})
    if not isinstance(found, dict) or not all(isinstance(entry, dict) for entry in found.values()):
        raise ConfigError(f"{where}: {key} holds tables")
    return found


def text(table: Mapping[str, object], key: str, where: str) -> str:
    """The text under *key*, which must be there and not blank."""
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{where}.{key}: a text is needed")
    return value


def flag(table: Mapping[str, object], key: str, where: str) -> bool:
    """The truth value under *key*; absent means false."""
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise ConfigError(f"{where}.{key}: true or false is needed")
    return value


def _instant(table: Mapping[str, object], key: str, where: str) -> datetime | None:
    match table.get(key):
        case None:
            return None
        case datetime() as at:
            return at if at.tzinfo is not None else at.replace(tzinfo=VIETNAM)
        case date() as day:
            return datetime.combine(day, time(), VIETNAM)
        case _:
            raise ConfigError(f"{where}.{key}: a date or an instant is needed, without quotation marks")
