"""The command line: exit codes, what goes to stdout and stderr, hostile text in a chart."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cds_service import __version__
from cds_service.cli import main
from cds_service.knowledge import loader, reading
from tests.support.app_client import AppClient, ClientFactory
from tests.support.builders import request as build
from tests.support.ehr_calls import HIGH
from tests.support.exports import condition, operation, order, patient
from tests.support.wire_rules import check_answer, without_own_links

DAY = ("--today", "2026-11-23")


class Result:
    """Outcome of a command in this process."""

    def __init__(self, *arguments: str, stdin: bytes = b"") -> None:
        outcome = CliRunner().invoke(main.app, arguments, input=stdin, catch_exceptions=False)
        self.code, self.out, self.err = outcome.exit_code, outcome.stdout, outcome.stderr


def check(body: Any, *options: str) -> Result:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Result("check", "-", *DAY, *options, stdin=data)


def record(description: dict[str, Any], *, drafts: bool) -> dict[str, Any]:
    """The resources of a call as one Bundle, the way a whole record comes."""
    body = build(description)
    values = body["prefetch"]
    entries = [{"resource": values["patient"]}]
    for name, value in values.items():
        entries += [] if name == "patient" else value.get("entry", [])
    if drafts:
        entries += body["context"]["draftOrders"]["entry"]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def test_version() -> None:
    shipped = reading.shipped_version(loader.CONTENT)
    told = rf"cds-service {re.escape(__version__)} \(commit \S+, knowledge {re.escape(shipped)}\)\n"
    assert re.fullmatch(told, Result("--version").out)


def test_a_card_as_a_clinician_sees_it() -> None:
    result = check(build(HIGH))

    assert result.code == 0
    assert "WARNING" in result.out
    assert "Postoperative heterotopic ossification" in result.out
    assert "Override:" in result.out
    assert "\x1b" not in result.out  # no colours into a pipe


def test_silence_is_no_error() -> None:
    result = check(build(HIGH | {"chart": {}}))

    said = "No card: 1 draft order was looked at: no risk factor that counts.\n"
    assert (result.code, result.out) == (0, said)


def test_the_raw_answer() -> None:
    body = build(HIGH)
    result = check(body, "--json")

    check_answer(200, result.out.encode(), body)
    assert json.loads(result.out)["cards"][0]["indicator"] == "warning"


def test_explain_beside_the_raw_answer() -> None:
    result = check(build(HIGH), "--json", "--explain")

    assert json.loads(result.out)["cards"]
    assert "444748003" in result.err


def test_explain() -> None:
    result = check(build(HIGH), "--explain")

    assert result.code == 0
    assert "444748003" in result.out


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(build(HIGH)).encode())

    assert Result("check", str(path), *DAY).code == 0


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "body"),
        (b"{", "line 1 column 2"),
        (b"[]", "body"),
        (b'{"resourceType": "Patient"}', "body"),
        (b'{"cards": []}', "body"),
        (b'{"hook": "order-sign"}', "context"),
        (b'{"resourceType": "Bundle"}', "Bundle.entry"),
        (b'{"resourceType": "Bundle", "entry": {}}', "Bundle.entry"),
        (b'{"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient"}}]}',
         "Bundle.entry"),
        (b'{"hook": "nurse-view", "hookInstance": "x", "context": {"patientId": "1"}}', "hook"),
        (b'{"hook": "order-sign", "hookInstance": "x", "context": {"patientId": "1"}}',
         "context.draftOrders"),
        ("{\"hook\": \"Jürgen\"}".encode("latin-1"), "line 1 column 12"),
    ],
)  # fmt: skip
def test_bad_input_is_placed(body: bytes, place: str) -> None:
    result = check(body)

    assert result.code == 2
    assert result.err.startswith(f"-: {place}: ")
    assert result.out == ""


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    result = Result("check", str(tmp_path / "missing.json"))

    assert result.code == 2
    assert "missing.json" in result.err


def test_missing_data_is_bad_input() -> None:
    body = build(HIGH)
    del body["prefetch"]["conditions"]
    result = check(body)

    assert result.code == 2
    assert "conditions" in result.err


def test_a_record_with_its_draft_order() -> None:
    result = check(record(HIGH, drafts=True))

    assert "WARNING" in result.out
    assert result.err == ""  # what the call lacks that was made of it is not the user's matter


def test_what_a_call_lacks_is_noted() -> None:
    body = build(HIGH)
    del body["context"]["userId"]

    assert check(body).err == "note: context.userId is missing\n"


@pytest.mark.parametrize("order", ["hip", "27130", "http://snomed.info/sct|52734007", "0SR90JZ"])
def test_a_record_with_an_order_added(order: str) -> None:
    result = check(record(HIGH, drafts=False), "--order", order)

    assert "WARNING" in result.out


def test_a_record_without_an_order_is_not_called_silent() -> None:
    result = check(record(HIGH, drafts=False))

    assert (result.code, result.out) == (2, "")
    said = "no draft order (a record may be given one with --order)"
    assert result.err == f"-: Bundle.entry: {said}\n"


@pytest.mark.parametrize(
    "body", [record(HIGH, drafts=False), record(HIGH, drafts=True), build(HIGH)]
)
@pytest.mark.parametrize("order", ["999999", "knee", "", "http://snomed.info/sct|"])
def test_an_order_that_no_value_set_knows(body: dict[str, Any], order: str) -> None:
    result = check(body, "--order", order)

    assert (result.code, result.out) == (2, "")
    assert "--order: neither hip nor a code" in result.err


def test_a_call_is_given_no_order() -> None:
    result = check(build(HIGH), "--order", "hip")

    assert result.code == 0
    assert "note: --order is not used" in result.err


def test_what_is_neither_a_call_nor_a_record() -> None:
    result = check(b'{"resourceType": "Patient", "id": "p1"}')

    assert "neither a CDS Hooks call" in result.err
    assert "nor a FHIR Bundle" in result.err


def test_junk_in_a_record_does_not_lose_a_neighbour() -> None:
    bundle = record(HIGH, drafts=True)
    bundle["entry"] = [None, 7, {}, {"resource": None}, {"resource": "x"}, *bundle["entry"]]

    assert "WARNING" in check(bundle).out


HOSTILE = "\x1b]0;owned\x07\x1b[31m[bold red]boo[/bold red] \u202eesrever \x9b2J"


def test_text_of_a_chart_is_never_obeyed() -> None:
    body = deepcopy(build(HIGH))
    [condition] = [e["resource"] for e in body["prefetch"]["conditions"]["entry"]]
    condition["code"]["text"] = HOSTILE
    condition["code"]["coding"][0]["display"] = HOSTILE
    body["context"]["draftOrders"]["entry"][0]["resource"]["code"]["text"] = HOSTILE
    for options in ((), ("--json",), ("--explain",)):
        result = check(body, *options)
        text = result.out + result.err
        assert result.code == 0
        assert not set("\x1b\x07\x9b\u202e") & set(text)


def test_markup_of_rich_is_shown_as_it_stands() -> None:
    body = deepcopy(build(HIGH))
    [condition] = [e["resource"] for e in body["prefetch"]["conditions"]["entry"]]
    condition["code"]["coding"][0]["display"] = "[bold]not bold[/bold] [link=x]y[/link]"

    assert "[bold]not bold[/bold]" in check(body).out


# --- what the service refuses, the command line refuses ---


def nested(levels: int) -> dict[str, Any]:
    """A call whose patient has extensions in extensions."""
    extension: dict[str, Any] = {"url": "u", "valueString": "x"}
    for _ in range(levels):
        extension = {"url": "u", "extension": [extension]}
    body = build(HIGH)
    body["prefetch"]["patient"]["extension"] = [extension]
    return body


@pytest.mark.parametrize(
    ("body", "setting", "said"),
    [
        (build(HIGH | {"orders": ["right hip replacement", "muscle biopsy"]}),
         {"max_draft_orders": 1}, "context.draftOrders: more than 1 draft orders"),
        (nested(60), {}, "body: nested deeper than 100 levels"),
        (build(HIGH), {"max_body_bytes": 1024}, "body: more than 1024 bytes"),
        (build(HIGH) | {"hook": "encounter-start"}, {}, "hook: this service answers"),
    ],
)  # fmt: skip
def test_the_same_refusal_as_over_http(
    make_client: ClientFactory,
    monkeypatch: pytest.MonkeyPatch,
    body: dict[str, Any],
    setting: dict[str, Any],
    said: str,
) -> None:
    for name, value in setting.items():
        monkeypatch.setenv(f"CDS_{name.upper()}", str(value))
    refused = make_client(**setting).post("/cds-services/ho-orders", json=body)
    result = check(body)

    issue = refused.json()["issue"][0]
    assert refused.status_code in {400, 413}
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert issue["diagnostics"].split(" only")[0].split(",")[0] in result.err


def test_the_same_answer_as_over_http(client: AppClient) -> None:
    """Also where the orders alone tell that the chart does not matter, and asked for reasons."""
    for orders in (["right hip replacement"], ["knee replacement"]):
        body = build(HIGH | {"orders": orders})
        http = client.post("/cds-services/ho-order-sign", json=body).content

        for options in ((), ("--explain",)):
            shown = json.loads(check(body, "--json", *options).out)
            assert without_ids(shown) == without_ids(json.loads(http))


def without_ids(answer: dict[str, Any]) -> str:
    """An answer as text that two equal ones share; the links to the evidence pages are left out,
    because the command line serves none."""
    for card in answer["cards"]:
        card["detail"] = without_own_links(card)
        card["source"].pop("url", None)
        card["links"] = [link for link in card.get("links", ()) if "/evidence" not in link["url"]]
    text = json.dumps(answer, sort_keys=True)
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "uuid", text)


def test_a_record_holds_what_was_known_on_the_day() -> None:
    """A complication that is recorded after the day is no cause of itself."""
    late = condition(day="2024-11-02")
    draft = order() | {"status": "draft"}
    entries = [{"resource": one} for one in (patient(), late, operation(), draft)]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    data = json.dumps(bundle).encode()

    then = Result("check", "-", "--today", "2024-04-20", stdin=data)
    later = Result("check", "-", "--today", "2026-11-23", stdin=data)

    assert (then.code, then.err) == (0, "note: 2 entries after 2024-04-20 are left out\n")
    assert "WARNING" not in then.out
    assert "WARNING" in later.out
    assert later.err == ""
