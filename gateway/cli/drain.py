"""``vanthu drain``: have the running gateway take nothing in and prove that nothing is in flight."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from gateway import wiring
from gateway.cli.options import ConfigOption, JsonOption, VarOption, configured, operator, run, tell


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("drain")(drain)


def drain(
    within: Annotated[
        float,
        typer.Option(
            "--within", min=0, max=3600, help="Giới hạn, giây · seconds that what is in hand may take."
        ),
    ] = 60.0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Nhận văn bản trở lại · end it: take documents in again.")
    ] = False,
    json_lines: JsonOption = False,
    config: ConfigOption = None,
    var: VarOption = None,
) -> None:
    """Rút hết việc · the running gateway takes nothing in, finishes or gives back what is in hand, and shows by store
    and broker that nothing is in flight.  Exit 0: so it is; 1: something is left, and told.  A restart ends it, too."""
    settings = configured(config, var)
    done = run(lambda: wiring.ask_drain(settings, within, operator(), resume=resume))
    if done is None:
        tell("không có cổng nào đang chạy ở đây · no gateway runs here: nothing is in flight by it")
        return
    if json_lines:
        tell(json.dumps(done, ensure_ascii=False))
    elif resume:
        tell(f"{done['resumed']} tiến trình nhận văn bản trở lại · workers take documents in again")
    else:
        tell(wiring.told_drained(wiring.drained_of(done)))
        if done["proved"]:
            tell("  vanthu drain --resume")
    if not resume and not done["proved"]:
        raise typer.Exit(1)
