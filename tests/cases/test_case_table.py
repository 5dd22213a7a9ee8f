"""docs/cases.md names every case and every rule; `scripts/case-table` writes it."""

from __future__ import annotations

import pytest

from cds_service.knowledge.loader import Knowledge
from tests.support.casebook import load_all
from tests.support.constants import ROOT
from tests.support.mutation import SECTIONS

TABLE = (ROOT / "docs" / "cases.md").read_text(encoding="utf-8")


def test_every_case_stands_in_the_table() -> None:
    assert [case.id for case in load_all() if f"`{case.id}`" not in TABLE] == []


@pytest.mark.parametrize("section", SECTIONS)
def test_every_rule_stands_in_the_table(section: str, knowledge: Knowledge) -> None:
    rules = getattr(knowledge, section)
    acting = [name for name, rule in rules.items() if getattr(rule, "when", rule) is not None]
    assert [name for name in acting if f"| `{name}` |" not in TABLE] == []


def test_every_rule_has_a_case() -> None:
    """A rule whose absence no case notices stands with an empty last cell."""
    bare = [line.split("`")[1] for line in TABLE.splitlines() if line.endswith("` |  |")]
    assert bare == []
