"""The records of the world: each row comes out as it says, and what has a public source is never
silent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cds_service.knowledge.loader import Knowledge
from tests.support import world

FILES: dict[str, Callable[[world.Row, Knowledge], str]] = {
    "fop": world.of_record, "hip": world.of_order, "ho": world.of_record,
    "packs": world.of_record,
}  # fmt: skip
LEAST = {"fop": 85, "hip": 59, "ho": 40, "packs": 60}
CASES = [(name, row) for name in FILES for row in world.rows(name)]


@pytest.mark.parametrize(
    ("name", "row"), CASES, ids=[f"{n}-{r.world}-{r.code or r.words}" for n, r in CASES]
)
def test_row(knowledge: Knowledge, name: str, row: world.Row) -> None:
    assert FILES[name](row, knowledge) == row.expect


def test_the_document_is_up_to_date() -> None:
    script = Path(__file__).parents[2] / "scripts" / "world"
    subprocess.run([sys.executable, str(script), "--check"], check=True, timeout=60)


@pytest.mark.parametrize("name", FILES)
def test_there_are_many_and_none_is_silent(name: str) -> None:
    rows = world.rows(name)
    assert len(rows) >= LEAST[name]
    assert all(row.expect in world.VERDICTS for row in rows)


@pytest.mark.parametrize("name", ["fop", "hip"])
def test_what_has_a_public_source_is_no_concern_of_none(name: str) -> None:
    assert [row for row in world.rows(name) if row.seen and row.expect == world.NO_CONCERN] == []
