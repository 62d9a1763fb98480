"""The evening: one table for people, ``report.json`` for programs, and everything in full beside it.

``documents`` counts the accepted documents (statuses are not documents), ``deliveries`` and ``receipts``
count different ids that clients took, ``refused`` counts the gateway's refusals by reason and the broker's.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from demo.books import Books, Receipt
from demo.day import Sent
from demo.edxml import VIETNAM, Business
from demo.hostile import BROKER_SAYS_NO
from demo.judges import Verdict

# What a sender knows of one copy by the last evidence about it.
STATES = {
    "SubmissionRejection": "bị từ chối · refused",
    "ContentConsignment": "sẵn sàng · available",
    "ContentConsignmentFailure": "không giao được · failed",
    "ContentHandover": "đã giao · handed over",
    "ContentHandoverFailure": "không giao được · failed",
    "ConsignmentAcceptance": "đã vào sổ (03) · registered",
    "ConsignmentRejection": "bên nhận từ chối (02) · refused by recipient",
    "SubmissionAcceptance": "đã tiếp nhận · accepted",
}


# The same word about a recall or an update means the answer.
ANSWERS = {
    "recall-agreed": "đồng ý thu hồi (15) · gives it back",
    "recall-declined": "không đồng ý thu hồi (16) · keeps it",
    "update-agreed": "đồng ý cập nhật (15) · updates it",
    "update-declined": "không đồng ý cập nhật (16) · does not update",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One copy of one document, as its sender knows it."""

    group: str
    code: str
    message: str
    document: str
    sender: str
    recipient: str
    event: str
    state: str
    at: datetime | None
    reason: str


def rows(sent: Sequence[Sent], books: Books) -> list[Row]:
    """One row per document and recipient; one per refused document."""
    by_message: dict[str, list[Receipt]] = defaultdict(list)
    for receipt in books.receipts:
        by_message[receipt.message].append(receipt)
    made: list[Row] = []
    for item in sent:
        receipts = by_message[item.message]
        accepted = any(r.event == "SubmissionAcceptance" for r in receipts)
        # a later refusal under the same id is about other bytes; the document itself stands
        refusals = [r for r in receipts if r.event == "SubmissionRejection"]
        made.extend(_row(item, "", refusal) for refusal in refusals)
        if not accepted:
            if not refusals:
                made.append(_row(item, "", None))
            continue
        for recipient in item.letter.recipients:
            last = max(
                (r for r in receipts if r.recipient == recipient.code),
                key=lambda r: r.sequence,
                default=None,
            )
            made.append(_row(item, recipient.code, last))
    return made


def _row(item: Sent, recipient: str, receipt: Receipt | None) -> Row:
    return Row(
        group=item.group,
        code=item.letter.code,
        message=item.message,
        document=receipt.document if receipt else "",
        sender=item.letter.sender.code,
        recipient=recipient,
        event=receipt.event if receipt else "",
        state=_state(item, receipt),
        at=receipt.at if receipt else None,
        reason=receipt.reason if receipt else "",
    )


def _state(item: Sent, receipt: Receipt | None) -> str:
    if receipt is None:
        return "không rõ · nothing heard"
    if receipt.event == "ContentHandover" and item.letter.business in (Business.RECALL, Business.UPDATE):
        return "đã giao, chưa trả lời · handed over, silent"
    return ANSWERS.get(receipt.reason) or STATES.get(receipt.event, receipt.event)


def show(made: Sequence[Row], names: Mapping[str, str], pretended: int, console: Console) -> None:
    """The table; copies that share document (or group), state and reason share a row.

    *pretended* is how often the broker kept somebody from publishing as another agency.
    """
    table = Table(title="Một ngày tại trung tâm dữ liệu · a day at the data centre", title_justify="left")
    for column in (
        "Văn bản · document",
        "Nơi nhận · recipient",
        "Trạng thái · state",
        "Lúc · at",
        "Lý do · reason",
    ):
        table.add_column(column, overflow="fold")
    grouped: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in made:
        grouped[row.group, row.state, row.reason].append(row)
    for (group, state, reason), members in grouped.items():
        codes = sorted({row.code for row in members})
        recipients = sorted({row.recipient for row in members if row.recipient})
        if len(recipients) == 1:
            who = f"{names.get(recipients[0], '')} {recipients[0]}".strip()
        else:
            who = f"{len(recipients)} cơ quan" if recipients else "—"
        which = codes[0] if len(codes) == 1 else f"{len(codes)} văn bản {codes[0]} … {codes[-1]}"
        times = sorted(row.at for row in members if row.at)
        at = " – ".join(dict.fromkeys(f"{t.astimezone(VIETNAM):%H:%M:%S}" for t in (times[:1] + times[-1:])))
        table.add_row(f"{which}\n[dim]{group}[/dim]", who, state, at, reason)
    if pretended:
        table.add_row(
            "—\n[dim]V/v mạo danh cơ quan khác[/dim]",
            "—",
            f"RabbitMQ không cho gửi · the broker said no ({pretended})",
            "",
            BROKER_SAYS_NO,
        )
    console.print(table)


def write(
    folder: Path, made: Sequence[Row], books: Books, verdicts: Sequence[Verdict], elapsed_s: float
) -> None:
    """``report.json`` with what was promised, ``table.json`` with every row."""
    documents = sorted({row.document for row in made if row.document and row.event != "SubmissionRejection"})
    report = {
        "documents": len(documents),
        "document_ids": documents,
        "deliveries": len(books.taken),
        "receipts": len(books.receipts),
        "refused": dict(sorted(books.refused.items())),
        "lost": len(books.lost),
        "duplicated": len(books.doubled),
        "repeats": books.repeats,
        "sealed_pdfs": [
            {
                "path": str(verdict.sealed.path),
                "document": verdict.sealed.document,
                "verdict": verdict.verdict,
                "judges": dict(verdict.judges),
            }
            for verdict in verdicts
        ],
        "elapsed_s": round(elapsed_s, 2),
    }
    _write(folder / "report.json", report)
    _write(
        folder / "table.json",
        [
            {
                "document": row.document,
                "code": row.code,
                "message_id": row.message,
                "sender": row.sender,
                "recipient": row.recipient,
                "event": row.event,
                "at": row.at.isoformat() if row.at else None,
                "reason": row.reason,
            }
            for row in made
        ],
    )


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")


def findings(books: Books, verdicts: Sequence[Verdict]) -> list[str]:
    """Everything that must not be, one sentence each; nothing after a good day."""
    lines = [f"mất · lost: {text}" for text in books.lost]
    lines += [f"giao hai lần · doubled: {text}" for text in books.doubled]
    lines += [f"không mong đợi · unexpected: {text}" for text in books.unexpected]
    lines += [f"sai · wrong: {text}" for text in books.faults]
    for verdict in verdicts:
        if verdict.verdict != "valid":
            said = ", ".join(f"{judge}: {word}" for judge, word in verdict.judges.items())
            lines.append(f"chữ ký · signature: {verdict.sealed.path.name}: {said}")
    return lines
