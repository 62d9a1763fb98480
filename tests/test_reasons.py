"""Reason codes: each that the code uses is in ``schemas/reasons.toml``, and each that is there is used.

What is looked at is the source, not what a run happens to raise: a code in a branch that no test reaches would
otherwise be found by a clerk.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from pathlib import Path

import pytest

import schemas
from schemas import reasons

ROOT = Path(__file__).parent.parent
CODE = re.compile(r"[a-z]+(-[a-z0-9]+)+|poison|internal|draining|recalled")
RULE = re.compile(r"EDX-\d{3}")
FAULTS = {"sender", "recipient", "gateway", "nobody"}

# Calls that are given a code, and at which place.
PLACES = {
    "Refused": 0,
    "Unavailable": 0,
    "Reason": 0,
    "_because": 0,
    "_turned": 1,
    "_not_now": 0,
    "_error": 0,
    "_refused": 0,
    "of_reason": 0,
    "refuse": 0,
    "find": 0,
}

NOT_USED_YET = {
    "pdf-signature-fields-locked": "the sealer says seal-forbidden for every lock; the finding is the judge's to give",
}
"""Codes that nothing in gateway/ or adapters/ gives, and why they stand in the file nevertheless."""


def _texts(node: ast.expr | None) -> Iterator[str]:
    """The strings that *node* may be: also both sides of a condition, and of ``or``."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from _texts(body)
            yield from _texts(orelse)
        case ast.BoolOp(values=values):
            for value in values:
                yield from _texts(value)
        case ast.Call(func=ast.Name(id="Reason"), args=[only]):
            yield from _texts(only)


def _is_severity(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Severity"
    )


def _codes(node: ast.AST) -> Iterator[str]:
    """The codes that *node* itself gives."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args, keywords=keywords):
            at = PLACES.get(name, len(args))
            if at < len(args):
                found = list(_texts(args[at]))
                yield from found if name not in ("find", "refuse") else filter(CODE.fullmatch, found)
            for keyword in keywords:
                if keyword.arg in ("reason", "code"):
                    yield from filter(CODE.fullmatch, _texts(keyword.value))
        case ast.Assign(targets=[ast.Name(id="reason" | "code")], value=value):
            yield from filter(CODE.fullmatch, _texts(value))
        case ast.Tuple(elts=[first, second, *_]) if _is_severity(second):
            yield from _texts(first)
        case ast.Compare(left=ast.Attribute(attr="reason" | "code"), comparators=[right]):
            yield from filter(CODE.fullmatch, _texts(right))
        case ast.Subscript(value=ast.Call(func=ast.Name(id="reasons")), slice=key):
            yield from _texts(key)


@cache
def _sources() -> dict[str, ast.Module]:
    files = [*ROOT.glob("gateway/**/*.py"), *ROOT.glob("adapters/**/*.py")]
    return {
        str(file.relative_to(ROOT)): ast.parse(file.read_text(encoding="utf-8")) for file in sorted(files)
    }


def _given() -> dict[str, set[str]]:
    """Every code that the source gives, and in which files."""
    given: dict[str, set[str]] = {}
    for file, tree in _sources().items():
        for node in ast.walk(tree):
            for code in _codes(node):
                given.setdefault(code, set()).add(file)
    return given


def test_every_code_that_is_given_is_written_down() -> None:
    unknown = {c: f for c, f in _given().items() if c and c not in reasons() and not RULE.fullmatch(c)}
    assert not unknown


def test_enough_codes_are_found_to_believe_the_search() -> None:
    given = _given()
    assert {
        "poison",
        "state-secret",
        "signature-broken",
        "original-unknown",
        "claim-mismatch",
    } <= given.keys()
    assert len(given.keys() & reasons().keys()) > len(reasons()) * 3 / 4


def test_every_code_that_is_written_down_is_used() -> None:
    """By the real thing: a twin alone does not count."""
    constants = {
        node.value
        for file, tree in _sources().items()
        if not file.startswith("adapters/memory/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert reasons().keys() - constants == NOT_USED_YET.keys()


@pytest.mark.parametrize("code", sorted(reasons()))
def test_a_code_says_whose_fault_it_is_whether_to_try_again_and_why_in_both_languages(code: str) -> None:
    entry = tomllib.loads(schemas.read("reasons.toml").decode())[code]
    assert entry.keys() == {"fault", "retry", "http", "vi", "en"}
    assert CODE.fullmatch(code)
    assert entry["fault"] in FAULTS
    assert isinstance(entry["retry"], bool)
    assert HTTPStatus(entry["http"]) is HTTPStatus.OK or entry["http"] >= 400
    for text in (entry["vi"], entry["en"]):
        assert text.strip() == text
        assert text.endswith(".")
    assert entry["vi"] != entry["en"]


@pytest.mark.parametrize("code", sorted(c for c, e in reasons().items() if e.fault == "gateway" and e.retry))
def test_what_is_our_fault_and_passes_is_no_clients_error_to_mend(code: str) -> None:
    """A client that gets 4xx mends its request; what passes by itself is 5xx, or "too many"."""
    assert reasons()[code].http >= 500 or reasons()[code].http in (200, HTTPStatus.TOO_MANY_REQUESTS)
