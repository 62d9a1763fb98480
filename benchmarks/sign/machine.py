"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("pyhanko", "pyhanko-certvalidator", "cryptography", "pikepdf", "asn1crypto")


def describe() -> dict[str, object]:
    """Processor, cores, load, Python and the libraries that signing and judging stand on."""
    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "load_before": load(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def load() -> float:
    """How many processes want to run, averaged over the last minute."""
    return round(os.getloadavg()[0], 2)


def _processor() -> str:
    try:
        found = re.search(r"(?m)^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"))
    except OSError:
        found = None
    return found[1] if found else platform.machine()
