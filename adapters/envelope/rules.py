"""The named rules of ``schemas/rules.toml``, and the list of what a reading found.

found = Findings(Rulebook({"EDX-007": Severity.INFO}))
found.add("EDX-007", "MessageHeader/Subject", "612 > 500")
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import schemas
from gateway.errors import ConfigError
from gateway.model.finding import Finding, Severity

_MOST = 20  # findings per rule: a thousand broken recipients are one mistake
_LONGEST = 80  # characters of the value that broke a rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: ``source`` says how well we know it (S, I, M, V as in the file), ``is_fixed`` that its
    severity can't be changed."""

    id: str
    source: str
    severity: Severity
    vi: str
    en: str
    is_fixed: bool = False


@cache
def rules() -> Mapping[str, Rule]:
    """Every rule of ``rules.toml``, as the file has it."""
    return {
        name: Rule(
            id=name,
            source=entry["source"],
            severity=Severity(entry["severity"]),
            vi=entry["vi"],
            en=entry["en"],
            is_fixed=entry.get("fixed", False),
        )
        for name, entry in tomllib.loads(schemas.read("rules.toml").decode()).items()
    }


class Rulebook:
    """The rules with the severities that an installation wants.

    Raises ``ConfigError`` where *severities* names a rule that does not exist or is fixed.
    """

    def __init__(self, severities: Mapping[str, Severity]) -> None:
        known = dict(rules())
        for name, severity in severities.items():
            if name not in known:
                raise ConfigError(f"envelope.severities: there is no rule {name}")
            if known[name].is_fixed and severity is not known[name].severity:
                raise ConfigError(f"envelope.severities: the severity of {name} is fixed")
            known[name] = replace(known[name], severity=severity)
        self._rules = known

    def __getitem__(self, name: str) -> Rule:
        return self._rules[name]


class Findings:
    """What one reading found, in order; at most twenty of a kind, the rest counted."""

    def __init__(self, book: Rulebook) -> None:
        self._book = book
        self._found: list[Finding] = []
        self._counts: Counter[str] = Counter()

    def add(self, name: str, where: str, detail: str = "") -> Severity:
        """Note that the rule *name* was broken at *where*; answers how heavy that is."""
        rule = self._book[name]
        self._counts[name] += 1
        if self._counts[name] <= _MOST:
            self._found.append(_finding(rule, where, detail))
        return rule.severity

    def all(self) -> tuple[Finding, ...]:
        """Everything, with one more line for each rule that was broken too often to list."""
        more = [
            _finding(self._book[name], "", f"and {count - _MOST} more")
            for name, count in self._counts.items()
            if count > _MOST
        ]
        return (*self._found, *more)

    @property
    def has_error(self) -> bool:
        """Whether something was found that stops the document."""
        return any(self._book[name].severity is Severity.ERROR for name in self._counts)


def _finding(rule: Rule, where: str, detail: str) -> Finding:
    return Finding(
        code=rule.id,
        severity=rule.severity,
        where=where,
        detail=detail if len(detail) <= _LONGEST else detail[:_LONGEST] + "…",
        message=rule.en,
        message_vi=rule.vi,
    )
