"""The evidence page in a browser: it reads without JavaScript, and its links lead somewhere."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.system.browser.conftest import PHONE, Open


def test_it_reads_without_javascript(visit: Open) -> None:
    page = visit(java_script_enabled=False).go("/evidence#factor-ankylosed-hip")

    expect(page.locator("#factor-ankylosed-hip")).to_be_in_viewport()
    expect(page.locator("#factor-ankylosed-hip")).to_contain_text("OR 9.85")
    expect(page.get_by_role("link", name="PMID 26155968").first).to_be_visible()


def test_brooker_grades_are_drawn(visit: Open) -> None:
    page = visit().go("/evidence#brooker")
    pictures = page.locator("#brooker img")

    expect(pictures).to_have_count(4)
    for number in range(4):
        picture = pictures.nth(number)
        assert picture.evaluate("one => one.complete && one.naturalWidth > 0")
        assert len(picture.get_attribute("alt") or "") > 40


def test_a_card_leads_to_its_evidence(visit: Open) -> None:
    tab = visit()
    page = tab.go("/?sample=fop-biopsy")
    link = page.get_by_role("tabpanel").get_by_role("link", name="genereviews-fop")
    link.click()

    expect(page.locator("#source-genereviews-fop")).to_be_in_viewport()


def test_codes_are_found(visit: Open) -> None:
    page = visit(PHONE).go("/evidence#codes")
    page.get_by_role("searchbox").fill("82725007")
    page.get_by_role("button", name="Search").click()

    expect(page.get_by_role("heading", name="codes for")).to_contain_text("82725007")
    page.get_by_role("link", name="fop", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Fibrodysplasia ossificans progressiva"
    )


def test_hostile_search_words_are_text(visit: Open) -> None:
    page = visit().go("/evidence/codes?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E%E2%80%AEx")

    expect(page.get_by_role("heading", name="codes for")).to_contain_text(
        "<script>alert(1)</script>"
    )
    assert "\u202e" not in page.content()
