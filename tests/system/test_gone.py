"""An EHR that gives up on a call, and a FHIR server that never answers: nobody else pays for it."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.attack_book import attack
from tests.support.builders import request as build
from tests.support.ehr_calls import ALL, HIGH, with_access, without
from tests.support.issuer import ISS, PUBLIC, SIGN, Issuer, client_toml, jwk, key_set
from tests.support.service_process import ServiceProcess, started

pytestmark = pytest.mark.process
KIND = "Calls that nobody waits for"
_BOUNDS = {"CDS_BUDGET_MS": "30000", "CDS_DEADLINE_MS": "29000", "CDS_GIVE_UP_MS": "60000"}


class DeadServer:
    """Takes connections and never says a word; `opened` and `closed` count those of clients."""

    def __init__(self) -> None:
        self.opened = threading.Semaphore(0)
        self.closed = threading.Semaphore(0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self._listener.getsockname()[1]}/fhir"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.opened.release()
            threading.Thread(target=self._listen, args=(connection,), daemon=True).start()

    def _listen(self, connection: socket.socket) -> None:
        with connection:
            while connection.recv(65536):
                pass
        self.closed.release()

    def stop(self) -> None:
        self._listener.close()


@pytest.fixture
def dead() -> Iterator[DeadServer]:
    server = DeadServer()
    yield server
    server.stop()


def slow_call(dead: DeadServer) -> bytes:
    """A call whose inputs all have to be read from a server that does not answer."""
    return json.dumps(with_access(without(build(HIGH), *ALL), dead.base)).encode()


@contextmanager
def abandoned(base: str, body: bytes, token: str | None = None) -> Iterator[None]:
    """A call under way, whose connection is closed in the end."""
    url = httpx.URL(base)
    with socket.create_connection((url.host, url.port or 80), timeout=20) as connection:
        lines = [f"POST {SIGN} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
        lines += [f"Authorization: Bearer {token}"] if token else []
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        yield


def figure(base: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", httpx.get(f"{base}/metrics").text, re.M)
    return float(found[1]) if found else 0.0


def until_counted(base: str, name: str) -> None:
    for _ in range(2_000):
        if figure(base, name):
            return
    raise AssertionError(f"{name} stays 0")


@attack(KIND, "hanging up while the FHIR server is read", "reading stops; 499 in figures and log")
def test_reading_stops_when_the_ehr_gives_up(dead: DeadServer, tmp_path: Path) -> None:
    store = {"CDS_DATABASE_URL": f"sqlite:///{tmp_path / 'store'}", "CDS_METRICS": "true"}
    reads = {"CDS_FHIR_SERVERS": dead.base}  # without a registry only servers that are named
    with started("--allow-anonymous", **_BOUNDS, **store, **reads) as service:
        with abandoned(service.base, slow_call(dead)):
            assert dead.opened.acquire(timeout=20)
        assert dead.closed.acquire(timeout=20)

        gone = 'cds_request_seconds_count{service="ho-order-sign",status="499"}'
        until_counted(service.base, gone)
        assert figure(service.base, gone) == 1
        assert "cds_cards_total{" not in httpx.get(f"{service.base}/metrics").text
        answer = httpx.post(service.base + SIGN, json=build(HIGH))
        assert answer.json()["cards"]


def registered(
    folder: Path, dead: DeadServer, **north: object
) -> tuple[dict[str, str], Issuer, Issuer]:
    """Settings of a service with two clients, and who signs for them."""
    ours, other = (
        Issuer(None),
        Issuer(None, iss="https://other.example.org", kid="o", kind="P-384#other"),
    )
    fhir = {"fhir_servers": [dead.base], "private_hosts": ["127.0.0.1"]}
    file = folder / "clients.toml"
    file.write_text(
        client_toml(id="north", iss=ISS, jwks=key_set(jwk("P-384", ours.kid)), **fhir, **north)
        + client_toml(id="east", iss=other.iss, jwks=key_set(jwk("P-384#other", "o")))
    )
    settings = {"CDS_CLIENTS": str(file), "CDS_PUBLIC_URL": PUBLIC, "CDS_METRICS": "true"}
    return settings | _BOUNDS, ours, other


def ask(service: ServiceProcess, signer: Issuer) -> httpx.Response:
    headers = {"Authorization": f"Bearer {signer.token()}"}
    return httpx.post(service.base + SIGN, json=build(HIGH), headers=headers, timeout=30)


@attack(KIND, "a client whose FHIR server hangs", "its own calls get 503, another's are answered")
def test_one_slow_fhir_server_is_not_the_others_business(dead: DeadServer, tmp_path: Path) -> None:
    settings, north, east = registered(tmp_path, dead)
    with started(**settings, CDS_MAX_CONCURRENT="4") as service:
        body = slow_call(dead)
        with (
            abandoned(service.base, body, north.token()),
            abandoned(service.base, body, north.token()),
        ):
            assert dead.opened.acquire(timeout=20)
            until_counted(service.base, "cds_requests_under_way")
            while figure(service.base, "cds_requests_under_way") < 2:
                pass
            refused = ask(service, north)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert "of this client" in refused.json()["issue"][0]["diagnostics"]
            assert ask(service, east).json()["cards"]


@attack(KIND, "a client that calls without end", "429 beyond its pace; another's are answered")
def test_a_client_keeps_its_pace(dead: DeadServer, tmp_path: Path) -> None:
    settings, north, east = registered(tmp_path, dead, calls_per_second=0.01)
    with started(**settings) as service:
        assert [ask(service, north).status_code for _ in range(3)] == [200, 429, 429]
        assert ask(service, east).status_code == 200
