"""Attacks on connections: how many, how long, and what comes where nothing should."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from tests.support.attack_book import attack, attacks
from tests.support.builders import request as build
from tests.support.ehr_calls import HIGH
from tests.support.issuer import SIGN
from tests.support.service_process import running, started

pytestmark = pytest.mark.process

KIND = "Connections"
BODY = json.dumps(build(HIGH)).encode()
CHUNKED = f"POST {SIGN} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n".encode()
READ_SECONDS = 1
FIRST = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
DROPS = 60  # of a tenth of a second each, at most

EVERYWHERE = ("--host", "0.0.0.0", "--allow-anonymous")  # noqa: S104 (reached as 127.0.0.x)

Address = tuple[str, int]


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    """A service that waits a second for a request."""
    with running(CDS_READ_SECONDS=str(READ_SECONDS)) as base:
        yield address_of(base)


def address_of(base: str) -> Address:
    url = httpx.URL(base)
    return url.host, url.port or 80


def read_all(client: socket.socket) -> bytes:
    """Everything until the other side closes."""
    answer = b""
    with suppress(ConnectionResetError):
        while chunk := client.recv(65536):
            answer += chunk
    return answer


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def is_closed_on(client: socket.socket, drop: bytes) -> bool:
    """Whether the other side closes while drops come."""
    client.settimeout(0.1)
    for _ in range(DROPS):
        try:
            client.sendall(drop)
            if not client.recv(65536):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


# --- time ---

LENGTH = b"Host: localhost\r\nContent-Length: 1000\r\n\r\n"
DRIPS: list[tuple[str, str, tuple[bytes, bytes]]] = [
    ("body by drops to health", "closed", (b"GET /health/live HTTP/1.1\r\n" + LENGTH, b"x")),
    ("body by drops to figures", "closed", (b"GET /metrics HTTP/1.1\r\n" + LENGTH, b"x")),
    ("body by drops to discovery", "closed", (b"GET /cds-services HTTP/1.1\r\n" + LENGTH, b"x")),
    ("body by drops where nothing is", "closed", (b"POST /nowhere HTTP/1.1\r\n" + LENGTH, b"x")),
    (
        "body by drops to a method that is not allowed",
        "closed",
        (b"PUT " + SIGN.encode() + b" HTTP/1.1\r\n" + LENGTH, b"x"),
    ),
    ("body by drops to a page", "closed", (b"POST /playground HTTP/1.1\r\n" + LENGTH, b"x")),
    ("empty lines by drops between calls", "closed", (FIRST, b"\r\n")),
    ("trailer by drops", "closed", (CHUNKED + b"\r\n1\r\n{\r\n0\r\nX-A: ", b"x")),
    ("chunk extension by drops", "closed", (CHUNKED + b"\r\n1;a=", b"x")),
]


@attacks(KIND, DRIPS)
def test_drops(address: Address, answer: str, value: tuple[bytes, bytes]) -> None:
    begin, drop = value
    with socket.create_connection(address, timeout=10) as client:
        client.sendall(begin)
        assert is_closed_on(client, drop)


@attack(KIND, "answer that is not taken", "closed")
def test_an_answer_that_is_not_taken() -> None:
    """Pipelined calls whose answers fill all buffers on the way; then the service has to let go."""
    call = b"GET /evidence HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with started(CDS_READ_SECONDS="1") as service, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(10)
        client.connect(address_of(service.base))
        client.sendall(call * 200)
        for _ in range(300):  # each question takes some milliseconds
            if connections_of(service.process.pid) == 0:
                return
            httpx.get(service.base + "/health/live", headers={"Connection": "close"})
    raise AssertionError("the connection stays open")


def connections_of(pid: int) -> int:
    """Connections that the process holds open."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            inodes.add(os.readlink(link))
    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in table]
    established = {f"socket:[{row[9]}]" for row in rows if row[3] == "01"}
    return len(inodes & established)


@attack(KIND, "trailer that poses as a header", "passed over")
def test_trailers_do_not_become_headers() -> None:
    """The trailer comes before the application is asked who calls."""
    chunks = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
    trailer = b"Content-Encoding: gzip\r\nOrigin: https://evil.example.org\r\n\r\n"
    with (
        running(CDS_ALLOW_ANONYMOUS="true") as base,
        socket.create_connection(address_of(base), timeout=10) as client,
    ):
        client.sendall(CHUNKED + b"Connection: close\r\n\r\n" + chunks + trailer)
        answer = read_all(client)

    assert statuses(answer) == [200]
    assert b"access-control" not in answer.lower()


