"""The reference of the HTTP interface in a browser: calls are tried; it reads without a script."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.system.browser.conftest import PHONE, Open


def test_a_call_is_tried(visit: Open) -> None:
    page = visit().go("/api")
    call = page.locator("#post-cds-services-ho-order-sign")
    call.get_by_role("button", name="Send").click()

    expect(call.locator("output")).to_contain_text("200")
    expect(call.locator("form pre")).to_contain_text("High risk of heterotopic ossification")


def test_a_refused_call_is_shown_as_it_is(visit: Open) -> None:
    tab = visit(PHONE)
    tab.expected = {400, 404}
    page = tab.go("/api")
    call = page.locator("#post-cds-services-ho-order-sign")
    call.get_by_label("Request", exact=True).fill("{")
    call.get_by_role("button", name="Send").click()
    expect(call.locator("output")).to_contain_text("400")
    one = page.locator("#get-fhir-ValueSet-id")
    one.get_by_label("Address").fill("/fhir/ValueSet/nope")
    one.get_by_role("button", name="Send").click()
    expect(one.locator("output")).to_contain_text("404")
    one.get_by_label("Address").fill("https://elsewhere.example.org/")
    one.get_by_role("button", name="Send").click()
    expect(one.locator("output")).to_contain_text("an address begins with one /")


def test_it_reads_without_javascript(visit: Open) -> None:
    page = visit(java_script_enabled=False).go("/api")
    call = page.locator("#post-cds-services-ho-order-sign")
    call.get_by_text("Example of a request").click()

    expect(call.locator("details pre").first).to_contain_text('"hook": "order-sign"')
    expect(call.get_by_role("button", name="Send")).to_be_hidden()
