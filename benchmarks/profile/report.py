"""Sums up what a sampler saw: by thread, by step of a document's way, by module, by line of code."""

from __future__ import annotations

import re
import sysconfig
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = Path(sysconfig.get_paths()["purelib"])
_LIBRARY = Path(sysconfig.get_paths()["stdlib"])
_OURS = ("gateway/", "adapters/", "schemas/")
_STEPS = "gateway/pipeline.py"
_COMPOSITION = ("gateway/wiring/", "gateway/cli/", "gateway/supervisor.py", "gateway/service.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A stack, outermost call first, as ``(module, function)``; the innermost line; milliseconds of CPU."""

    thread: str
    stack: tuple[tuple[str, str], ...]
    line: int
    ms: float


def samples(told: Mapping[str, Any]) -> Sequence[Sample]:
    """What ``Sampler.end`` wrote."""
    return [
        Sample(
            thread=re.sub(r"[-_]?\d+(_\d+)?$", "", row["thread"]),
            stack=tuple(_place(call) for call in row["stack"]),
            line=row["line"],
            ms=row["ms"],
        )
        for row in told["rows"]
    ]


def by_thread(seen: Iterable[Sample]) -> Counter[str]:
    """Milliseconds by the name of the thread, numbers left out."""
    return _summed((one.thread, one.ms) for one in seen)


def by_step(seen: Iterable[Sample]) -> Counter[str]:
    """Milliseconds by step: the pipeline's method; where there is none the outermost part of ours; else a library."""
    return _summed((_step(one), one.ms) for one in seen)


def by_module(seen: Iterable[Sample]) -> tuple[Counter[str], Counter[str]]:
    """Milliseconds by module: in it alone, and in it and all that it calls."""
    alone, within = Counter[str](), Counter[str]()
    for one in seen:
        modules = [module for module, _ in one.stack] or ["(loop, no Python)"]
        alone[modules[-1]] += one.ms  # type: ignore[assignment]  # counters count milliseconds, too
        for module in set(modules):
            within[module] += one.ms  # type: ignore[assignment]
    return alone, within


def by_call(seen: Iterable[Sample]) -> tuple[Counter[str], Counter[str]]:
    """The same by function."""
    alone, within = Counter[str](), Counter[str]()
    for one in seen:
        calls = [f"{module}:{function}" for module, function in one.stack] or ["(loop, no Python)"]
        alone[calls[-1]] += one.ms  # type: ignore[assignment]
        for call in set(calls):
            within[call] += one.ms  # type: ignore[assignment]
    return alone, within


def folded(seen: Iterable[Sample]) -> str:
    """One line per stack, as tools that draw flames read it: ``thread;call;call microseconds``."""
    flames = _summed(
        (";".join([one.thread, *(f"{module}:{function}" for module, function in one.stack)]), one.ms)
        for one in seen
    )
    return "".join(f"{stack} {round(ms * 1000)}\n" for stack, ms in sorted(flames.items()))


def _step(one: Sample) -> str:
    steps = [function.rpartition(".")[2] for module, function in one.stack if module == _STEPS]
    if steps:
        return f"pipeline.{steps[-1].strip('_')}"
    for module, _ in one.stack:
        if module.startswith(_OURS) and not module.startswith(_COMPOSITION):
            return module
    return one.stack[0][0] if one.stack else "(loop, no Python)"


def _place(call: str) -> tuple[str, str]:
    file, _, function = call.rpartition(":")
    path = Path(file)
    for root, parts in ((ROOT, None), (_PACKAGES, 2), (_LIBRARY, 1)):
        if path.is_relative_to(root) and not (root == ROOT and path.is_relative_to(_PACKAGES)):
            inner = path.relative_to(root)
            return (str(inner) if parts is None else "/".join(inner.parts[:parts])), function
    return path.name, function


def _summed(pairs: Iterable[tuple[str, float]]) -> Counter[str]:
    total = Counter[str]()
    for name, ms in pairs:
        total[name] += ms  # type: ignore[assignment]
    return total
