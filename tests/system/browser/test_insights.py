"""The insights page in a browser: invented and real figures, plots, and the operator's token."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from cds_service.knowledge.loader import Knowledge
from tests.support.constants import FIXTURES as FOLDER
from tests.system.browser.conftest import PHONE, Open, serving

TOKEN = "an operator's token"
SIGN = "/cds-services/ho-order-sign"


def plots(page: Page) -> int:
    canvases = page.locator("canvas")
    canvases.first.wait_for()
    return canvases.count()


def test_demonstration_says_that_it_is_one(visit: Open) -> None:
    page = visit().go("/insights?demo=1")

    expect(page.get_by_role("note")).to_contain_text("all numbers on this page are invented")
    assert plots(page) == page.locator(".plot").count() == 9
    assert (
        page.locator("table").count() == 13
    )  # those of unread systems and of the roll-out have none
    drawn = page.evaluate(
        "[...document.querySelectorAll('canvas')].every(c => c.width > 100 && c.height > 50)"
    )
    assert drawn


def test_figures_of_calls_and_feedback(visit: Open, knowledge: Knowledge, tmp_path: Path) -> None:
    """In a service of its own: other tests make cards in the common one."""
    with serving(knowledge, database_url=f"sqlite:///{tmp_path / 'db.sqlite3'}") as site:
        body = (FOLDER / "high-risk-previous-ho.json").read_text()
        with httpx.Client(base_url=site) as client:
            cards = [client.post(SIGN, content=body).json()["cards"][0] for _ in range(3)]
            suggestion = {"id": cards[0]["suggestions"][0]["uuid"]}
            reason = {"reason": {k: cards[1]["overrideReasons"][3][k] for k in ("code", "system")}}
            items = [
                {
                    "card": cards[0]["uuid"],
                    "outcome": "accepted",
                    "acceptedSuggestions": [suggestion],
                },
                {"card": cards[1]["uuid"], "outcome": "overridden", "overrideReason": reason},
            ]
            sent = client.post(f"{SIGN}/feedback", json={"feedback": items})
            assert sent.status_code == 200

        page = visit(base=site).go("/insights")
        for _ in range(20):
            if page.get_by_role("note").count() == 0 and "3" in page.locator(".tiles").inner_text():
                break
            page.wait_for_timeout(100)
            page.reload()
        expect(page.get_by_role("note")).to_have_count(0)
        cells = page.locator("#table-tier tbody tr > *").all_text_contents()
        assert cells == ["high", "3", "1", "1", "0", "1"]
        expect(page.locator("#table-reason")).to_contain_text("Patient declined")
        expect(page.locator("#table-day")).to_contain_text("2026-11-23")
        expect(page.locator("#table-time")).to_contain_text("ho-order-sign")

        answer = httpx.get(f"{site}/insights/rule.csv")
        table = list(csv.reader(io.StringIO(answer.text)))
        assert table[0] == ["rule", "issued", "accepted", "overridden", "ignored", "no feedback"]
        assert ["previous-ho-site-not-stated", "3", "1", "1", "0", "1"] in table


def test_operators_show_their_token(visit: Open, knowledge: Knowledge) -> None:
    settings = {"database_url": "none", "pages": True, "operator_token": TOKEN}
    with serving(knowledge, **settings) as base:
        tab = visit(PHONE, base=base)
        tab.expected = {401}
        page = tab.go("/insights")
        page.get_by_label("Operator token").fill("a wrong operator token")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("This is not the token.")
        page.get_by_label("Operator token").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Insights")
        assert page.url == f"{base}/insights"
        expect(page.get_by_role("note")).to_contain_text("No figures of cards")
        page.get_by_role("button", name="Leave").click()
        expect(page.get_by_label("Operator token")).to_be_visible()
