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
    """Run an asynchronous verb to its end."""
    return asyncio.run(main())


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
