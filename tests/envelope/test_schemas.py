"""What is generated from the grammar and the rules is as it would be generated now."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.envelope.rules import rules
from tools import edxml_schemas


@pytest.mark.parametrize("path", edxml_schemas.made(), ids=lambda path: path.name)
def test_the_generated_files_are_those_of_the_grammar_and_the_rules(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == edxml_schemas.made()[path], "run python -m tools.edxml_schemas"


def test_the_page_of_rules_has_every_rule_once() -> None:
    page = edxml_schemas.rules_page()
    assert [page.count(f"| {name} |") for name in rules()] == [1] * len(rules())
