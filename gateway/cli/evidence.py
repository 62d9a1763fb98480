"""``vanthu evidence export`` and ``verify``: the proof of one document in one file, and whether it holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from gateway import wiring
from gateway.cli.log import VERDICTS, RootOption
from gateway.cli.options import ConfigOption, JsonOption, VarOption, configured, operator, run, sentence, tell
from gateway.errors import Refused
from gateway.model.evidence import in_words
from schemas import reasons

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    evidence = typer.Typer(
        help="Bằng chứng gửi nhận · evidence of sending and receiving.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    evidence.command("export")(export)
    evidence.command("verify")(verify)
    app.add_typer(evidence, name="evidence")


def export(
    document: Annotated[
        str,
        typer.Argument(
            help="Mã văn bản, message_id, mã định danh hoặc số/ký hiệu · document id, message id, official id or code."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Tệp kết quả (.asice) · the container to write.")],
    json_lines: JsonOption = False,
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """Xuất mọi bằng chứng của một văn bản vào một tệp · all evidence of a document in one ASiC-E container."""
    settings = configured(config, var)

    async def go() -> wiring.Exported:
        try:
            done = await wiring.export_evidence(settings, document, out)
        except Refused as refused:
            await wiring.note(settings, operator(), "evidence export", document, refused.reason)
            raise
        await wiring.note(settings, operator(), "evidence export", done.document, f"{done.pieces} pieces")
        return done

    done = run(go)
    if json_lines:
        head = done.head
        value = {
            "file": str(out),
            "document": done.document,
            "size": done.size,
            "evidence": done.pieces,
            "unproved": done.unproved,
            "gone": done.gone,
            "reason": "content-purged" if done.is_purged else None,
            "head": {"size": head.size, "root": head.root, "stamped": head.stamp is not None}
            if head
            else None,
        }
        tell(json.dumps(value, ensure_ascii=False))
        return
    lines = [f"{out}: {done.pieces} bằng chứng · pieces of evidence, {done.size} byte, {done.document}"]
    if done.head is not None:
        stamped = (
            "có dấu thời gian · time-stamped" if done.head.stamp else "chưa có dấu thời gian · no time-stamp"
        )
        lines.append(
            f"  đầu sổ · head {done.head.size} @ {done.head.signed_at:%Y-%m-%d %H:%M:%S}Z, {stamped}"
        )
    if done.unproved:
        lines.append(
            f"  LƯU Ý: {done.unproved} bằng chứng chưa nằm dưới đầu sổ nào · not yet under a signed head; "
            "hãy xuất lại sau một phút · export again in a minute"
        )
    if done.is_purged:
        why = reasons()["content-purged"]
        lines.append(f"  LƯU Ý: {why.vi} · {why.en} [content-purged]")
    if done.gone:
        lines.append("  LƯU Ý: nội dung văn bản không còn được lưu · the document's bytes are no longer kept")
    tell("\n".join(lines))


def verify(
    file: Annotated[
        Path,
        typer.Argument(help="Tệp bằng chứng · the container.", exists=True, dir_okay=False, readable=True),
    ],
    json_lines: JsonOption = False,
    root: RootOption = None,
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """Kiểm tra một tệp bằng chứng, không cần mạng hay kho · check a container offline; exit 1 where it does not hold."""
    settings = configured(config, var)

    async def go() -> wiring.ContainerReport:
        report = await wiring.verify_container(settings, file, root)
        await wiring.note(settings, operator(), "evidence verify", str(file), report.verdict)
        return report

    report = run(go)
    tell(json.dumps(as_json(file, report), ensure_ascii=False) if json_lines else _told(file, report))
    if not report.is_intact:
        raise typer.Exit(1)


def as_json(file: Path, report: wiring.ContainerReport) -> dict[str, Any]:
    """What a container says and whether it holds, as the contract of the command has it."""
    story, told, head = report.story, report.manifest, report.head
    return {
        "file": str(file),
        "verdict": report.verdict,
        "document": story.document if story else None,
        "message_id": story.message_id if story else None,
        "code": told.code if told else "",
        "subject": told.subject if told else "",
        "sender": {"code": story.sender.code, "name": story.sender.name} if story else None,
        "submitted_at": _iso(story.submitted_at) if story else None,
        "recipients": [
            {
                "code": copy.recipient.code,
                "name": copy.recipient.name,
                "available_at": _iso(copy.available_at),
                "handed_over_at": _iso(copy.handed_over_at),
                "accepted_at": _iso(copy.accepted_at),
                "rejected_at": _iso(copy.rejected_at),
                "events": [
                    {"event": p.event, "at": _iso(p.at), "reasons": [r.code for r in p.reasons]}
                    for p in copy.pieces
                ],
            }
            for copy in (story.copies if story else ())
        ],
        "sealed_by": report.sealed_by,
        "sealed_at": _iso(report.sealed_at),
        "head": {"size": head.size, "root": head.root, "signed_at": _iso(head.at)} if head else None,
        "stamped_at": _iso(report.stamped_at),
        "evidence": report.pieces,
        "proved": report.proved,
        "findings": [
            {
                "code": f.code,
                "severity": str(f.severity),
                "where": f.where,
                "detail": f.detail,
                "message": sentence(f),
            }
            for f in report.findings
        ],
        "more": report.more,
    }


def _told(file: Path, report: wiring.ContainerReport) -> str:
    lines = [f"{file}: {VERDICTS[report.verdict]}"]
    lines += [f"  {f.severity} {f.code}: {sentence(f)}" for f in report.findings]
    if report.more:
        lines.append(f"  … {report.more} lỗi nữa · more")
    story, told = report.story, report.manifest
    if story is not None:
        code = f"{told.code} " if told and told.code else ""
        lines += [
            f"  văn bản · document {code}{story.document}",
            f"  {story.sender.name} ({story.sender.code}) đã gửi lúc · submitted at {_local(story.submitted_at)}",
        ]
        if story.about.event != "SubmissionAcceptance":
            lines.append(f"  {' · '.join(in_words(story.about.event)).upper()} {_local(story.about.at)}")
        for reason in story.about.reasons:
            lines.append(f"    {reason.code}: {reason.vi} · {reason.en}")
        for copy in story.copies:
            lines.append(f"  → {copy.recipient.name} ({copy.recipient.code})")
            lines += [
                f"      {what}: {_local(at)}"
                for what, at in (
                    ("sẵn sàng để nhận · available", copy.available_at),
                    ("đã giao · handed over", copy.handed_over_at),
                    ("đã vào sổ · accepted", copy.accepted_at),
                    ("từ chối · rejected", copy.rejected_at),
                )
                if at is not None
            ]
            plain = ("ContentConsignment", "ContentHandover", "ConsignmentAcceptance")
            lines += [
                f"      {' · '.join(in_words(p.event))}: {_local(p.at)} {' '.join(f'{r.code}: {r.vi} · {r.en}' for r in p.reasons)}".rstrip()
                for p in copy.pieces
                if p.event not in plain or p.reasons
            ]
            if not copy.pieces:
                lines.append("      chưa có gì · nothing yet")
    lines.append(
        f"  {report.proved}/{report.pieces} bằng chứng nằm trong sổ · evidence proved to be in the log"
    )
    if report.head is not None and report.head.at is not None:
        lines.append(f"    đầu sổ · head {report.head.size}, ký lúc · signed at {_local(report.head.at)}")
    if report.stamped_at is not None:
        lines.append(f"    dấu thời gian · time-stamped at {_local(report.stamped_at)}")
    if report.sealed_by:
        lines.append(f"  niêm phong · sealed by {report.sealed_by}, {_local(report.sealed_at)}")
    return "\n".join(_printable(line) for line in lines)


def _local(at: datetime | None) -> str:
    return at.astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M:%S") if at else ""


def _iso(at: datetime | None) -> str | None:
    return at.replace(tzinfo=at.tzinfo or UTC).isoformat() if at else None


def _printable(line: str) -> str:
    """*line* without what a terminal would obey: the names in it are those that a file has chosen."""
    return "".join(letter if letter.isprintable() else "�" for letter in line)
