"""The pictures for the docs: where a document's CPU goes, and how a soak went.  Plain SVG, no library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.exchange.figures import at

_WIDTH, _LEFT, _ROW, _TOP = 760, 190, 34, 92
_COLOURS = {
    "worker": "#b3261e",
    "judge": "#d9756f",
    "parent": "#eab7b3",
    "broker": "#7a8793",
    "database": "#4f6475",
    "clients": "#c9d1d8",
    "kernel": "#e6eaed",
}
"""Ours are red; the order is that of the bars."""
_NAMES = {"parent": "parent", "kernel": "kernel"}
_ROWS = (
    ("unsigned, SQLite", "exchange.sqlite.unsigned"),
    ("signed, SQLite", "exchange.sqlite.signed"),
    ("unsigned, PostgreSQL", "exchange.postgresql.unsigned"),
    ("signed, PostgreSQL", "exchange.postgresql.signed"),
    ("unsigned, one worker", "exchange.one_worker.unsigned"),
    ("unsigned, two workers", "exchange.two_workers.unsigned"),
)
_PARTS = {
    "rsa_ms": "RSA",
    "sha256_ms": "SHA-256",
    "base64_ms": "base64",
    "xml_ms": "XML",
    "publishes_ms": "publishes",
    "fsync_ms": "fsync",
}
_SHADES = ("#30506b", "#4f6f8a", "#7390a8", "#97aec2", "#bccbd8", "#dde5ec")


def cpu(detail: Mapping[str, Any]) -> str:
    """A bar for each exchange, as long as one document's CPU, and one of its bare parts."""
    bars = []
    for name, key in _ROWS:
        if (told := at(detail, key)) is not None:
            spent = told["cpu_ms"] | {"kernel": max(0.0, told["kernel_cpu_ms"])}
            bars.append((name, [(_COLOURS[part], spent.get(part, 0.0)) for part in _COLOURS]))
    if (parts := at(detail, "exchange.parts")) is not None:
        bars.append(
            ("bare parts", [(shade, parts[part]) for shade, part in zip(_SHADES, _PARTS, strict=True)])
        )
    longest = max((sum(ms for _, ms in pieces) for _, pieces in bars), default=1.0)
    room, height = _WIDTH - _LEFT - 90, _TOP + _ROW * len(bars) + 14
    lines = [
        *_opened(height, "CPU of one document, milliseconds", "234 KB, sealed, one recipient; ours is red; everything on one machine"),
        *_legend([(colour, _NAMES.get(part, part)) for part, colour in _COLOURS.items()], 66),
    ]  # fmt: skip
    for index, (name, pieces) in enumerate(bars):
        y, x = _TOP + _ROW * index, float(_LEFT)
        lines.append(f'<text x="{_LEFT - 10}" y="{y + 18}" text-anchor="end">{escape(name)}</text>')
        for colour, ms in pieces:
            length = room * ms / longest
            lines.append(f'<rect x="{x:.1f}" y="{y + 3}" width="{length:.1f}" height="22" fill="{colour}"/>')
            x += length
        lines.append(f'<text x="{x + 8:.1f}" y="{y + 18}">{sum(ms for _, ms in pieces):.1f}</text>')
    return "\n".join([*lines, "</svg>", ""])


def soak(detail: Mapping[str, Any]) -> str | None:
    """Rate and memory, minute by minute; none where there was no soak."""
    minutes: Sequence[Mapping[str, Any]] = at(detail, "soak.minutes") or ()
    if len(minutes) < 2:
        return None
    height, top, bottom = 300, 84, 262
    rates = [one["per_s"] for one in minutes]
    sizes = [one["rss_mb"]["worker"] for one in minutes]
    lines = [
        *_opened(height, f"{len(minutes)} minutes under pressure", "each line on a scale of its own that begins at zero"),
        *_legend([("#b3261e", "documents/s"), ("#4f6475", "memory of the worker, MB")], 66),
        f'<line x1="50" y1="{bottom}" x2="{_WIDTH - 60}" y2="{bottom}" stroke="#c9d1d8"/>',
    ]  # fmt: skip
    for values, colour in ((rates, "#b3261e"), (sizes, "#4f6475")):
        most = max(values) * 1.15
        step = (_WIDTH - 110) / (len(values) - 1)
        points = [(50 + step * n, bottom - (bottom - top) * value / most) for n, value in enumerate(values)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for (x, y), value in ((points[0], values[0]), (points[-1], values[-1])):
            lines.append(
                f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle" fill="{colour}">{value:.0f}</text>'
            )
    lines.append(f'<text x="50" y="{bottom + 20}" text-anchor="middle">1</text>')
    lines.append(f'<text x="{_WIDTH - 60}" y="{bottom + 20}" text-anchor="middle">{len(minutes)}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _opened(height: int, title: str, below: str) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" font-family="sans-serif" font-size="14" fill="#1c2329">'
    )
    yield f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>'
    yield f'<text x="16" y="26" font-size="16" font-weight="bold">{escape(title)}</text>'
    yield f'<text x="16" y="46" font-size="12" fill="#56616b">{escape(below)}</text>'


def _legend(entries: Sequence[tuple[str, str]], y: int) -> Iterator[str]:
    x = 16
    for colour, name in entries:
        yield f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>'
        yield f'<text x="{x + 17}" y="{y + 11}" font-size="12">{escape(name)}</text>'
        x += 36 + 7 * len(name)
