"""Bug 8: databases take so many parameters in one statement and no more (2,100; 32,767); we may ask for more at once."""

from __future__ import annotations

import asyncio

import pytest

from gateway.model.ids import DocumentId, EvidenceId
from tests.contract.conftest import AnyStore, clock, store, store_database, store_file  # noqa: F401 - fixtures
from tests.contract.entries import D1, accepted


@pytest.mark.heavy_body("makes tens of thousands of ids")
@pytest.mark.parametrize("number", [2_101, 32_768])
async def test_08_more_ids_than_a_statement_takes_parameters_are_asked_for_at_once__eformidling_2901(
    store: AnyStore,  # noqa: F811 - fixture
    number: int,
):
    await store.ledger.commit(accepted())
    assert await store.log_records.places([EvidenceId(f"evidence-{n}") for n in range(number)]) == {}
    many = [D1, *(DocumentId(f"document-{n}") for n in range(min(number, 2_500)))]
    found = await asyncio.gather(*map(store.ledger.load, many))
    assert [dossier.submission.document for dossier in found if dossier] == [D1]
