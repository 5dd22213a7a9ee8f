"""Attacks by text of the chart and of headers: in cards, on the terminal, in logs and figures."""

from __future__ import annotations

import json
import unicodedata
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from markdown_it import MarkdownIt

from cds_service.cards import terminal
from cds_service.cdshooks.models import CDSResponse
from cds_service.knowledge.loader import Knowledge
from tests.support import offline
from tests.support.app_client import AppClient, ClientFactory
from tests.support.attack_book import attack, attacks
from tests.support.builders import request as build
from tests.support.constants import NOW
from tests.support.ehr_calls import HIGH
from tests.support.issuer import SIGN

KIND = "Text"
GFM = MarkdownIt("gfm-like", {"html": True, "linkify": True})

OURS = ("https://doi.org/", "https://pubmed.ncbi.nlm.nih.gov/")


class Page(HTMLParser):
    """What a browser would make of a card."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert {name for name, _ in attrs} <= {"href"}
        self.links += [value or "" for _, value in attrs]

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment hides {data}")


TEXTS: list[tuple[str, str, str]] = [
    ("script", "escaped", "<script>alert(1)</script>"),
    ("image with a handler", "escaped", "<img src=x onerror=alert(1)>"),
    ("frame", "escaped", "<iframe src=https://evil.example.org></iframe>"),
    ("comment that hides the rest", "escaped", "<!-- "),
    ("entity", "escaped", "&lt;script&gt;"),
    ("Markdown link to code", "escaped", "[click](javascript:alert(1))"),
    ("Markdown image that tells who reads", "escaped", "![x](https://evil.example.org/p.png)"),
    ("link by reference", "escaped", "[x]\n\n[x]: https://evil.example.org"),
    ("address that becomes a link", "escaped", "https://evil.example.org www.evil.example.org"),
    ("mail address that becomes a link", "escaped", "mail@evil.example.org"),
    ("heading and list that pose as ours", "escaped", "\n\n# Safe to proceed\n\n- no risk\n"),
    ("table cells", "escaped", "a | b | c"),
    ("code fence", "escaped", "```\nhidden\n"),
    ("bold and strike", "escaped", "**not** ~~high risk~~"),
    ("direction of text turned", "taken out", "Hip\u202egnp.exe\u2066"),
    ("invisible signs", "taken out", "zero\u200bwidth\ufeff"),
    ("terminal: clear the screen", "taken out", "\x1b[2J\x1b[H"),
    (
        "terminal: title and link",
        "taken out",
        "\x1b]0;owned\x07\x1b]8;;https://evil.example.org\x07",
    ),
    ("terminal: one-byte escape", "taken out", "\x9b2J"),
    ("NUL, bell and backspace", "taken out", "a\x00b\x07c\x08"),
    ("template braces", "as they are", "{{context.patientId}} {patient} %s ${jndi:ldap://x}"),
    ("formula of a spreadsheet", "as it is", "=HYPERLINK(1)"),
    ("letters under letters, 2 kB", "cut", "Z" + "\u0301" * 1000),
    ("name of 100 kB", "cut", "x" * 100_000),
]


def hostile(text: str) -> dict[str, Any]:
    """A high-risk request in which everything that may hold text holds this one."""
    body = build(HIGH)

    def spoil(value: Any) -> Any:
        if isinstance(value, list):
            return [spoil(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            name: text if name in {"display", "text"} and isinstance(item, str) else spoil(item)
            for name, item in value.items()
        }

    spoiled: dict[str, Any] = spoil(body)
    return spoiled


def strings(value: Any) -> list[str]:
    """All text in JSON."""
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in items for text in strings(item)]


@attacks(KIND, TEXTS)
def test_hostile_text_in_a_card(client: AppClient, answer: str, value: str) -> None:
    response = client.post(SIGN, json=hostile(value))
    cards = response.json()["cards"]

    assert response.status_code == 200
    assert cards  # the warning is there whatever else is
    assert len(response.content) < 60_000
    for card in cards:
        assert len(card["summary"]) < 140
        page = Page(GFM.render(card["detail"]))
        assert page.tags <= {"p", "strong", "em", "ul", "ol", "li", "a", "br", "code"}
        own = f"{card['source']['url']}#"  # the places of the card's own page
        assert all(url.startswith((*OURS, own)) for url in page.links)
        for text in strings({k: card[k] for k in ("summary", "detail", "source")}):
            assert not [c for c in text if unicodedata.category(c) in {"Cc", "Cf"} and c != "\n"]


@attacks("Terminal", [case for case in TEXTS if case[1] == "taken out"])
def test_hostile_text_on_the_terminal(knowledge: Knowledge, answer: str, value: str) -> None:
    shown = terminal.json_text(answer_of(hostile(value), knowledge))

    assert not [c for c in shown if unicodedata.category(c) in {"Cc", "Cf"} and c != "\n"]


def answer_of(request: Any, knowledge: Knowledge) -> Any:
    answer = offline.answer(json.dumps(request).encode(), knowledge, NOW.date())
    return CDSResponse.model_validate_json(answer)


# --- logs and figures ---

FORGERIES: list[tuple[str, str, dict[str, Any]]] = [
    (
        "line break in a header",
        "not logged",
        {"headers": {"traceparent": '"}\\n{"event": "forged"}'}},
    ),
    ("line break in the path", "not logged", {"path": "/x%0a%7b%22event%22:%22forged%22%7d"}),
    ("line break in the hook", "not logged", {"hook": 'order-sign\n{"event": "forged"}'}),
    ("service id as log line", "not logged", {"path": "/cds-services/%0aforged"}),
    ("token as log line", "cut and quoted", {"headers": {"authorization": "Bearer forged\t\x7f"}}),
    ("user agent as log line", "not logged", {"headers": {"user-agent": "forged"}}),
    ("id of 10 kB as trace", "not logged", {"headers": {"traceparent": "f" * 10_000}}),
    ("colours of a terminal in the path", "not logged", {"path": "/%1b%5b31mforged"}),
]


@attacks("Logs", FORGERIES)
def test_a_forged_log_line(
    client: AppClient, capsys: pytest.CaptureFixture[str], answer: str, value: dict[str, Any]
) -> None:
    capsys.readouterr()
    body = build(HIGH) | ({"hook": value["hook"]} if "hook" in value else {})
    headers = {key: item.encode("latin-1") for key, item in value.get("headers", {}).items()}
    client.post(value.get("path", SIGN), json=body, headers=headers)
    logged = capsys.readouterr().err
    lines = [json.loads(line) for line in logged.splitlines()]

    assert lines
    assert "forged" not in logged
    assert "\x1b" not in logged
    assert all(len(json.dumps(line)) < 2000 for line in lines)


@attack("Figures", "ten thousand made-up services", "counted as one")
def test_figures_do_not_grow(client: AppClient) -> None:
    before = len(client.get("/metrics").content)
    for number in range(50):
        client.post(f"/cds-services/made-up-{number}", json=build(HIGH))
        client.get(f"/made-up-{number}")

    assert len(client.get("/metrics").content) - before < 5_000
    assert "made-up" not in client.get("/metrics").text


@attack("Figures", "figures from elsewhere", "404 unless a setting says so")
def test_figures_are_not_for_everybody(make_client: ClientFactory) -> None:
    outside = make_client(host="192.0.2.1", allow_anonymous=True)

    assert outside.get("/metrics").status_code == 404
    assert outside.get("/openapi.json").status_code == 404
    behind_a_proxy = make_client(public_url="https://cds.example.org", allow_anonymous=True)
    assert behind_a_proxy.get("/metrics").status_code == 404
    assert make_client(host="192.0.2.1", metrics=True).get("/metrics").status_code == 200


@attack("Logs", "header in the answer", "only what we made ourselves")
def test_nothing_of_the_request_gets_into_headers(client: AppClient) -> None:
    headers = {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "x-request-id": "evil"}
    response: httpx.Response = client.post(SIGN, json=build(HIGH), headers=headers)

    assert "evil" not in str(response.headers)
    assert "aaaa" not in str(response.headers)
