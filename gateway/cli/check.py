"""``vanthu check-config``: run what start-up runs, and start nothing."""

from __future__ import annotations

import typer

from gateway import wiring
from gateway.cli.options import ConfigOption, VarOption, configured, operator, run


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("check-config")(check_config)


def check_config(config: ConfigOption = None, var: VarOption = None) -> None:
    """Kiểm tra cấu hình và danh mục · check the configuration and the directory; names file and key."""
    settings = configured(config, var)
    for line in wiring.check(settings):
        print(line)
    run(lambda: wiring.note(settings, operator(), "check-config", str(config or "defaults"), "ok"))
    print("Cấu hình đúng · the configuration is in order")
