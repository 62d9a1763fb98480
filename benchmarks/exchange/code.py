"""Which code, on which machine: what has to be the same where figures of two runs stand side by side."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from benchmarks.sign import machine
from tools.setup import ROOT

MEASURED = ("gateway", "adapters", "schemas", "benchmarks")
"""What figures depend on."""


def described() -> dict[str, Any]:
    """Machine, commit, and a digest of the code as it lies in the folder."""
    about = machine.describe()
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": about["cpu"],
        "cores": about["cores"],
        "python": platform.python_version(),
        "load_before": about["load_before"],
        "commit": _git("rev-parse", "--short", "HEAD"),
        "code": sha256(
            (_git("ls-tree", "HEAD", *MEASURED) + _git("diff", "HEAD", "--", *MEASURED)).encode()
        ).hexdigest(),
    }


def is_same(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two runs measured the same code on the same machine."""
    return bool(now["commit"]) and all(before.get(key) == now[key] for key in ("code", "cpu", "cores"))


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
    return done.stdout.strip()
