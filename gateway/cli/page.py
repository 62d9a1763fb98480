"""An edXML file as people read it: the lines of ``edxml check``, the page of ``edxml show``."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import chain

from gateway import wiring
from gateway.model.envelope import Business, DocumentReference, Edoc, Priority, StatusReport
from gateway.model.finding import Finding, Severity

_WIDTH = 100
_LABEL = 34
_VERDICTS = {
    "ok": "HỢP LỆ · in order",
    "warnings": "HỢP LỆ, CÓ CẢNH BÁO · in order, with warnings",
    "refused": "BỊ TỪ CHỐI · refused",
}
_SEVERITIES = {
    Severity.ERROR: "lỗi · error",
    Severity.WARNING: "cảnh báo · warning",
    Severity.INFO: "ghi chú · note",
}
_BUSINESS = {
    Business.NEW: "văn bản mới · new",
    Business.RECALL: "thu hồi · recall",
    Business.UPDATE: "cập nhật · update",
    Business.REPLACE: "thay thế · replacement",
}
PRIORITIES = {
    Priority.ORDINARY: "thường · ordinary",
    Priority.URGENT: "khẩn · urgent",
    Priority.VERY_URGENT: "thượng khẩn · very urgent",
    Priority.EXPRESS: "hỏa tốc · express",
    Priority.EXPRESS_TIMED: "hỏa tốc hẹn giờ · express, timed",
}
_STATUS = {
    "01": "đã đến · arrived",
    "02": "từ chối tiếp nhận · refused",
    "03": "đã tiếp nhận, vào sổ · registered",
    "04": "phân công xử lý · assigned",
    "05": "đang xử lý · in progress",
    "06": "hoàn thành · completed",
    "13": "yêu cầu lấy lại · asks to take it back",
    "15": "đồng ý cập nhật, lấy lại · agrees to update or recall",
    "16": "từ chối cập nhật, lấy lại · refuses update or recall",
}


def told(checked: wiring.Checked) -> str:
    """A few lines: the verdict, what it is, its files, and every finding."""
    head = [f"{checked.file}: {_VERDICTS[checked.verdict]}"]
    if checked.kind is not None:
        business = "" if checked.business is None else f", {_BUSINESS[checked.business]}"
        to = ", ".join(checked.recipients[:5]) + (
            f" … ({len(checked.recipients)})" if len(checked.recipients) > 5 else ""
        )
        head.append(
            f"  {checked.kind}{business}: {checked.sender or '?'} → {to or '?'}  {checked.official_id or ''}"
        )
    return _joined(chain(head, _files(checked), _findings(checked.findings)))


def shown(checked: wiring.Checked) -> str:
    """The whole page."""
    match checked.envelope:
        case Edoc() as edoc:
            body = _edoc(edoc)
        case StatusReport() as report:
            body = _status(report)
        case _:
            body = iter(())
    lines = chain(
        [f"{checked.file}", f"{_VERDICTS[checked.verdict]}", ""],
        body,
        _files(checked),
        _findings(checked.findings),
    )
    return _joined(lines)


def _edoc(edoc: Edoc) -> Iterator[str]:
    yield from _field("Nghiệp vụ · business", _BUSINESS[edoc.business])
    yield from _field("Cơ quan gửi · from", f"{edoc.sender.name} ({edoc.sender.code})")
    for at, organ in enumerate(edoc.recipients):
        yield from _field("Nơi nhận · to" if at == 0 else "", f"{organ.name} ({organ.code})")
    yield from _field("Số, ký hiệu · code", edoc.code.full)
    yield from _field("Ngày ban hành · promulgated", f"{edoc.dated:%d/%m/%Y}")
    yield from _field("Loại văn bản · type", edoc.type_name)
    yield from _field("Trích yếu · subject", edoc.subject)
    yield from _field("Lĩnh vực · sphere", edoc.sphere)
    yield from _field("Độ khẩn · priority", PRIORITIES[edoc.priority or Priority.ORDINARY])
    if edoc.due is not None:
        yield from _field("Thời hạn · due", str(edoc.due))
    yield from _field("Mã văn bản · document id", edoc.official_id)
    for reference in edoc.responds_to:
        yield from _field("Trả lời · answers", _reference(reference))


def _status(report: StatusReport) -> Iterator[str]:
    yield from _field("Trạng thái · status", f"{report.code} {_STATUS.get(report.code, '?')}")
    yield from _field("Cơ quan báo · reported by", f"{report.reporter.name} ({report.reporter.code})")
    yield from _field("Về văn bản · about", _reference(report.about))
    yield from _field("Nội dung · description", report.description)


def _reference(reference: DocumentReference) -> str:
    dated = "" if reference.dated is None else f", {reference.dated:%d/%m/%Y}"
    named = f" [{reference.official_id}]" if reference.official_id else ""
    return f"{reference.code or '?'}{dated}, {reference.organ}{named}"


def _field(label: str, text: str) -> Iterator[str]:
    if not text.strip():
        return
    lines = textwrap.wrap(_printable(text), _WIDTH - _LABEL, break_on_hyphens=False) or [""]
    for at, line in enumerate(lines):
        yield f"  {label if at == 0 else '':<{_LABEL}}{line}"


def _files(checked: wiring.Checked) -> Iterator[str]:
    if not checked.attachments:
        return
    yield f"  Tệp đính kèm · attachments: {len(checked.attachments)}"
    for at, one in enumerate(checked.attachments, 1):
        yield f"    {at}. {_printable(one.name)}"
        yield f"       {one.media_type}, {_sized(one.size)}, SHA-256 {one.sha256}"


def _findings(findings: tuple[Finding, ...]) -> Iterator[str]:
    for one in findings:
        yield f"  {one.code} {_SEVERITIES[one.severity]}: {one.message_vi} · {one.message}"
        at = " ".join(part for part in (one.where, f"({one.detail})" if one.detail else "") if part)
        if at:
            yield f"      {at}"


def _sized(size: int) -> str:
    if size < 1024:
        return f"{size} byte"
    kib = size / 1024
    return f"{kib:.1f} KiB" if kib < 1024 else f"{kib / 1024:.1f} MiB"


def _joined(lines: Iterator[str]) -> str:
    return "\n".join(_printable(line) for line in lines)


def _printable(line: str) -> str:
    """*line* without what a terminal would obey: the texts in it are those that a file has chosen."""
    return "".join(letter if letter.isprintable() else "�" for letter in line)
