"""What becomes different where one directory takes the place of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from adapters.directory.cells import VIETNAM
from adapters.directory.directory import OrganDirectory
from adapters.directory.endings import Ending
from gateway.model.ids import PartyKey
from gateway.model.party import Party
from gateway.model.quota import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What is different about one party: by field, the texts before and after (empty: nothing)."""

    party: Party
    fields: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Each by key.  A party whose name alone, or whose name besides other things, differs is ``renamed``, too."""

    added: tuple[Party, ...]
    removed: tuple[Party, ...]
    renamed: tuple[tuple[Party, Party], ...]
    changed: tuple[Changed, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.renamed or self.changed)


def compare(before: OrganDirectory, after: OrganDirectory) -> Difference:
    """What *after* has that *before* had not, and the reverse."""
    old = {party.key: party for party in before.parties()}
    new = {party.key: party for party in after.parties()}
    both = [(old[key], new[key]) for key in new if key in old]
    changed = []
    for was, now in both:
        first = described(was, before.endings().get(was.key))
        second = described(now, after.endings().get(now.key))
        fields = {name: (first[name], second[name]) for name in first if first[name] != second[name]}
        if fields:
            changed.append(Changed(party=now, fields=fields))
    return Difference(
        added=tuple(new[key] for key in new if key not in old),
        removed=tuple(old[key] for key in old if key not in new),
        renamed=tuple((was, now) for was, now in both if was.name != now.name),
        changed=tuple(changed),
    )


def described(party: Party, ending: Ending | None) -> dict[str, str]:
    """Everything about *party* but its name, as texts that people can compare."""
    takes = party.takes
    return {
        "codes": ", ".join(
            f"{c.code}{_span(c.since, c.until)}" for c in sorted(party.codes, key=lambda c: c.code)
        ),
        "link": str(party.link),
        "status": "locked" if party.is_locked else "active",
        "parent": party.parent or "",
        "ending": _ended(ending),
        "former_names": ", ".join(f"{f.name}{_span(None, f.until)}" for f in party.former_names),
        "max_bytes": str(party.max_bytes or ""),
        **{measure.value: _bound(getattr(party.quota, measure.value)) for measure in Measure},
        "takes_bytes": str(takes.max_bytes or ""),
        "kinds": " ".join(sorted(takes.kinds)),
        "business": " ".join(str(int(kind)) for kind in sorted(takes.business)),
        "dialects": " ".join(sorted(takes.dialects)),
    }


def _bound(value: int | None) -> str:
    return "" if value is None else str(value or "none")


def _ended(ending: Ending | None) -> str:
    if ending is None:
        return ""
    heir: PartyKey | str = ending.into or ""
    return f"{f'→ {heir}' if heir else 'gone'}{_span(ending.since, None)}"


def _span(since: datetime | None, until: datetime | None) -> str:
    if since is None and until is None:
        return ""
    return f" [{day(since)}…{day(until)}]"


def day(at: datetime | None) -> str:
    """*at* as a day in Vietnam; with its time where it is no midnight."""
    if at is None:
        return ""
    there = at.astimezone(VIETNAM)
    midnight = there.hour == there.minute == there.second == 0
    return f"{there:%Y-%m-%d}" if midnight else f"{there:%Y-%m-%dT%H:%M:%S%z}"
