"""Attacks that make the service call somewhere: nothing leaves for what is not registered."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest

from cds_service.trust.clients import Client
from cds_service.trust.outgoing import Outgoing, Reach, is_allowed_address
from cds_service.trust.transport import CertificateRefused, GuardedTransport, OutgoingRefused
from tests.support.attack_book import attack, attacks
from tests.support.issuer import WebServer, certificate, json_answer, serving

KIND = "Outgoing"
BASE = "https://fhir.example.org/api/r4"


def client(*servers: str, **more: Any) -> Client:
    return Client(id="north", iss="https://x", jku="https://x/jwks", fhir_servers=servers, **more)


def get(outgoing: Outgoing, who: Client | None, url: str, **arguments: Any) -> httpx.Response:
    async def run() -> httpx.Response:
        try:
            return await outgoing.client_for(who).get(url, **arguments)
        finally:
            await outgoing.aclose()

    return asyncio.run(run())


# --- by the text of the URL ---

URLS: list[tuple[str, str, str]] = [
    ("metadata of the cloud", "refused", "http://169.254.169.254/latest/meta-data/"),
    ("another host", "refused", "https://evil.example.org/api/r4/Patient/1"),
    ("another host that begins the same", "refused", "https://fhir.example.org.evil.org/api/r4/x"),
    ("registered host as user name", "refused", "https://fhir.example.org@evil.example.org/api/r4"),
    ("registered host before a backslash", "refused", "https://evil.org\\@fhir.example.org/api/r4"),
    ("user in the URL", "refused", "https://u:p@fhir.example.org/api/r4/x"),
    ("another path", "refused", "https://fhir.example.org/admin"),
    ("path that begins the same", "refused", "https://fhir.example.org/api/r4evil"),
    ("dots in the path", "refused", "https://fhir.example.org/api/r4/../../admin"),
    ("dots as escapes", "refused", "https://fhir.example.org/api/r4/%2e%2e/admin"),
    ("slashes as escapes", "refused", "https://fhir.example.org/api/r4/..%2fadmin"),
    ("backslashes as escapes", "refused", "https://fhir.example.org/api/r4/..%5cadmin"),
    ("dots with a parameter", "refused", "https://fhir.example.org/api/r4/..;/admin"),
    ("dots with a named parameter", "refused", "https://fhir.example.org/api/r4/.;v=1/..;a=b/x"),
    ("semicolon as an escape", "refused", "https://fhir.example.org/api/r4/..%3b/admin"),
    ("another port", "refused", "https://fhir.example.org:8443/api/r4/x"),
    ("port that is none", "refused", "https://fhir.example.org:99999/api/r4/x"),
    ("http for https", "refused", "http://fhir.example.org/api/r4/x"),
    ("file", "refused", "file:///etc/passwd"),
    ("gopher", "refused", "gopher://fhir.example.org/api/r4"),
    ("dot after the host", "refused", "https://fhir.example.org./api/r4/x"),
    ("line break in the URL", "refused", "https://fhir.example.org/api/r4/x\r\nX-Evil: 1"),
    ("blank in the URL", "refused", "https://fhir.example.org /api/r4/x"),
    ("no host", "refused", "https:///api/r4"),
    ("no URL", "refused", "Patient/1"),
]


@pytest.mark.statement("FA-08")
@attacks(KIND, URLS)
def test_a_url_that_is_not_registered(answer: str, value: str) -> None:
    outgoing = Outgoing()

    assert answer == "refused"
    assert not outgoing.allowed(client(BASE), value)
    with pytest.raises((OutgoingRefused, httpx.InvalidURL, httpx.UnsupportedProtocol)):
        get(outgoing, client(BASE), value)


@pytest.mark.parametrize(
    "url",
    [
        BASE,
        f"{BASE}/Patient/1",
        f"{BASE}?page=2&url=http://evil.example.org/../x",
        "https://fhir.example.org:443/api/r4/Condition?patient=a%2Fb",
        "HTTPS://FHIR.example.org/api/r4/metadata",
    ],
)
def test_what_is_registered_may_be_called(url: str) -> None:
    assert Outgoing().allowed(client(BASE), url)


@attack(KIND, "server of another client", "refused")
def test_clients_reach_only_their_own_servers() -> None:
    other = client("https://other.example.org")
    assert not Outgoing().allowed(other, BASE)


@attack(KIND, "any server, without token", "refused unless named in CDS_FHIR_SERVERS")
def test_anonymous_callers() -> None:
    named = Outgoing(anonymous_servers=["https://fhir.example.org", "http://127.0.0.1:8080/fhir"])

    assert named.allowed(None, "https://fhir.example.org/Patient/1")
    assert named.allowed(None, "http://127.0.0.1:8080/fhir/Patient/1")
    assert not Outgoing().allowed(None, "http://127.0.0.1:8080/fhir")
    for other in (
        "http://127.0.0.1:8081/fhir",
        "http://127.0.0.1:8080/admin",
        "http://127.0.0.1",
        "http://[::1]:8080/fhir",
        "https://127.0.0.1:8080/fhir",
        "http://127.1:8080/fhir",
    ):
        assert not named.allowed(None, other)


# --- by the address behind the name ---

ADDRESSES: list[tuple[str, str, str]] = [
    ("loopback", "refused", "127.0.0.1"),
    ("loopback of another number", "refused", "127.8.8.8"),
    ("loopback of IPv6", "refused", "::1"),
    ("private network 10", "refused", "10.0.0.1"),
    ("private network 172.16", "refused", "172.16.0.1"),
    ("private network 192.168", "refused", "192.168.1.1"),
    ("carrier network 100.64", "refused", "100.64.0.1"),
    ("private IPv6", "refused", "fc00::1"),
    ("link-local", "refused always", "169.254.169.254"),
    ("link-local of IPv6", "refused always", "fe80::1"),
    ("unspecified", "refused always", "0.0.0.0"),  # noqa: S104
    ("unspecified of IPv6", "refused always", "::"),
    ("multicast", "refused always", "224.0.0.1"),
    ("multicast of IPv6", "refused always", "ff02::1"),
    ("broadcast", "refused always", "255.255.255.255"),
    ("IPv4 in IPv6, loopback", "refused", "::ffff:127.0.0.1"),
    ("IPv4 in IPv6, metadata", "refused always", "::ffff:169.254.169.254"),
    ("NAT64, metadata", "refused always", "64:ff9b::a9fe:a9fe"),
    ("NAT64, public", "refused always", "64:ff9b::808:808"),
    ("NAT64 of local use", "refused always", "64:ff9b:1::a00:1"),
    ("6to4, private", "refused always", "2002:0a00:0001::1"),
    ("6to4, public", "refused always", "2002:0808:0808::1"),
    ("Teredo", "refused always", "2001:0:808:808::1"),
    ("ISATAP", "refused always", "2a00:1450::5efe:a00:1"),
    ("ISATAP with the u bit", "refused always", "2a00:1450::200:5efe:a00:1"),
    ("IPv4 translated", "refused always", "::ffff:0:8.8.8.8"),
    ("IPv4 compatible", "refused always", "::8.8.8.8"),
    ("site-local of IPv6", "refused always", "fec0::1"),
    ("documentation of IPv6", "refused always", "2001:db8::1"),
    ("documentation of IPv6, new", "refused always", "3fff::1"),
    ("segment routing", "refused always", "5f00::1"),
    ("AS112 of IPv6", "refused always", "2620:4f:8000::1"),
    ("host of the cloud's network", "refused always", "168.63.129.16"),
    ("the same in IPv6", "refused always", "::ffff:168.63.129.16"),
    ("relay of 6to4", "refused always", "192.88.99.1"),
    ("documentation network", "refused", "192.0.2.1"),
]


@attacks(KIND, ADDRESSES)
def test_an_address_that_is_not_allowed(answer: str, value: str) -> None:
    address = ip_address(value)

    assert not is_allowed_address(address, private=False)
    assert is_allowed_address(address, private=True) is (answer == "refused")


def test_public_addresses_are_allowed() -> None:
    for text in ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8"):
        assert is_allowed_address(ip_address(text), private=False)


def test_a_name_for_this_machine() -> None:
    """A registered name that leads to this machine, and is not registered as private."""
    with serving(lambda _: json_answer({})) as server:
        registered = client(server.base)
        with pytest.raises(OutgoingRefused, match="address is not allowed"):
            get(Outgoing(), registered, f"{server.base}/Patient/1")
        assert server.paths == []

        private = client(server.base, private_hosts=("localhost",))
        assert get(Outgoing(), private, f"{server.base}/Patient/1").status_code == 200


@attack(KIND, "registered name that leads to this machine", "refused when the call is made")
@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f000001"])
def test_names_and_numbers_for_this_machine(host: str) -> None:
    with serving(lambda _: json_answer({})) as server:
        port = server.base.rpartition(":")[2]
        base = f"http://{host}:{port}"
        reach = Reach((base,))

        async def run() -> None:
            transport = GuardedTransport(reach, ssl.create_default_context())
            async with httpx.AsyncClient(transport=transport, trust_env=False) as http:
                await http.get(f"{base}/Patient/1")

        with pytest.raises((OutgoingRefused, httpx.ConnectError)):
            asyncio.run(run())
        assert server.paths == []


class Rebinding(asyncio.SelectorEventLoop):
    """An event loop whose name server gives another address each time it is asked."""

    def __init__(self, answers: list[str]) -> None:
        super().__init__()
        self.answers = answers
        self.asked: list[str] = []

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        if str(host).replace(".", "").isdecimal():
            return [(2, 1, 6, "", (host, port))]  # an address is no question
        self.asked.append(host)
        return [(2, 1, 6, "", (self.answers.pop(0), port))]


@attack(KIND, "name that changes its address between check and call", "goes to the checked address")
def test_rebinding() -> None:
    with serving(lambda _: json_answer({})) as server:
        port = server.base.rpartition(":")[2]
        base = f"http://rebind.example.org:{port}"
        reach = Reach((base,), private_hosts=frozenset({"rebind.example.org"}))
        loop = Rebinding(["127.0.0.1", "127.66.66.66", "127.66.66.66"])

        async def run() -> int:
            transport = GuardedTransport(reach, ssl.create_default_context())
            async with httpx.AsyncClient(transport=transport, trust_env=False) as http:
                return (await http.get(f"{base}/Patient/1")).status_code

        try:
            assert loop.run_until_complete(run()) == 200
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
        assert loop.asked == ["rebind.example.org"]  # once: the connection asks nobody again
        assert server.headers[0]["host"] == f"rebind.example.org:{port}"


@attack(KIND, "name with one public and one private address", "refused")
def test_one_bad_address_is_enough() -> None:
    class Mixed(Rebinding):
        async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
            return [(2, 1, 6, "", (a, port)) for a in ("93.184.215.14", "169.254.169.254")]

    loop = Mixed([])

    async def run() -> None:
        await Outgoing().client_for(client(BASE)).get(f"{BASE}/x")

    try:
        with pytest.raises(OutgoingRefused):
            loop.run_until_complete(run())
    finally:
        loop.close()


# --- by the answer ---


def local(server: WebServer, **more: Any) -> Client:
    return client(f"{server.base}/fhir", private_hosts=("localhost",), **more)


@pytest.mark.statement("FA-08")
@attack(KIND, "redirect to another host", "not followed")
def test_redirects() -> None:
    with serving(lambda _: (302, {"Location": "http://169.254.169.254/"}, b"")) as server:
        answer = get(Outgoing(), local(server), f"{server.base}/fhir/Patient/1")

        assert answer.status_code == 302
        assert server.paths == ["/fhir/Patient/1"]


@attack(KIND, "redirect of a key set", "not followed")
def test_redirects_of_key_sets() -> None:
    with serving(lambda _: (302, {"Location": "/other"}, b"")) as server:
        who = Client(id="n", iss="i", jku=f"{server.base}/jwks", private_hosts=("localhost",))

        async def run() -> httpx.Response:
            return await Outgoing().client_for_keys(who).get(f"{server.base}/jwks")

        assert asyncio.run(run()).status_code == 302
        assert server.paths == ["/jwks"]


@attack(KIND, "key set where only FHIR is registered", "refused")
def test_keys_and_charts_are_apart() -> None:
    who = Client(id="n", iss="i", jku="https://x.example.org/jwks", fhir_servers=(BASE,))

    async def run() -> None:
        with pytest.raises(OutgoingRefused):
            await Outgoing().client_for_keys(who).get(f"{BASE}/Patient/1")

    asyncio.run(run())
    assert not Outgoing().allowed(who, "https://x.example.org/jwks")


@attack(KIND, "cookie of a FHIR server", "not kept")
def test_cookies_are_not_kept() -> None:
    answer = (200, {"Set-Cookie": "session=secret; Path=/"}, b"{}")
    with serving(lambda _: answer) as server:

        async def run() -> None:
            http = Outgoing().client_for(local(server))
            await http.get(f"{server.base}/fhir/a")
            await http.get(f"{server.base}/fhir/b")

        asyncio.run(run())
        assert len(server.headers) == 2
        assert all("cookie" not in headers for headers in server.headers)


@attack(KIND, "proxy in the environment", "ignored")
def test_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with serving(lambda _: json_answer({})) as server:
        assert get(Outgoing(), local(server), f"{server.base}/fhir/x").status_code == 200


# --- TLS ---


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[WebServer, Path]]:
    path, context = certificate(tmp_path / "localhost", "localhost")
    with serving(lambda _: json_answer({}), context) as server:
        yield server, path


@attack(KIND, "certificate nobody trusts", "refused")
def test_a_certificate_of_nobody(secure: tuple[WebServer, Path]) -> None:
    server, _ = secure
    with pytest.raises(CertificateRefused):
        get(Outgoing(), local(server), f"{server.base}/fhir/x")
    assert server.paths == []


def test_a_private_authority_by_setting(secure: tuple[WebServer, Path]) -> None:
    server, path = secure
    outgoing = Outgoing(ca_file=path)
    assert get(outgoing, local(server), f"{server.base}/fhir/x").status_code == 200


@attack(KIND, "certificate of another host", "refused")
def test_a_certificate_of_another_host(tmp_path: Path) -> None:
    path, context = certificate(tmp_path / "other", "other.example.org")
    with serving(lambda _: json_answer({}), context) as server:
        with pytest.raises(httpx.ConnectError):
            get(Outgoing(ca_file=path), local(server), f"{server.base}/fhir/x")
        assert server.paths == []


@attack(KIND, "certificate without a name in its SAN", "refused")
def test_a_certificate_that_names_its_host_in_the_subject_only(tmp_path: Path) -> None:
    path, context = certificate(tmp_path / "old", "localhost", with_san=False)
    with serving(lambda _: json_answer({}), context) as server:
        with pytest.raises(CertificateRefused, match="certificate was not accepted"):
            get(Outgoing(ca_file=path), local(server), f"{server.base}/fhir/x")
        assert server.paths == []


@attack(KIND, "two hosts of one address", "own connections, each certificate checked")
def test_a_connection_serves_one_host_only(secure: tuple[WebServer, Path]) -> None:
    server, path = secure
    port = server.base.rpartition(":")[2]
    other = f"https://other.example.org:{port}"
    hosts = frozenset({"localhost", "other.example.org"})
    reach = Reach((server.base, other), private_hosts=hosts)
    loop = Rebinding(["127.0.0.1"] * 4)

    async def run() -> None:
        trust = ssl.create_default_context(cafile=path)
        transport = GuardedTransport(reach, trust)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as http:
            assert (await http.get(f"{server.base}/x")).status_code == 200
            with pytest.raises(httpx.ConnectError):
                await http.get(f"{other}/x")

    try:
        loop.run_until_complete(run())
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


# --- key sets ---


def test_the_trace_is_passed_on() -> None:
    with serving(lambda _: json_answer({})) as server:
        get(Outgoing(), local(server), f"{server.base}/fhir/x")
        assert server.headers[0]["traceparent"].startswith("00-")
