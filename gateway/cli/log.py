"""``vanthu log verify``: does the whole log of the evidence hold?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway import wiring
from gateway.cli.options import ConfigOption, JsonOption, VarOption, configured, operator, run, sentence, tell

RootOption = Annotated[
    Path | None,
    typer.Option(
        "--root", help="Chứng thư gốc tin cậy (tệp hoặc thư mục) · trusted root, a file or a folder."
    ),
]


VERDICTS = {
    "intact": "NGUYÊN VẸN · INTACT",
    "untrusted": "NGUYÊN VẸN, NHƯNG NGƯỜI KÝ CHƯA ĐƯỢC TIN CẬY (--root) · INTACT, BUT NOBODY TRUSTED HAS SIGNED IT",
    "broken": "KHÔNG NGUYÊN VẸN · NOT INTACT",
}


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    log = typer.Typer(
        help="Sổ bằng chứng · the log of all evidence.", no_args_is_help=True, rich_markup_mode=None
    )
    log.command("verify")(verify)
    log.callback()(_group)
    app.add_typer(log, name="log")


def _group() -> None:
    """Keeps ``verify`` a word of its own although it is the only one."""


def verify(
    json_lines: JsonOption = False,
    root: RootOption = None,
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """Kiểm tra toàn bộ sổ bằng chứng · check every leaf, head, chain and time-stamp; exit 1 where one fails."""
    settings = configured(config, var)

    async def go() -> bool:
        report = await wiring.check_log(settings, root=root)
        await wiring.note(settings, operator(), "log verify", f"{report.leaves} leaves", report.verdict)
        tell(json.dumps(report.as_json(), ensure_ascii=False) if json_lines else _told(report))
        return report.is_sound

    if not run(go):
        raise typer.Exit(1)


def _told(report: wiring.LogReport) -> str:
    head = report.state.head
    lines = [
        VERDICTS[report.verdict],
        f"  {report.leaves} bằng chứng đã đánh số · numbered, {report.waiting} đang chờ số · waiting",
        f"  {report.evidence} chữ ký trong chuỗi của {report.documents} văn bản · signatures, in the chains of documents",
        f"  {report.heads} đầu sổ đã ký · signed heads, {report.stamped} có dấu thời gian · time-stamped",
    ]
    if head is not None:
        lines.append(f"  đầu sổ mới nhất · latest head: {head.size} @ {head.signed_at:%Y-%m-%d %H:%M:%S}Z")
        lines.append(f"    {head.root}")
    lines += [f"  {f.code}: {sentence(f)}" for f in report.findings]
    if report.more:
        lines.append(f"  … {report.more} lỗi nữa · more")
    return "\n".join(lines)
