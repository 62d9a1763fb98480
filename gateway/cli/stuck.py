"""``vanthu stuck``: what has been undone for long, since when and why."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.table import Table

from gateway import wiring
from gateway.cli.documents import local, wide_console
from gateway.cli.options import ConfigOption, JsonOption, VarOption, configured, operator, run
from schemas import reasons

_WORK = {
    "document": "chưa quyết định · not decided",
    "delivery": "chưa giao · not handed over",
    "receipt": "chưa báo người gửi · sender not told",
}


def add_to(app: typer.Typer) -> None:
    """Add the verb of this file."""
    app.command("stuck")(stuck)


def stuck(
    minutes: Annotated[
        int, typer.Option("--minutes", min=0, help="Nhận từ bao lâu trước · received so long ago.")
    ] = 10,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Số dòng · rows at most.")] = 50,
    json_lines: JsonOption = False,
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """Việc còn dở dang đã lâu, từ khi nào, vì sao · what has been undone for long, since when and why."""
    settings = configured(config, var)

    async def go() -> list[dict[str, Any]]:
        async with wiring.open_store(settings) as store:
            rows = await store.undone(timedelta(minutes=minutes), limit)
        await wiring.note(settings, operator(), "stuck", f"{minutes} minutes", f"{len(rows)} rows")
        return rows

    rows = run(go)
    if json_lines:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
        return
    if not rows:
        print(f"không có gì dở dang quá {minutes} phút · nothing is undone for more than {minutes} minutes")
        return
    table = Table(title="Còn dở dang · undone")
    for heading in (
        "Từ · since",
        "Việc · what",
        "Văn bản · document",
        "Cho · for",
        "Lần · tries",
        "Thử lại · again",
        "Vì sao · why",
    ):
        table.add_column(heading, overflow="fold", no_wrap=heading.startswith(("Từ", "Thử", "Văn")))
    for row in rows:
        again = "đang làm · in hand" if row["in_hand"] else local(row["due_at"])
        told = reasons().get(row["reason"] or "")
        why = f"{told.vi} · {told.en} ({row['reason']})" if told else row["reason"] or ""
        table.add_row(
            local(row["since"]),
            _WORK[row["kind"]],
            row["document"],
            row["party"] or "",
            str(row["attempts"]),
            again,
            why,
        )
    wide_console().print(table)
