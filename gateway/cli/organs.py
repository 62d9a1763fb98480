"""``vanthu organs``: list, show, check, compare and import the organs of the directory."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from gateway import wiring
from gateway.cli.options import ConfigOption, JsonOption, VarOption, configured, operator, run, tell
from gateway.config import Config

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
MOST_SHOWN = 40

organs = typer.Typer(
    name="organs",
    help="Danh mục cơ quan · the organs: list, show, check, diff, import, reload.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_STATES = {
    "active": "đang hoạt động · active",
    "locked": "bị khóa · locked",
    "succeeded": "đã sáp nhập · merged",
    "gone": "đã giải thể · gone",
    "not-yet": "chưa bắt đầu · not yet",
    "codeless": "không còn mã · without a code",
}
_FORMS = {"old": "QCVN 102", "qd20": "QĐ 20/2020", "irregular": "khác · irregular"}


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
        state = "" if one["state"] == "active" else f"  [{_STATES[one['state']]}]"
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
    tell(json.dumps(one, ensure_ascii=False) if json_lines else "\n".join(_page(one)))


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
        tell(json.dumps(_checked(file, checked), ensure_ascii=False))
    else:
        _tell_checked(file, checked)
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
        tell(json.dumps(different(found), ensure_ascii=False))
    else:
        tell("\n".join(_different(found)))
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
    _tell_checked(file, plan.checked)
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
    tell("\n".join(_different(plan.difference)))
    for concern in run(lambda: wiring.concerns_of(settings, plan)):
        tell(_concern(concern))
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


def _concern(concern: wiring.Concern) -> str:
    said = []
    if concern.open_copies:
        said.append(f"{concern.open_copies} bản giao chưa xong · copies not ended")
    if concern.clients:
        said.append(f"phần mềm kết nối · clients {', '.join(concern.clients)}")
    return f"! {concern.party:<16} {concern.name}: bị bỏ nhưng còn · is removed, but has {'; '.join(said)}"


def _agreed() -> bool:
    if not sys.stdin.isatty():
        tell("cần --yes khi không có ai trả lời · --yes is needed where nobody can answer")
        return False
    return typer.confirm("Nhập? · Import?")


# --- pages --------------------------------------------------------------------------------------------


def _page(one: dict[str, Any]) -> list[str]:
    lines = [f"{one['organ']}  {one['name']}", f"  trạng thái · state: {_STATES[one['state']]}"]
    for held in one["codes"]:
        span = _span(held["since"], held["until"])
        lines.append(f"  mã · code: {held['code']:<16} {_FORMS[held['form']]}{span}")
    known = {held["form"] for held in one["codes"]}
    lines += [
        f"  mã · code: {'–':<16} {_FORMS[form]}: danh mục chưa có, không suy ra từ mã kia · "
        "not in the directory, and never computed from the other"
        for form in ("old", "qd20")
        if form not in known
    ]
    for former in one["former_names"]:
        until = f" (đến · until {_day(former['until'])})" if former["until"] else ""
        lines.append(f"  tên cũ · former name: {former['name']}{until}")
    lines += [f"  trực thuộc · below: {above['organ']}  {above['name']}" for above in one["ancestors"]]
    if one["children"]:
        lines.append(f"  cơ quan trực thuộc · organs below: {one['children']}")
    if one["ends"] or one["successor"]:
        since = f" từ · since {_day(one['ends'])}" if one["ends"] else ""
        lines.append(f"  kế thừa · succeeded by: {one['successor'] or '– (giải thể · gone)'}{since}")
    if reaches := one.get("reaches"):
        way = " → ".join((one["asked"], *reaches["through"], reaches["code"]))
        lines.append(
            f"  văn bản gửi tới mã này đến · documents to this code reach: {reaches['name']} ({way})"
        )
    for former in one["heir_of"]:
        since = f" từ · since {_day(former['since'])}" if former["since"] else ""
        lines.append(f"  kế thừa của · took over: {former['organ']}  {former['name']}{since}")
    takes = one["takes"]
    size = (
        f"{takes['max_bytes']} byte" if takes["max_bytes"] else "không giới hạn riêng · no limit of its own"
    )
    lines.append(f"  liên kết · link: {one['link']}")
    lines.append(
        f"  tiếp nhận · takes: {' '.join(takes['kinds'])}, loại · business {' '.join(map(str, takes['business']))}, "
        f"dạng · dialects {' '.join(takes['dialects'])}, {size}"
    )
    if one["max_bytes"]:
        lines.append(f"  gửi tối đa · may send: {one['max_bytes']} byte")
    lines.append(f"  phần mềm kết nối · clients: {', '.join(one['clients']) or '–'}")
    return lines


def _tell_checked(file: Path, checked: wiring.CheckedList) -> None:
    report = checked.listed.report
    for remark in report.remarks:
        weight = "LỖI · ERROR" if remark.severity == "error" else "lưu ý · note"
        tell(f"{weight}  {remark.told}")
    if checked.problem:
        tell(f"LỖI · ERROR  danh mục không lập được · no directory can be made: {checked.problem}")
    tell(f"{file}: {report.told}")


def _checked(file: Path, checked: wiring.CheckedList) -> dict[str, Any]:
    report = checked.listed.report
    return {
        "file": str(file),
        "verdict": checked.verdict,
        "rows": report.rows,
        "ids": report.ids,
        "organs": report.parties,
        "problem": checked.problem,
        "findings": [
            {
                "kind": str(remark.kind),
                "severity": str(remark.severity),
                "row": remark.row,
                "column": remark.column,
                "code": remark.code,
                "name": remark.name,
                "message_vi": remark.vi,
                "message_en": remark.en,
            }
            for remark in report.remarks
        ],
    }


def different(found: wiring.Difference) -> dict[str, Any]:
    """A difference as JSON."""
    return {
        "added": [{"organ": party.key, "name": party.name} for party in found.added],
        "removed": [{"organ": party.key, "name": party.name} for party in found.removed],
        "renamed": [{"organ": now.key, "before": was.name, "after": now.name} for was, now in found.renamed],
        "changed": [
            {
                "organ": one.party.key,
                "name": one.party.name,
                "fields": {
                    name: {"before": before, "after": after} for name, (before, after) in one.fields.items()
                },
            }
            for one in found.changed
        ],
    }


def _different(found: wiring.Difference) -> list[str]:
    if not found:
        return ["không có gì khác · nothing is different"]
    lines = [f"+ {party.key:<16} {party.name}" for party in found.added]
    lines += [f"- {party.key:<16} {party.name}" for party in found.removed]
    lines += [f"~ {now.key:<16} {was.name} → {now.name}" for was, now in found.renamed]
    for one in found.changed:
        for name, (before, after) in one.fields.items():
            lines.append(f"* {one.party.key:<16} {name}: {before or '–'} → {after or '–'}")
    lines.append(
        f"{len(found.added)} thêm · added, {len(found.removed)} bỏ · removed, "
        f"{len(found.renamed)} đổi tên · renamed, {len(found.changed)} thay đổi · changed"
    )
    return lines


def _span(since: str | None, until: str | None) -> str:
    first = f"  từ · since {_day(since)}" if since else ""
    return first + (f"  đến · until {_day(until)}" if until else "")


def _day(text: str | None) -> str:
    if not text:
        return ""
    at = datetime.fromisoformat(text).astimezone(VIETNAM)
    return f"{at:%d/%m/%Y}" if at.hour == at.minute == at.second == 0 else f"{at:%d/%m/%Y %H:%M:%S}"
