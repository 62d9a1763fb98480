"""How fast we seal and judge: ``make bench-sign``, or ``python -m benchmarks.sign --rounds 30``.

Writes ``sign.json`` (medians in milliseconds) into the folder of ``--var`` and prints the table.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.sign import contestants, huge, machine, materials, pair, peers, report
from benchmarks.sign.contest import Figure, hold, one_core
from benchmarks.sign.materials import Materials
from gateway.config import LogSection
from gateway.wiring import logs


def measure(folder: Path, *, rounds: int, with_peers: bool, is_short: bool = False) -> dict[str, Any]:
    """Everything.  *is_short*: little warm-up and a small file for the large one, to see that it runs."""
    shutil.rmtree(folder, ignore_errors=True)
    made = materials.make(folder)
    before = machine.describe()
    with contextlib.ExitStack() as stack:
        running, absent = peers.start(made, stack, peers.all_peers() if with_peers else ())
        own = contestants.signing(made, stack)
        with one_core() as is_pinned:
            signing = hold([*own, *running.values()], rounds)
            judging = hold(contestants.judging(made), rounds)
            parts = hold(contestants.parts(made), rounds)
    two = pair.measure(folder, rounds=1 if is_short else 3, seconds=0.3 if is_short else pair.SECONDS)
    large = huge.measure(folder, materials.LARGE_BYTES if is_short else materials.HUGE_BYTES)
    told = {
        "limit": signing["limit"].median,
        "ours": {
            "b_b": signing["b_b"].median,
            "b_b_visible": signing["b_b_visible"].median,
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
        "visible_over_leader": signing["visible_over_leader"].median,
        "limit_6mb": signing["limit_6mb"].median,
        "read_back": signing["read_back"].median,
        "seal_as_the_gateway_calls_it": signing["whole"].median,
        "judge_unknown_signer": judging["one_unknown"].median,
        "parts": {name: figure.median for name, figure in parts.items()},
        "peers": {peer.name: {"version": peer.version, "remark": peer.remark} for peer in running},
        "absent": {peer.name: reason for peer, reason in absent.items()},
        "two_processes": two,
        "huge": large,
        "figures": {name: asdict(figure) for name, figure in _sorted({**signing, **judging, **parts})},
    }
    return told


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
    logs.set_up(LogSection(), None)  # as `vanthu work` logs
    found = measure(
        given.var / "sign", rounds=given.rounds, with_peers=not given.without_peers, is_short=given.short
    )
    (given.var / "sign.json").write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
    report.show(found, Console(width=None if sys.stdout.isatty() else 120))


if __name__ == "__main__":
    main()
