"""HTTP as real clients use it, over a socket: keep-alive, HEAD, packed bodies, charsets."""

from __future__ import annotations

import gzip
import json
import socket
import zlib

import httpx
import pytest

from tests.support.builders import request as build
from tests.support.ehr_calls import SELECT, SIGN, VIEW, plain

pytestmark = pytest.mark.process
HIGH = {
    "patient": {"age": 60, "sex": "male"},
    "orders": ["right hip replacement"],
    "chart": {"conditions": ["sct 444748003 Verknöcherung nach Hüft-TEP"]},
}


@pytest.fixture(scope="module")
def expected(server: httpx.Client) -> str:
    return plain(server.post(SIGN, json=build(HIGH)))


def text() -> str:
    return json.dumps(build(HIGH), ensure_ascii=False)


@pytest.mark.statement("JS-07")
@pytest.mark.parametrize(
    ("charset", "declared"),
    [
        ("utf-8", None),
        ("utf-8", "UTF-8"),
        ("utf-8", '"utf-8"'),
        ("utf-8-sig", "utf-8"),
        ("utf-16", None),
        ("utf-16-le", "utf-16le"),
        ("utf-32", None),
        ("latin-1", "ISO-8859-1"),
        ("cp1252", "windows-1252"),
        ("utf-8", "ISO-8859-1"),  # the default header of Apache HttpClient on UTF-8
    ],
)
def test_charsets(server: httpx.Client, expected: str, charset: str, declared: str | None) -> None:
    media_type = "application/json" + (f"; charset={declared}" if declared else "")
    response = server.post(
        SIGN, content=text().encode(charset), headers={"content-type": media_type}
    )

    assert plain(response) == expected


@pytest.mark.statement("PE-02")
@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("gzip", gzip.compress(text().encode())),
        ("GZIP", gzip.compress(b"\xef\xbb\xbf" + text().encode())),
        ("x-gzip", gzip.compress(text().encode()[:500]) + gzip.compress(text().encode()[500:])),
        ("deflate", zlib.compress(text().encode())),
        ("gzip, gzip", gzip.compress(gzip.compress(text().encode()))),
        ("identity", text().encode()),
    ],
)
def test_packed_bodies(server: httpx.Client, expected: str, encoding: str, content: bytes) -> None:
    headers = {"content-type": "application/json", "content-encoding": encoding}

    assert plain(server.post(SIGN, content=content, headers=headers)) == expected


def test_a_packed_body_in_chunks(server: httpx.Client, expected: str) -> None:
    packed = gzip.compress(text().encode())
    parts = (packed[i : i + 7] for i in range(0, len(packed), 7))
    response = server.post(SIGN, content=parts, headers={"content-encoding": "gzip"})

    assert plain(response) == expected


@pytest.mark.statement("RQ-07", "ER-04")
@pytest.mark.parametrize("path", [SIGN, SELECT, VIEW, "/cds-services"])
def test_head_options_and_other_methods(server: httpx.Client, path: str) -> None:
    calls = {method: server.request(method, path) for method in ("HEAD", "OPTIONS", "PUT")}
    is_discovery = path == "/cds-services"

    assert calls["HEAD"].status_code == (200 if is_discovery else 405)
    assert calls["HEAD"].content == b""
    assert calls["OPTIONS"].status_code == 204
    assert calls["PUT"].status_code == 405
    allowed = {"GET", "HEAD", "OPTIONS"} if is_discovery else {"OPTIONS", "POST"}
    for answer in (calls["OPTIONS"], calls["PUT"]):
        assert set(answer.headers["allow"].split(", ")) == allowed


def test_one_connection_serves_good_and_bad_calls_in_turn(server: httpx.Client) -> None:
    body = text().encode()
    call = (
        f"POST {SIGN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    bad = f"POST {SIGN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n{{".encode()
    gone = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
    address = (server.base_url.host, server.base_url.port or 80)
    with socket.create_connection(address, timeout=20) as client:
        statuses = [exchange(client, request) for request in (call, bad, gone, call)]

    assert statuses == [200, 400, 404, 200]


def exchange(client: socket.socket, request: bytes) -> int:
    """Send a request and read one whole answer; gives its status."""
    client.sendall(request)
    stream = client.makefile("rb")
    status = int(stream.readline().split()[1])
    length = 0
    while (line := stream.readline()) != b"\r\n":
        name, _, value = line.partition(b":")
        assert (name.lower(), value.strip().lower()) != (b"connection", b"close")
        length = int(value) if name.lower() == b"content-length" else length
    stream.read(length)
    return status
