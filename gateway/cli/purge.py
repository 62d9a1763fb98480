"""``vanthu purge``: what has been kept long enough, and letting it go."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from gateway import wiring
from gateway.cli.options import ConfigOption, JsonOption, VarOption, configured, operator, run, tell
from gateway.model.retention import DataClass, Hindrance

_PARTS = {DataClass.CONTENT: "nội dung · content", DataClass.METADATA: "siêu dữ liệu · metadata"}

_WHY = {
    Hindrance.UNDECIDED: "chưa quyết định · not decided",
    Hindrance.UNEXPIRED: "chưa hết hạn · not expired",
    Hindrance.OPEN_COPY: "còn bản chưa giao · a copy has not left",
    Hindrance.OPEN_REQUEST: "chờ trả lời thu hồi, cập nhật · a recall or update waits for its answer",
    Hindrance.IN_WORK: "còn việc phải làm · work is still to be done",
    Hindrance.IN_USE: "văn bản khác còn dùng · another document that is open is about it",
    Hindrance.HAS_CONTENT: "nội dung chưa xóa · its content is still there",
}


def add_to(app: typer.Typer) -> None:
    """Add the verb of this file."""
    app.command("purge")(purge)


def purge(
    is_dry: Annotated[
        bool, typer.Option("--dry-run", help="Chỉ xem, không xóa gì · only look, remove nothing.")
    ] = False,
    json_lines: JsonOption = False,
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """Xóa những gì đã hết thời hạn lưu giữ · remove what was kept long enough; the running gateway does so by itself."""
    settings = configured(config, var)

    async def go() -> wiring.Purged:
        purged = await wiring.purge(settings, is_dry=is_dry)
        subject = "dry-run" if is_dry else "now"
        await wiring.note(settings, operator(), "purge", subject, purged.tally.told)
        return purged

    purged = run(go)
    tell(json.dumps(_as_json(purged, is_dry), ensure_ascii=False) if json_lines else _told(purged, is_dry))


def _as_json(purged: wiring.Purged, is_dry: bool) -> dict[str, Any]:
    tally = purged.tally
    return {
        "dry_run": is_dry,
        "gone": {str(part): tally.gone[part] for part in DataClass},
        "kept": {
            str(part): {str(why): number for (p, why), number in tally.kept.items() if p is part}
            for part in DataClass
        },
        "payloads": tally.payloads,
        "bytes": tally.payload_bytes,
        "earlier": [{"at": note.at.isoformat(), "what": note.outcome} for note in purged.earlier],
    }


def _told(purged: wiring.Purged, is_dry: bool) -> str:
    tally = purged.tally
    verb = "sẽ xóa · would go" if is_dry else "đã xóa · gone"
    lines = [f"{_PARTS[part]}: {tally.gone[part]} văn bản · documents {verb}" for part in DataClass]
    lines.append(
        f"kho · vault: {tally.payloads} tệp không còn ai dùng · files that nothing refers to, "
        f"{tally.payload_bytes / 1e6:.1f} MB {verb}"
    )
    lines += [
        f"  giữ lại · kept on, {_PARTS[part]}: {number} ({_WHY[why]})"
        for (part, why), number in sorted(tally.kept.items())
    ]
    lines += [f"  {note.at:%Y-%m-%d %H:%M}Z  {note.outcome}" for note in purged.earlier]
    return "\n".join(lines)
