"""What was measured, as rows: for the screen, for the docs, for the picture.

for row in rows(json.loads(Path("var/bench/sign.json").read_text())): …
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table.  ``ms`` is ``None`` where nothing was measured; ``figure`` is its name among
    the figures; ``ratio`` says what it compares."""

    what: str
    ms: float | None
    figure: str = ""
    ratio: str = ""
    goal: str = ""
    is_met: bool | None = None


def sealing(told: Mapping[str, Any]) -> Sequence[Row]:
    """Signatures on 234 KB, the quickest first, each against ours."""
    ours, details = told["ours"], told["details"]
    b_b, limit, stock = ours["b_b"], told["limit"], told["stock_pyhanko"]
    peers: Mapping[str, float] = told["peers"]
    fastest = min(peers.values(), default=None)
    found = [
        Row(
            what="RSA-2048 + SHA-256 alone (the limit)",
            ms=limit,
            figure="limit",
            ratio=f"1/{b_b / limit:.1f} of ours",
        ),
        Row(
            what="**Vanthu**, B-B, invisible",
            ms=b_b,
            figure="b_b",
            ratio=_against_others(b_b, limit, stock, fastest),
            goal="≤2 ms; ≥50× stock; ≥2× the fastest peer; ≤5× the limit",
            is_met=b_b <= 2
            and stock >= 50 * b_b
            and b_b <= 5 * limit
            and (fastest is None or fastest >= 2 * b_b),
        ),
    ]
    for what, name, visible in (
        ("visible seal at its place", "b_b_visible", ours["b_b_visible"]),
        ("visible seal over a leader's picture", "visible_over_leader", details["visible_over_leader"]),
    ):
        found.append(
            Row(
                what=f"**Vanthu**, B-B, {what}",
                ms=visible,
                figure=name,
                ratio=f"{visible / b_b:.1f}× invisible",
                goal="≤3 ms",
                is_met=visible <= 3,
            )
        )
    for name, ms in sorted(peers.items(), key=lambda item: item[1]):
        peer = details["peers"][name]
        found.append(
            Row(
                what=f"{name} {peer['version']} ({peer['remark']})",
                ms=ms,
                figure=name,
                ratio=f"{ms / b_b:.1f}× ours",
            )
        )
    version = details["machine"]["libraries"]["pyhanko"]
    found.append(
        Row(
            what=f"pyHanko {version}, `SimpleSigner` from PKCS#12",
            ms=stock,
            figure="stock_pyhanko",
            ratio=f"{stock / b_b:.0f}× ours",
        )
    )
    found += [
        Row(what=f"{name}: absent: {reason}", ms=None) for name, reason in sorted(details["absent"].items())
    ]
    return found


def ourselves(told: Mapping[str, Any]) -> Sequence[Row]:
    """What else sealing and judging cost."""
    return list(_ourselves(told))


def steps(told: Mapping[str, Any]) -> Sequence[Row]:
    """Where the time of a seal goes, and what lies between it and the limit."""
    parts: Mapping[str, float] = told["details"]["parts"]
    b_b, limit = told["ours"]["b_b"], told["limit"]
    names = {
        "prepare": "read the PDF, write the update, hash",
        "hash": "of which SHA-256 of 234 KB",
        "sign": "RSA-2048 over the signed attributes",
        "cms": "CMS from the template",
        "fill": "CMS into its place, one copy of the file",
    }
    found = [
        Row(what=what, ms=parts[name], figure=name, ratio=f"{parts[name] / b_b:.0%}")
        for name, what in names.items()
    ]
    between = parts["prepare"] - parts["hash"]
    found.append(
        Row(
            what="between us and the limit: pyHanko's reader and writer",
            ms=between,
            ratio=f"{between / limit:.1f}× the limit",
        )
    )
    return found


