"""``vanthu stuck``: what has been undone for long, since when and why."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from gateway.config import load
from gateway.errors import Reason
from gateway.model.change import Change, Postponed
from gateway.model.ids import DocumentId
from gateway.wiring.ground import open_the_store
from tests.builders import NOON
from tests.cli.conftest import Vanthu
from tests.contract.entries import registered, some_work

OLD = DocumentId("0195d000-0000-7000-8000-0000000000aa")


def test_what_is_undone_is_told_with_its_age_and_its_reason(vanthu: Vanthu, var: Path) -> None:
    work = some_work(f"document:{OLD}", document=OLD, attempts=4)

    async def wait_for_a_judge() -> None:
        store = await open_the_store(load(None, var=var))
        await store.ledger.commit(replace(registered(OLD, received_at=NOON), work=(work,)))
        later = Postponed(key=work.key, due_at=NOON + timedelta(hours=1), reason=Reason("judge-away"))
        await store.ledger.commit(Change(postponed=(later,)))
        await store.close()

    assert vanthu("check-config").code == 0, "the folder of data is laid"
    asyncio.run(wait_for_a_judge())
    rows = [json.loads(line) for line in vanthu("stuck", "--json").out.splitlines()]
    (told,) = [row for row in rows if row["document"] == OLD]
    assert (told["kind"], told["attempts"]) == ("document", 4)
    assert (told["since"], told["reason"]) == (NOON.isoformat(), "judge-away")
    page = vanthu("stuck").out
    assert "Bộ kiểm tra" in page
    assert "judge-away" in page
    forever = 60 * 24 * 365 * 100
    assert "nothing is undone" in vanthu("stuck", "--minutes", str(forever)).out
