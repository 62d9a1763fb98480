"""How organs, lists and differences are told: pages for people, JSON for programs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gateway import wiring
from gateway.cli.options import tell

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")

STATES = {
    "active": "đang hoạt động · active",
    "locked": "bị khóa · locked",
    "succeeded": "đã sáp nhập · merged",
    "gone": "đã giải thể · gone",
    "not-yet": "chưa bắt đầu · not yet",
    "codeless": "không còn mã · without a code",
}
_FORMS = {"old": "QCVN 102", "qd20": "QĐ 20/2020", "irregular": "khác · irregular"}


def whole(one: dict[str, Any]) -> list[str]:
    """The lines about one organ."""
    lines = [f"{one['organ']}  {one['name']}", f"  trạng thái · state: {STATES[one['state']]}"]
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
    for name, quota in one["quota"].items():
        bound = quota["bound"] or "không giới hạn · no bound"
        lines.append(
            f"  hạn mức · quota: {name} = {bound}" + ("" if quota["own"] else "  (mặc định · default)")
        )
    lines.append(f"  phần mềm kết nối · clients: {', '.join(one['clients']) or '–'}")
    return lines


def tell_checked(file: Path, checked: wiring.CheckedList) -> None:
    """Print every remark about a list, then the summary."""
    report = checked.listed.report
    for remark in report.remarks:
        weight = "LỖI · ERROR" if remark.severity == "error" else "lưu ý · note"
        tell(f"{weight}  {remark.told}")
    if checked.problem:
        tell(f"LỖI · ERROR  danh mục không lập được · no directory can be made: {checked.problem}")
    tell(f"{file}: {report.told}")


def checked_as_json(file: Path, checked: wiring.CheckedList) -> dict[str, Any]:
    """A list that was looked at, as JSON."""
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


def different_as_json(found: wiring.Difference) -> dict[str, Any]:
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


def differences(found: wiring.Difference) -> list[str]:
    """The lines about a difference, the last one counting."""
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


def concerned(concern: wiring.Concern) -> str:
    """What a removed organ would leave behind, in one line."""
    said = []
    if concern.open_copies:
        said.append(f"{concern.open_copies} bản giao chưa xong · copies not ended")
    if concern.clients:
        said.append(f"phần mềm kết nối · clients {', '.join(concern.clients)}")
    return f"! {concern.party:<16} {concern.name}: bị bỏ nhưng còn · is removed, but has {'; '.join(said)}"
