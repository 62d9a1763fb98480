"""The owner's end of a guardian: start it, give it the parts to run, let go of it.

    guard = Guard(folder, wait=timedelta(seconds=40))
    if guard.has_folder():                      # nothing of an earlier owner runs there any more
        pids = guard.run([Part(name="epmd", ...)])
    ...
    guard.release()                             # it stops the parts, last one first, and ends

Belongs to no event loop.  ``has_folder`` and ``run`` block: the first for as long as an earlier owner's
parts take to stop, the second for some milliseconds.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from adapters.broker import guardian


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One program that runs under a guardian, in a session of its own."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    output: Path
    """What it prints is appended here."""
    farewell: Sequence[str] = ()
    """A program that runs before the signal, for two seconds at most; whether it succeeds makes no difference."""
    signal: str = "TERM"
    """What makes it stop by itself."""
    grace_s: float = 10.0
    """After that it is killed."""
    user: str | None = None
    """Whom root runs it as."""


class Guard:
    """One guardian for one folder; it holds ``folder/lock`` and keeps ``folder/processes.json``."""

    def __init__(self, folder: Path, *, wait: timedelta) -> None:
        """Start it; *wait* is how long a dead owner's parts may take to stop."""
        # Popen, not asyncio's subprocess: that would tie it to one event loop.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        order = {
            "lock": str(folder / "lock"),
            "state": str(folder / "processes.json"),
            "lock_wait_s": wait.total_seconds(),
        }
        self._say(order)

    @property
    def pid(self) -> int:
        """The guardian's own process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether all parts run, as far as their guardian knows, or are being stopped."""
        return self._process.poll() is None

    def has_folder(self) -> bool:
        """Whether the folder is ours now; ``False`` where a living owner uses it."""
        return "locked" in self._hear()

    def run(self, parts: Sequence[Part]) -> Mapping[str, int]:
        """Start *parts* in this order; their process ids by name, empty where one could not be started."""
        orders = [{**asdict(part), "cwd": str(part.cwd), "output": str(part.output)} for part in parts]
        self._say({"parts": orders})
        pids: dict[str, int] = self._hear().get("pids", {})
        return pids

    def release(self) -> None:
        """Let the guardian stop everything; returns at once.  May be called twice."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def close(self) -> None:
        """Forget a guardian that has ended."""
        self.release()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _say(self, order: Mapping[str, object]) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # then it does not answer either
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        news: dict[str, Any] = json.loads(line) if line else {}
        return news
