"""When a review of the content is overdue."""

from __future__ import annotations

from datetime import date

import pytest
from typer.testing import CliRunner

from cds_service.cli.knowledge import app
from cds_service.knowledge.review import overdue

REVIEWED = date(2026, 11, 25)


@pytest.mark.parametrize("today", [date(2026, 11, 25), date(2027, 11, 24), date(2027, 11, 25)])
def test_a_review_within_twelve_months_is_no_warning(today: date) -> None:
    assert overdue(REVIEWED, today) is None


@pytest.mark.parametrize("today", [date(2027, 11, 26), date(2027, 12, 1), date(2030, 1, 1)])
def test_an_older_one_is(today: date) -> None:
    assert "2026-11-25" in (overdue(REVIEWED, today) or "")


def test_knowledge_check_warns_and_still_finds_no_mistake() -> None:
    told = CliRunner().invoke(app, ["check", "--today", "2099-01-01"])
    assert told.exit_code == 0
    assert "no mistake found" in told.output
    assert "warning: meta.yaml: reviewed" in told.output
    told = CliRunner().invoke(app, ["check", "--today", "2026-11-26"])
    assert "warning" not in told.output
