"""Nothing of a request is kept: all fixtures, marked, and every error; then a search for the marks.

Looked through are the log, the figures, the database file, and the body of every error answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.constants import FIXTURES
from tests.support.issuer import SIGN
from tests.support.service_process import started

pytestmark = pytest.mark.process

MARK = "zqx7"
BORN = "1961-02-03"
TIME = "T03:14:15.926Z"
MARKS = (MARK, BORN, "03:14:15.926", MARK.upper())
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_NAMED = frozenset({"display", "text", "title", "div", "data", "family", "given", "line", "value"})
_IDS = frozenset({"id", "patientId", "userId", "encounterId", "reference", "hookInstance"})


def marked(value: Any, name: str = "") -> Any:
    """A request in which every id, name, free text and date bears a mark."""
    if isinstance(value, dict):
        return {key: marked(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [marked(item, name) for item in value]
    if not isinstance(value, str) or not value:
        return value
    if name in _IDS:
        return f"{value}{MARK}"
    if name == "birthDate":
        return BORN
    if _DATE.fullmatch(value):
        return value + TIME
    return f"{value} {MARK}" if name in _NAMED else value


def requests() -> Iterator[tuple[str, bytes]]:
    """Every fixture, marked: as it is, with a token to a server that is not there, and cut off."""
    for path in sorted(FIXTURES.glob("*.json")):
        body = marked(json.loads(path.read_bytes()))
        yield path.name, json.dumps(body).encode()
        access = {
            "access_token": f"token-{MARK}",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": f"user/*.read {MARK}",
            "subject": f"subject-{MARK}",
        }
        without = {k: v for k, v in body.items() if k != "prefetch"}
        server = {"fhirServer": f"http://127.0.0.1:9/{MARK}", "fhirAuthorization": access}
        yield f"{path.name} with access", json.dumps(without | server).encode()
        yield f"{path.name} cut off", json.dumps(body).encode()[:-40]


JSON = {"Content-Type": "application/json"}
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("hook", {"hook": f"order-{MARK}"}),
    ("hook a list", {"hook": [MARK]}),
    ("context a text", {"context": MARK}),
    ("patientId a path", {"context": {"patientId": f"{MARK}/{MARK}", "draftOrders": {}}}),
    ("patientId an object", {"context": {"patientId": {"x": MARK}, "draftOrders": {}}}),
    ("orders a text", {"context": {"patientId": MARK, "draftOrders": MARK}}),
    ("orders no orders", {"context": {"patientId": MARK, "draftOrders": {"entry": [MARK]}}}),
    ("prefetch a list", {"prefetch": [MARK]}),
    ("fhirServer no URL", {"fhirServer": f"not a url {MARK}"}),
    ("long id", {"hookInstance": MARK * 1000}),
]


@dataclass
class Traffic:
    """What was sent to a real service, and what it left behind."""

    errors: list[str] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)
    cards: int = 0
    echoed: bool = False  # a card named the marked order: what is looked for was there
    log: str = ""
    figures: str = ""
    database: bytes = b""

    def sent(self, response: httpx.Response) -> None:
        self.statuses.add(response.status_code)
        if response.status_code >= 400:
            self.errors.append(f"{response.text} {response.headers}")


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Traffic:
    folder = tmp_path_factory.mktemp("kept")
    url = f"sqlite:///{folder / 'store.sqlite3'}"
    found = Traffic()
    more = {"CDS_CORS_ORIGINS": "*", "CDS_FHIR_SERVERS": "http://127.0.0.1:9"}
    with started(CDS_DATABASE_URL=url, CDS_SERVER_TIMING="true", **more) as service:
        headers = {
            "Authorization": f"Bearer {MARK}",
            "User-Agent": MARK,
            "X-Request-Id": MARK,
            "traceparent": MARK,
            "Origin": f"https://{MARK}.example.org",
        }
        with httpx.Client(base_url=service.base, headers=headers, timeout=60) as client:
            send_all(client, found)
            found.figures = client.get("/metrics").text
        service.process.terminate()  # ends after what waits is written
        service.process.wait(20)
        found.log = service.logged()
    found.database = b"".join(path.read_bytes() for path in Path(folder).iterdir())
    return found


def send_all(client: httpx.Client, found: Traffic) -> None:
    uuids: list[str] = []
    for _, body in requests():
        response = client.post(SIGN, content=body)
        found.sent(response)
        if response.status_code == 200:
            cards = response.json()["cards"]
            uuids += [card["uuid"] for card in cards]
            found.cards += len(cards)
            found.echoed |= MARK in response.text
    plain = marked(json.loads((FIXTURES / "high-risk-previous-ho.json").read_bytes()))
    for _, change in WRONG:
        found.sent(client.post(SIGN, json=plain | change))
    found.sent(client.post(f"/cds-services/{MARK}", json=plain))
    found.sent(client.get(f"/{MARK}?{MARK}={MARK}"))
    found.sent(client.request("PUT", f"{SIGN}?{MARK}"))
    found.sent(client.post(SIGN, content=b"\xff" + MARK.encode()))
    found.sent(client.post(SIGN, content=MARK.encode(), headers={"Content-Type": f"text/{MARK}"}))
    found.sent(client.post(SIGN, content=MARK.encode(), headers={"Content-Encoding": MARK}))
    for item in feedback(uuids):
        found.sent(client.post(f"{SIGN}/feedback", json=item))
    found.sent(client.post(f"{SIGN}/feedback", content=MARK.encode(), headers=JSON))


def feedback(uuids: list[str]) -> Iterator[dict[str, Any]]:
    for card in (*uuids[:5], str(uuid4())):
        reason = {"code": "other", "system": "https://example.org", "display": MARK}
        yield {
            "feedback": [
                {
                    "card": card,
                    "outcome": "overridden",
                    "overrideReason": {"reason": reason, "userComment": f"Jane {MARK}, {BORN}"},
                    "outcomeTimestamp": "2026-11-23T10:00:00Z",
                }
            ]
        }
    yield {"feedback": [{"card": uuids[0], "outcome": MARK}]}
    yield {"feedback": MARK}


def test_the_traffic_was_real(traffic: Traffic) -> None:
    assert {200, 400, 404, 405, 412, 415} <= traffic.statuses
    assert max(traffic.statuses) < 500
    assert traffic.cards >= 20
    assert traffic.echoed
    assert traffic.log.count('"stream":"request"') >= 100
    assert traffic.database.startswith(b"SQLite format 3")
    assert b"ho-order-sign" in traffic.database
    assert "cds_cards_total{" in traffic.figures


@pytest.mark.parametrize("mark", MARKS)
def test_the_log_holds_nothing(traffic: Traffic, mark: str) -> None:
    assert not [line for line in traffic.log.splitlines() if mark in line]


@pytest.mark.parametrize("mark", MARKS)
def test_the_figures_hold_nothing(traffic: Traffic, mark: str) -> None:
    assert mark not in traffic.figures


@pytest.mark.parametrize("mark", MARKS)
def test_the_database_holds_nothing(traffic: Traffic, mark: str) -> None:
    assert mark.encode() not in traffic.database
    assert mark.encode("utf-16-le") not in traffic.database


@pytest.mark.parametrize("mark", MARKS)
def test_error_answers_hold_nothing(traffic: Traffic, mark: str) -> None:
    """But for the origin that a browser is told it may show the answer to."""
    allowed = f"https://{MARK}.example.org"
    assert not [error for error in traffic.errors if mark in error.replace(allowed, "")]
