"""Several workers and machines: one memory of used tokens, one registry, one set of figures."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.attack_book import attack
from tests.support.builders import request as build
from tests.support.databases import Postgres
from tests.support.ehr_calls import HIGH
from tests.support.issuer import ISS, PUBLIC, SIGN, Issuer, client_toml, jwk, key_set
from tests.support.service_process import ServiceProcess, started, workers_of

pytestmark = pytest.mark.process

KIND = "Several workers"
BODY = json.dumps(build(HIGH)).encode()
# Signed when used: a long test run would outlive tokens signed on import.
ISSUER = Issuer(None)
OTHER = Issuer(None, iss="https://other.example.org", kid="o", kind="P-384#other")
NORTH = client_toml(id="north", iss=ISS, jwks=key_set(jwk("P-384", ISSUER.kid)))
EAST = client_toml(id="east", iss=OTHER.iss, jwks=key_set(jwk("P-384#other", "o")))


def settings(folder: Path, database: str) -> dict[str, str]:
    (folder / "clients.toml").write_text(NORTH)
    return {
        "CDS_CLIENTS": str(folder / "clients.toml"),
        "CDS_PUBLIC_URL": PUBLIC,
        "CDS_DATABASE_URL": database,
        "CDS_METRICS": "true",
        "CDS_REPLAY": "database",
    }


def call(base: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return httpx.post(base + SIGN, content=BODY, headers=headers, timeout=30).status_code


def replay(bases: list[str], uses: int = 8) -> Counter[int]:
    """Ten tokens, each used by several calls at once; none is accepted twice.

    A busy machine may be too slow for the database: then a call is refused with 503.
    """
    tokens = [ISSUER.token() for _ in range(10)]
    calls = [(bases[use % len(bases)], token) for use in range(uses) for token in tokens]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda pair: call(*pair), calls))
    accepted = Counter(
        token for (_, token), status in zip(calls, got, strict=True) if status == 200
    )
    assert set(accepted.values()) == {1}, accepted
    assert set(got) <= {200, 401, 503}
    return Counter(got)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServiceProcess, Path]]:
    """One service of two workers, with its folder."""
    folder = tmp_path_factory.mktemp("pair")
    database = f"sqlite:///{folder / 'store.sqlite3'}"
    with started("--workers", "2", **settings(folder, database)) as service:
        yield service, folder


@attack(KIND, "replay to the other worker", "one 200, else 401")
def test_replay_across_workers(pair: tuple[ServiceProcess, Path]) -> None:
    assert replay([pair[0].base])[200] >= 8


@attack(KIND, "replay to another machine", "one 200, else 401")
def test_replay_across_machines(tmp_path: Path, postgres: Postgres) -> None:
    """Two services with one worker each share a PostgreSQL database."""
    given = settings(tmp_path, postgres.new_database())
    with ExitStack() as stack:
        bases = [stack.enter_context(started(**given)).base for _ in range(2)]
        assert replay(bases)[200] >= 8


def test_the_figures_are_those_of_all_workers(pair: tuple[ServiceProcess, Path]) -> None:
    base = pair[0].base
    before = requests_counted(base)
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: call(base, ISSUER.token()), range(40)))

    assert {requests_counted(base) - before for _ in range(6)} == {got.count(200)}
    assert got.count(200) > 30


def requests_counted(base: str) -> int:
    text = httpx.get(base + "/metrics", timeout=30).text
    found = re.search(
        r'^cds_request_seconds_count\{service="ho-order-sign",status="200"\} (\d+)', text, re.M
    )
    return int(found[1]) if found else 0


def until(condition: Callable[[], bool], client: httpx.Client) -> None:
    """Ask the service again and again, 20 seconds at most, until a condition holds."""
    for _ in range(400):
        if condition():
            return
        client.get("/health/live")
    raise AssertionError("it did not happen")


def test_a_new_registry_without_dropping_a_call(pair: tuple[ServiceProcess, Path]) -> None:
    service, folder = pair
    path = folder / "clients.toml"
    url = httpx.URL(service.base)
    with socket.create_connection((url.host, url.port or 80), timeout=20) as slow:
        head = f"POST {SIGN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(BODY)}\r\n"
        head += f"Authorization: Bearer {ISSUER.token()}\r\nConnection: close\r\n\r\n"
        slow.sendall(head.encode() + BODY[:100])
        path.write_text(NORTH + EAST)
        hang_up(service)
        wait_for(service, lambda line: line["event"] == "clients reloaded", 2)
        slow.sendall(BODY[100:])
        answer = b""
        while chunk := slow.recv(65536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 200")

    assert {call(service.base, OTHER.token()) for _ in range(10)} == {200}

    path.write_text("broken")
    hang_up(service)
    wait_for(service, lambda line: "NOT reloaded" in line["event"], 2)
    assert {call(service.base, OTHER.token()) for _ in range(10)} == {200}
    ready = httpx.get(service.base + "/health/ready", timeout=30).json()
    assert ready["status"] == "degraded"
    assert "file of clients is broken" in ready["problems"][0]


def hang_up(service: ServiceProcess) -> None:
    os.kill(service.process.pid, signal.SIGHUP)


def wait_for(
    service: ServiceProcess, wanted: Callable[[dict[str, Any]], bool], number: int
) -> None:
    """Until so many lines of the log are like that; asks the service in between."""
    with httpx.Client(base_url=service.base, timeout=30) as client:

        def there() -> bool:
            lines = [json.loads(line) for line in service.logged().splitlines()]
            return sum(wanted(line) for line in lines) >= number

        until(there, client)


def test_hang_up_without_a_registry() -> None:
    """SIGHUP ends other programs; here there is just nothing to read again."""
    with started() as service, httpx.Client(base_url=service.base) as client:
        hang_up(service)
        until(lambda: "clients reloaded" in service.logged(), client)
        assert client.get("/health/live").status_code == 200


def happens(condition: Callable[[], bool]) -> None:
    """Look again and again, 60 seconds at most, without a call."""
    for _ in range(1_200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def test_a_worker_dies_while_a_file_is_broken(tmp_path: Path) -> None:
    """Nobody can take its place: the others take its calls, until the file is mended."""
    path = tmp_path / "clients.toml"
    given = settings(tmp_path, f"sqlite:///{tmp_path / 'store.sqlite3'}")
    with started("--workers", "2", **given) as service:
        happens(lambda: all_serve(service))
        path.write_text("broken")
        os.kill(workers_of(service)[0], signal.SIGKILL)
        happens(lambda: "no worker can be started" in service.logged())

        assert {call(service.base, ISSUER.token()) for _ in range(20)} == {200}
        assert len(workers_of(service)) == 1

        path.write_text(NORTH)
        happens(lambda: len(workers_of(service)) == 2)
        assert {call(service.base, ISSUER.token()) for _ in range(20)} == {200}


def all_serve(service: ServiceProcess) -> bool:
    """Whether both workers have said what content they serve."""
    lines = [json.loads(line) for line in service.logged().splitlines() if line.startswith("{")]
    return bool(sum(line["event"] == "content in force" for line in lines) == 2)
