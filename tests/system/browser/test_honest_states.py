"""What the playground shows where it has no answer: never the request, or the card, of before."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, expect

from tests.support import casebook
from tests.support.builders import request as build
from tests.support.constants import FIXTURES
from tests.system.browser.conftest import ANSWERED, Open
from tests.system.browser.test_playground import choose, write
from tests.system.browser.test_sharing import saved


def expect_nothing_of_before(page: Page) -> None:
    """No card, no facts, no text, no link: of no request."""
    expect(page.locator(".card, .banner, #order")).to_have_count(0)
    expect(page.locator("#editor .cm-content")).to_have_text("")
    expect(page.locator("#panel-share #link")).to_have_count(0)


def alert(page: Page) -> Any:
    return expect(page.get_by_role("alert").first)


def test_a_cut_link_in_a_used_tab_shows_no_patient(visit: Open) -> None:
    page = visit().go("/?sample=fop-biopsy")
    page.get_by_role("button", name="Share").click()
    expect(page.locator("#link")).to_be_visible()
    page.evaluate("location.hash = '#r=1VQ9k9Mw'")

    alert(page).to_contain_text("cut or was changed")
    expect_nothing_of_before(page)
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    page.go_back()
    expect(page.locator(".severity")).to_have_text("critical")


def test_a_link_to_a_sample_that_is_not_there_shows_no_other(visit: Open) -> None:
    page = visit().go("/?sample=fop-biopsy")
    page.evaluate("location.hash = '#sample=gone-away'")

    alert(page).to_contain_text('There is no sample patient "gone-away"')
    expect_nothing_of_before(page)


def test_a_comparison_that_cannot_be_had_says_so(visit: Open) -> None:
    tab = visit()
    tab.expected = {404}
    page = tab.go("/#sample=fop-biopsy&beside=gone-away")

    expect(page.locator(".bar")).to_contain_text("One of them cannot be had any more")
    expect(page.locator(".severity")).to_have_text("critical")


def test_a_sample_chosen_offline_never_stands_over_the_card_of_another(visit: Open) -> None:
    tab = visit()
    page = tab.go("/?sample=fop-biopsy")
    expect(page.locator("#editor .cm-content")).to_be_visible()
    page.context.set_offline(True)
    page.select_option("#sample", "low-risk")
    alert(page).to_contain_text("You are offline")
    expect_nothing_of_before(page)
    expect(page.locator("#sample")).to_have_value("low-risk")
    page.context.set_offline(False)

    expect(page.locator(".silence")).to_be_visible()
    expect(page.locator("#sample")).to_have_value("low-risk")
    tab.problems[:] = [one for one in tab.problems if "ERR_INTERNET_DISCONNECTED" not in one]


def test_the_sample_chosen_last_is_shown_whichever_comes_first(visit: Open) -> None:
    page = visit().go("/?sample=fop-biopsy")
    held: list[Any] = []
    page.route("**/samples/low-risk", lambda route: held.append(route))
    page.select_option("#sample", "low-risk")
    expect_nothing_of_before(page)  # it takes its time
    choose(page, "high-risk-previous-ho")
    with page.expect_response("**/samples/low-risk"):
        held[0].continue_()

    expect(page.locator("#sample")).to_have_value("high-risk-previous-ho")
    expect(page.locator(".severity")).to_have_text("warning")


def test_parts_of_the_page_that_cannot_be_loaded_say_so(visit: Open) -> None:
    tab = visit()
    tab.allowed = ("ERR_INTERNET_DISCONNECTED",)
    page = tab.go("/?sample=fop-biopsy")
    page.context.set_offline(True)
    page.get_by_role("button", name="Share").click()
    alert(page).to_contain_text("cannot be loaded")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()

    expect(page.locator("#link")).to_be_visible()


def large(path: Path) -> Path:
    """A request of 300 kB that no packing makes short."""
    body = json.loads((FIXTURES / "fop-hip-replacement.json").read_text())
    entries = body["prefetch"]["conditions"]["entry"]
    subject = {"reference": f"Patient/{body['context']['patientId']}"}
    for number in range(2500):
        text = f"{pow(7, number + 90, 1 << 256):x}"
        resource = {"resourceType": "Condition", "id": f"c{number}", "code": {"text": text}}
        entries.append({"resource": resource | {"subject": subject}})
    path.write_text(json.dumps(body))
    return path


def test_what_is_too_long_for_an_address_is_not_replaced(visit: Open, tmp_path: Path) -> None:
    page = visit().go("/?sample=low-risk")
    page.locator("input[type=file]").set_input_files(large(tmp_path / "large.json"))
    expect(page.locator(".severity")).to_have_text("critical")
    page.get_by_role("button", name="Share").click()
    expect(page.locator("#panel-share")).to_contain_text("too long for a link")
    page.get_by_role("tab", name="curl").click()
    command = page.get_by_role("tabpanel").locator("pre").inner_text()
    saved(page, "Save as .json").save_as(tmp_path / "request.json")
    shell = ["bash", "-c", command]
    done = subprocess.run(shell, cwd=tmp_path, capture_output=True, check=True, text=True)
    assert json.loads(done.stdout)["cards"][0]["indicator"] == "critical"

    page.get_by_role("button", name="Share").click()
    page.reload()
    alert(page).to_contain_text("too long for an address")
    expect_nothing_of_before(page)


def test_a_file_that_is_too_large_is_not_sent(visit: Open, tmp_path: Path) -> None:
    tab = visit()
    page = tab.go("/?sample=fop-biopsy")
    file = tmp_path / "huge.json"
    file.write_bytes(b"[" + b"1," * 10_000_000 + b"1]")
    sent = len([url for url in tab.requests if "/playground/answer" in url])
    page.locator("input[type=file]").set_input_files(file)

    alert(page).to_contain_text("Too large: not sent")
    expect_nothing_of_before(page)
    page.get_by_role("tab", name="curl").click()  # the page goes on
    expect(page.get_by_role("tabpanel")).to_contain_text("There is no request to send")
    assert len([url for url in tab.requests if "/playground/answer" in url]) == sent


def test_a_file_of_windows_is_read(visit: Open, tmp_path: Path) -> None:
    """Its line ends were written out as signs that nobody sees, and the file was refused."""
    page = visit().go("/?sample=low-risk")
    file = tmp_path / "windows.json"
    text = (FIXTURES / "fop-biopsy.json").read_bytes()
    file.write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    page.locator("input[type=file]").set_input_files(file)

    expect(page.locator(".severity")).to_have_text("critical")


def test_a_refused_request_is_exported_as_refused(visit: Open, site: str, tmp_path: Path) -> None:
    """Its test case expected silence."""
    tab = visit()
    tab.expected = {412}
    page = tab.go("/?sample=no-prefetch")
    page.get_by_role("button", name="Share").click()
    file = tmp_path / "case.yaml"
    saved(page, "Save as test case").save_as(file)
    [case] = casebook.load(file)
    answer = httpx.post(f"{site}/cds-services/ho-orders", json=build(case.description))

    assert case.status is not None
    assert answer.status_code == case.status["status"] == 412
    assert all(word in answer.text for word in case.status["says"])


def test_the_curl_line_of_a_refused_call_goes_to_the_service_of_its_hook(visit: Open) -> None:
    tab = visit()
    tab.expected = {400}
    page = tab.go("/")
    write(page, '{"hook": "patient-view", "hookInstance": "x", "context": {"userId": "U/1"}}')
    alert(page).to_contain_text("HTTP 400")
    page.get_by_role("tab", name="curl").click()

    expect(page.get_by_role("tabpanel").locator("pre")).to_contain_text("/ho-patient-view ")


def test_an_error_in_the_editor_does_not_scroll_a_phone_away_from_it(visit: Open) -> None:
    tab = visit((390, 844))
    tab.expected = {412}
    page = tab.go("/?sample=no-prefetch")
    expect(page.locator("#editor .cm-lintRange-error")).to_have_count(1)

    expect(page.get_by_text("Refused with HTTP 412")).to_be_in_viewport()
    assert page.evaluate("scrollY") == 0
    expect(page.locator(".said")).to_have_text(ANSWERED)
