"""Each line of a card leads to the place that explains it, and chart text never becomes a link."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cds_service.cards.compose import Composer
from cds_service.cards.line_links import has_places, linked, titles
from cds_service.knowledge.loader import Knowledge
from tests.server.test_pages import PageClient, request_of
from tests.support.app_client import ClientFactory

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
    composer = Composer(knowledge, evidence_url=page)
    frame: Any = composer._frame(knowledge.cards["high-risk"])

    assert has_places(page) is ours
    assert frame.source["url"] == (f"{page}/cards/high-risk" if ours else page)
    assert bool(frame.titles) is ours


def test_an_escaped_title_of_a_chart_is_none() -> None:
    detail = "**Found:** \\*\\*Benefit, harm:\\*\\* x.\n\n**Limits:** y"
    told = linked(detail, titles("high-risk", PAGE))

    assert told.count("](") == 2
    assert told.endswith(f"**[Limits]({PAGE}/cards/high-risk#limits):** y")
