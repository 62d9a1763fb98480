"""Which build of Python runs us: the same version may be twice as quick, built with profile-guided optimisation.

A Python that somebody compiled by hand often lacks it, and the gateway then needs a fifth more processor for the
same work (ADR 0017).  So the set-up tries the builds of the called version that the machine has, once, before
there is a virtual environment.  Whoever names one (``make PYTHON=...``) gets that one.

Runs before there is a virtual environment: standard library only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence

_WORK = """
import time

def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

class Point:
    def __init__(self, x):
        self.x = x

began = time.thread_time()
fibonacci(19)
for i in range(20000):
    point = {"x": Point(i)}["x"].x
print(time.thread_time() - began)
"""
_CLEARLY = 0.85
"""Another build must need less than this share of the called one's time: else a change is not worth it."""
_ROUNDS = 3


def quickest(called: str = sys.executable) -> str:
    """*called*, or another build of the same version that is clearly quicker and can make environments."""
    took = {python: measured for python in _builds(called) if (measured := _measure(python)) is not None}
    best = min(took, key=lambda python: took[python], default=called)
    if called not in took or took[best] < _CLEARLY * took[called]:
        return best
    return called


def _builds(called: str) -> Iterable[str]:
    """*called*, and where else a Python of its version may be; each build once."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folders = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/bin", "/usr/local/bin"]
    paths = [called, *(os.path.join(folder, name) for folder in folders if folder)]
    return {os.path.realpath(path): path for path in reversed(paths) if os.access(path, os.X_OK)}.values()


def _measure(python: str) -> float | None:
    """The least of some rounds, in seconds; ``None`` where *python* can't be taken for an environment."""
    if _said(python, "import ensurepip, sqlite3, ssl") is None:
        return None
    answers = [_said(python, _WORK) for _ in range(_ROUNDS)]
    return min((float(answer) for answer in answers if answer), default=None)


def _said(python: str, program: str) -> str | None:
    command: Sequence[str] = (python, "-I", "-c", program)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
