"""``vanthu dead`` and ``vanthu replay`` as an operator meets them, on a store that has seen trouble."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from adapters.clock import SystemClock
from adapters.store import FileVault, Options, Store, VaultOptions
from gateway.errors import Reason
from gateway.model.change import Change
from gateway.model.ids import DocumentId, PartyKey
from gateway.model.journey import HandOverState, SubmissionState
from gateway.model.payload import PayloadRef
from tests.builders import DEPARTMENT, PROVINCE
from tests.cli.conftest import Vanthu
from tests.contract.entries import D1, D2, a_copy, accepted, an_event, registered

STRANGER = "000.99.99.H53"
BODY = PayloadRef.of("<edXML>Quyết định 517</edXML>".encode())
T = TypeVar("T")


def with_store(var: Path, ask: Callable[[Store], object]) -> object:
    """What *ask* answers of the store of *var*."""

    async def go() -> object:
        url = f"sqlite:///{var / 'store' / 'ledger.sqlite'}"
        async with await Store.open(Options(url=url, realm="H53")) as store:
            return await ask(store)  # type: ignore[misc]  # a coroutine

    return asyncio.run(go())


@pytest.fixture
def trouble(var: Path) -> None:
    """D1 was returned by the department, has a stranger as recipient, and D2 is poison."""
    (var / "store").mkdir(exist_ok=True)
    for file in (var / "store").iterdir():
        file.unlink()

    async def happen(store: Store) -> None:
        await FileVault(VaultOptions(folder=var / "vault")).put(BODY.body or b"")
        now = SystemClock().now()
        failed = HandOverState.FAILED
        copies = (
            a_copy(state=failed, payload=BODY.bare(), reason=Reason("delivery-rejected"), available_at=now),
            a_copy(recipient=STRANGER, state=failed, payload=None, reason=Reason("recipient-unknown")),
        )
        returned = an_event("ContentHandoverFailure", at=now, recipient=PartyKey(DEPARTMENT))
        await store.ledger.commit(replace(accepted(), handovers=copies, events=(returned,)))
        poison = registered(
            D2, state=SubmissionState.REFUSED, reason=Reason("poison"), payload=BODY.bare(), slot=""
        )
        await store.ledger.commit(poison)

    with_store(var, happen)


def test_what_died_is_told_with_its_reason_in_both_languages_and_what_a_replay_would_do(
    vanthu: Vanthu, trouble: None
) -> None:
    told = vanthu("dead")
    assert told.code == 0, told.err
    assert D1 in told.out
    assert D2 in told.out
    assert "Phần mềm bên nhận trả lại văn bản. · The recipient's software returned the document." in told.out
    assert "trong hàng đợi bên nhận · in the recipient's queue" in told.out
    assert "under a new delivery id" in told.out
    assert f"vanthu replay {D1} --to {DEPARTMENT} --dry-run" in told.out
    rows = [json.loads(line) for line in vanthu("dead", "--json").out.splitlines()]
    kinds = {(row["what"], row["reason"]): row for row in rows}
    assert {key: row["can_be_replayed"] for key, row in kinds.items()} == {
        ("hand-over", "delivery-rejected"): True,
        ("hand-over", "recipient-unknown"): False,
        ("submission", "poison"): True,
    }
    assert kinds["hand-over", "recipient-unknown"]["where"] == "routing"


def test_a_dry_run_does_nothing_and_a_replay_is_done_once_and_is_on_record(
    vanthu: Vanthu, var: Path, trouble: None
) -> None:
    would = vanthu("replay", "--all", "--dry-run")
    assert "2 would be replayed, 1 refused; nothing was done" in would.out
    assert would.code == 1, "something would be refused"
    done = vanthu("replay", D1, "--to", DEPARTMENT)
    assert (done.code, "1 replayed, 0 refused" in done.out) == (0, True), done
    again = vanthu("replay", D1, "--to", DEPARTMENT)
    assert again.code == 1
    assert "[replay-not-dead] pending" in again.out

    async def look(store: Store) -> None:
        dossier = await store.ledger.load(D1)
        assert dossier is not None
        copy = dossier.of(PartyKey(DEPARTMENT))
        assert copy is not None
        assert (copy.state, copy.generation) == (HandOverState.PENDING, 2)
        notes = [note for note in await store.records.notes() if note.verb == "replay"]
        assert any(copy.delivery in note.outcome for note in notes)
        assert (await store.records.waiting())["delivery"] == 1

    with_store(var, look)


def test_many_are_replayed_only_with_a_yes(vanthu: Vanthu, trouble: None) -> None:
    asked = vanthu("replay", "--from", PROVINCE)
    assert (asked.code, "--yes is needed" in asked.out) == (1, True)
    done = vanthu("replay", "--from", PROVINCE, "--yes", "--json")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert sorted(line["done"] for line in lines) == ["refused", "replayed", "replayed"]
    assert vanthu("replay", "--reason", "poison", "--yes").out.startswith("✗ " + D2), "replayed already"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["replay"], 2, "one of these is needed"),
        (["replay", "nothing-bears-this-name"], 1, "[not-found]"),
        (["dead", "--since", "gestern"], 2, "an instant, or so long ago"),
        (["dead", "--reason", "no-such-reason"], 2, "no such code"),
        (["dead", "--until", "2016-03-04T09:30"], 0, "nothing has died"),
    ],
)
def test_what_cannot_be_meant_is_told_in_a_sentence(
    vanthu: Vanthu, trouble: None, words: list[str], code: int, says: str
) -> None:
    told = vanthu(*words)
    assert (told.code, says in told.out + told.err) == (code, True), told
    assert "Traceback" not in told.err


def test_what_has_not_died_says_so(vanthu: Vanthu, var: Path, trouble: None) -> None:
    async def deliver(store: Store) -> None:
        fine = DocumentId("0195d000-0000-7000-8000-000000000009")
        await store.ledger.commit(accepted(fine, state=HandOverState.AVAILABLE))
        await store.ledger.commit(Change())

    with_store(var, deliver)
    told = vanthu("replay", "0195d000-0000-7000-8000-000000000009")
    assert (told.code, "[replay-not-dead] available" in told.out) == (1, True), told
