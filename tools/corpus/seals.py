"""Sealing by the code of ``vanthu sign``, in a process that is ended where a file holds it up.

python -m tools.corpus.seals VAR      # a line {"source", "out"} in, a line with the outcome out
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gateway import wiring
from gateway.config import Config, load
from gateway.errors import Refused, Unavailable
from gateway.model.ids import OrganCode
from gateway.model.signature import SealKind

ORGAN = OrganCode("000.00.00.H53")
WITHIN_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How sealing went: ``why`` is empty where the file was sealed."""

    why: str
    seconds: float
    peak_mib: float


class Press:
    """A sealing process, begun anew where it was lost.  Its keys, and their root, lie below *var*."""

    def __init__(self, var: Path) -> None:
        self._var = var
        self.scratch = var
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self.scratch.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    @property
    def roots(self) -> Path:
        """The folder with the root of its keys."""
        return load(None, var=self._var).trust_folder

    async def seal(self, source: Path, out: Path) -> Outcome:
        """Seal *source* as *out*."""
        began = time.monotonic()
        process = await self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(WITHIN_S):
                process.stdin.write(json.dumps({"source": str(source), "out": str(out)}).encode() + b"\n")
                line = await process.stdout.readline()
            told = json.loads(line)
        except (TimeoutError, ValueError, OSError) as exc:
            await self._end()
            why = "took too long" if isinstance(exc, TimeoutError) else "ended the process that sealed it"
            return Outcome(why=why, seconds=time.monotonic() - began, peak_mib=0.0)
        return Outcome(why=told["why"], seconds=time.monotonic() - began, peak_mib=told["peak_mib"])

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tools.corpus.seals",
                str(self._var),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()


def main(var: Path) -> None:
    """Seal what the lines of standard input name, until they end."""
    wiring.quiet()
    config = load(None, var=var)
    for line in sys.stdin:
        asked = json.loads(line)
        told = {"why": asyncio.run(_seal(config, asked)), "peak_mib": _peak_mib()}
        print(json.dumps(told), flush=True)


async def _seal(config: Config, asked: dict[str, Any]) -> str:
    paper = wiring.Paper(
        source=Path(asked["source"]), out=Path(asked["out"]), organ=ORGAN, kind=SealKind.MAIN
    )
    try:
        await wiring.sign(config, paper)
    except (Refused, Unavailable) as why:
        return str(why)
    except Exception as exc:  # what must not happen is a finding here, with its name
        return f"crash: {type(exc).__name__}: {exc}"
    return ""


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]))
