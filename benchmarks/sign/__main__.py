"""How fast we seal and judge: ``make bench-sign``, or ``python -m benchmarks.sign --rounds 30``.

Writes ``sign.json`` (medians in milliseconds) into the folder of ``--var`` and prints the table.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from rich.console import Console

from adapters.inspection.judge import Options as JudgeOptions
from adapters.inspection.judge import judge
from benchmarks.sign import huge, machine, materials, ours, pair, peers, report, stock
from benchmarks.sign.contest import Contestant, Figure, hold, one_core, timed
from benchmarks.sign.materials import Materials
from gateway.model.payload import PayloadRef
from gateway.model.signature import Verdict


def measure(folder: Path, *, rounds: int, with_peers: bool, is_short: bool = False) -> dict[str, Any]:
    """Everything.  *is_short*: little warm-up and a small file for the large one, to see that it runs."""
    shutil.rmtree(folder, ignore_errors=True)
    made = materials.make(folder)
    before = machine.describe()
    with contextlib.ExitStack() as stack:
        running, absent = peers.start(made, stack) if with_peers else ({}, {})
        own = _signing(made, stack)
        with one_core() as is_pinned:
            signing = hold([*own, *running.values()], rounds)
            judging = hold(_judging(made), rounds)
    two = pair.measure(folder, rounds=1 if is_short else 3, seconds=0.3 if is_short else pair.SECONDS)
    large = huge.measure(folder, materials.LARGE_BYTES if is_short else materials.HUGE_BYTES)
    told = {
        "limit": signing["limit"].median,
        "ours": {
            "b_b": signing["b_b"].median,
            "b_b_visible": None,
            "b_b_6mb": signing["b_b_6mb"].median,
        },
        "stock_pyhanko": signing["stock_pyhanko"].median,
        "peers": {peer.name: signing[peer.name].median for peer in running},
        "judge": {name: judging[name].median for name in ("one", "three", "b_lta")},
        "two_processes_ratio": two["ratio"] if two is not None else None,
    }
    told["details"] = {
        "machine": before | {"load_after": machine.load(), "pinned_to_one_core": is_pinned},
        "configuration": _configuration(made, rounds),
        "limit_6mb": signing["limit_6mb"].median,
        "read_back": signing["read_back"].median,
        "seal_as_the_gateway_calls_it": signing["whole"].median,
        "judge_unknown_signer": judging["one_unknown"].median,
        "peers": {peer.name: {"version": peer.version, "remark": peer.remark} for peer in running},
        "absent": {peer.name: reason for peer, reason in absent.items()},
        "two_processes": two,
        "huge": large,
        "figures": {name: asdict(figure) for name, figure in _sorted({**signing, **judging})},
    }
    return told


def _signing(made: Materials, stack: contextlib.ExitStack) -> Sequence[Contestant]:
    key = made.holder.key
    scheme = padding.PKCS1v15(), hashes.SHA256()
    parts = ours.Parts(made)
    runner = stack.enter_context(asyncio.Runner())
    sealer = ours.sealer(made.key_file.parent)
    ref = PayloadRef.of(made.pdf)

    async def seal(times: int) -> Sequence[float]:
        took = []
        for _ in range(times):
            began = time.perf_counter()
            await sealer.seal(ref, ours.order())
            took.append((time.perf_counter() - began) * 1000)
        return took

    def whole(times: int) -> Sequence[float]:
        return runner.run(seal(times))

    (made.folder / "ours.pdf").write_bytes(parts.seal(made.pdf))
    if not peers.pdfsig_finds_valid(made.folder / "ours.pdf"):
        raise SystemExit("pdfsig does not find our own seal valid")
    return (
        Contestant(name="limit", batch=timed(lambda: key.sign(made.pdf, *scheme)), at_once=30),
        Contestant(name="b_b", batch=timed(lambda: parts.seal(made.pdf)), at_once=30, warm_up=50),
        Contestant(name="read_back", batch=timed(parts.reading_back(made.pdf)), at_once=20),
        Contestant(name="whole", batch=whole, at_once=15, warm_up=20),
        Contestant(name="limit_6mb", batch=timed(lambda: key.sign(made.pdf_6mb, *scheme)), at_once=8),
        Contestant(name="b_b_6mb", batch=timed(lambda: parts.seal(made.pdf_6mb)), at_once=8),
        Contestant(name="stock_pyhanko", batch=timed(stock.signing(made)), at_once=3, warm_up=2),
    )


def _judging(made: Materials) -> Sequence[Contestant]:
    papers = stock.papers(made.authority)
    options = JudgeOptions(trust=made.trust)
    # A chain that was built is remembered for the minute: with another moment each time none ever is.
    now, minutes = datetime.now(UTC), itertools.count()

    def judge_as_if_new() -> object:
        moment = now + timedelta(minutes=next(minutes))
        return judge(papers.one[0], JudgeOptions(trust=made.trust, moment=moment))

    def judging(files: Sequence[bytes]) -> Callable[[], object]:
        for file in files:
            found = judge(file, options)
            if found.verdict is not Verdict.VALID:
                raise SystemExit(f"a file of the benchmark is {found.verdict}: {found.findings}")
        turns = itertools.cycle(files)
        return lambda: judge(next(turns), options)

    return (
        Contestant(name="one", batch=timed(judging(papers.one)), at_once=10, warm_up=20),
        Contestant(name="one_unknown", batch=timed(judge_as_if_new), at_once=5),
        Contestant(name="three", batch=timed(judging(papers.three)), at_once=5, warm_up=10),
        Contestant(name="b_lta", batch=timed(judging(papers.b_lta)), at_once=5, warm_up=10),
    )


def _configuration(made: Materials, rounds: int) -> Mapping[str, object]:
    return {
        "key": "RSA-2048, PKCS#1 v1.5, SHA-256, from PKCS#12; seal, issuing authority, root",
        "level": "PAdES B-B, ETSI.CAdES.detached, one incremental update",
        "pdf_bytes": len(made.pdf),
        "pdf_6mb_bytes": len(made.pdf_6mb),
        "rounds": rounds,
    }


def _sorted(figures: Mapping[str, Figure]) -> Sequence[tuple[str, Figure]]:
    return sorted(figures.items(), key=lambda item: item[1].median)


def main() -> None:
    """The command."""
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--var", type=Path, default=Path("var/bench"))
    words.add_argument("--rounds", type=int, default=30)
    words.add_argument("--without-peers", action="store_true")
    words.add_argument("--short", action="store_true", help="see that it runs; its figures say nothing")
    given = words.parse_args()
    found = measure(
        given.var / "sign", rounds=given.rounds, with_peers=not given.without_peers, is_short=given.short
    )
    (given.var / "sign.json").write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
    report.show(found, Console(width=None if sys.stdout.isatty() else 120))


if __name__ == "__main__":
    main()
