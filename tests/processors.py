"""Which processors who gives way may use."""

from __future__ import annotations

from collections.abc import Set


def half_of(processors: Set[int]) -> set[int]:
    """The later half of *processors*, at least one."""
    return set(sorted(processors)[len(processors) // 2 :])
