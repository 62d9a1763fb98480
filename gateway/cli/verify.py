"""``vanthu verify``: judge the signatures of PDF files, offline."""

from __future__ import annotations

import json
import re
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import wiring
from gateway.cli.options import ConfigOption, JsonOption, VarOption, configured, operator, run, sentence, tell
from gateway.model.signature import Inspection, Verdict

_SURROGATE = re.compile("[\ud800-\udfff]")


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("verify")(verify)


def verify(
    files: Annotated[list[Path], typer.Argument(help="Tệp PDF · PDF files.")],
    json_lines: JsonOption = False,
    trust: Annotated[
        Path | None, typer.Option("--trust", help="Thư mục gốc tin cậy · folder of trusted roots.")
    ] = None,
    unsafe_accept_any_signer: Annotated[
        bool,
        typer.Option(
            "--unsafe-accept-any-signer",
            help="Bỏ qua đường dẫn tin cậy, hạn và thu hồi · skips path, dates and revocation; never integrity.",
        ),
    ] = False,
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """Kiểm tra chữ ký số · judge signatures; exit 1 where a file is invalid or refused."""
    settings = configured(config, var)

    async def go() -> bool:
        bad = False
        judging = wiring.verify(
            settings, files, trust=trust, unsafe_accept_any_signer=unsafe_accept_any_signer
        )
        async with aclosing(judging):
            async for file, inspection in judging:
                bad |= inspection.verdict in (Verdict.INVALID, Verdict.REFUSED)
                tell(json_line(file, inspection) if json_lines else _told(file, inspection))
        await wiring.note(settings, operator(), "verify", f"{len(files)} files", "bad" if bad else "ok")
        return bad

    if run(go):
        raise typer.Exit(1)


def json_line(file: Path, inspection: Inspection) -> str:
    """``as_json`` on one line.  Bytes of a name that are no letters come as lone surrogates, escaped."""
    line = json.dumps(as_json(file, inspection), ensure_ascii=False)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def as_json(file: Path, inspection: Inspection) -> dict[str, Any]:
    """One file's verdict as the contract of the command has it."""
    return {
        "file": str(file),
        "verdict": str(inspection.verdict),
        "signatures": [
            {
                "field": s.field,
                "signer": s.signer,
                "sub_filter": s.sub_filter,
                "level": s.level,
                "indication": str(s.indication),
                "sub_indication": s.sub_indication,
                "coverage": s.coverage,
                "changes": s.changes,
                "signed_at": s.signed_at.isoformat() if s.signed_at else None,
            }
            for s in inspection.signatures
        ],
        "findings": [
            {"code": f.code, "severity": str(f.severity), "message": sentence(f)} for f in inspection.findings
        ],
        "elapsed_ms": round(inspection.elapsed_ms, 2),
    }


def _told(file: Path, inspection: Inspection) -> str:
    lines = [f"{file}: {inspection.verdict}"]
    for s in inspection.signatures:
        at = s.signed_at.isoformat() if s.signed_at else "?"
        lines.append(f"  {s.field}: {s.indication} {s.sub_indication} {s.level} {at} {s.signer}".rstrip())
        lines.append(f"    phạm vi · coverage {s.coverage}, thay đổi sau đó · changes {s.changes or '?'}")
        if s.chain:
            lines.append(f"    chuỗi tin cậy · chain {' ← '.join(s.chain)}")
    lines += [f"  {f.severity} {f.code}: {sentence(f)}" for f in inspection.findings]
    return "\n".join(_printable(line) for line in lines)


def _printable(line: str) -> str:
    """*line* without what a terminal would obey: the names in it are those that a file has chosen."""
    return "".join(letter if letter.isprintable() else "�" for letter in line)
