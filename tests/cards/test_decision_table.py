"""Every row that a card, a silence or a trace names stands in the decision table."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from cds_service.cards.decision_table import SILENCE, rows
from cds_service.cli import main
from cds_service.knowledge.loader import Knowledge
from tests.server.test_pages import PageClient, request_of
from tests.support.app_client import ClientFactory


def test_the_table_holds_the_row_of_every_card(knowledge: Knowledge) -> None:
    table = {row.id: row for row in rows(knowledge)}

    for card in knowledge.cards.values():
        assert card in table[card.row].cards
    assert {id_ for id_, row in table.items() if row.answer == SILENCE} == {"6", "10"}
    assert table["7"].answer == "warning"
    assert table["1"].answer == "critical, warning where FOP is only suspected"
    assert table["6c"].answer.startswith("warning, info where the tier is not high")


def test_a_trace_leads_to_its_row(make_client: ClientFactory) -> None:
    client = PageClient(make_client().app)
    page = client.get("/evidence").text
    for name, row in (("high-risk-previous-ho", "7"), ("low-risk", "10"), ("fop-biopsy", "2")):
        told = client.post("/playground/answer", content=request_of(name)).json()
        [link] = [node["basis"][0][1] for node in told["trace"][0]["nodes"] if row in node["text"]]

        assert link == f"#row-{row}", json.dumps(told["trace"][0])
        assert f'<tr id="{link[1:]}">' in page


def test_the_command_line_shows_the_table(knowledge: Knowledge) -> None:
    shown = CliRunner().invoke(main.app, ["knowledge", "list", "rows"]).stdout

    assert len(shown.splitlines()) == len(rows(knowledge))
    assert "no factor that counts; hip arthroplasty: silence" in shown
