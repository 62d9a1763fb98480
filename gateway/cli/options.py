"""The options that several verbs share."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from gateway.config import Config, load
from gateway.model.finding import Finding
from schemas import reasons

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Tệp cấu hình · the configuration file (TOML).")
]
VarOption = Annotated[Path | None, typer.Option("--var", help="Nơi để dữ liệu · where data lies.")]
JsonOption = Annotated[bool, typer.Option("--json", help="In JSON · print JSON.")]

T = TypeVar("T")


def configured(config: Path | None, var: Path | None) -> Config:
    """The configuration that a verb works with."""
    return load(config, var=var)


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run an asynchronous verb to its end.  After Ctrl-C nothing is waited for that can't be cancelled."""
    with asyncio.Runner() as runner:
        try:
            return runner.run(main())
        except KeyboardInterrupt:
            # the verb has tidied up; a thread that is lost in a hostile file would hold the end up
            sys.stdout.flush()
            os._exit(130)


def sentence(finding: Finding) -> str:
    """What *finding* says, in both languages."""
    entry = reasons().get(finding.code)
    vi = finding.message_vi or (entry.vi if entry else finding.code)
    en = finding.message or (entry.en if entry else "")
    where = f" ({finding.where})" if finding.where else ""
    detail = f": {finding.detail}" if finding.detail else ""
    return f"{vi} · {en}{where}{detail}"


def tell(line: str) -> None:
    """Print *line* now.  Where nobody reads any more, the verb ends quietly, as a shell expects."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # what is still in the buffer would raise again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from None


def operator() -> str:
    """Who is at the keyboard, for the audit rows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