def _ourselves(told: Mapping[str, Any]) -> Iterator[Row]:
    ours, details, judge = told["ours"], told["details"], told["judge"]
    big, limit = ours["b_b_6mb"], details["limit_6mb"]
    yield Row(
        what="seal, B-B, invisible, 6.4 MB",
        ms=big,
        figure="b_b_6mb",
        ratio=f"{big / limit:.2f}× its limit ({limit:.2f} ms)",
        goal="≤2.5× the limit",
        is_met=big <= 2.5 * limit,
    )
    back = details["read_back"]
    yield Row(
        what="a sealed file read back, 234 KB", ms=back, figure="read_back", goal="≤1 ms", is_met=back <= 1
    )
    yield Row(
        what="seal as the gateway calls it, read back, 234 KB",
        ms=details["seal_as_the_gateway_calls_it"],
        figure="whole",
    )
    for name, what, goal in (
        ("one", "judge one B-B signature", 6),
        ("three", "judge three, with difference analysis", 20),
        ("b_lta", "judge a B-LTA signature", 50),
    ):
        yield Row(what=what, ms=judge[name], figure=name, goal=f"≤{goal} ms", is_met=judge[name] <= goal)
    yield Row(
        what="judge one B-B signature, chain not met before",
        ms=details["judge_unknown_signer"],
        figure="one_unknown",
    )
    two = details["two_processes"]
    if two is None:
        yield Row(what="two sealing processes against one: not measured on one core", ms=None)
    else:
        yield Row(
            what="two sealing processes against one",
            ms=None,
            ratio=f"{two['ratio']:.2f}× ({two['one_per_s']:.0f}/s, {two['two_per_s']:.0f}/s)",
            goal="≥1.8×",
            is_met=two["ratio"] >= 1.8,
        )
    huge = details["huge"]
    verdict = "valid" if huge["pdfsig_valid"] else "NOT valid"
    yield Row(
        what=f"seal of {huge['bytes']:,} bytes by a fresh process, {verdict} for pdfsig",
        ms=huge["seconds"] * 1000,
        ratio=f"peak memory {huge['ratio']:.2f}× its size ({huge['peak_before'] / 1e6:.0f} MB before it)",
        goal="valid; ≤2.5× its size",
        is_met=huge["pdfsig_valid"] and huge["ratio"] <= 2.5,
    )


def conditions(told: Mapping[str, Any]) -> str:
    """Where and how it was measured, in one paragraph."""
    details = told["details"]
    machine, config = details["machine"], details["configuration"]
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    pinned = "pinned to one core" if machine["pinned_to_one_core"] else "not pinned"
    busy = ""
    if machine["load_before"] > machine["cores"] / 2:
        busy = (
            " **Others were at work: what takes long was interrupted each time and looks longer than it is.**"
        )
    return (
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_before']} before and "
        f"{machine['load_after']} after; Python {machine['python']}, {libraries}. {config['key']}; "
        f"{config['level']}; {config['pdf_bytes']:,} and {config['pdf_6mb_bytes']:,} bytes. Medians of "
        f"{config['rounds']} interleaved rounds, warm, by the wall clock, of what nobody interrupted; this process {pinned}, peers on all cores.{busy}"
    )


def show(told: Mapping[str, Any], console: Console) -> None:
    """The report for people."""
    console.print(conditions(told), highlight=False)
    for title, rows in (
        ("one signature on 234 KB", sealing(told)),
        ("besides", ourselves(told)),
        ("where a seal's time goes", steps(told)),
    ):
        table = Table(title=title, title_justify="left")
        for name in ("what", "ms", "CPU ms", "counted", "ratio", "goal", ""):
            table.add_column(name, justify="right" if name in ("ms", "CPU ms", "counted") else "left")
        for row in rows:
            what = row.what.replace("**", "").replace("`", "")
            table.add_row(
                what, number(row.ms), processor(told, row), counted(told, row), row.ratio, row.goal, met(row)
            )
        console.print(table)


def counted(told: Mapping[str, Any], row: Row) -> str:
    """How many measurements the figure is the median of, and of how many."""
    figure = told["details"]["figures"].get(row.figure)
    return f"{figure['counted']}/{figure['count']}" if figure is not None else ""


def processor(told: Mapping[str, Any], row: Row) -> str:
    """Milliseconds of processor: of all threads of the process, of a Java peer the thread that signs."""
    figure = told["details"]["figures"].get(row.figure)
    return number(figure["cpu"]) if figure is not None else ""


def number(ms: float | None) -> str:
    """Milliseconds for a table; empty where nothing was measured."""
    return "" if ms is None else f"{ms:.2f}" if ms < 100 else f"{ms:.0f}"


def met(row: Row) -> str:
    """Whether the goal is met, in a word."""
    return "" if row.is_met is None else "met" if row.is_met else "missed"


def _against_others(b_b: float, limit: float, stock: float, fastest: float | None) -> str:
    parts = [f"{b_b / limit:.1f}× the limit", f"{stock / b_b:.0f}× stock"]
    if fastest is not None:
        parts.append(f"{fastest / b_b:.1f}× the fastest peer")
    return ", ".join(parts)
