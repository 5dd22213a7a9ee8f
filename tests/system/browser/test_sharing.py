"""The playground taken along: links, Back, files, comparison, other servers, and what fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from playwright.sync_api import Download, Page, expect

from cds_service.knowledge.loader import Knowledge
from tests.support import casebook
from tests.support.builders import request as build
from tests.support.constants import FIXTURES as FOLDER
from tests.system.browser.conftest import ANSWERED, Open, serving
from tests.system.browser.test_playground import bundle, change, choose, severities, write

GRANTED = {"permissions": ["clipboard-read", "clipboard-write"]}


def told(page: Page) -> str:
    return page.locator("#said").inner_text()


def saved(page: Page, button: str) -> Download:
    with page.expect_download() as given:
        page.get_by_role("button", name=button).click()
    return given.value


# --- links and Back ---


def test_a_card_is_shared_by_link_and_reopened(visit: Open) -> None:
    page = visit(**GRANTED).go("/?sample=high-risk-previous-ho")
    change(page, "input[name=fop]", True)
    expect(page.locator(".severity")).to_have_text("critical")
    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Copy the link").click()
    expect(page.locator("#shared")).to_have_text("Copied.")
    link = page.evaluate("navigator.clipboard.readText()")
    summary = page.locator(".card h3").inner_text()

    other = visit()
    opened = other.page
    opened.goto(link)
    expect(opened.locator(".card h3")).to_have_text(summary)
    expect(opened.locator("#sample")).to_have_value("")
    assert not [url for url in other.requests if "sample" in url or "#" in url]


def test_back_and_forward_lead_through_the_requests(visit: Open) -> None:
    page = visit().go("/?sample=high-risk-previous-ho")
    change(page, "input[name=allergy]", True)
    expect(page.locator(".accept")).to_have_count(1)
    choose(page, "fop-biopsy")
    assert severities(page) == ["CRITICAL"]
    write(page, (FOLDER / "low-risk.json").read_text())
    expect(page.locator(".silence")).to_be_visible()

    page.go_back()
    expect(page.locator(".severity")).to_have_text("critical")
    page.go_back()
    expect(page.locator(".accept")).to_have_count(1)
    expect(page.locator("input[name=allergy]")).to_be_checked()
    page.go_forward()
    expect(page.locator(".severity")).to_have_text("critical")
    page.get_by_role("tabpanel").get_by_role("link", name="decision table").click()
    expect(page.locator("#row-2")).to_be_in_viewport()
    page.go_back()
    expect(page.locator(".severity")).to_have_text("critical")


def test_a_link_that_was_cut_says_so(visit: Open) -> None:
    page = visit().page
    tab_base = visit().base
    page.goto(f"{tab_base}/#r=1VQ9k9Mw")

    expect(page.get_by_role("alert")).to_contain_text("cut or was changed")
    expect(page.locator(".card")).to_have_count(0)


# --- files ---


def test_a_saved_request_opens_again(visit: Open) -> None:
    page = visit().go("/?sample=one-stage-bilateral")
    page.get_by_role("button", name="Share").click()
    file = saved(page, "Save as .json").path()
    choose(page, "low-risk")
    page.locator("input[type=file]").set_input_files(file)

    expect(page.locator(".banner li")).to_have_count(2)


@pytest.mark.parametrize(
    "sample",
    ["fop-biopsy", "high-risk-no-option", "low-risk", "allergies-failed", "poh-biopsy"],
)
def test_a_test_case_gets_the_answer_that_was_shown(
    sample: str, visit: Open, site: str, tmp_path: Path
) -> None:
    page = visit().go(f"/?sample={sample}")
    page.get_by_role("button", name="Share").click()
    file = tmp_path / "case.yaml"
    saved(page, "Save as test case").save_as(file)
    [case] = casebook.load(file)
    answer = httpx.post(f"{site}/cds-services/ho-orders", json=build(case.description)).json()

    wanted = [card["indicator"] for card in case.cards or ()]
    assert [card["indicator"] for card in answer["cards"]] == wanted
    assert [one.lower() for one in severities(page)] == wanted
    for card, said in zip(answer["cards"], case.cards or (), strict=True):
        [why] = card["extension"].values()
        assert (why["row"], why["card"]) == (said["row"], said["card"])


def test_an_own_bundle_shows_its_reason_without_scrolling(visit: Open, tmp_path: Path) -> None:
    page = visit().go("/?sample=low-risk")
    page.locator("input[type=file]").set_input_files(bundle(tmp_path / "record.json"))

    reason = page.locator(".because")
    expect(reason).to_contain_text("previous HO, site not stated")
    expect(reason.get_by_role("link", name="row 7")).to_be_in_viewport()
    expect(page.locator(".card h3")).to_be_in_viewport()
    expect(page.locator("#editor")).to_be_in_viewport()


# --- comparing ---


def test_two_requests_beside_each_other(visit: Open) -> None:
    page = visit().go("/?sample=high-risk-previous-ho")
    page.get_by_role("button", name="Compare").click()
    change(page, "input[name=allergy]", True)
    sides = page.locator(".pair-of-answers > section")

    expect(sides.nth(0).locator(".accept")).to_have_count(2)
    expect(sides.nth(1).locator(".accept")).to_have_count(1)
    expect(sides.nth(0).locator(".detail")).to_contain_text("Advised:")
    expect(page.locator(".differences")).to_contain_text("prefetch.allergies.entry")
    page.reload()
    expect(sides.nth(1).locator(".accept")).to_have_count(1)
    expect(sides.nth(0).locator(".accept")).to_have_count(2)
    page.get_by_role("button", name="Compare").click()
    expect(sides).to_have_count(0)


# --- what is announced, and what is not chosen ---


def test_a_card_is_announced_by_indicator_and_summary(visit: Open) -> None:
    page = visit().go("/?sample=fop-biopsy")

    status = page.get_by_role("status").and_(page.locator("#said"))
    expect(status).to_contain_text("critical: FOP on record: do not biopsy")
    choose(page, "low-risk")
    expect(status).to_contain_text("No card: 1 draft order was looked at")


def test_no_reason_is_chosen_before_a_person_does(visit: Open) -> None:
    page = visit().go("/?sample=fop-biopsy")
    expect(page.get_by_label("Reason")).to_have_value("")
    page.get_by_role("button", name="Override").click()

    expect(page.locator(".outcome")).to_have_count(0)


# --- what fails ---


def test_an_odd_value_leaves_nothing_of_the_patient_before(visit: Open) -> None:
    """A member named `toString` stopped the drawing, and the old card stood beside it."""
    page = visit().go("/?sample=fop-biopsy")
    body = json.loads((FOLDER / "low-risk.json").read_text())
    body["prefetch"]["patient"]["gender"] = {"toString": 1}
    body["prefetch"]["patient"]["name"] = [{"family": {"toString": 1}, "given": [{"valueOf": 7}]}]
    body["prefetch"]["observations"]["entry"][0]["resource"]["effectiveDateTime"] = {"toString": 1}
    code = body["context"]["draftOrders"]["entry"][0]["resource"]["code"]
    code["text"] = {"toString": 1}
    code["coding"].append({"system": {"toString": 1}, "code": {"valueOf": 1}})
    write(page, json.dumps(body))

    expect(page.locator(".banner")).to_contain_text("toString")
    expect(page.locator(".card")).to_have_count(0)
    assert "FOP on record" not in page.locator("#seen").inner_text()


def test_a_refused_paste_marks_its_line(visit: Open) -> None:
    tab = visit()
    tab.expected = {400}
    page = tab.go("/?sample=fop-biopsy")
    write(page, '{\n "hook": "order-sign",\n "hookInstance": x\n}')

    expect(page.get_by_role("alert")).to_contain_text("line 3 column 18")
    expect(page.locator("#editor .cm-lintRange-error")).to_have_text("x")
    expect(page.locator(".card")).to_have_count(0)
    write(page, '{"hook": "order-sign", "hookInstance": "x", "context": {}}')
    expect(page.locator("#editor .cm-lintRange-error")).to_have_text('"context"')


def test_a_huge_paste_keeps_the_page_usable(visit: Open, tmp_path: Path) -> None:
    page = visit().go("/?sample=fop-biopsy")
    expect(page.locator("#editor .cm-content")).to_be_visible()
    paste = """() => {
      const data = new DataTransfer();
      data.setData("text/plain", `{"a": "${"y".repeat(50_000_000)}"}`);
      const how = { clipboardData: data, bubbles: true, cancelable: true };
      const { shadowRoot } = document.querySelector("#editor");
      shadowRoot.querySelector(".cm-content").dispatchEvent(new ClipboardEvent("paste", how));
    }"""
    page.evaluate(paste)

    expect(page.get_by_role("alert")).to_contain_text("more than 16777216 bytes")
    expect(page.locator(".card")).to_have_count(0)
    assert "/playground/answer" not in page.url
    choose(page, "high-risk-previous-ho")
    expect(page.locator(".severity")).to_have_text("warning")


def test_offline_says_so_and_goes_on_by_itself(visit: Open) -> None:
    tab = visit()
    page = tab.go("/?sample=fop-biopsy")
    expect(page.locator("#editor .cm-content")).to_be_visible()
    page.context.set_offline(True)
    page.set_checked("input[name=fop]", False)
    expect(page.get_by_role("alert")).to_contain_text("You are offline")
    expect(page.locator(".card")).to_have_count(0)
    page.context.set_offline(False)

    expect(page.locator(".said")).to_have_text(ANSWERED)
    expect(page.get_by_role("alert")).to_have_count(0)
    tab.problems[:] = [one for one in tab.problems if "ERR_INTERNET_DISCONNECTED" not in one]


def test_while_the_service_is_slow_no_old_card_stands(visit: Open) -> None:
    page = visit().go("/?sample=fop-biopsy")
    held: list[Any] = []
    page.route("**/playground/answer*", lambda route: held.append(route))
    page.select_option("#sample", "low-risk")
    expect(page.locator("#said")).to_have_text("Asking the service …")
    expect(page.locator(".waiting")).to_be_visible()
    expect(page.locator(".card")).to_have_count(0)
    held[0].continue_()

    expect(page.locator(".silence")).to_be_visible()


def test_without_scripts_the_page_says_what_to_do(visit: Open) -> None:
    page = visit(java_script_enabled=False).go("/")

    expect(page.get_by_text("The playground needs JavaScript.")).to_be_visible()
    expect(page.locator("#app")).to_be_hidden()


# --- a FHIR server that the user names ---


class _FhirServer(BaseHTTPRequestHandler):
    cors = True

    def do_GET(self) -> None:
        body = json.loads((FOLDER / "high-risk-previous-ho.json").read_text())["prefetch"]
        person, found = self.path.startswith("/fhir/Patient/"), body["conditions"]
        empty = {"resourceType": "Bundle", "type": "searchset"}
        answer = body["patient"] if person else found if "Condition?" in self.path else empty
        self.send_response(200)
        if self.cors:
            self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Type", "application/fhir+json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def fhir_server(*, cors: bool) -> Iterator[str]:
    handler = type("Handler", (_FhirServer,), {"cors": cors})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/fhir"
        server.shutdown()


def ask(page: Page, server: str) -> None:
    page.get_by_role("button", name="FHIR server").click()
    page.get_by_label("FHIR base URL").fill(server)
    page.get_by_label("Patient id").fill("pat-1")
    page.get_by_role("button", name="Read the patient").click()


def test_a_patient_is_read_from_a_server_by_the_browser(visit: Open) -> None:
    tab = visit()
    page = tab.go("/?sample=low-risk")
    with fhir_server(cors=True) as server:
        ask(page, server)
        expect(page.locator(".severity")).to_have_text("warning")
    expect(page.locator(".banner")).to_contain_text("Synthetic Example")
    tab.requests = [url for url in tab.requests if not url.startswith(server)]


def test_a_server_without_cors_is_told_from_one_that_is_not_there(visit: Open) -> None:
    tab = visit()
    tab.allowed = ("CORS", "ERR_")
    page = tab.go("/?sample=low-risk")
    with fhir_server(cors=False) as server:
        ask(page, server)
        said = page.locator("#panel-server [role=status]")
        expect(said).to_contain_text(f"Access-Control-Allow-Origin: {tab.base}")
    page.get_by_role("button", name="Read the patient").click()
    expect(said).to_contain_text("Nothing answers")
    tab.requests = [url for url in tab.requests if not url.startswith(server)]


def test_pages_that_others_see_call_no_other_host(visit: Open, knowledge: Knowledge) -> None:
    more = {"pages": True, "database_url": "none", "public_url": "https://cds.example.org"}
    with serving(knowledge, allow_anonymous=True, **more) as base:
        page = visit(base=base).go("/?sample=low-risk")
        page.get_by_role("button", name="FHIR server").click()
        expect(page.locator("#panel-server")).to_contain_text("CDS_FHIR_SERVERS only")
