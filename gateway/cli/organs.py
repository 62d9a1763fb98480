"""``vanthu organs``: list, show, check, compare and import the organs of the directory."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway import wiring
from gateway.cli.options import ConfigOption, JsonOption, VarOption, configured, operator, run, tell
from gateway.cli.organ_pages import (
    STATES,
    checked_as_json,
    concerned,
    differences,
    different_as_json,
    tell_checked,
    whole,
)
from gateway.config import Config

organs = typer.Typer(
    name="organs",
    help="Danh mục cơ quan · the organs: list, show, check, diff, import, reload.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.add_typer(organs)


@organs.command("list")
def list_(
    text: Annotated[
        str, typer.Argument(help="Chữ trong mã hoặc tên, không cần dấu · part of a code or name.")
    ] = "",
    parent: Annotated[
        str, typer.Option("--parent", help="Cơ quan cấp trên · directly below this organ.")
    ] = "",
    json_lines: JsonOption = False,
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """Liệt kê cơ quan · list organs: code, other code, state, name.  Exit 1 where there is none."""
    found = list(wiring.Organs(configured(config, var)).all(text, parent))
    for one in found:
        if json_lines:
            tell(json.dumps(one, ensure_ascii=False))
            continue
        others = " ".join(c["code"] for c in one["codes"] if c["code"] != one["organ"]) or "–"
        state = "" if one["state"] == "active" else f"  [{STATES[one['state']]}]"
        heir = f" → {one['successor']}" if one["successor"] else ""
        tell(f"{one['organ']:<16} {others:<16} {one['link']:<4}  {one['name']}{state}{heir}")
    if not json_lines:
        tell(f"{len(found)} cơ quan · organs")
    if not found:
        raise typer.Exit(1)


@organs.command("show")
def show(
    code: Annotated[str, typer.Argument(help="Mã, dạng nào cũng được · a code of either form.")],
    json_lines: JsonOption = False,
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """Một cơ quan: hai dạng mã, cấp trên, kế thừa, khả năng · one organ with all that is known of it."""
    one = wiring.Organs(configured(config, var)).one(code)
    tell(json.dumps(one, ensure_ascii=False) if json_lines else "\n".join(whole(one)))


@organs.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="Danh sách CSV · a list of organs.")],
    json_lines: JsonOption = False,
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """Kiểm tra danh sách · check a list; every fault with row and column.  Exit 1 where there are errors."""
    checked = wiring.check_organs(configured(config, var), file)
    if json_lines:
        tell(json.dumps(checked_as_json(file, checked), ensure_ascii=False))
    else:
        tell_checked(file, checked)
    if checked.verdict == "refused":
        raise typer.Exit(1)


@organs.command("diff")
def diff(
    file: Annotated[Path, typer.Argument(help="Danh sách CSV · a list of organs.")],
    other: Annotated[
        Path | None, typer.Argument(help="Danh sách mới hơn · a newer list, instead of the one in force.")
    ] = None,
    json_lines: JsonOption = False,
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """So sánh · what FILE would change of the directory in force, or FILE2 of FILE.  Exit 0: nothing; 1: something."""
    found = wiring.diff_organs(configured(config, var), file, other)
    if json_lines:
        tell(json.dumps(different_as_json(found), ensure_ascii=False))
    else:
        tell("\n".join(differences(found)))
    if found:
        raise typer.Exit(1)


@organs.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="Danh sách CSV · a list of organs.")],
    yes: Annotated[bool, typer.Option("--yes", help="Không hỏi lại · ask nothing.")] = False,
    leave_out: Annotated[
        bool,
        typer.Option("--leave-out", help="Nhận dù có dòng bị bỏ · take it although rows of it are left out."),
    ] = False,
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """Nhập danh sách · take a list over: check, show what changes, keep the former one, reload the running gateway."""
    settings = configured(config, var)
    if code := _import(settings, file, yes=yes, leave_out=leave_out):
        raise typer.Exit(code)


@organs.command("reload")
def reload(config: ConfigOption = None, var: VarOption = None) -> None:
    """Nạp lại danh mục · have the running gateway read the directory's files anew.  Exit 1 where it refuses."""
    settings = configured(config, var)
    code = _reload(settings)
    outcome = "refused" if code else "ok"
    run(lambda: wiring.note(settings, operator(), "organs-reload", str(settings.var), outcome))
    if code:
        raise typer.Exit(code)


def _import(settings: Config, file: Path, *, yes: bool, leave_out: bool) -> int:
    plan = wiring.plan_import(settings, file)
    tell_checked(file, plan.checked)
    if plan.difference is None:
        tell("không nhập · not imported: hãy sửa các lỗi trên · mend the errors above")
        return 1
    if plan.checked.listed.report.errors and not leave_out:
        tell(
            "không nhập: có dòng bị bỏ, thêm --leave-out để nhập các dòng còn lại · "
            "not imported: rows would be left out, --leave-out takes the others"
        )
        return 1
    if not plan.difference:
        tell("danh mục đã như vậy rồi, không ghi gì · the directory is so already, nothing is written")
        return 0
    tell("\n".join(differences(plan.difference)))
    for concern in run(lambda: wiring.concerns_of(settings, plan)):
        tell(concerned(concern))
    if not yes and not _agreed():
        tell("không nhập · not imported")
        return 1
    former = wiring.write_import(plan)
    kept = f"; danh sách cũ · the former list: {former}" if former else ""
    tell(f"đã ghi · written: {plan.target} (sha256 {plan.sha256}){kept}")
    about = f"{file} → {plan.target}"
    run(lambda: wiring.note(settings, operator(), "organs-import", about, f"sha256 {plan.sha256}"))
    return _reload(settings)


def _reload(settings: Config) -> int:
    done = run(lambda: wiring.ask_reload(settings))
    if done is None:
        tell("không có cổng nào đang chạy ở đây · no gateway runs here: nothing to reload")
        return 0
    if done["problem"]:
        tell(
            "LỖI · ERROR  cổng từ chối, danh mục cũ vẫn có hiệu lực · "
            f"the running gateway refused, the old directory stays in force: {done['problem']}"
        )
        return 1
    tell(
        f"cổng đang chạy đã nạp lại · the running gateway has reloaded: {done['organs']} organs, "
        f"+{done['added']} -{done['removed']} ~{done['renamed']} *{done['changed']}, {done['workers']} workers"
    )
    for queue, messages in (done["waiting"] or {}).items():
        if messages:
            tell(
                f"lưu ý · note  hàng đợi {queue} của cơ quan đã rời còn {messages} thông điệp · "
                f"{messages} messages wait in the queue of an organ that left"
            )
    return 0


def _agreed() -> bool:
    if not sys.stdin.isatty():
        tell("cần --yes khi không có ai trả lời · --yes is needed where nobody can answer")
        return False
    return typer.confirm("Nhập? · Import?")
