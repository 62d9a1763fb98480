"""``summary.html``: what happened, for people, in Vietnamese first.  It repeats what the evidence says and proves nothing."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from html import escape

from adapters.signing.container.manifest import Manifest
from adapters.signing.container.story import Copy, Story
from gateway.model.evidence import in_words
from gateway.model.log import HeadRecord

_VIETNAM = timezone(timedelta(hours=7))
_STYLE = (
    "body{font:16px/1.5 'Times New Roman',serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}small{color:#666}"
    "table{border-collapse:collapse;width:100%}td,th{border:1px solid #bbb;padding:.3rem .5rem;"
    "text-align:left;vertical-align:top}code{font-size:.8rem;word-break:break-all}"
)


def summary(story: Story, told: Manifest, head: HeadRecord | None) -> str:
    """The page."""
    name = told.code or "văn bản"
    rows = "".join(map(_row, story.copies))
    ways = "".join(map(_way, story.copies))
    return (
        '<!DOCTYPE html>\n<html lang="vi"><head><meta charset="utf-8">'
        f"<title>Bằng chứng gửi nhận: {escape(name)}</title><style>{_STYLE}</style></head><body>\n"
        f"<h1>Bằng chứng gửi nhận văn bản {escape(name)}<br><small>Evidence of sending and receiving</small></h1>\n"
        f"<p>{escape(told.subject)}</p>\n"
        f"<p><b>{escape(story.sender.name)}</b> ({escape(story.sender.code)}) đã gửi văn bản này; cổng nhận đủ lúc "
        f"<b>{local(story.submitted_at)}</b>. <small>Sent by the organ named; submitted at the time named: a "
        "sender's deadline is met by it.</small></p>\n"
        f"<p>Kết quả tiếp nhận: {escape(in_words(story.about.event)[0])}. {_reasons(story.about.reasons)}</p>\n"
        "<h2>Nơi nhận <small>Recipients</small></h2>\n<table><tr><th>Cơ quan<br><small>organ</small></th>"
        "<th>Sẵn sàng để nhận<br><small>available</small></th><th>Đã giao<br><small>handed over</small></th>"
        "<th>Đã vào sổ<br><small>accepted</small></th><th>Từ chối<br><small>rejected</small></th></tr>\n"
        f"{rows}</table>\n"
        "<p><small>Nghĩa vụ của bên nhận bắt đầu từ lúc văn bản sẵn sàng để nhận. A recipient's duty begins when "
        "the document is available.</small></p>\n"
        f"<h2>Diễn biến <small>What happened</small></h2>\n{ways}"
        f"<h2>Kiểm tra <small>How to check</small></h2>\n{_check(told, head)}</body></html>\n"
    )


def local(at: datetime | None) -> str:
    """*at* as people in Vietnam write it; empty where there is none."""
    return at.astimezone(_VIETNAM).strftime("%d/%m/%Y %H:%M:%S") if at else ""


def _row(copy: Copy) -> str:
    times = (copy.available_at, copy.handed_over_at, copy.accepted_at, copy.rejected_at)
    cells = "".join(f"<td>{local(at) or '–'}</td>" for at in times)
    return f"<tr><td>{escape(copy.recipient.name)}<br><small>{escape(copy.recipient.code)}</small></td>{cells}</tr>\n"


def _way(copy: Copy) -> str:
    items = "".join(
        f"<li>{local(p.at)}: {escape(in_words(p.event)[0])} <small>{escape(in_words(p.event)[1])}"
        f"</small> {_reasons(p.reasons)}</li>"
        for p in copy.pieces
    )
    return (
        f"<p><b>{escape(copy.recipient.name)}</b></p><ul>{items or '<li>chưa có · nothing yet</li>'}</ul>\n"
    )


def _reasons(reasons: tuple[object, ...]) -> str:
    told = []
    for reason in reasons:
        vi, en, detail = (str(getattr(reason, part)) for part in ("vi", "en", "detail"))
        told.append(f"{escape(vi)} <small>{escape(en)}</small> {escape(detail)}".strip())
    return "; ".join(told)


def _check(told: Manifest, head: HeadRecord | None) -> str:
    log = (
        f"Đầu sổ bằng chứng: {head.size} bằng chứng, ký lúc {local(head.signed_at)}, gốc <code>{head.root}</code>."
        f"{' Có dấu thời gian.' if head.stamp else ' Chưa có dấu thời gian.'}"
        if head is not None
        else "Chưa có đầu sổ nào bao gồm các bằng chứng này."
    )
    unproved = (
        f"<p>{len(told.unproved)} bằng chứng chưa nằm dưới đầu sổ nào. Not yet under a signed head.</p>\n"
        if told.unproved
        else ""
    )
    return (
        f"<p>Mã văn bản <code>{escape(told.document)}</code>, message_id <code>{escape(told.message_id)}</code>. "
        f"Do {escape(told.issuer)} xuất lúc {escape(told.exported_at)}.</p>\n<p>{log}</p>\n{unproved}"
        "<p>Trang này chỉ để đọc. Để kiểm tra, chạy <code>vanthu evidence verify TỆP --root CHỨNG-THƯ-GỐC</code>. "
        "This page is for reading; the command checks the whole container offline.</p>\n"
    )
