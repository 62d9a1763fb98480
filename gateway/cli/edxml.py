"""``vanthu edxml``: check edXML files as the gateway would, show them to people, convert them.

No configuration is needed, no broker and no store.
"""

from __future__ import annotations

import json
import os
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import wiring
from gateway.cli import page
from gateway.cli.options import ConfigOption, JsonOption, configured, run, sentence, tell
from gateway.model.finding import Finding, Severity

_SURROGATE = re.compile("[\ud800-\udfff]")
_REFUSED, _NO_FILE = 1, 2


class Form(StrEnum):
    """What ``convert`` writes."""

    EDXML = "edxml"
    JSON = "json"


edxml = typer.Typer(
    name="edxml",
    help="Gói tin edXML · edXML files: check, show, convert; needs nothing that runs.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.add_typer(edxml)


@edxml.command("check")
def check(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…", help="Tệp edXML, - là đầu vào chuẩn · edXML files, - is standard input."
        ),
    ],
    json_lines: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Kiểm tra theo quy tắc của cổng · check as the gateway would.

    Exit 0: all are in order or have warnings; 1: one would be refused; 2: one is not there.
    """
    settings = configured(config, None)

    async def go() -> int:
        worst = 0
        for file in files:
            checked = await wiring.check_edxml(settings, file)
            tell(json_line(checked) if json_lines else page.told(checked))
            if not checked.is_file:
                worst = _NO_FILE
            elif checked.verdict == "refused":
                worst = max(worst, _REFUSED)
        return worst

    if code := run(go):
        raise typer.Exit(code)


@edxml.command("show")
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Tệp edXML · an edXML file.")],
    config: ConfigOption = None,
) -> None:
    """Trình bày một văn bản cho người đọc · one file as a page for people."""
    settings = configured(config, None)
    checked = run(lambda: wiring.check_edxml(settings, file))
    tell(page.shown(checked))
    if not checked.is_file:
        raise typer.Exit(_NO_FILE)
    if checked.verdict == "refused":
        raise typer.Exit(_REFUSED)


@edxml.command("convert")
def convert(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Tệp edXML hoặc JSON chuẩn · edXML or canonical JSON.")
    ],
    to: Annotated[Form, typer.Option("--to", help="Dạng cần chuyển sang · what to write.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Tệp kết quả; mặc định: đầu ra chuẩn · default: standard output."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Chuyển giữa edXML dạng chặt và JSON chuẩn · between the strict form of edXML and its canonical JSON."""
    settings = configured(config, None)
    body, checked = run(lambda: wiring.convert_edxml(settings, file, to_json=to is Form.JSON))
    for finding in checked.findings:
        if finding.severity is not Severity.INFO:
            print(f"vanthu: {finding.severity} {finding.code}: {sentence(finding)}", file=sys.stderr)
    if out is not None:
        run(lambda: wiring.write_file(out, body))
        return
    try:
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from None


def json_line(checked: wiring.Checked) -> str:
    """``as_json`` on one line.  Bytes of a name that are no letters come as lone surrogates, escaped."""
    line = json.dumps(as_json(checked), ensure_ascii=False)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def as_json(checked: wiring.Checked) -> dict[str, Any]:
    """What was found in one file, as the contract of the command has it."""
    return {
        "file": str(checked.file),
        "verdict": checked.verdict,
        "kind": None if checked.kind is None else str(checked.kind),
        "business": None if checked.business is None else checked.business.name.lower(),
        "from": checked.sender,
        "to": list(checked.recipients),
        "document_id": checked.official_id,
        "attachments": [
            {"name": one.name, "sha256": one.sha256, "size": one.size, "media_type": one.media_type}
            for one in checked.attachments
        ],
        "findings": [_finding(one) for one in checked.findings],
    }


def _finding(finding: Finding) -> dict[str, str]:
    detail = f" ({finding.detail})" if finding.detail else ""
    return {
        "rule": finding.code,
        "severity": str(finding.severity),
        "path": finding.where,
        "message": f"{finding.message_vi} · {finding.message}{detail}",
    }
