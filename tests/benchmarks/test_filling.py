"""Filling a store with a past: its rows are those that the gateway leaves, and the gateway goes on from them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.store import Options, Store
from benchmarks import growth
from benchmarks.filling import Past, fill
from gateway.model.ids import DocumentId
from gateway.model.merkle import is_included, leaf_hash
from tests.services import Postgres


@pytest.mark.heavy_body("fills two stores")
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_a_filled_store_answers_as_one_that_grew(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Twice filled, so that the second goes on where the first ended, in the evidence log, too."""
    if database == "sqlite":
        url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    else:
        server: Postgres = request.getfixturevalue("postgres_server")
        url = server.new_database()
    fill(url, 60, Past(organs=("A", "B", "C")))
    fill(url, 41, Past(organs=("A", "B", "C")))
    async with await Store.open(Options(url=url, realm="H53")) as store:
        state = await store.log_records.state()
        first, *_, last = await store.log_records.documents(DocumentId(""), 1000)
        entries = await store.log_records.entries(0, 1000)
        assert len(entries) == state.size == 101 * 2 + 30 + 21
        proofs = await store.log_records.inclusion(range(state.size), state.size)
        for leaf, record in entries:
            assert record is not None
            assert leaf.hash == leaf_hash(record.body)
            assert is_included(
                leaf.hash, leaf.number, state.size, proofs[leaf.number], bytes.fromhex(state.root)
            )
        for document, is_old in ((first, True), (last, False)):
            dossier = await store.ledger.load(document)
            assert dossier is not None
            assert dossier.header is not None
            copy = dossier.handovers[0]
            assert (dossier.submission.payload is None) == (copy.payload is None) == is_old
            assert await store.ledger.find(dossier.header.reference, copy.recipient) == [document]
            issued = await store.records.evidence(document)
            assert issued[-1].sha256 == copy.head
            assert len(await store.records.timeline(document)) == len(issued) + 1
        assert (await store.records.waiting())["deadline"] == 4 + 3


@pytest.mark.heavy_body("fills a store")
def test_every_question_of_the_hot_path_can_be_measured(tmp_path: Path) -> None:
    """``benchmarks.growth`` in short: each question has its figures; how good they are is no test's matter."""
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    fill(url, 60)
    told = asyncio.run(growth.ask(url, most=1))
    assert {"commit", "lease", "load", "timeline", "named"} <= told.keys()
    assert all(one.keys() == {"ms", "worst_ms", "cpu_ms"} for one in told.values())
    assert growth.directory(100).keys() == {"read_s", "ask_us"}
