"""Each line of a card leads to the place that explains it, and chart text never becomes a link."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from cds_service.cards.line_links import has_places
from cds_service.knowledge.loader import Knowledge
from tests.cards.test_compose import answered
from tests.server.test_pages import PageClient, request_of
from tests.support.app_client import ClientFactory
from tests.support.assessments import PREVIOUS_HO, assessment, guidance

PAGE = "https://ho.example.org/evidence"
_LINK = re.compile(r"\*\*\[(?P<title>[^\]]+)\]\((?P<url>[^)]+)\):\*\* ")


@pytest.mark.parametrize("name", ["high-risk-previous-ho", "fop-biopsy", "poh-biopsy"])
def test_every_line_leads_to_its_place(name: str, make_client: ClientFactory) -> None:
    client = PageClient(make_client(database_url="none").app)
    [card] = client.post("/cds-services/ho-order-sign", content=request_of(name)).json()["cards"]
    parts = card["detail"].split("\n\n")

    for part in parts:
        found = _LINK.match(part)
        assert found, part
        path, _, place = found["url"].removeprefix("http://127.0.0.1:8000").partition("#")
        assert path.startswith("/evidence/cards/")
        assert f' id="{place}"' in client.get(path).text
    assert len(parts) >= 3


def test_without_pages_no_line_is_a_link(make_client: ClientFactory) -> None:
    client = make_client(pages=False)
    body = request_of("high-risk-previous-ho")
    [card] = client.post("/cds-services/ho-order-sign", content=body).json()["cards"]

    assert "](" not in card["detail"]
    assert "url" not in card["source"]


@pytest.mark.parametrize(
    ("page", "ours"),
    [
        (PAGE, True),
        ("https://ho.example.org/cds/evidence", True),
        ("https://intranet.example.org/ho-guideline", False),
        ("https://ho.example.org/evidence?x=1", False),
        ("https://ho.example.org/evidence#x", False),
    ],
)
def test_another_page_is_linked_to_as_it_stands(
    page: str, ours: bool, knowledge: Knowledge
) -> None:
    [card] = answered(assessment([guidance()]), knowledge, evidence_url=page)["cards"]

    assert has_places(page) is ours
    assert card["source"]["url"] == (f"{page}/cards/high-risk" if ours else page)
    assert ("](" in card["detail"]) is ours


def test_a_title_of_a_chart_is_none(knowledge: Knowledge) -> None:
    title = "\n\n**Benefit, harm:** x"
    source = replace(PREVIOUS_HO.sources[0], label=title)
    given = guidance(findings=(replace(PREVIOUS_HO, sources=(source,)),))
    [card] = answered(assessment([given]), knowledge, evidence_url=PAGE)["cards"]
    found, *others = card["detail"].split("\n\n")

    assert r"\*\*Benefit\, harm\:\*\* x" in found
    assert found.count("](") == 1
    assert sum("/cards/high-risk#benefit" in part for part in others) == 1
