"""A call that comes whole may be answered past the application, and nobody can tell.

Each request goes to one real service twice: whole, and with its last byte sent after the rest was
read, so that the application has it. The answers have to be the same to the byte, but for the time
and for ids that are new each time.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.builders import request as build
from tests.support.issuer import ISS, PUBLIC, SIGN, Issuer, jwk
from tests.support.service_process import ServiceProcess, started

pytestmark = pytest.mark.process

CREATININE = "loinc 2160-0 Creatinine [Mass/volume] in Serum or Plasma"
FOP = {"conditions": ["sct 82725007 Progressive myositis ossificans"]}
_NEW = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|date: [^\r]*")
_TIMES = re.compile(rb"dur=[\d.]+|(?<=server-timing: )[^\r]*")


def packed(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def known() -> dict[str, Any]:
    """A call of an order that the service has seen before."""
    return build({"orders": [CREATININE], "chart": FOP})


def deep(levels: int) -> dict[str, Any]:
    """The same with so many levels in a part that nobody reads."""
    body, value = known(), json.loads("[" * levels + "]" * levels)
    body["prefetch"]["nobody"] = value
    return body


LEVELS = 100  # CDS_MAX_DEPTH; two are around what is in prefetch

BODIES: dict[str, bytes] = {
    "known": packed(known()),
    "another patient": packed(known()).replace(b"Patient/", b"Patient/x"),
    "new": packed(build({"orders": ["loinc 718-7 Hemoglobin in Blood"], "chart": FOP})),
    "biopsy": packed(build({"orders": ["cpt 20206 Biopsy, muscle"], "chart": FOP})),
    "hip": packed(build({"orders": ["cpt 27130 Arthroplasty of hip"], "chart": FOP})),
    "known and a biopsy": packed(
        build({"orders": [CREATININE, "cpt 20206 Biopsy, muscle"], "chart": FOP})
    ),
    "no order": packed(build({"orders": [], "chart": FOP})),
    "deep": packed(deep(LEVELS - 2)),
    "too deep": packed(deep(LEVELS - 1)),
    "much too deep": packed(known())[:-2] + b',"z":' + b"[" * 9_000 + b"]" * 9_000 + b"}}",
    "twice": packed(known())[:-2] + b',"patient":{}}}',
    "wrong hook": packed(known() | {"hook": "order-select"}),
    "pretty": json.dumps(known(), indent=1).encode(),
    "UTF-8": packed(known()).replace(b"Creatinine", "Kreatinín".encode()),
    "UTF-16": json.dumps(known()).encode("utf-16"),
    "not UTF-8": packed(known()).replace(b"Creatinine", b"\xff"),
    "half": packed(known())[:-30],
    "orders as text": packed(
        known() | {"context": known()["context"] | {"draftOrders": " " * 3000 + "[" * 2900}}
    ),
    "blank": b" ",
    "list": b"[]",
}

HEADERS: dict[str, bytes] = {
    "plain": b"",
    "origin": b"Origin: http://localhost:5173\r\n",
    "origin of others": b"Origin: https://evil.example\r\n",
    "examination": b"CDS-Examination: 1\r\n",
    "token": b"Authorization: Bearer x\r\n",
    "null token": b"Authorization: null\r\n",
    "traceparent": b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n",
    "two traceparents": b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
    * 2,
    "xml": b"Content-Type: application/xml\r\n",
    "latin": b"Content-Type: application/json; charset=iso-8859-1\r\n",
    "unknown charset": b"Content-Type: application/json; charset=klingon\r\n",
    "gzip that is none": b"Content-Encoding: gzip\r\n",
    "close": b"Connection: close\r\n",
    "offer": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n",
    "expect": b"Expect: 100-continue\r\n",
}


def post(body: bytes, header: bytes = b"", path: str = SIGN, version: bytes = b"1.1") -> bytes:
    head = b"POST %b HTTP/%b\r\nHost: localhost\r\nContent-Length: %d\r\n%b\r\n"
    return head % (path.encode(), version, len(body), header) + body


class Line:
    """One connection."""

    def __init__(self, base: str) -> None:
        url = httpx.URL(base)
        self._socket = socket.create_connection((url.host, url.port or 80), timeout=30)
        self._file = self._socket.makefile("rb")

    def send(self, content: bytes) -> None:
        self._socket.sendall(content)

    def answer(self) -> bytes:
        """The next answer, whole."""
        head = b"".join(iter(self._file.readline, b"\r\n"))
        if head.startswith(b"HTTP/1.1 100 "):
            return self.answer()
        length = re.search(rb"(?i)content-length: (\d+)", head)
        assert length, head
        return head + b"\r\n" + self._file.read(int(length[1]))

    def asked(self, request: bytes) -> bytes:
        self.send(request)
        return self.answer()

    def is_closed(self) -> bool:
        """Waits until the other side has closed it."""
        return self._file.read(1) == b""

    def is_silent(self, seconds: float) -> bool:
        """Whether nothing comes for so long, not even an end."""
        return not select.select([self._socket], [], [], seconds)[0]

    def rest(self) -> bytes:
        """All that comes until the other side closes."""
        found = b""
        with suppress(ConnectionResetError):
            while chunk := self._file.read1(65_536):
                found += chunk
        return found

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@pytest.fixture(scope="module")
def service() -> Iterator[ServiceProcess]:
    with started(CDS_SERVER_TIMING="true") as running:
        for _ in range(2):
            assert httpx.post(running.base + SIGN, content=packed(known())).json() == {"cards": []}
        yield running


@pytest.fixture
def line(service: ServiceProcess) -> Iterator[Line]:
    with closing(Line(service.base)) as line:
        yield line


def ask(service: ServiceProcess, *requests: bytes) -> list[bytes]:
    """The answers to requests, one after the other on one connection."""
    with closing(Line(service.base)) as line:
        return [line.asked(request) for request in requests]


def in_pieces(service: ServiceProcess, request: bytes) -> bytes:
    """The answer to a request whose end comes when the rest was read: a service that answers
    something else on the same thread in between has read it."""
    with closing(Line(service.base)) as late:
        late.send(request[:-1])
        httpx.get(f"{service.base}/health/live")
        late.send(request[-1:])
        return late.answer()


def told(answer: bytes) -> tuple[bytes, frozenset[bytes], bytes]:
    """Status, header lines and content, without what is new each time."""
    head, _, content = _TIMES.sub(b"", _NEW.sub(b"*", answer)).partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    return status, frozenset(lines), content


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("body", BODIES)
def test_both_ways_are_the_same(
    service: ServiceProcess, line: Line, body: str, header: str
) -> None:
    request = post(BODIES[body], HEADERS[header])
    line.send(request)
    assert told(line.answer()) == told(in_pieces(service, request))


@pytest.mark.parametrize(
    "path", [f"{SIGN}?a=b", f"{SIGN}/", "/cds-services/", "/cds-services/x", "/cds-services/%68o",
             "/cds-services/ho-order-sign/feedback", "/cds-services/ho-order%2Dsign"]
)  # fmt: skip
def test_other_paths_are_the_same(service: ServiceProcess, line: Line, path: str) -> None:
    request = post(BODIES["known"], path=path)
    line.send(request)
    assert told(line.answer()) == told(in_pieces(service, request))


@pytest.mark.parametrize("header", [b"", b"Connection: keep-alive\r\n"])
def test_http_1_0_is_closed_after_its_answer(line: Line, header: bytes) -> None:
    line.send(post(BODIES["known"], header, version=b"1.0"))
    assert line.answer().endswith(b'{"cards":[]}')
    assert line.is_closed()


def test_a_path_that_is_too_long_is_refused(line: Line) -> None:
    """With a part of the body in the same packet, so that the call is held back."""
    line.send(post(BODIES["known"], path="/cds-services/" + "a" * 65_600)[:-1])
    assert line.answer().startswith(b"HTTP/1.1 400 ")
    assert line.is_closed()


def test_a_size_is_that_of_what_was_sent() -> None:
    plain = packed(known())
    with started(CDS_MAX_BODY_BYTES=str(len(plain))) as service:
        for body, status in ((plain, b"200"), (b"\xef\xbb\xbf" + plain, b"413")):
            request = post(body)
            ask(service, request)
            assert ask(service, request)[0].split(b" ")[1] == status
            assert in_pieces(service, request).split(b" ")[1] == status


def test_requests_before_the_first_answer_are_bounded(service: ServiceProcess) -> None:
    """The first is not answered at once, so that all others wait behind it."""
    request = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with closing(Line(service.base)) as line:
        line.send(post(BODIES["hip"]) + request * 90)
        assert all(b" 200 OK" in line.answer() for _ in range(91))
        with suppress(OSError):
            line.send(post(BODIES["hip"]) + request * 100_000)
        assert line.rest().count(b" 200 OK") < 1000


def test_answers_come_in_the_order_of_their_requests(line: Line) -> None:
    """Several in one packet: some are answered at once, and some wait for the application."""
    names = ["known", "hip", "known", "known", "biopsy", "too deep", "known"]
    line.send(b"".join(post(BODIES[name]) for name in names))
    said = [json.loads(line.answer().partition(b"\r\n\r\n")[2]) for _ in names]
    cards = [len(one["cards"]) if "cards" in one else one["resourceType"] for one in said]
    assert cards == [0, 1, 0, 0, 1, "OperationOutcome", 0]


def counted(service: ServiceProcess) -> dict[str, float]:
    """The figures of calls, without their times."""
    lines = httpx.get(service.base + "/metrics").text.splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    wanted = ("cds_request_seconds_count", "cds_answers_total", "cds_requests_under_way")
    return {name: float(value) for name, _, value in pairs if name.startswith(wanted)}


def test_both_ways_are_counted(service: ServiceProcess, line: Line) -> None:
    def more(ask: Callable[[], object]) -> dict[str, float]:
        before = counted(service)
        ask()
        after = counted(service)
        return {n: v - before.get(n, 0) for n, v in after.items() if v != before.get(n, 0)}

    def whole() -> None:
        line.send(post(BODIES["known"]))
        line.answer()

    found = more(whole)
    assert found == more(lambda: in_pieces(service, post(BODIES["known"]))) | found
    assert found['cds_answers_total{client="anonymous",mode="live"}'] == 1
    assert found['cds_request_seconds_count{service="ho-order-sign",status="200"}'] == 1


def test_both_ways_are_logged() -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    header = f"traceparent: 00-{trace}-00f067aa0ba902b7-01\r\n".encode()
    with started() as service:
        request = post(BODIES["known"], header)
        ask(service, request, request, request)
        in_pieces(service, request)
        service.process.terminate()
        service.process.wait(timeout=20)
        said = [json.loads(one) for one in service.logged().splitlines() if trace in one]
    stages = [one.pop("stages") for one in said]
    for one in said:
        del one["ms"], one["timestamp"]
    assert [bool(one) for one in stages] == [True, False, False, True]  # two were at once
    assert all(one == said[0] for one in said), said


@dataclass
class Registered:
    """A service with one registered client, and the tokens of that."""

    service: ServiceProcess
    issuer: Issuer

    def request(self, body: str, token: str | None = None) -> bytes:
        return post(
            BODIES[body], b"Authorization: Bearer %b\r\n" % (token or self.token()).encode()
        )

    def token(self, **changes: Any) -> str:
        return self.issuer.token(**changes)

    def status(self, body: str, token: str | None = None) -> int:
        (answer,) = ask(self.service, self.request(body, token))
        return int(answer.split(b" ", 2)[1])

    def lines(self, event: str) -> list[dict[str, Any]]:
        """After the end of the service."""
        said = (json.loads(line) for line in self.service.logged().splitlines())
        return [line for line in said if line["event"] == event]

    def end(self) -> None:
        self.service.process.terminate()
        self.service.process.wait(timeout=20)


@contextmanager
def registered(folder: Path, more: str = "", **environment: str) -> Iterator[Registered]:
    """The service knows the order already."""
    key = "P-256"
    (folder / "keys.json").write_text(json.dumps({"keys": [jwk(key, "k")]}), encoding="utf-8")
    (folder / "clients.toml").write_text(
        f'[[client]]\nid = "east"\niss = "{ISS}"\njwks_file = "keys.json"\n'
        f'algorithms = ["ES256"]\n{more}',
        encoding="utf-8",
    )
    settings = {"CDS_CLIENTS": str(folder / "clients.toml"), "CDS_PUBLIC_URL": PUBLIC}
    settings["CDS_METRICS"] = "true"
    with started(**settings, **environment) as service:
        hospital = Registered(service, Issuer(None, kid="k", kind=key, algorithm="ES256"))
        assert hospital.status("known") == 200
        yield hospital


def test_a_token_is_looked_at_once(tmp_path: Path) -> None:
    """Whichever way a call goes, and however many looks it takes to find that way."""
    with registered(tmp_path) as hospital:
        used = hospital.token()
        assert hospital.status("known", used) == 200
        assert [hospital.status(body, used) for body in ("known", "hip")] == [401, 401]
        assert [hospital.status(body) for body in ("hip", "new", "biopsy")] == [200, 200, 200]
        assert hospital.status("too deep") == 400
        expired = hospital.token(exp=1)
        assert [hospital.status(body, expired) for body in ("known", "hip")] == [401, 401]
        refused = httpx.get(hospital.service.base + "/metrics").text
        hospital.end()
        assert 'cds_auth_failures_total{reason="the token was used before"} 2.0' in refused
        assert 'cds_auth_failures_total{reason="the token has expired"} 2.0' in refused
        assert len(hospital.lines("token accepted")) == 6
        assert len(hospital.lines("token refused")) == 4
        calls_ = [line for line in hospital.lines("request") if line["status"] == 200]
        assert [line["client"] for line in calls_] == ["east"] * 5
        assert [bool(line["stages"]) for line in calls_] == [True, False, True, True, True]


def test_a_token_of_a_call_that_is_sent_away_may_come_again(tmp_path: Path) -> None:
    with registered(tmp_path, "calls_per_second = 0.01\n") as hospital:
        token = hospital.token()
        assert [hospital.status("known", token) for _ in range(2)] == [429, 429]


def test_a_database_is_asked_for_a_token(tmp_path: Path) -> None:
    kept = f"sqlite:///{tmp_path / 'kept.db'}"
    with registered(tmp_path, CDS_REPLAY="database", CDS_DATABASE_URL=kept) as hospital:
        used = hospital.token()
        assert [hospital.status("known", used) for _ in range(2)] == [200, 401]
        hospital.end()
        assert all(line["stages"] for line in hospital.lines("request") if line["status"] == 200)


def test_a_client_is_asked_for_its_hooks(tmp_path: Path) -> None:
    with registered(tmp_path) as hospital:
        assert hospital.status("known") == 200
        clients = tmp_path / "clients.toml"
        clients.write_text(clients.read_text() + 'hooks = ["patient-view"]\n', encoding="utf-8")
        os.kill(hospital.service.process.pid, signal.SIGHUP)
        while not hospital.lines("clients reloaded"):
            httpx.get(hospital.service.base + "/health/live")
        assert hospital.status("known") == 403


def test_a_strict_audit_is_written_first(tmp_path: Path) -> None:
    with registered(tmp_path, CDS_AUDIT="strict") as hospital:
        assert hospital.status("known") == 200
        hospital.end()
        assert all(line["stages"] for line in hospital.lines("request") if line["status"] == 200)
        assert len(hospital.lines("token accepted")) == 2


def test_a_call_at_once_is_kept_as_any_other(tmp_path: Path) -> None:
    with started(CDS_DATABASE_URL=f"sqlite:///{tmp_path / 'kept.db'}") as service:
        ask(service, *[post(BODIES["known"])] * 3)
        service.process.terminate()
        service.process.wait(timeout=20)
    with closing(sqlite3.connect(tmp_path / "kept.db")) as kept:
        assert kept.execute("select sum(calls) from calls_by_day").fetchone() == (3,)


def test_an_idle_connection_is_closed_without_a_word() -> None:
    """Nobody asked, so nothing is answered: a client would take it for its next answer."""
    with started(CDS_KEEP_ALIVE_SECONDS="1") as service:
        ask(service, post(BODIES["known"]))
        with closing(Line(service.base)) as line:
            for _ in range(3):
                line.asked(post(BODIES["known"]))
            assert line.is_closed()
        assert "cds_connections_refused_total{" not in httpx.get(service.base + "/metrics").text


def test_an_idle_connection_stays_open_longer_than_a_request_may_take() -> None:
    with started(CDS_READ_SECONDS="1") as service:
        ask(service, post(BODIES["known"]))
        with closing(Line(service.base)) as line:
            line.asked(post(BODIES["known"]))
            assert line.is_silent(2)
            assert line.asked(post(BODIES["known"])).endswith(b'{"cards":[]}')


def test_nothing_is_answered_at_once_while_the_service_is_switched_off(tmp_path: Path) -> None:
    (tmp_path / "switch.json").write_text('{"state":"on"}', encoding="utf-8")
    with started(CDS_DATA_DIR=str(tmp_path)) as service:
        answers = []
        for state in ("on", "on", "off"):
            (tmp_path / "switch.json").write_text(json.dumps({"state": state}), encoding="utf-8")
            answers += ask(service, post(BODIES["known"]))
        found = counted(service)
    assert [answer.partition(b"\r\n\r\n")[2] for answer in answers] == [b'{"cards":[]}'] * 3
    assert found['cds_answers_total{client="anonymous",mode="live"}'] == 2
    assert found['cds_answers_total{client="anonymous",mode="off"}'] == 1
