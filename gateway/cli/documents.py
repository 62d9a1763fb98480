"""``vanthu send``, ``inbox``, ``trace``: send a document, see what waits, see what happened."""

from __future__ import annotations

import json
import mimetypes
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from gateway import wiring
from gateway.cli.options import ConfigOption, JsonOption, VarOption, configured, operator, run
from gateway.cli.page import PRIORITIES
from gateway.errors import Refused
from gateway.model.envelope import Business, Due, Priority
from gateway.model.ids import DocumentId, OrganCode

_SUBJECTS = {Business.RECALL: "Thu hồi văn bản", Business.UPDATE: "Cập nhật văn bản"}

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("send")(send)
    app.command("inbox")(inbox)
    app.command("trace")(trace)


def send(
    sender: Annotated[str, typer.Option("--from", help="Cơ quan gửi · the sending organ.")],
    to: Annotated[list[str], typer.Option("--to", help="Cơ quan nhận · a recipient; repeat it.")],
    file: Annotated[
        Path | None,
        typer.Argument(
            help="Tệp đính kèm, có thể bỏ khi thu hồi, cập nhật · the file to send; a recall or update may go without.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    subject: Annotated[str, typer.Option("--subject", help="Trích yếu · the subject.")] = "",
    code: Annotated[str, typer.Option("--code", help="Số/ký hiệu · number/notation.")] = "",
    urgent: Annotated[bool, typer.Option("--urgent", help="Khẩn · urgent.")] = False,
    message_id: Annotated[
        str, typer.Option("--message-id", help="Khóa chống lặp · the idempotency key.")
    ] = "",
    recall: Annotated[
        str, typer.Option("--recall", help="Thu hồi văn bản này (mã) · take this document (its id) back.")
    ] = "",
    update: Annotated[
        str, typer.Option("--update", help="Cập nhật văn bản này (mã) · update this document (its id).")
    ] = "",
    replace: Annotated[
        str, typer.Option("--replace", help="Thay thế văn bản này (mã) · replace this document (its id).")
    ] = "",
    add: Annotated[
        list[str] | None, typer.Option("--add", help="Với --update: thêm nơi nhận · add a recipient.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", help="Với --update: bỏ nơi nhận · take a recipient out.")
    ] = None,
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """Gửi một văn bản qua cổng đang chạy · send a document through the running gateway."""
    kinds = {Business.RECALL: recall, Business.UPDATE: update, Business.REPLACE: replace}
    chosen = [(business, name) for business, name in kinds.items() if name]
    if len(chosen) > 1:
        raise typer.BadParameter("chỉ chọn một · choose one of --recall, --update, --replace")
    business, original = chosen[0] if chosen else (Business.NEW, "")
    if (add or remove) and business is not Business.UPDATE:
        raise typer.BadParameter(
            "chỉ dùng với --update · go with --update only", param_hint="--add, --remove"
        )
    if file is None and business not in (Business.RECALL, Business.UPDATE):
        raise typer.BadParameter("thiếu tệp · the file is missing", param_hint="FILE")
    settings = configured(config, var)
    number, _, notation = (code or f"{datetime.now(VIETNAM):%H%M%S}/CV-VT").partition("/")
    letter = wiring.Letter(
        sender=OrganCode(sender),
        recipients=tuple(OrganCode(r) for r in to),
        number=number,
        notation=notation or "VT",
        subject=subject or (file.stem if file else _SUBJECTS[business]),
        is_urgent=urgent,
        name=file.name if file else "",
        body=file.read_bytes() if file else b"",
        media_type=(mimetypes.guess_type(file.name)[0] if file else None) or "application/octet-stream",
        message_id=message_id or str(uuid.uuid4()),
        business=business,
        original=original,
        added=tuple(OrganCode(a) for a in add or ()),
        removed=tuple(OrganCode(r) for r in remove or ()),
    )

    async def go() -> dict[str, Any]:
        try:
            answer = await wiring.send(settings, letter)
        except Refused as refused:
            await wiring.note(settings, operator(), "send", letter.message_id, refused.reason)
            raise
        await wiring.note(settings, operator(), "send", letter.message_id, str(answer.get("state")))
        return answer

    answer = run(go)
    print(f"Đã nhận · accepted for processing: {answer['document']}")
    print(f"  vanthu trace {answer['document']}")


def inbox(
    organ: Annotated[str, typer.Argument(help="Cơ quan nhận · the receiving organ.")],
    json_lines: JsonOption = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 50,
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """Văn bản đến của một cơ quan · the copies of an organ, newest first."""
    settings = configured(config, var)

    async def go() -> list[dict[str, Any]]:
        async with wiring.open_store(settings) as store:
            rows = await store.copies(OrganCode(organ), limit)
        await wiring.note(settings, operator(), "inbox", organ, f"{len(rows)} copies")
        return rows

    rows = run(go)
    if json_lines:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
        return
    table = Table(title=f"Văn bản đến · copies of {organ}")
    for heading in (
        "Số, ký hiệu",
        "Từ · from",
        "Trích yếu · subject",
        "Trạng thái · state",
        "Lúc · at",
        "Mã · document",
    ):
        table.add_column(heading, overflow="fold")
    for row in rows:
        state = f"{row['state']} {row['status']}".strip()
        table.add_row(
            row["code"], row["sender"], row["subject"], state, local(row["available_at"]), row["document"]
        )
    wide_console().print(table)


def trace(
    document: Annotated[
        str,
        typer.Argument(
            help="Mã văn bản, message_id, mã định danh hoặc số/ký hiệu · document id, message id, official id or code."
        ),
    ],
    json_lines: JsonOption = False,
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """Hành trình của một văn bản và bằng chứng · a document's way, and its evidence checked."""
    settings = configured(config, var)

    async def go() -> list[dict[str, Any]]:
        async with wiring.open_store(settings) as store:
            found = await store.search(document)
            told = [await store.trace(DocumentId(name)) for name in found]
        await wiring.note(settings, operator(), "trace", document, f"{len(told)} documents")
        return told

    told = run(go)
    if not told:
        raise Refused("not-found", document)
    for one in told:
        if json_lines:
            print(json.dumps(one, ensure_ascii=False))
        else:
            _show(one)


def _show(one: dict[str, Any]) -> None:
    console = wide_console()
    s = one["submission"]
    kind = _BUSINESS.get(one["business"], "")
    console.print(f"[b]{one['code'] or s['kind']}[/b]  {s['document']}  {kind}".rstrip())
    console.print(
        f"  từ · from {s['party']}   message_id {s['message_id']}   {s['state']} {s['reason'] or ''}"
    )
    console.print(
        f"  nhận lúc · submitted {local(s['received_at'])}   hạn · expires {local(s['expires_at'])}"
    )
    due = f"   thời hạn · due {_due(s['due'])}" if s["due"] else ""
    console.print(f"  độ khẩn · priority {PRIORITIES[Priority(s['priority'])]}{due}")
    copies = Table(title="Bản giao · copies")
    for heading in (
        "Nơi nhận · recipient",
        "Trạng thái · state",
        "Sẵn sàng · available",
        "Đã giao · handed over",
        "Lý do · reason",
    ):
        copies.add_column(heading, overflow="fold", no_wrap=heading.startswith(("Sẵn", "Đã")))
    for c in one["copies"]:
        copies.add_row(
            f"{c['recipient']} {c['name']}",
            " ".join(filter(None, (c["state"], c["status"], c["request"], c["answer"]))),
            local(c["available_at"]),
            local(c["handed_over_at"]),
            c["reason"] or "",
        )
    if one["copies"]:
        console.print(copies)
    for line in dict.fromkeys(_related(one)):
        console.print(line)
    way = Table(title="Hành trình · timeline")
    for heading in ("Lúc · at", "Bước · stage", "Việc · event", "Nơi nhận · recipient", "Lý do · reason"):
        way.add_column(heading, overflow="fold", no_wrap=heading.startswith(("Lúc", "Việc", "Nơi")))
    for e in one["timeline"]:
        way.add_row(
            local(e["at"]),
            e["stage"],
            e["event"],
            e["recipient"] or "",
            " ".join(filter(None, (e["reason"], e["detail"]))),
        )
    console.print(way)
    good = sum(1 for e in one["evidence"] if e["standing"] == "passed")
    chains = "nguyên vẹn · unbroken" if one["chains_hold"] else "ĐỨT · BROKEN"
    console.print(
        f"  bằng chứng · evidence: {good}/{len(one['evidence'])} chữ ký đúng · signatures hold; chuỗi · chains {chains}"
    )


def _related(one: dict[str, Any]) -> Iterator[str]:
    """What the document does to others, and others to it: a line per document, with the recipients."""
    own = one["submission"]["document"]
    by_other: dict[tuple[str, bool, str], list[str]] = {}
    for r in one["relations"]:
        is_active = r["document"] == own
        other = r["other"] if is_active else r["document"]
        by_other.setdefault((r["business"], is_active, other), []).append(r["recipient"])
    for (business, is_active, other), recipients in by_other.items():
        whom = recipients[0] if len(recipients) == 1 else f"{len(recipients)} nơi nhận · recipients"
        yield f"  {_DOES[business, is_active]} {other}   ({whom})"


_BUSINESS = {
    "recall": "thu hồi · recall",
    "update": "cập nhật · update",
    "replace": "thay thế · replacement",
}

_DOES = {
    ("recall", True): "thu hồi · recalls",
    ("recall", False): "bị thu hồi bởi · recalled by",
    ("update", True): "cập nhật · updates",
    ("update", False): "được cập nhật bởi · updated by",
    ("replace", True): "thay thế · replaces",
    ("replace", False): "bị thay thế bởi · replaced by",
}


def _due(text: str) -> str:
    due = Due.parse(text)
    return f"{due.day:%d/%m/%Y}" if due.hour is None else f"{due.hour:%H:%M} {due.day:%d/%m/%Y}"


def local(text: str | None) -> str:
    """The instant *text* as clocks in Viet Nam show it."""
    if not text:
        return ""
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=at.tzinfo or UTC).astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M:%S")


def wide_console() -> Console:
    """Where tables go."""
    # Piped, there is no terminal to be narrow: wide enough for every column.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)
