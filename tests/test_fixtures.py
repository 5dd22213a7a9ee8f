"""Each whole request of tests/fixtures gets the answer that its README promises."""

from __future__ import annotations

import json

import pytest

from cds_service.knowledge.loader import Knowledge
from tests.support.app_client import AppClient
from tests.support.constants import FIXTURES as FOLDER
from tests.support.fixture_book import EVERYDAY, FIXTURES, Fixture, as_text
from tests.support.observed import read_answer
from tests.support.shorthand import SYSTEMS

URL = "/cds-services/ho-order-sign"


@pytest.mark.parametrize("fixture", FIXTURES, ids=[fixture.name for fixture in FIXTURES])
def test_answer(fixture: Fixture, client: AppClient) -> None:
    body = (FOLDER / f"{fixture.name}.json").read_bytes()
    response = client.post(URL, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == fixture.status
    if fixture.status != 200:
        return
    seen = read_answer(response.content)
    assert tuple((card.indicator, card.row, card.card) for card in seen.cards) == fixture.cards
    if not fixture.cards:
        assert [item["row"] for item in seen.silent] == ([fixture.row] if fixture.row else [])


@pytest.mark.parametrize("fixture", FIXTURES, ids=[fixture.name for fixture in FIXTURES])
def test_file_is_as_built(fixture: Fixture) -> None:
    written = (FOLDER / f"{fixture.name}.json").read_text(encoding="utf-8")
    assert written == as_text(fixture.build()), "run scripts/make-fixtures"


def test_readme_names_every_file() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in FOLDER.glob("*.json")}
    assert files == {f"{fixture.name}.json" for fixture in FIXTURES}
    assert all(f"`{name}`" in readme for name in files)


def test_thousand_conditions_are_a_thousand() -> None:
    body = json.loads((FOLDER / "thousand-conditions.json").read_bytes())
    assert len(body["prefetch"]["conditions"]["entry"]) == 1000


@pytest.mark.parametrize("code", sorted(EVERYDAY))
def test_everyday_problems_mean_nothing_here(code: str, knowledge: Knowledge) -> None:
    assert knowledge.index.match(SYSTEMS["icd10cm"], code) is None
