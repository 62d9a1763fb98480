"""``vanthu purge`` as an operator meets it: what is due, what went, and on whose record."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.store import FileVault, Options, Store, VaultOptions
from gateway.cli import obey
from gateway.model.document import Dossier
from gateway.model.journey import HandOverState, SubmissionState
from gateway.model.payload import PayloadRef
from tests.contract.conftest import store_file  # noqa: F401 - fixture
from tests.contract.entries import D1, D2, accepted, some_evidence

BODY = b"content of long ago"


@pytest.fixture
def var(tmp_path: Path, store_file: Path) -> Path:  # noqa: F811 - fixture
    """A gateway's data: one document of half a year ago, and one of the same age whose copy is still pending."""
    made = tmp_path / "var"
    (made / "store").mkdir(parents=True)
    (made / "store" / "ledger.sqlite").write_bytes(store_file.read_bytes())
    (made / "vanthu.toml").write_text("[retention]\nsettle_s = 0\n")

    async def fill() -> None:
        then = datetime.now(UTC) - timedelta(days=180)
        vault = FileVault(VaultOptions(folder=made / "vault"))
        async with await Store.open(Options(url=url(made), realm="H53")) as store:
            for document, state in ((D1, HandOverState.HANDED_OVER), (D2, HandOverState.PENDING)):
                ref = (await vault.put(BODY + document.encode())).bare()
                change = accepted(document, state=state)
                assert change.submission is not None
                submission = replace(
                    change.submission,
                    state=SubmissionState.ACCEPTED,
                    received_at=then,
                    expires_at=then + timedelta(days=30),
                    payload=ref,
                )
                copies = tuple(replace(copy, payload=ref) for copy in change.handovers)
                evidence = (some_evidence(document),)
                await store.ledger.commit(
                    replace(change, submission=submission, handovers=copies, evidence=evidence)
                )
                os.utime(vault.path_of(ref), (then.timestamp(), then.timestamp()))
        await vault.close()

    asyncio.run(fill())
    return made


def url(var: Path) -> str:
    return f"sqlite:///{var / 'store' / 'ledger.sqlite'}"


def purge(var: Path, capfd: pytest.CaptureFixture[str], *words: str) -> str:
    capfd.readouterr()
    assert obey(["purge", *words, "--var", str(var), "--config", str(var / "vanthu.toml")]) == 0
    return capfd.readouterr().out


def of(var: Path) -> tuple[list[bool], list[str]]:
    """Which documents still name their bytes, and what is on record."""

    async def look() -> tuple[list[bool], list[str]]:
        async with await Store.open(Options(url=url(var), realm="H53")) as store:
            found: list[Dossier | None] = [await store.ledger.load(document) for document in (D1, D2)]
            notes = await store.records.notes()
        return (
            [one is not None and one.submission.payload is not None for one in found],
            [f"{note.verb} {note.object}" for note in notes if note.verb == "purge"],
        )

    return asyncio.run(look())


def in_vault(var: Path) -> list[bool]:
    vault = var / "vault"
    refs = [PayloadRef.of(BODY + document.encode()) for document in (D1, D2)]
    return [(vault / r.sha256[:2] / r.sha256[2] / r.sha256).exists() for r in refs]


def test_what_is_due_is_told_removed_and_put_on_record(var: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """First only looked at; what is not final stays, with its reason."""
    dry = json.loads(purge(var, capfd, "--dry-run", "--json"))
    assert (dry["gone"]["content"], dry["kept"]["content"], dry["payloads"]) == (1, {"open-copy": 1}, 0)
    assert (of(var)[0], in_vault(var)) == ([True, True], [True, True])
    told = purge(var, capfd)
    assert "còn bản chưa giao · a copy has not left" in told
    assert (of(var)[0], in_vault(var)) == ([False, True], [False, True])
    assert of(var)[1] == ["purge now", "purge dry-run"]
    again = json.loads(purge(var, capfd, "--dry-run", "--json"))
    assert (again["gone"]["content"], again["payloads"]) == (0, 0)
    assert [note["what"].split(" bytes")[0] for note in again["earlier"]] == [
        "content=0 metadata=0 payloads=1",
        "content=1 metadata=0 payloads=0",
    ]
