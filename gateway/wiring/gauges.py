"""What this machine has left for more documents: memory of this process, and disk below the vault."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from gateway.errors import Reason
from gateway.valve import Gauge

EVERY_S = 0.5
"""How long one look is good for."""

_PAGE = os.sysconf("SC_PAGE_SIZE")
_STATM = Path("/proc/self/statm")


def memory_low(most_bytes: int) -> Gauge:
    """Says ``memory-low`` where this process holds more than *most_bytes*; nothing where the system does not tell."""
    return _remembered(lambda: Reason("memory-low") if resident() > most_bytes else None)


def disk_low(folder: Path, least_bytes: int) -> Gauge:
    """Says ``disk-low`` where less than *least_bytes* are free below *folder*."""

    def look() -> Reason | None:
        try:
            free = shutil.disk_usage(folder).free
        except OSError:
            return None  # whoever writes there will say what is wrong
        return Reason("disk-low") if free < least_bytes else None

    return _remembered(look)


def resident() -> int:
    """The memory that this process holds, in bytes; 0 where the system does not tell."""
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


def _remembered(look: Callable[[], Reason | None]) -> Gauge:
    last: tuple[float, Reason | None] = (float("-inf"), None)

    def gauge() -> Reason | None:
        nonlocal last
        now = time.monotonic()
        if now - last[0] > EVERY_S:
            last = now, look()
        return last[1]

    return gauge
