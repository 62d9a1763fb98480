"""``vanthu quotas``: what organs have used of their quotas."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from gateway import wiring
from gateway.cli.options import ConfigOption, JsonOption, VarOption, configured, operator, run, tell


def add_to(app: typer.Typer) -> None:
    """Add the verb of this file."""
    app.command("quotas")(quotas)


def quotas(
    code: Annotated[
        str,
        typer.Argument(help="Mã cơ quan; để trống: mọi cơ quan đã dùng · a code; empty: all that used any."),
    ] = "",
    json_lines: JsonOption = False,
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """Hạn mức của các cơ quan: đã dùng bao nhiêu, bao giờ có chỗ · what organs have used of their quotas."""
    settings = configured(config, var)

    async def go() -> list[dict[str, Any]]:
        rows = await wiring.used_of_quotas(settings, code)
        await wiring.note(settings, operator(), "quotas", code or "*", f"{len(rows)} rows")
        return rows

    rows = run(go)
    for row in rows:
        tell(json.dumps(row, ensure_ascii=False) if json_lines else _line(row))
    if not rows and not json_lines:
        tell("chưa có hạn mức nào được dùng · nothing is used of any quota")


def _line(row: dict[str, Any]) -> str:
    share = 100 * row["used"] // row["bound"]
    told = f"{row['organ']:<16} {row['quota']:<21} {row['used']:>14} / {row['bound']:<14} {share:>4} %"
    if row["is_full"]:
        wait = row["room_in_s"]
        told += (
            "  hết, chờ quyết định · full, until some are decided"
            if wait is None
            else f"  hết, có chỗ sau · full, room in {wait} s"
        )
    return f"{told}  {row['name']}"
