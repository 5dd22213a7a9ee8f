"""The evidence pages in a browser: they read without JavaScript, and links lead to the place."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.system.browser.conftest import PHONE, Open


def test_it_reads_without_javascript(visit: Open) -> None:
    page = visit(java_script_enabled=False).go("/evidence")
    page.get_by_role("link", name="Risk factors").first.click()
    page.get_by_role("link", name="Ankylosed or fused hip").first.click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Ankylosed or fused hip")
    expect(page.locator("#figure")).to_contain_text("OR 9.85")
    expect(page.get_by_role("link", name="PMID 26155968").first).to_be_visible()


def test_brooker_grades_are_drawn(visit: Open) -> None:
    page = visit().go("/evidence/about#brooker")
    pictures = page.locator("#brooker img")

    expect(pictures).to_have_count(4)
    for number in range(4):
        picture = pictures.nth(number)
        assert picture.evaluate("one => one.complete && one.naturalWidth > 0")
        assert len(picture.get_attribute("alt") or "") > 40


def test_the_trace_leads_to_a_source(visit: Open) -> None:
    page = visit().go("/?sample=fop-biopsy")
    page.get_by_role("tabpanel").get_by_role("link", name="genereviews-fop").click()

    expect(page.locator(".crumbs")).to_contain_text("Sources")
    expect(page.locator("article")).to_contain_text("genereviews-fop")


def test_codes_are_found_on_a_phone_without_javascript(visit: Open) -> None:
    page = visit(PHONE, java_script_enabled=False).go("/evidence/factors/dish")
    page.get_by_role("link", name="Search and sections").click()
    expect(page.get_by_role("searchbox")).to_be_in_viewport()
    page.get_by_role("searchbox").fill("82725007")
    page.get_by_role("button", name="Search").click()

    expect(page.get_by_role("heading", name="for “82725007”").first).to_be_visible()
    name = "Fibrodysplasia ossificans progressiva"
    page.get_by_role("link", name=name, exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Fibrodysplasia ossificans progressiva"
    )


def test_all_icd10_codes_of_previous_ho_are_a_file(visit: Open, tmp_path: Path) -> None:
    page = visit(java_script_enabled=False).go("/evidence/search")
    page.get_by_role("searchbox", name="Words of a rule").fill("previous HO")
    page.get_by_label("Codes of").select_option(label="ICD-10 and ICD-10-CM, diagnoses")
    page.get_by_role("button", name="Search").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    lines = file.read_text(encoding="utf-8-sig").splitlines()

    assert file.suffix == ".csv"
    assert len(lines) > 100
    assert any("M61.551" in line for line in lines)


def test_hostile_search_words_are_text(visit: Open) -> None:
    page = visit().go("/evidence/search?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E%E2%80%AEx")

    expect(page.get_by_role("heading", name="codes for")).to_contain_text(
        "<script>alert(1)</script>"
    )
    assert "\u202e" not in page.content()


def test_the_figure_behind_the_nsaid_advice_is_two_clicks_away(visit: Open) -> None:
    tab = visit()
    page = tab.go("/?sample=high-risk-previous-ho")
    named = "http://127.0.0.1:8000"  # what a card names; the tests listen on a port of their own
    page.context.route(
        f"{named}/**", lambda call: call.continue_(url=call.request.url.replace(named, tab.base))
    )
    with page.expect_popup() as opened:
        page.locator(".card").get_by_role("link", name="Benefit, harm").click()
    told = opened.value
    expect(told.locator("#benefit")).to_be_in_viewport()
    expect(told.locator("#benefit")).to_contain_text("1 more major bleed per 34")
    told.locator("#advised").get_by_role("link", name="NSAID course").click()

    expect(told.get_by_role("heading", level=1)).to_have_text("NSAID course")
    expect(told.locator("#figure")).to_contain_text("RR 0.69 (0.56-0.83) for HO, major bleeding")
    expect(told.get_by_role("link", name="PMID").first).to_be_visible()
