"""Promise 8: every action of an operator is on record from the first day."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.store import Options, Store
from gateway.cli import app
from gateway.errors import Refused
from gateway.model.change import AuditEntry


def _url(var: Path) -> str:
    return f"sqlite:///{var / 'ledger.sqlite'}"


def _notes(var: Path) -> Sequence[AuditEntry]:
    async def read() -> Sequence[AuditEntry]:
        store = await Store.open(Options(url=_url(var), realm="H53"))
        try:
            return await store.records.notes()
        finally:
            await store.close()

    return asyncio.run(read())


@pytest.mark.parametrize(
    ("command", "verb", "subject"),
    [
        (["check-config"], "check-config", "gateway.toml"),
        (["inbox", "000.00.13.H53", "--json"], "inbox", "000.00.13.H53"),
        (["trace", "517/QĐ-UBND"], "trace", "517/QĐ-UBND"),
        (["dead", "--to", "000.00.13.H53"], "dead", "to=000.00.13.H53"),
        (["replay", "--all", "--yes"], "replay", "all"),
        (["verify", "none.pdf", "--json"], "verify", "1 files"),
        (["log", "verify"], "log verify", "0 leaves"),
        (["evidence", "export", "517/QĐ-UBND", "--out", "none.asice"], "evidence export", "517/QĐ-UBND"),
        (["evidence", "verify", "pyproject.toml"], "evidence verify", "pyproject.toml"),
        (["organs", "reload"], "organs-reload", "var"),
        (["sign", "none.pdf", "out.pdf", "--organ", "000.00.13.H53"], "sign", "none.pdf → out.pdf"),
    ],
)
def test_what_an_operator_does_is_on_record_with_his_name(
    tmp_path: Path, command: list[str], verb: str, subject: str
) -> None:
    """Also what found nothing: looking is an action."""
    (tmp_path / "organs.csv").write_text('organ_id,name\n"000.00.13.H53","Sở Nội vụ"\n', encoding="utf-8")
    config, var = tmp_path / "gateway.toml", tmp_path / "var"
    var.mkdir()
    url = _url(var)
    config.write_text(f'[directory]\norgans = "organs.csv"\n[store]\nurl = "{url}"\n', encoding="utf-8")
    assert not _notes(var), "the store is there, and empty"
    done = CliRunner().invoke(app, [*command, "--config", str(config), "--var", str(var)])
    assert done.exception is None or isinstance(done.exception, SystemExit | Refused), done.output
    (entry,) = _notes(var)
    assert (entry.actor, entry.verb) == (getpass.getuser(), verb)
    assert entry.object.endswith(subject)
