"""axe-core finds nothing on any page, light and dark, wide and narrow (WCAG 2.2 A and AA)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.system.browser.conftest import DESKTOP, PHONE, Open

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

OPEN_ALL = "for (const one of document.querySelectorAll('details')) one.open = true"
PAGES = {
    "/?sample=high-risk-previous-ho": "",
    "/?sample=fop-hip-replacement": OPEN_ALL,
    "/?sample=moderate-ankylosing-spondylitis": "document.querySelector('.accept').click()",
    "/?sample=low-risk": "document.querySelector('#tab-timing').click()",
    "/?sample=no-prefetch": "",
    "/?sample=fop-biopsy": "document.querySelector('[aria-controls=panel-share]').click()",
    "/?sample=poh-biopsy": "document.querySelector('[aria-controls=panel-server]').click()",
    "/?sample=osteoporosis-only": "document.querySelector('[aria-pressed]').click()",
    "/evidence": "",
    "/evidence/factors": "",
    "/evidence/factors/previous-ho-hip": "",
    "/evidence/options/nsaid": "",
    "/evidence/exclusions/egfr-below-30": "",
    "/evidence/genetic/fop": "",
    "/evidence/cards": "",
    "/evidence/cards/high-risk": "",
    "/evidence/unknown": "",
    "/evidence/sources/hipaid2006": "",
    "/evidence/about": "",
    "/evidence/transparency": "",
    "/evidence/changes": "",
    "/evidence/search?q=celecoxib&system=rxnorm": "",
    "/evidence/codes/fop": "",
    "/insights?demo=1": OPEN_ALL,
}


def findings(page: Page) -> list[Any]:
    """What axe finds. It is run through the debugger, because the pages let no other script in."""
    page.evaluate(AXE)
    asked = "tags => axe.run({runOnly: tags, resultTypes: ['violations']}).then(r => r.violations)"
    found = page.evaluate(asked, TAGS)
    return [
        (rule["id"], [(node["target"], node["failureSummary"]) for node in rule["nodes"][:3]])
        for rule in found
    ]


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_axe_finds_nothing(size: tuple[int, int], scheme: str, visit: Open) -> None:
    tab = visit(size, scheme)
    tab.expected = {412}
    for path, action in PAGES.items():
        page = tab.go(path)
        page.wait_for_timeout(100)
        if action:
            page.evaluate(action)
        assert findings(page) == [], path


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_wider_than_the_window(width: int, visit: Open) -> None:
    tab = visit((width, 700))
    tab.expected = {412}
    for path in PAGES:
        page = tab.go(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_theme_can_be_chosen_and_stays(visit: Open) -> None:
    page = visit(scheme="light").go("/evidence")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    button = page.get_by_role("button", name="Theme")
    button.click()
    assert page.evaluate(ground) == light
    button.click()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == dark
