"""ARCHITECTURE.md shows the tables as they are."""

from __future__ import annotations

from tools import diagrams


def test_the_diagrams_are_those_of_the_tables():
    text = diagrams.TARGET.read_text(encoding="utf-8")
    assert diagrams.written(text) == text
    assert text.count("stateDiagram-v2") == 4
