"""``vanthu dead``, ``vanthu replay``: what has died and why, and to try it again."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from gateway import wiring
from gateway.cli.options import ConfigOption, JsonOption, VarOption, configured, operator, run, tell
from gateway.model.dead import NotReplayed, Replayed
from schemas import reasons

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
_AGO = re.compile(r"(\d{1,4})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_PLACES = {
    "processing": "đang xử lý · in processing",
    "door": "tại cửa · at the door",
    "routing": "khi định tuyến · at routing",
    "on the way": "trên đường giao · on its way",
    "queue": "trong hàng đợi bên nhận · in the recipient's queue",
    "inbox": "trong hộp thư bên nhận · in the recipient's inbox",
}

DocumentArgument = Annotated[
    str,
    typer.Argument(
        metavar="DOCUMENT",
        help="Mã văn bản, message_id, mã định danh hoặc số/ký hiệu · document id, message id, official id or code.",
    ),
]
ToOption = Annotated[str, typer.Option("--to", help="Cơ quan nhận · the recipient's code.")]
FromOption = Annotated[str, typer.Option("--from", help="Cơ quan gửi · the sender's code.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Mã lý do · the reason's code.")]
SinceOption = Annotated[
    str,
    typer.Option(
        "--since",
        help="Hỏng từ lúc này (2016-03-04, 2016-03-04T09:30, hoặc 2h, 3d trước đây) · died since then, or so long ago.",
    ),
]
UntilOption = Annotated[str, typer.Option("--until", help="Hỏng trước lúc này · died before then.")]


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("dead")(dead)
    app.command("replay")(replay)


def dead(
    document: DocumentArgument = "",
    to: ToOption = "",
    sender: FromOption = "",
    reason: ReasonOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000)] = 50,
    json_lines: JsonOption = False,
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """Văn bản, bản giao đã hỏng và vì sao · what has died, why, since when, and what a replay would do; newest first."""
    settings = configured(config, var)
    query = _query(document, to, sender, reason, since, until)

    async def go() -> None:
        shown = 0
        page = _Page()
        async with wiring.open_dead_letters(settings, operator()) as book:
            async for listed in book.letters(query, limit=limit, newest_first=True):
                shown += 1
                if json_lines:
                    tell(json.dumps(wiring.dead_as_row(listed), ensure_ascii=False))
                else:
                    page.add(wiring.dead_as_row(listed), book.would_do(listed.letter))
            await book.note("dead", _told(query), f"{shown} dead letters")
        if not json_lines:
            page.show(is_full=shown == limit)

    run(go)


def replay(
    document: DocumentArgument = "",
    to: ToOption = "",
    sender: FromOption = "",
    reason: ReasonOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Tất cả, không giới hạn · everything that has died.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Chỉ cho biết sẽ làm gì · only say what would be done.")
    ] = False,
    receipts: Annotated[
        bool,
        typer.Option(
            "--receipts",
            help="Với DOCUMENT: gửi lại mọi biên nhận cho bên gửi · with DOCUMENT: send its sender every receipt again.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Không hỏi lại · ask nothing.")] = False,
    json_lines: JsonOption = False,
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """Phát lại những gì đã hỏng · try what has died again.  Exit 0: all of it; 1: something was refused.

    Also beside a running gateway.  What was delivered is never delivered again; what is replayed is on record.
    """
    settings = configured(config, var)
    query = _query(document, to, sender, reason, since, until)
    if not everything and query == wiring.DeadQuery():
        raise typer.BadParameter(
            "cần DOCUMENT, --to, --from, --reason, --since, --until hoặc --all · one of these is needed"
        )
    if receipts:
        _send_receipts(settings, query, document)
        return
    tally = _Tally(json_lines)

    async def go() -> None:
        async with wiring.open_dead_letters(settings, operator()) as book:
            if not (document or dry_run or yes):
                found = sum([listed.why_not is None async for listed in book.letters(query)])
                if found and not _agreed(found):
                    tell("không phát lại · nothing was replayed")
                    raise typer.Exit(1)
            async for listed in book.letters(query):
                row = wiring.dead_as_row(listed)
                if listed.why_not is not None or dry_run:
                    tally.add(row, listed.why_not, book.would_do(listed.letter))
                else:
                    tally.add(row, await book.replay(listed.letter))
            if document and not tally.seen:
                async for listed in book.living(query):
                    tally.add(wiring.dead_as_row(listed), listed.why_not)
            await book.note("replay", _told(query), tally.outcome(dry_run))

    run(go)
    if not json_lines:
        tell(tally.told(dry_run=dry_run, is_running=wiring.running(settings) is not None))
    if tally.refused:
        raise typer.Exit(1)


def _send_receipts(settings: Any, query: Any, document: str) -> None:
    if query != wiring.DeadQuery(document=document) or not document:
        raise typer.BadParameter("chỉ dùng với DOCUMENT · goes with DOCUMENT alone", param_hint="--receipts")

    async def go() -> bool:
        is_done = True
        async with wiring.open_dead_letters(settings, operator()) as book:
            async for name, sent in book.send_receipts(document):
                if isinstance(sent, NotReplayed):
                    is_done = False
                    tell(f"✗ {name}: {_sentence(sent.reason)} [{sent.reason}] {sent.detail}".rstrip())
                else:
                    tell(f"✓ {name}: gửi lại {sent} biên nhận · {sent} receipts again")
        return is_done

    if not run(go):
        raise typer.Exit(1)


class _Page:
    """Dead letters as people read them: three lines each, and below them each reason once with its sentence."""

    def __init__(self) -> None:
        self._reasons: Counter[str] = Counter()
        self._example = ""
        self._rows = 0

    def add(self, row: dict[str, Any], would: tuple[str, str]) -> None:
        """Tell *row*, and what a replay would do."""
        self._rows += 1
        tell(f"{_local(row['died_at'])}  {row['document']}  {_printable(row['code'])}".rstrip())
        name = row["recipient_name"] if row["recipient_name"] != row["recipient"] else ""
        whom = f"→ {row['recipient']} {name}".rstrip() if row["recipient"] else f"từ · from {row['sender']}"
        times = f", lần thứ · time {row['times']}" if row["times"] else ""
        tell(f"    {_printable(whom)}  {_PLACES[row['where']]}: {row['reason']}{times}")
        if row["can_be_replayed"]:
            tell(f"    ↻ {would[0]} · {would[1]}")
            to = f" --to {row['recipient']}" if row["recipient"] else ""
            self._example = self._example or f"vanthu replay {row['document']}{to} --dry-run"
        else:
            tell(f"    ✗ {row['why_not']}")
            self._reasons.setdefault(row["why_not"], 0)
        self._reasons[row["reason"] or ""] += 1

    def show(self, *, is_full: bool) -> None:
        """Tell what the reasons mean, and what to do next."""
        if not self._rows:
            tell("không có gì hỏng · nothing has died")
            return
        tell("")
        for code, number in self._reasons.most_common():
            tell(f"{f'{number} × ' if number else ''}{code}: {_sentence(code)}")
        if is_full:
            tell("… còn nữa · there may be more: --limit, --since, --to, --reason")
        if self._example:
            tell(self._example)


@dataclass(slots=True)
class _Tally:
    """Counts what came of each, and tells it line by line."""

    is_json: bool
    seen: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def add(
        self, row: dict[str, Any], done: Replayed | NotReplayed | None, would: tuple[str, str] = ("", "")
    ) -> None:
        self.seen += 1
        about = f"{row['document']}{' → ' + row['recipient'] if row['recipient'] else ''}"
        told = {"document": row["document"], "recipient": row["recipient"]}
        match done:
            case NotReplayed(reason=reason, detail=detail):
                self.refused[reason] += 1
                line = f"✗ {about}: {_sentence(reason)} [{reason}] {detail}".rstrip()
                told |= {"done": "refused", "reason": reason, "detail": detail}
            case Replayed() if done.delivery is None:
                line = f"✓ {about}: xử lý lại thành · again as {done.document}"
                told |= {"done": "replayed", "as": done.document}
            case Replayed():
                until = _local(done.expires_at.isoformat())
                line = (
                    f"✓ {about}: giao lại lần {done.generation}, hạn {until} · delivery {done.generation}, "
                    f"until {until}: {done.delivery}"
                )
                told |= {"done": "replayed", "generation": done.generation, "delivery": done.delivery}
            case None:
                line = f"• {about}: {would[0]} · {would[1]}"
                told |= {"done": "would-replay"}
        tell(json.dumps(told, ensure_ascii=False) if self.is_json else line)

    def outcome(self, dry_run: bool) -> str:
        """For the record."""
        done = self.seen - self.refused.total()
        refused = ", ".join(f"{n} {code}" for code, n in sorted(self.refused.items()))
        return f"{done} {'would be ' if dry_run else ''}replayed" + (
            f"; refused: {refused}" if refused else ""
        )

    def told(self, *, dry_run: bool, is_running: bool) -> str:
        if not self.seen:
            return "không có gì hỏng như vậy · nothing of this kind has died"
        done, refused = self.seen - self.refused.total(), self.refused.total()
        if dry_run:
            return f"sẽ phát lại {done}, từ chối {refused} · {done} would be replayed, {refused} refused; nothing was done"
        when = (
            "cổng đang chạy giao ngay · the running gateway goes on with it at once"
            if is_running
            else "sẽ giao khi cổng chạy · goes out when the gateway runs"
        )
        return f"đã phát lại {done}, từ chối {refused} · {done} replayed, {refused} refused" + (
            f"; {when}" if done else ""
        )


def _agreed(found: int) -> bool:
    """Ask before many are replayed."""
    if not sys.stdin.isatty():
        tell(
            f"{found} sẽ được phát lại; cần --yes khi không có ai trả lời · "
            f"{found} would be replayed; --yes is needed where nobody can answer"
        )
        return False
    return typer.confirm(f"Phát lại {found}? · Replay {found}?")


def _query(document: str, to: str, sender: str, reason: str, since: str, until: str) -> Any:
    if reason and reason not in reasons():
        raise typer.BadParameter(
            f"{reason}: không có mã này trong reasons.toml · no such code", param_hint="--reason"
        )
    return wiring.DeadQuery(
        document=document,
        to=to,
        sender=sender,
        reason=reason,
        since=_instant(since, "--since"),
        until=_instant(until, "--until"),
    )


def _instant(text: str, option: str) -> datetime | None:
    """An instant, in Vietnam's time where no other is said, or so long before now."""
    if not text:
        return None
    if ago := _AGO.fullmatch(text.strip()):
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(
            f"{text}: cần thời điểm hoặc khoảng thời gian (2016-03-04T09:30, 2h) · an instant, or so long ago",
            param_hint=option,
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=VIETNAM)).astimezone(UTC)


def _told(query: Any) -> str:
    return " ".join(_parts(query)) or "all"


def _parts(query: Any) -> Iterator[str]:
    for name in ("document", "to", "sender", "reason", "since", "until"):
        value = getattr(query, name)
        if value:
            yield f"{name}={value.isoformat() if isinstance(value, datetime) else value}"


def _sentence(code: str) -> str:
    entry = reasons().get(code)
    return f"{entry.vi} · {entry.en}" if entry else code


def _local(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M:%S")


def _printable(text: str) -> str:
    """*text* without what a terminal would obey: a sender has chosen it."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)
