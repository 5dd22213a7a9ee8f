"""Attacks on the HTTP level, against a real process over a socket."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import httpx
import pytest

from tests.support.app_client import ClientFactory
from tests.support.attack_book import attack, attacks, status_of
from tests.support.builders import request as build
from tests.support.ehr_calls import HIGH
from tests.support.issuer import SIGN
from tests.support.service_process import started

pytestmark = pytest.mark.process

KIND = "HTTP"
CAPACITY = 4
BODY = json.dumps(build(HIGH)).encode()
HEAD = f"POST {SIGN} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """A service that waits a second for a request and takes four at once."""
    settings = {"CDS_READ_SECONDS": "1", "CDS_MAX_CONCURRENT": str(CAPACITY)}
    with started(**settings) as service:
        url = httpx.URL(service.base)
        yield url.host, url.port or 80


@contextmanager
def connected(address: tuple[str, int]) -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=10) as client:
        yield client


def read_all(client: socket.socket) -> bytes:
    """Everything until the other side closes."""
    answer = b""
    with suppress(ConnectionResetError):
        while chunk := client.recv(65536):
            answer += chunk
    return answer


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def is_alive(address: tuple[str, int]) -> bool:
    answer = httpx.get(f"http://{address[0]}:{address[1]}/health/live", timeout=10)
    return answer.status_code == 200


def post(extra: bytes, body: bytes = BODY) -> bytes:
    return HEAD + extra + b"\r\n" + body


LENGTH = b"Content-Length: %d\r\n" % len(BODY)
EVIL = b"GET /evil HTTP/1.1\r\nHost: localhost\r\n\r\n"

RAW: list[tuple[str, str, bytes]] = [
    (
        "Content-Length and Transfer-Encoding",
        "400, closed",
        post(LENGTH + b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n" + EVIL),
    ),
    ("two lengths", "400, closed", post(LENGTH + b"Content-Length: 5\r\n", BODY + EVIL)),
    ("negative length", "400, closed", post(b"Content-Length: -1\r\n")),
    ("length with a sign", "400, closed", post(b"Content-Length: +5\r\n")),
    ("length of 30 digits", "400, closed", post(b"Content-Length: " + b"9" * 30 + b"\r\n")),
    ("list of lengths", "400, closed", post(b"Content-Length: 5, 5\r\n")),
    ("unknown transfer coding", "400, closed", post(b"Transfer-Encoding: xchunked\r\n")),
    (
        "chunked, but not last",
        "400, closed",
        post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n" + EVIL),
    ),
    (
        "chunk size that is no number",
        "400, closed",
        post(b"Transfer-Encoding: chunked\r\n", b"zz\r\n\r\n"),
    ),
    (
        "chunk size of 20 digits",
        "400, closed",
        post(b"Transfer-Encoding: chunked\r\n", b"f" * 20 + b"\r\n"),
    ),
    ("blank before the colon", "400, closed", post(b"Content-Length : 5\r\n")),
    ("folded header", "400, closed", post(b"X-A: b\r\n c\r\n" + LENGTH)),
    ("NUL in a header", "400, closed", post(b"X-A: b\0c\r\n" + LENGTH)),
    ("bare carriage return in a header", "400, closed", post(b"X-A: b\rX-B: c\r\n" + LENGTH)),
    ("header without name", "400, closed", post(b": b\r\n" + LENGTH)),
    ("header of 100 kB", "431, closed", post(b"X-A: " + b"b" * 100_000 + b"\r\n")),
    ("header without end, 100 kB", "431, closed", HEAD + b"X-A: " + b"b" * 100_000),
    ("a thousand headers", "431, closed", post(b"".join(b"X-%d: b\r\n" % n for n in range(1000)))),
    (
        "URL of 100 kB",
        "400, closed",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    ("no Host", "400, closed", b"GET /health/live HTTP/1.1\r\n\r\n"),
    (
        "two Hosts",
        "400, closed",
        b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
    ),
    (
        "the same Host twice",
        "400, closed",
        b"GET / HTTP/1.0\r\nHost: localhost\r\nhost: localhost\r\n\r\n",
    ),
    ("HTTP/2.0 on the request line", "505, closed", b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n"),
    ("HTTP/2 without upgrade", "400, closed", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("TLS on the plain port", "400, closed", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9),
    ("HTTP/0.9", "505, closed", b"GET /nowhere\r\n\r\n"),
    ("unknown method", "400, closed", b"EVIL / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
]


@attacks(KIND, RAW)
def test_what_is_no_proper_http(address: tuple[str, int], answer: str, value: bytes) -> None:
    with connected(address) as client:
        with suppress(OSError):  # refused before all of it was sent
            client.sendall(value)
        got = read_all(client)

    assert statuses(got) in ([status_of(answer)], []), got[:200]  # [] where the reset was faster
    assert not got or b'{"resourceType":"OperationOutcome"' in got
    assert b"evil" not in got
    assert is_alive(address)


METHODS: list[tuple[str, str, tuple[bytes, str]]] = [
    ("TRACE", "405", (b"TRACE", SIGN)),
    ("PUT", "405", (b"PUT", SIGN)),
    ("DELETE", "405", (b"DELETE", SIGN)),
    ("GET of a service", "405", (b"GET", SIGN)),
    ("CONNECT to another host", "400", (b"CONNECT", "evil.example.org:443")),
    ("whole URL of another host", "404", (b"GET", "http://evil.example.org/x")),
    ("dots in the path", "404", (b"GET", "/cds-services/../../etc/passwd")),
    ("dots as escapes", "404", (b"GET", "/cds-services/%2e%2e/%2e%2e/etc/passwd")),
    ("two slashes", "404", (b"GET", "//cds-services")),
    ("slash as escape", "405", (b"GET", SIGN + "%2ffeedback")),
    ("NUL in the path", "404", (b"GET", "/cds-services%00")),
    ("line break in the path", "404", (b"GET", "/x%0d%0aSet-Cookie:%20a=b")),
    ("other case", "404", (b"GET", "/CDS-SERVICES")),
    ("semicolon in the path", "404", (b"GET", "/cds-services;x=y")),
    ("documentation pages", "404", (b"GET", "/docs")),
    ("files of the project", "404", (b"GET", "/.env")),
    ("WebSocket upgrade", "404", (b"GET", "/ws")),
]


@attacks(KIND, METHODS)
def test_paths_and_methods(address: tuple[str, int], answer: str, value: tuple[bytes, str]) -> None:
    method, path = value
    head = b"%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close" % (method, path.encode())
    if "ws" in path:
        head += (
            b", upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13"
        )
    with connected(address) as client:
        client.sendall(head + b"\r\n\r\n")
        got = read_all(client)

    assert statuses(got) == [status_of(answer)], got[:300]
    assert b"set-cookie" not in got.lower()
    assert b"evil" not in got


@attack(KIND, "method override", "ignored")
def test_method_override(address: tuple[str, int]) -> None:
    with connected(address) as client:
        client.sendall(post(LENGTH + b"X-HTTP-Method-Override: GET\r\nConnection: close\r\n"))
        assert statuses(read_all(client)) == [200]


@attack(KIND, "pipelined calls", "answered one by one, in order")
def test_pipelining(address: tuple[str, int]) -> None:
    second = b"GET /cds-services HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with connected(address) as client:
        client.sendall(post(LENGTH) + second)
        got = read_all(client)

    assert statuses(got) == [200, 200]
    assert got.index(b'"cards"') < got.index(b'"services"')


# --- time ---

SLOW: list[tuple[str, str, bytes]] = [
    ("connection that says nothing", "408, closed", b""),
    ("header that stops", "408, closed", HEAD),
    ("body that stops", "408, closed", HEAD + LENGTH + b"\r\n" + BODY[:50]),
    ("chunk that stops", "408, closed", HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\nabc"),
]


@attacks(KIND, SLOW)
def test_a_request_that_stops(address: tuple[str, int], answer: str, value: bytes) -> None:
    with connected(address) as client:
        client.sendall(value)
        got = read_all(client)

    assert statuses(got) == [status_of(answer)]


DRIPS: list[tuple[str, str, bytes]] = [
    ("header drop by drop", "408, closed", HEAD[:-2] + b"x" * 1000),
    ("body drop by drop", "408, closed", HEAD + LENGTH + b"\r\n" + BODY),
]


@attacks(KIND, DRIPS)
def test_a_request_drop_by_drop(address: tuple[str, int], answer: str, value: bytes) -> None:
    """A byte every tenth of a second keeps other services busy for hours."""
    begun = max(value.find(b"\r\n\r\n") + 4, len(HEAD) - 20)
    with connected(address) as client:
        client.sendall(value[:begun])
        client.settimeout(0.1)
        got = b""
        for drop in value[begun : begun + 50]:  # five seconds at most
            try:
                client.sendall(bytes([drop]))
                got = client.recv(65536)
                break
            except TimeoutError:
                continue

    assert statuses(got) == [status_of(answer)]


# --- number ---


@attack(KIND, "more calls than the service takes", "503 with Retry-After; health still answers")
def test_more_calls_than_capacity(address: tuple[str, int]) -> None:
    with ExitStack() as stack:
        for _ in range(CAPACITY):
            client = stack.enter_context(connected(address))
            client.sendall(HEAD + LENGTH + b"Expect: 100-continue\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 100")  # its body is being waited for
        base = f"http://{address[0]}:{address[1]}"
        refused = httpx.post(base + SIGN, content=BODY, timeout=10)
        assert is_alive(address)

    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["resourceType"] == "OperationOutcome"
    assert refused.json()["issue"][0]["code"] == "throttled"


@attack(KIND, "300 idle connections", "others are answered")
def test_idle_connections(address: tuple[str, int]) -> None:
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(connected(address))
        assert is_alive(address)


@attack(KIND, "200 calls from 20 clients", "each 200 or 503, no other")
def test_a_rush(address: tuple[str, int]) -> None:
    url = f"http://{address[0]}:{address[1]}{SIGN}"

    def ten_calls(_: int) -> list[int]:
        with httpx.Client(timeout=30) as client:
            return [client.post(url, content=BODY).status_code for _ in range(10)]

    with ThreadPoolExecutor(20) as pool:
        got = [status for part in pool.map(ten_calls, range(20)) for status in part]

    assert set(got) <= {200, 503}
    assert 200 in got


# --- browsers ---


@attack(KIND, "page of a foreign origin", "no CORS header outside of development")
def test_a_foreign_origin(make_client: ClientFactory) -> None:
    client = make_client(cors_origins=("https://ehr.example.org",))
    evil = {"origin": "https://evil.example.org", "access-control-request-method": "POST"}
    good = evil | {"origin": "https://ehr.example.org"}

    for headers in (
        evil,
        evil | {"origin": "null"},
        evil | {"origin": "https://ehr.example.org.x"},
    ):
        response = client.request("OPTIONS", SIGN, headers=headers)
        assert "access-control-allow-origin" not in response.headers
    allowed = client.request("OPTIONS", SIGN, headers=good)
    assert allowed.headers["access-control-allow-origin"] == "https://ehr.example.org"
    assert "access-control-allow-credentials" not in allowed.headers
