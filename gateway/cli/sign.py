"""``vanthu sign``: put an agency's seal on a PDF file, offline."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway import wiring
from gateway.cli.options import ConfigOption, VarOption, configured, operator, run, sentence
from gateway.config import Config
from gateway.errors import Refused, Unavailable
from gateway.model.finding import Severity
from gateway.model.ids import OrganCode
from gateway.model.signature import SealKind


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("sign")(sign)


def sign(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Tệp PDF · the PDF file.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Tệp đã đóng dấu · the sealed file; may be IN.")],
    organ: Annotated[str, typer.Option("--organ", help="Mã cơ quan · whose seal: the organ's code.")],
    kind: Annotated[
        SealKind,
        typer.Option("--kind", help="Văn bản chính hay phụ lục · main document, or an appendix of its own."),
    ] = SealKind.MAIN,
    code: Annotated[
        str, typer.Option("--code", help="Số/ký hiệu, ghi trên phụ lục · number/notation, for an appendix.")
    ] = "",
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """Đóng dấu số của cơ quan · seal a PDF with the organ's key; OUT appears complete or not at all."""
    settings = configured(config, var)
    paper = wiring.Paper(source=source, out=out, organ=OrganCode(organ), kind=kind, code=code)
    signed = run(lambda: _on_record(settings, paper))
    if signed.is_for_development:
        print(
            "vanthu: khóa phát triển, tự tạo ở lần dùng đầu, không có giá trị với bên ngoài · "
            f"a development key, made on first use, that proves nothing to anybody else ({settings.keys_folder})",
            file=sys.stderr,
        )
    for finding in signed.findings:
        if finding.severity is not Severity.INFO:
            is_refused = finding.severity is Severity.ERROR
            what = "cổng sẽ từ chối · the gateway would refuse it" if is_refused else "lưu ý · note"
            print(f"vanthu: {what}: {finding.code}: {sentence(finding)}", file=sys.stderr)
    print(f"Đã đóng dấu · sealed: {out} ({signed.size} bytes, sha256 {signed.sha256})")
    print(f"  {signed.seal.subject}")


async def _on_record(settings: Config, paper: wiring.Paper) -> wiring.Signed:
    subject = f"{paper.organ} {paper.source} → {paper.out}"
    try:
        signed = await wiring.sign(settings, paper)
    except (Refused, Unavailable) as why:
        await wiring.note(settings, operator(), "sign", subject, why.reason)
        raise
    await wiring.note(settings, operator(), "sign", subject, signed.sha256)
    return signed
