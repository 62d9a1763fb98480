"""The command ``vanthu``: one file per group of verbs.  Errors are a sentence, never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import TextIOWrapper

import typer

from gateway import wiring
from gateway.cli import (
    check,
    dead,
    documents,
    drain,
    edxml,
    evidence,
    log,
    organs,
    purge,
    quotas,
    serve,
    sign,
    stuck,
    verify,
)
from gateway.errors import ConfigError, GatewayError, Refused, Unavailable
from schemas import reasons

app = typer.Typer(
    name="vanthu",
    help="Cổng trao đổi văn bản điện tử · the gateway through which agencies exchange documents.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
serve.add_to(app)
documents.add_to(app)
dead.add_to(app)
drain.add_to(app)
stuck.add_to(app)
sign.add_to(app)
verify.add_to(app)
evidence.add_to(app)
log.add_to(app)
check.add_to(app)
edxml.add_to(app)
organs.add_to(app)
purge.add_to(app)
quotas.add_to(app)


def main() -> None:
    """Run the command line as a process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # whatever the terminal was told to be: our sentences and our JSON are UTF-8
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    wiring.quiet()
    sys.exit(obey(sys.argv[1:]))


def obey(arguments: Sequence[str]) -> int:
    """Do what *arguments* say; the exit code: 0 done, 1 refused or not available, 2 a wrong setting or call."""
    try:
        app(list(arguments), prog_name="vanthu")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except ConfigError as error:
        _say(str(error))
        return 2
    except (Refused, Unavailable) as error:
        entry = reasons().get(error.reason)
        _say(f"{entry.vi} · {entry.en} [{error.reason}] {error.detail}" if entry else str(error))
        return 1
    except GatewayError as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _say(sentence: str) -> None:
    print(f"vanthu: {sentence.strip()}", file=sys.stderr)
