"""Attacks by pages of the internet on a service that asks nobody for a token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.app_client import AppClient, ClientFactory
from tests.support.attack_book import attack, attacks
from tests.support.builders import request as build
from tests.support.ehr_calls import HIGH, SIGN, with_access
from tests.support.issuer import ISS, PUBLIC, client_toml, jwk, key_set
from tests.support.live import FEEDBACK
from tests.support.wire_rules import check_answer

KIND = "Development"
EVIL = "http://evil.example:8000"

# --- names that lead here ---

HOSTS = [
    ("name of somebody else", "421", "evil.example:8000"),
    ("name of somebody else without port", "421", "evil.example"),
    ("name that begins with ours", "421", "localhost.evil.example"),
    ("name that begins with our address", "421", "127.0.0.1.evil.example:8000"),
    ("name that ends with ours", "421", "evil-localhost"),
    ("our name as user", "421", "localhost@evil.example"),
    ("our name as port", "421", "evil.example:localhost"),
    ("address of a private network", "421", "192.168.1.10:8000"),
    ("loopback as one number", "421", "2130706433"),
    ("open bracket", "421", "["),
    ("brackets around a name", "421", "[localhost]"),
    ("nothing", "421", ""),
    ("port alone", "421", ":8000"),
]
PATHS = ("/cds-services", "/", "/insights", "/health/ready", "/metrics", "/playground/kit")


@attacks(KIND, [(f"Host header: {name}", answer, value) for name, answer, value in HOSTS])
def test_other_hosts_get_nothing(answer: str, value: str, client: AppClient) -> None:
    for path in PATHS:
        assert client.get(path, headers={"Host": value}).status_code == 421
    posts: dict[str, Any] = {SIGN: build(HIGH), FEEDBACK: {"feedback": []}, "/insights/login": {}}
    for path, body in posts.items():
        response = client.post(path, json=body, headers={"Host": value})
        assert response.status_code == 421
        assert "CDS_PUBLIC_URL" in response.text


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        ({}, "localhost"),
        ({}, "LOCALHOST.:8000"),
        ({}, "127.0.0.1:65535"),
        ({}, "127.8.8.8"),
        ({}, "[::1]:8000"),
        ({"public_url": PUBLIC, "allow_anonymous": True}, "cds.example.org"),
        ({"public_url": PUBLIC, "allow_anonymous": True}, "127.0.0.1:8000"),
        ({"host": "192.0.2.7", "allow_anonymous": True}, "192.0.2.7:8000"),
        ({"host": "0.0.0.0", "allow_anonymous": True}, "192.0.2.9:8000"),  # noqa: S104
        ({"host": "::", "allow_anonymous": True}, "[2001:db8::1]"),
        ({"host": "demo.example.org", "allow_anonymous": True}, "demo.example.org:80"),
    ],
)
def test_its_own_names_are_answered(
    settings: dict[str, Any], host: str, make_client: ClientFactory
) -> None:
    assert make_client(**settings).get("/cds-services", headers={"Host": host}).status_code == 200


def test_where_all_addresses_are_ours_names_are_not(make_client: ClientFactory) -> None:
    client = make_client(host="0.0.0.0", allow_anonymous=True)  # noqa: S104
    assert client.get("/cds-services", headers={"Host": "evil.example"}).status_code == 421


def test_registered_clients_call_by_any_name(make_client: ClientFactory, tmp_path: Path) -> None:
    """Tokens tell who calls, and proxies name hosts as they like."""
    path = tmp_path / "clients.toml"
    path.write_text(client_toml(id="north", iss=ISS, jwks=key_set(jwk("P-384", "k"))))
    client = make_client(clients=path, public_url=PUBLIC)

    assert client.get("/cds-services", headers={"Host": "upstream"}).status_code == 200


# --- pages of other origins ---


@attacks(
    KIND,
    [
        ("page of the internet", "403", EVIL),
        ("page whose name begins with ours", "403", "http://localhost.evil.example"),
        ("page without an origin", "403", "null"),
        ("page of the Sandbox's host by http", "403", "http://sandbox.cds-hooks.org"),
        ("origin that is none", "403", "http://["),
    ],
)
def test_pages_of_others_neither_read_nor_change(
    answer: str, value: str, client: AppClient
) -> None:
    """What they may send without asking first is refused, too: it would count in the figures."""
    asked = [client.get("/cds-services", headers={"Origin": value})]
    for path, body in ((SIGN, build(HIGH)), (FEEDBACK, {"feedback": []})):
        plain = {"Origin": value, "Content-Type": "text/plain"}
        asked.append(client.post(path, content=json.dumps(body), headers=plain))
        preflight = {"Origin": value, "Access-Control-Request-Method": "POST"}
        assert client.request("OPTIONS", path, headers=preflight).status_code == 400

    for response in asked:
        assert response.status_code == 403
        assert "access-control-allow-origin" not in response.headers
        check_answer(response.status_code, response.content)


@pytest.mark.parametrize(
    ("origin", "more"),
    [
        ("http://localhost:3000", {}),
        ("https://127.0.0.1:8443", {}),
        ("http://[::1]:8000", {}),
        ("https://sandbox.cds-hooks.org", {}),
        ("https://a.example", {"cors_origins": ("https://a.example",)}),
        ("https://b.example", {"cors_origins": ("*",)}),
        ("http://localhost", {"cors_origins": ()}),  # our own page
    ],
)
def test_own_and_named_pages_are_answered(
    origin: str, more: dict[str, Any], make_client: ClientFactory
) -> None:
    response = make_client(**more).post(SIGN, json=build(HIGH), headers={"Origin": origin})

    assert response.status_code == 200
    if more != {"cors_origins": ()}:
        assert response.headers["access-control-allow-origin"] in {origin, "*"}


# --- what stands beside it on the machine ---


@attack(KIND, "fhirServer on a port of this machine that nobody named", "412, and nothing is sent")
def test_other_ports_of_this_machine_are_not_read(make_client: ClientFactory) -> None:
    client = make_client(fhir_servers=("http://127.0.0.1:8001/fhir",))
    bare = build(HIGH) | {"prefetch": {}}
    for server in (
        "http://127.0.0.1:9/fhir",
        "http://127.0.0.1:8001/other",
        "http://[::1]:8001/fhir",
    ):
        response = client.post(SIGN, json=with_access(bare, server))
        assert response.status_code == 412
        assert "not registered" in response.text
