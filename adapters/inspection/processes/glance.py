"""A quick look at a file that somebody wants sealed: what would the gateway say of it?

    looking = Looking(path, acceptance, cpu=…, wall=…, memory_bytes=…)      # starts a process, and returns
    …                                                                       # time for other things
    findings = looking.findings()

It looks at what the file holds, not at its signatures, and takes a tenth of the time that the inspector
needs to get ready.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from adapters.inspection.processes import wire
from gateway.errors import Refused, Unavailable
from gateway.model.finding import Finding, Severity
from gateway.model.policy import Acceptance
from schemas import reasons


class Looking:
    """One look, in a process that is ended with it."""

    def __init__(
        self, path: Path, acceptance: Acceptance, *, cpu: timedelta, wall: timedelta, memory_bytes: int
    ) -> None:
        self._wall = wall
        bounds = [str(cpu.total_seconds()), str(memory_bytes)]
        order = wire.encode_order("", acceptance).decode()
        try:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "adapters.inspection.processes.onlooker",
                    *bounds,
                    order,
                    str(path),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(os.environ, PYTHONPATH=os.pathsep.join(place for place in sys.path if place)),
            )
        except OSError as exc:
            raise Unavailable("judge-away", exc.strerror or type(exc).__name__) from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def findings(self) -> tuple[Finding, ...]:
        """What there is to say of the file.  Waits for it; raises ``Refused("pdf-too-costly")`` where looking
        took more than it may."""
        try:
            out, _ = self._process.communicate(timeout=self._wall.total_seconds())
            told = json.loads(out)
        except (subprocess.TimeoutExpired, ValueError) as exc:
            raise Refused("pdf-too-costly", "to look at it") from exc
        return tuple(_finding(str(code), str(severity), str(detail)) for code, severity, detail in told)


def _finding(code: str, severity: str, detail: str) -> Finding:
    entry = reasons()[code]
    return Finding(
        code=code, severity=Severity(severity), detail=detail, message=entry.en, message_vi=entry.vi
    )