@attack(KIND, "trailer of 10 MB", "431 or closed")
def test_a_long_trailer(address: Address) -> None:
    with socket.create_connection(address, timeout=10) as client:
        with suppress(OSError):
            client.sendall(CHUNKED + b"\r\n1\r\n{\r\n0\r\nX-A: ")
            for _ in range(100):
                client.sendall(b"x" * 100_000)
        assert statuses(read_all(client)) in ([431], [])


# --- idle connections ---


def test_idle_connections_stay_open() -> None:
    """Longer than the 5 seconds that uvicorn gives them, which proxies know nothing of."""
    with (
        running() as base,
        socket.create_connection(address_of(base), timeout=30) as client,
    ):
        client.sendall(FIRST)
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        client.settimeout(6)
        with suppress(TimeoutError):
            while client.recv(65536):
                pass
        client.settimeout(30)
        client.sendall(FIRST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert statuses(read_all(client)) == [200]


def test_idle_connections_close_after_the_time_that_is_set() -> None:
    with (
        running(CDS_KEEP_ALIVE_SECONDS="1") as base,
        socket.create_connection(address_of(base), timeout=30) as client,
    ):
        client.sendall(FIRST)
        assert statuses(read_all(client)) == [200]


# --- number ---


@pytest.fixture(scope="module")
def few() -> Iterator[Address]:
    """A service with room for 40 connections, 20 of them from one address."""
    settings = {"CDS_MAX_CONNECTIONS": "40", "CDS_MAX_CONNECTIONS_PER_ADDRESS": "20"}
    with running(*EVERYWHERE, **settings) as base:
        yield "127.0.0.1", address_of(base)[1]


def idle(stack: ExitStack, address: Address, source: str, number: int) -> list[socket.socket]:
    """So many connections from an address, each with an answer already where there is one."""
    found = []
    for _ in range(number):
        client = socket.create_connection(address, timeout=10, source_address=(source, 0))
        found.append(stack.enter_context(client))
        client.sendall(FIRST)
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
    return found


def asked(address: Address, source: str, path: str) -> list[int]:
    with socket.create_connection(address, timeout=10, source_address=(source, 0)) as client:
        with suppress(OSError):
            client.sendall(
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            )
        return statuses(read_all(client))


@attack(KIND, "all connections of one address", "503 there, 200 for others; health answers")
def test_connections_of_one_address(few: Address) -> None:
    with ExitStack() as stack:
        idle(stack, few, "127.0.0.1", 20)
        assert asked(few, "127.0.0.1", "/cds-services") == [503]
        assert asked(few, "127.0.0.1", "/health/live") == [200]
        assert asked(few, "127.0.0.2", "/cds-services") == [200]


@attack(KIND, "all connections there are", "503; health answers")
def test_all_connections(few: Address) -> None:
    with ExitStack() as stack:
        for source in ("127.0.0.3", "127.0.0.4"):
            idle(stack, few, source, 20)
        assert asked(few, "127.0.0.5", "/cds-services") == [503]
        assert asked(few, "127.0.0.5", "/health/ready") == [200]
        assert asked(few, "127.0.0.3", "/health/ready") == [200]


@attack(KIND, "the reserve, too", "closed; health answers others")
def test_the_reserve_of_one_address(few: Address) -> None:
    with ExitStack() as stack:
        idle(stack, few, "127.0.0.6", 20)
        for _ in range(8):  # they say nothing
            stack.enter_context(
                socket.create_connection(few, timeout=10, source_address=("127.0.0.6", 0))
            )
        assert asked(few, "127.0.0.6", "/health/live") == []
        assert asked(few, "127.0.0.7", "/health/live") == [200]


@attack(KIND, "600 idle connections from one address", "200 for others")
def test_idle_connections_within_the_defaults() -> None:
    with running(*EVERYWHERE) as base, ExitStack() as stack:
        address = "127.0.0.1", address_of(base)[1]
        idle(stack, address, "127.0.0.1", 500)
        for _ in range(100):
            stack.enter_context(socket.create_connection(address, timeout=10))
        assert asked(address, "127.0.0.2", "/cds-services") == [200]
        assert asked(address, "127.0.0.2", "/health/live") == [200]
