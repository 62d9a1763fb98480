"""The command ``vanthu``: one file per group of verbs.  Errors are a sentence, never a traceback."""

from __future__ import annotations

import sys

import typer

from gateway.cli import check, documents, serve, verify
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
verify.add_to(app)
check.add_to(app)


def main() -> None:
    """Run the command line; exit 0 done, 1 refused or not available, 2 a wrong setting or call."""
    try:
        app()
    except ConfigError as error:
        _say(str(error))
        sys.exit(2)
    except (Refused, Unavailable) as error:
        entry = reasons().get(error.reason)
        _say(f"{entry.vi} · {entry.en} [{error.reason}] {error.detail}" if entry else str(error))
        sys.exit(1)
    except GatewayError as error:
        _say(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _say(sentence: str) -> None:
    print(f"vanthu: {sentence.strip()}", file=sys.stderr)
