"""The picture for the docs: a bar for everybody, as long as one signature takes.  Plain SVG, no library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

_WIDTH, _LEFT, _ROW, _TOP = 760, 210, 30, 64
_RED, _GREY, _PALE = "#b3261e", "#7a8793", "#c9d1d8"


def draw(told: Mapping[str, Any]) -> str:
    """The SVG, from what ``sign.json`` holds."""
    bars = [("RSA + SHA-256 alone", told["limit"], _PALE), ("Vanthu", told["ours"]["b_b"], _RED)]
    bars.append(("Vanthu, visible seal", told["ours"]["b_b_visible"], _RED))
    bars += [(name, ms, _GREY) for name, ms in told["peers"].items()]
    bars.append(("pyHanko, stock", told["stock_pyhanko"], _GREY))
    bars.sort(key=lambda bar: bar[1])
    longest, room = bars[-1][1], _WIDTH - _LEFT - 90
    height = _TOP + _ROW * len(bars) + 14
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" font-family="sans-serif" font-size="14" fill="#1c2329">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        '<text x="16" y="26" font-size="16" font-weight="bold">One PAdES signature on a PDF of 234 KB, RSA-2048</text>',
        '<text x="16" y="46" font-size="12" fill="#56616b">median milliseconds, one run, everybody in turn; shorter is better</text>',
    ]
    for index, (name, ms, colour) in enumerate(bars):
        y = _TOP + _ROW * index
        length = max(1.5, room * ms / longest)
        weight = ' font-weight="bold"' if colour == _RED else ""
        lines += [
            f'<text x="{_LEFT - 10}" y="{y + 18}" text-anchor="end"{weight}>{escape(name)}</text>',
            f'<rect x="{_LEFT}" y="{y + 4}" width="{length:.1f}" height="20" rx="2" fill="{colour}"/>',
            f'<text x="{_LEFT + length + 8:.1f}" y="{y + 18}"{weight}>{_figure(ms)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def _figure(ms: float) -> str:
    return f"{ms:.2f}" if ms < 10 else f"{ms:.0f}"
