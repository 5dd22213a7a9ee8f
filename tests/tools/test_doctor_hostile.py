"""The doctor before services that mean it harm: it ends in time, goes nowhere else, and its reports
can be read."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cds_service.tools.doctor.examine import Plan, examine
from cds_service.tools.doctor.render import as_junit
from tests.support.doctoring import failed
from tests.support.small_services import CARD, SERVICE, small_service


@contextmanager
def raw_service(speak: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A socket that answers every request as `speak` does, until the block ends."""
    listener, over = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def one(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                speak(connection, over)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("begins", "drips"),
    [
        (HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
        (HEAD + b"X-Long: ", b"a"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    ],
    ids=["body", "header", "news"],
)
def test_an_answer_that_drips_is_given_up(begins: bytes, drips: bytes) -> None:
    def speak(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(begins)
        while not over.wait(0.03):
            connection.sendall(drips)

    with raw_service(speak) as base:
        report = examine(base, Plan(timeout=0.1, patience=0.1))
    assert "DS-01" in failed(report)
    assert report.unusable


def test_an_answer_that_is_packed_twice_is_not_unpacked() -> None:
    twice = gzip.compress(gzip.compress(b'{"services": []}'))
    head = HEAD + b"Content-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n" % len(twice)
    with raw_service(lambda connection, _: connection.sendall(head + twice)) as base:
        report = examine(base, Plan(timeout=5, patience=0.1))
    assert "packed more than once" in str(report.unusable)


def test_an_answer_that_is_too_long_is_told_so() -> None:
    long = b'{"cards": [], "extension": {"a.b": "' + b"x" * 5_100_000 + b'"}}'
    with small_service(text=long) as small:
        report = examine(small.base)
    [told] = {r.message for r in report.results if r.statement == "JS-01" and r.piece}
    assert told == "longer than 5,000,000 bytes: not read to the end"


def card(**changes: Any) -> dict[str, Any]:
    return {"cards": [CARD | changes]}


@pytest.mark.parametrize(
    "flaws",
    [
        {"services": [SERVICE | {"prefetch": {"p": "{{" * 500_000}}]},
        {"answer": card(summary="<a " * 400_000)},
        {"answer": card(detail="[" * 1_000_000 + " onerror")},
        {"services": [{"id": 1}] * 30_000},
    ],
    ids=["braces", "summary", "detail", "many"],
)
def test_what_is_built_to_take_long_does_not(flaws: dict[str, Any]) -> None:
    with small_service(**flaws) as small:
        report = examine(small.base)
    assert report.results
    assert len(report.results) < 300


def test_of_many_breaches_the_first_are_shown_and_the_others_counted() -> None:
    with small_service(services=[{"id": 1}] * 1_000) as small:
        report = examine(small.base)
    told = [r.message for r in report.results if r.statement == "DS-04"]
    assert (len(told), told[-1]) == (21, "and 980 more of the kind")


@pytest.mark.parametrize(
    "id_", ["../../admin", "..", "%2e%2e/x", "a/../../b", "small?x=1", "small#x", "a b", "\\x", ""]
)
def test_an_id_that_leads_elsewhere_is_told_and_not_followed(id_: str) -> None:
    with small_service(services=[SERVICE | {"id": id_}]) as small:
        report = examine(small.base)
    assert failed(report) >= {"DS-06"}
    assert {path for path, _ in small.seen} == {"GET /cds-services"}
    assert report.unusable


@pytest.mark.parametrize("text", ["\ufffe\uffff", "\x00\x0b", "]]>&<", "\ud800"])
def test_junit_is_xml_whatever_a_service_says(text: str) -> None:
    said = json.dumps(card(indicator=text, summary=f"{text} **b**")).encode()
    with small_service(text=said) as small:
        report = examine(small.base)
    assert {"CD-04", "MD-01"} <= failed(report)
    assert ET.fromstring(as_junit(report).encode()).tag == "testsuites"  # noqa: S314
