"""Holds what came out against what was demanded, file by file, two at a time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from adapters.inspection.processes.inspector import Options
from gateway.model.finding import Severity
from gateway.model.signature import Indication, Inspection, Verdict
from tools.corpus import independent
from tools.corpus.lanes import Judged, Lane
from tools.corpus.manifest import Must, Row, bytes_of
from tools.corpus.seals import Press

LANES = min(2, os.cpu_count() or 1)
FIELD = "VanThu-"
IN_TIME_S = Options().wall.total_seconds() + 5
"""The wall that the inspector has, and what it takes to end a process behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One demand and what came of it: ``why`` says what is missed, ``is_absent`` that there is no such file."""

    row: Row
    verdict: str = ""
    why: str = ""
    is_absent: bool = False
    findings: tuple[str, ...] = ()
    seconds: float = 0.0
    peak_mib: float = 0.0

    @property
    def is_miss(self) -> bool:
        """Whether the demand was not met."""
        return bool(self.why) and not self.is_absent


async def run(
    folder: Path, rows: Sequence[Row], *, heard: Callable[[Result], None] = lambda result: None
) -> Sequence[Result]:
    """Every demand's result, in the order of *rows*; *heard* is told each as it comes."""
    results: dict[Row, Result] = {}
    queue = list(reversed(rows))

    async def work(lane: Lane, press: Press, sealed: Lane) -> None:
        while queue:
            row = queue.pop()
            results[row] = await _result(folder, row, lane, press, sealed)
            heard(results[row])

    async with AsyncExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="vanthu-corpus-")))
        workers = []
        for number in range(min(LANES, len(rows))):
            press = await stack.enter_async_context(Press(scratch / f"{number}"))
            lane = await stack.enter_async_context(Lane(trust=None, accepts_any_signer=True))
            own = await stack.enter_async_context(Lane(trust=press.roots, accepts_any_signer=False))
            workers.append(work(lane, press, own))
        await asyncio.gather(*workers)
    return [results[row] for row in rows]


async def _result(folder: Path, row: Row, lane: Lane, press: Press, own: Lane) -> Result:
    path = folder / row.file
    try:
        body, size = await asyncio.to_thread(bytes_of, path)
    except OSError as exc:
        return Result(row=row, why=f"cannot be read: {exc.strerror or exc}", is_absent=True)
    judged = await lane.judge(body, size, path.name)
    why = _missed(row, judged)
    seconds, peak = judged.seconds, judged.peak_mib
    if row.must is Must.SIGN and not why:
        source = path
        if body is not None and path.suffix.lower() == ".gz":
            source = press.scratch / "unpacked.pdf"
            source.write_bytes(body)
        outcome = await press.seal(source, press.scratch / "sealed.pdf")
        seconds, peak = max(seconds, outcome.seconds), max(peak, outcome.peak_mib)
        why = f"not sealed: {outcome.why}" if outcome.why else await _sealed(press, own)
    inspection = judged.inspection
    return Result(
        row=row,
        verdict=str(inspection.verdict),
        why=why,
        findings=tuple(f"{f.severity} {f.code}: {f.detail}".rstrip(": ") for f in inspection.findings),
        seconds=seconds,
        peak_mib=peak,
    )


def _missed(row: Row, judged: Judged) -> str:
    """What *row* demands and *judged* does not give."""
    inspection = judged.inspection
    told = _told(inspection)
    if judged.seconds > IN_TIME_S:
        return f"took {judged.seconds:.1f} s"
    if any(f.code == "pdf-too-costly" and "ended the process" in f.detail for f in inspection.findings):
        return told
    match row.must:
        case Must.VALID if inspection.verdict is not Verdict.VALID:
            return told
        case Must.NEVER_VALID if inspection.verdict is Verdict.VALID:
            return "called valid"
        case Must.WARN if not any(f.severity is not Severity.INFO for f in inspection.findings):
            return f"{inspection.verdict} without a warning"
        case Must.UNKNOWN:
            return f"nobody knows what {row.word!r} demands"
    return ""


async def _sealed(press: Press, own: Lane) -> str:
    """What anybody, ourselves included, has against what *press* has just sealed."""
    path = press.scratch / "sealed.pdf"
    root = next(press.roots.glob("*.pem"))
    body = await asyncio.to_thread(path.read_bytes)
    inspection = (await own.judge(body, len(body), path.name)).inspection
    ours = [s for s in inspection.signatures if s.field.startswith(FIELD)]
    if not ours:
        return f"sealed, but our judge finds no seal: {_told(inspection)}"
    seal = ours[-1]
    if seal.indication is not Indication.PASSED or seal.coverage != "whole-file":
        return f"sealed, but our judge says: {seal.indication} {seal.sub_indication} {seal.coverage}"
    others = await independent.accepted(
        independent.Sealed(path=path, field=seal.field, signer=seal.signer, root=root)
    )
    return "; ".join(f"{name}: {why}" for name, why in others.items() if why)


def _told(inspection: Inspection) -> str:
    """The verdict, and what weighs most behind it."""
    heavy = [f for f in inspection.findings if f.severity is not Severity.INFO]
    words = "; ".join(f"{f.code} {f.detail}".strip() for f in heavy[:3])
    return f"{inspection.verdict}: {words}" if words else str(inspection.verdict)
