"""A real service and its connections to a FHIR server."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.ehr_calls import (
    ALL,
    SIGN,
    cards_of,
    ehr_of,
    record,
    serving,
    with_access,
    without,
)
from tests.support.service_process import running


def test_connections_are_used_again() -> None:
    with (
        serving(ehr_of(record())).running() as proxy,
        running(CDS_DEADLINE_MS="5000", CDS_BUDGET_MS="6000", CDS_FHIR_SERVERS=proxy.base) as base,
    ):
        body = with_access(without(record(), *ALL), proxy.base)
        for _ in range(3):
            assert len(cards_of(httpx.post(base + SIGN, json=body, timeout=30))) == 1

    assert len(proxy.searched()) == 3 * len(ALL)
    assert max(seen.connection for seen in proxy.seen) <= len(ALL) + 1  # and what the server has


def connected(base: str) -> socket.socket:
    port = urlsplit(base).port
    assert port is not None
    return socket.create_connection(("127.0.0.1", port), timeout=30)


@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_before_the_end_of_a_body_is_not_lost(chunked: bool) -> None:
    """Too large a body is refused at once; who is still sending it gets the answer all the same."""
    size = 40 * 1024 * 1024
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    head = f"POST {SIGN} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n"
    body = b"%x\r\n" % size + b" " * size + b"\r\n0\r\n\r\n" if chunked else b" " * size
    with running() as base, connected(base) as client:
        client.sendall(head.encode() + body)
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 413 "), answer[:100]
    assert b"connection: close" in answer.lower()
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["resourceType"] == "OperationOutcome"


def send_for_ever(client: socket.socket) -> None:
    while True:
        client.sendall(b" " * 1024)


def test_who_goes_on_sending_after_its_answer_is_let_go() -> None:
    head = (
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n" % SIGN.encode()
    )
    with running() as base, connected(base) as client:
        client.sendall(head)
        assert client.recv(65_536).startswith(b"HTTP/1.1 413 ")
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            send_for_ever(client)
