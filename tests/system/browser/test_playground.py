"""The playground as a person uses it: samples, facts, own requests, cards, feedback."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.support.constants import FIXTURES as FOLDER
from tests.support.fixture_book import FIXTURES, Fixture
from tests.system.browser.conftest import ANSWERED, PHONE, Open

BY_NAME = {fixture.name: fixture for fixture in FIXTURES}


def severities(page: Page) -> list[str]:
    return page.locator(".card .severity").all_inner_texts()


def choose(page: Page, sample: str) -> None:
    with page.expect_response("**/playground/answer*"):
        page.select_option("#sample", sample)
    expect(page.locator(".said")).not_to_have_text("…")


def write(page: Page, text: str) -> None:
    """Replace what stands in the editor, as a paste does."""
    page.get_by_role("button", name="Paste your own").click()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.insert_text(text)


def change(page: Page, selector: str, on: bool) -> None:
    with page.expect_response("**/playground/answer*"):
        page.set_checked(selector, on)


def test_every_sample_shows_what_its_fixture_promises(visit: Open) -> None:
    tab = visit()
    tab.expected = {412}
    page = tab.go("/")
    names = page.locator("#sample option").evaluate_all("all => all.map(one => one.value)")
    names = [name for name in names if name]
    assert len(names) >= 12
    for name in names[1:] + names[:1]:
        choose(page, name)
        # At another hook the same patient gets a card, or none, as well.
        fixture: Fixture = BY_NAME[re.sub("^(order-select|patient-view)-", "", name)]
        expect(page.locator(".card")).to_have_count(len(fixture.cards))
        wanted = [indicator.upper() for indicator, _, _ in fixture.cards]
        if name.startswith("patient-view-"):  # nothing is about to be done
            wanted = ["WARNING" for _ in wanted]
        assert severities(page) == wanted, name
        silent = not fixture.cards and fixture.status == 200
        assert page.locator(".silence").is_visible() == silent, name


def test_an_address_names_a_sample(visit: Open) -> None:
    page = visit().go("/?sample=fop-biopsy")

    expect(page.locator("#sample")).to_have_value("fop-biopsy")
    assert severities(page) == ["CRITICAL"]


def test_facts_change_the_answer(visit: Open) -> None:
    page = visit().go("/?sample=osteoporosis-only")
    expect(page.locator("input[name=osteoporosis]")).to_be_checked()
    expect(page.locator(".silence")).to_contain_text("osteoporosis")

    change(page, "input[name=previous-ho]", True)
    expect(page.locator(".card h3")).to_contain_text("previous HO, site not stated")

    change(page, "input[name=allergy]", True)
    expect(page.locator(".accept")).to_have_count(1)
    expect(page.locator(".accept")).to_contain_text("radiation oncology")

    change(page, "input[name=irradiated]", True)
    expect(page.locator(".card h3")).to_contain_text("both ruled out")

    change(page, "input[name=fop]", True)
    expect(page.locator(".severity")).to_have_text("critical")

    for name in ("fop", "irradiated", "allergy", "previous-ho"):
        change(page, f"input[name={name}]", False)
    expect(page.locator(".silence")).to_be_visible()


def test_kidney_function_age_sex_and_order(visit: Open) -> None:
    page = visit().go("/?sample=high-risk-previous-ho")
    expect(page.locator(".accept")).to_have_count(2)

    page.locator("#egfr").fill("20")
    expect(page.locator("output")).to_have_text("20 mL/min/1.73 m²")
    expect(page.locator(".accept")).to_have_count(1)
    change(page, "input[name=egfr-known]", False)
    expect(page.locator(".detail")).to_contain_text("Renal function not found")

    page.locator("#age").fill("15")
    page.locator("#age").press("Tab")
    # Ossification of 2019 was coded under 12 years: a question of its own stands beside the card.
    expect(page.locator(".detail").first).to_contain_text("18")
    expect(page.locator(".banner")).to_contain_text("15 years")

    page.select_option("#sex", "male")
    expect(page.locator(".detail").first).to_contain_text("15")

    page.select_option("#order", label="Knee replacement")
    expect(page.locator(".silence")).to_contain_text("in genetic ossification only")


def test_accepting_shows_the_feedback_and_carrying_it_out_ends_in_silence(visit: Open) -> None:
    page = visit().go("/?sample=high-risk-previous-ho")

    page.locator(".accept").first.click()
    outcome = page.locator(".outcome")
    expect(outcome).to_contain_text("Accepted: Draft celecoxib")
    expect(outcome.locator("pre").first).to_contain_text('"outcome": "accepted"')
    expect(outcome.locator("pre").last).to_contain_text("HTTP 200")
    assert page.evaluate("document.activeElement.id").startswith("done-")

    page.get_by_role("button", name="Carry it out and sign again").click()
    expect(page.locator(".silence")).to_contain_text("prophylaxis is already ordered or active")
    expect(page.locator(".banner li")).to_have_count(3)


def test_overriding_sends_the_reason_and_can_be_undone(visit: Open) -> None:
    page = visit().go("/?sample=moderate-ankylosing-spondylitis")

    page.get_by_label("Reason").select_option(label="Patient declined")
    page.get_by_label("Comment").fill("prefers to wait")
    page.get_by_role("button", name="Override").click()
    call = page.locator(".outcome pre").first.inner_text()
    body = json.loads(call.split("\n\n", 1)[1])
    item = body["feedback"][0]
    assert item["outcome"] == "overridden"
    assert item["overrideReason"]["reason"]["code"] == "105480006"
    assert item["overrideReason"]["userComment"] == "prefers to wait"
    expect(page.locator(".outcome pre").last).to_contain_text("HTTP 200")

    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".outcome")).to_have_count(0)
    expect(page.get_by_role("button", name="Override")).to_be_visible()


def test_suggestions_unfold_their_drafts(visit: Open) -> None:
    page = visit().go("/")
    page.locator(".suggestions summary").first.click()

    draft = json.loads(page.locator(".suggestions pre").first.inner_text())
    assert draft["resourceType"] == "MedicationRequest"


def test_errors_name_the_place(visit: Open) -> None:
    tab = visit()
    tab.expected = {400}
    page = tab.go("/")
    for text, place in (
        ("{", "line 1 column 2"),
        ('{"hook": "order-sign", "hookInstance": "x", "context": {}}', "context.patientId"),
        ("[1, 2]", "body"),
        ('{"resourceType": "Bundle", "entry": []}', "Bundle.entry"),
    ):
        write(page, text)
        alert = page.get_by_role("alert").first
        expect(alert.locator("code")).to_have_text(place)
        expect(alert).to_contain_text("HTTP 400")
        expect(page.locator(".card")).to_have_count(0)


def test_odd_requests_do_not_break_the_page(visit: Open) -> None:
    tab = visit()
    tab.expected = {400, 412}
    page = tab.go("/")
    odd: list[Any] = [None, 7, "x", [], [None, 7, []], {}, {"entry": [None, {}, {"resource": 7}]}]
    code: Any = {"coding": [None, 7, {"code": []}], "text": {"a": 1}}
    odd.append({"entry": [{"resource": {"resourceType": "ServiceRequest", "code": code}}]})
    odd.append({"resourceType": "Patient", "name": [None], "birthDate": 7, "gender": {}})
    odd.append({"entry": [{"resource": {"resourceType": "Condition", "code": code}}]})
    for value in odd:
        prefetch = dict.fromkeys(("patient", "conditions", "observations", "allergies"), value)
        for context in ({"patientId": "p", "draftOrders": value}, {"patientId": value}):
            body = {"hook": "order-sign", "hookInstance": "1", "context": context}
            with page.expect_response("**/playground/answer*"):
                write(page, json.dumps({**body, "prefetch": prefetch}))
            expect(page.locator(".said")).to_have_text(ANSWERED)
    change(page, "input[name=fop]", True)


def bundle(path: Path) -> Path:
    """A record without any order, as a person has it: patient and problem in one Bundle."""
    request = json.loads((FOLDER / "high-risk-previous-ho.json").read_text())
    prefetch = request["prefetch"]
    entries: list[Any] = [{"resource": prefetch["patient"]}, *prefetch["conditions"]["entry"]]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    return path


def test_own_bundle_is_wrapped_and_can_be_changed(visit: Open, tmp_path: Path) -> None:
    page = visit().go("/")
    page.locator("input[type=file]").set_input_files(bundle(tmp_path / "record.json"))

    expect(page.locator("#sample")).to_have_value("")
    expect(page.locator(".severity")).to_have_text("warning")
    expect(page.get_by_role("tabpanel")).to_contain_text("A Bundle: it was wrapped")
    change(page, "input[name=previous-ho]", False)
    expect(page.locator(".silence")).to_be_visible()


def test_tabs_tell_what_happens_inside(visit: Open) -> None:
    page = visit().go("/")
    panel = page.get_by_role("tabpanel")
    expect(panel).to_contain_text("Why this card: Total replacement of right hip joint")
    expect(panel.get_by_role("link", name="previous-ho-site-not-stated")).to_have_attribute(
        "href", "/evidence/factors/previous-ho-site-not-stated"
    )
    page.get_by_role("tab", name="Answer").click()
    assert json.loads(panel.locator("pre").inner_text())["cards"][0]["indicator"] == "warning"
    page.get_by_role("tab", name="Timing").click()
    expect(panel).to_contain_text("assess")
    expect(panel).to_contain_text("ms")


def test_the_curl_line_works_as_printed(visit: Open) -> None:
    page = visit().go("/?sample=hostile-text")
    page.get_by_role("tab", name="curl").click()
    command = page.get_by_role("tabpanel").locator("pre").inner_text()

    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True, text=True)
    assert json.loads(done.stdout)["cards"][0]["indicator"] == "warning"


def test_hostile_chart_text_is_text(visit: Open) -> None:
    page = visit().go("/?sample=hostile-text")
    card = page.locator(".card")
    expect(card).to_contain_text("<script>alert(2)</script>")
    expect(page.locator(".banner li")).to_contain_text("\\u202eesrever")
    for tab in ("Why", "Answer", "Timing", "curl"):
        page.get_by_role("tab", name=tab).click()
        assert page.locator("#app img, #app script, #app iframe").count() == 0
        targets = page.locator("#app a").evaluate_all("all => all.map(one => one.href)")
        assert not [t for t in targets if "evil" in t or not re.match(r"https?://", t)]
        shown = page.locator("body").inner_text()
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", shown)
    assert "\u202e" not in page.locator("#request-text").inner_text()


def test_keyboard_alone_is_enough(visit: Open) -> None:
    page = visit().go("/?sample=low-risk")
    press = page.keyboard.press

    def focused() -> str:
        return str(page.evaluate("(document.activeElement.name || document.activeElement.id)"))

    def tab_to(name: str) -> None:
        for _ in range(80):
            press("Tab")
            if focused() == name:
                return
        raise AssertionError(f"Tab does not lead to {name}")

    press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to("previous-ho")
    press("Space")
    expect(page.locator(".severity")).to_have_text("warning")
    while page.evaluate("document.activeElement.className") != "accept":
        press("Tab")
    press("Enter")
    expect(page.locator(".outcome")).to_be_visible()
    tab_to("tab-why")
    press("ArrowRight")
    expect(page.get_by_role("tab", name="Answer")).to_be_focused()
    press("End")
    expect(page.get_by_role("tab", name="curl")).to_have_attribute("aria-selected", "true")


def test_facts_are_folded_on_a_phone(visit: Open) -> None:
    page = visit(PHONE).go("/")

    assert page.locator(".facts").get_attribute("open") is None
    assert page.locator(".card h3").bounding_box() is not None


def test_first_paint_is_small(visit: Open) -> None:
    """Up to the first card; the editor is loaded after it."""
    tab = visit()
    session = tab.page.context.new_cdp_session(tab.page)
    session.send("Network.enable")
    names: dict[str, str] = {}
    sizes: dict[str, int] = {}
    session.on(
        "Network.requestWillBeSent", lambda e: names.update({e["requestId"]: e["request"]["url"]})
    )
    session.on(
        "Network.loadingFinished",
        lambda e: sizes.update({names[e["requestId"]]: e["encodedDataLength"]}),
    )
    page = tab.go("/")
    expect(page.locator("#editor .cm-content")).to_be_visible()

    later = sum(size for name, size in sizes.items() if "codemirror" in name)
    assert 50_000 < later < 140_000
    assert sum(sizes.values()) - later < 90_000, sizes
