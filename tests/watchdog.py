"""Fails a test in which one callback took more than 100 ms of its thread's CPU, or held the loop for 3 s.

spec: promise 6 - no input, however made, holds the loop for more than 100 ms.

A test whose own body does heavy work on the loop (making keys, say) says so:
``@pytest.mark.heavy_body("makes three RSA keys")``.
"""

from __future__ import annotations

import asyncio
import gc
import time
from asyncio import events
from collections.abc import Generator
from typing import Any

import pytest

CPU_S = 0.1
HELD_S = 3.0
"""A disk that others share stands still for more than a second now and then; who waits for what does not come waits longer."""

_slow: list[str] = []
_run_one = events.Handle._run


def _watched(handle: asyncio.Handle) -> None:
    cpu, wall = time.thread_time(), time.monotonic()
    _run_one(handle)
    cpu, wall = time.thread_time() - cpu, time.monotonic() - wall
    if cpu > CPU_S or wall > HELD_S:
        _slow.append(f"{cpu * 1000:.0f} ms of CPU, {wall * 1000:.0f} ms held: {handle!r}")


def pytest_configure(config: pytest.Config) -> None:
    """Watch every callback of every loop in this process."""
    config.addinivalue_line("markers", "heavy_body(reason): the test's own body may hold the loop")
    events.Handle._run = _watched  # type: ignore[method-assign]  # asyncio offers no hook that sees each callback


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail the test that held the loop.  What its fixtures did to get ready does not count."""
    gc.collect()
    gc.freeze()  # as `vanthu work` does: a collection of everything ever imported takes close to 100 ms itself
    _slow.clear()
    result = yield
    if _slow and item.get_closest_marker("heavy_body") is None:
        pytest.fail("the loop was held:\n  " + "\n  ".join(_slow), pytrace=False)
    return result
