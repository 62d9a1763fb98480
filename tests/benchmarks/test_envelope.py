"""The benchmark of envelopes measures what it says, and its page has a place for the figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.files import InHand
from benchmarks.envelope import __main__ as command
from benchmarks.envelope import contestants, documents, proofs


@pytest.mark.heavy_body("reads 234 KB by four readers")
@pytest.mark.parametrize("make", [documents.ordinary, documents.wrapped])
async def test_every_contestant_takes_every_document(make) -> None:
    paper = make()
    entrants = {
        "Vanthu": contestants.ours(paper, InHand()),
        **{
            run.__name__: command.plain(run(paper))
            for run in (contestants.limit, contestants.lxml_dom, contestants.element_tree)
        },
    }
    figures = await command.measured(paper.name, entrants, 1)
    assert [one.who for one in figures] == list(entrants)
    assert all(one.ms > 0 for one in figures)


@pytest.mark.heavy_body("makes a key")
async def test_evidence_is_chained_event_by_event(tmp_path: Path) -> None:
    figures = await command.evidence(1, tmp_path, times=3)
    assert [(one.who, one.goal) for one in figures] == [("Vanthu", 0.3), ("limit", 0.0)]
    run = proofs.chain(proofs.notary(tmp_path / "keys"))
    run()
    run()


def test_the_page_has_a_place_for_the_figures() -> None:
    page = (command.ROOT / "docs" / "benchmarks-envelope.md").read_text("utf-8")
    told = command.replaced(page, "here")
    assert f"{command.BEGIN}\nhere\n{command.END}" in told
    figures = [
        command.Figure(what="x", who="limit", ms=1, cpu_ms=1, rounds=1),
        command.Figure(what="x", who="Vanthu", ms=4, cpu_ms=2, rounds=1, goal=3),
    ]
    table = command.tables({"cpu": "c", "cores": 2, "load_before": 0, "python": "3"}, figures)
    assert "| Vanthu | 4 | 2 | 2.00 | ≤3 | met by CPU time | 1 |" in table
