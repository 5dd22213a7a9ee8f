"""Attacks with tokens: each gets the same 401, which tells nothing (checklist section Q)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from cds_service.knowledge.loader import Knowledge
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from tests.support.app_client import AppClient
from tests.support.attack_book import attack, attacks
from tests.support.bad_tokens import AT, ISSUER, OTHER, OTHER_ISS, RSA, TOKENS, Make, token
from tests.support.builders import request as build
from tests.support.constants import NOW
from tests.support.ehr_calls import HIGH
from tests.support.issuer import (
    ISS,
    PUBLIC,
    SIGN,
    WebServer,
    client_toml,
    json_answer,
    jwk,
    key_set,
    serving,
)

KIND = "Token"
NO_DATABASE = SecretStr("none")


@pytest.fixture(scope="module")
def jwks() -> Iterator[WebServer]:
    """The JWK Set of one client; other paths of this server belong to nobody."""
    keys = key_set(
        jwk("P-384", ISSUER.kid),
        jwk("RSA-2048", "rsa"),
        jwk("RSA-1024", "weak"),
        jwk("P-256", "p256"),
        jwk("P-384#enc", "encryption", use="enc"),
        jwk("RSA-2048", "bound", alg="RS256"),
    )
    with serving(lambda _: json_answer(keys)) as server:
        yield server


@pytest.fixture(scope="module")
def guarded(
    jwks: WebServer, knowledge: Knowledge, tmp_path_factory: pytest.TempPathFactory
) -> AppClient:
    """An application with two registered clients."""
    return _guarded(jwks, knowledge, tmp_path_factory.mktemp("clients"))


@pytest.fixture
def quiet(jwks: WebServer, knowledge: Knowledge, tmp_path: Path) -> AppClient:
    """The same, with no refusal in its log yet: refusals have a quota."""
    return _guarded(jwks, knowledge, tmp_path)


def _guarded(jwks: WebServer, knowledge: Knowledge, folder: Path) -> AppClient:
    path = folder / "clients.toml"
    path.write_text(
        client_toml(
            id="north",
            iss=ISS,
            jku=f"{jwks.base}/jwks.json",
            private_hosts=["localhost"],
            audiences=["north-cds"],
            tenants=["t1", "t2"],
        )
        + client_toml(id="other", iss=OTHER_ISS, jwks=key_set(jwk("P-384#other", "theirs")))
    )
    settings = Settings(clients=path, public_url=PUBLIC, database_url=NO_DATABASE)
    return AppClient(create_app(settings, knowledge, clock=lambda: NOW))


def call(client: AppClient, *authorization: str, path: str = SIGN, **more: Any) -> httpx.Response:
    headers = [("Authorization", value) for value in authorization]
    return client.post(path, json=build(HIGH), headers=headers, **more)


@pytest.mark.statement("ER-03", "AU-03", "AU-04", "AU-05", "AU-06", "AU-07", "AU-10", "AU-11")
@attacks(KIND, TOKENS)
def test_a_token_that_is_refused(guarded: AppClient, answer: str, value: Make) -> None:
    nobody = call(guarded)
    response = call(guarded, f"Bearer {value()}")

    assert response.status_code == int(answer)
    assert response.content == nobody.content  # byte for byte the same: nothing can be learnt
    assert response.headers == nobody.headers
    assert response.headers["www-authenticate"] == "Bearer"


HEADERS: list[tuple[str, str, list[str]]] = [
    ("no Authorization", "401", []),
    ("Authorization: null", "401", ["null"]),
    ("Basic scheme", "401", ["Basic dXNlcjpwYXNz"]),
    ("Bearer without token", "401", ["Bearer "]),
    ("two Authorization headers", "401", ["Bearer x", "Bearer y"]),
    ("token without scheme", "401", ["eyJhbGciOiJub25lIn0.e30."]),
]


@pytest.mark.statement("AU-02", "ER-03")
@attacks(KIND, HEADERS)
def test_a_header_that_is_refused(guarded: AppClient, answer: str, value: list[str]) -> None:
    response = call(guarded, *value)

    assert response.status_code == int(answer)
    assert response.json()["issue"][0]["diagnostics"] == "authentication is required"


@pytest.mark.statement("AU-09")
@attack(KIND, "jku other than the registered one", "401, and nothing is fetched")
def test_a_foreign_jku_is_never_fetched(guarded: AppClient, jwks: WebServer) -> None:
    mine = replace(ISSUER, kid="mine", kind="P-384#mine")
    asked = list(jwks.paths)
    for jku in (f"{jwks.base}/evil.json", f"{jwks.base}/jwks.json?evil", 7):
        assert call(guarded, f"Bearer {mine.token({'jku': jku}, tenant='t1')}").status_code == 401

    assert "/evil.json" not in jwks.paths
    assert jwks.paths == asked


@attack(KIND, "flood of unknown kids", "401, one fetch in 30 seconds")
def test_unknown_kids_lead_to_few_fetches(guarded: AppClient, jwks: WebServer) -> None:
    call(guarded, f"Bearer {ISSUER.token(tenant='t1')}")
    before = len(jwks.paths)
    for number in range(20):
        flood = replace(ISSUER, kid=f"flood-{number}")
        assert call(guarded, f"Bearer {flood.token(tenant='t1')}").status_code == 401

    assert len(jwks.paths) - before <= 1


@pytest.mark.statement("AU-10")
@attack(KIND, "replay", "401 from the second use on")
def test_replay(guarded: AppClient) -> None:
    used = ISSUER.token(tenant="t1")

    assert call(guarded, f"Bearer {used}").status_code == 200
    assert [call(guarded, f"Bearer {used}").status_code for _ in range(3)] == [401] * 3


@pytest.mark.statement("AU-10")
@attack(KIND, "replay by calls at the same time", "one 200, else 401")
def test_replay_at_once(guarded: AppClient) -> None:
    used = ISSUER.token(tenant="t1")

    async def all_at_once() -> list[int]:
        transport = httpx.ASGITransport(guarded.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            headers = {"Authorization": f"Bearer {used}"}
            calls = [client.post(SIGN, json=build(HIGH), headers=headers) for _ in range(20)]
            return [response.status_code for response in await asyncio.gather(*calls)]

    assert sorted(asyncio.run(all_at_once())) == [200] + [401] * 19


@attack(KIND, "jti of one client used by another", "200: jti is bound to iss")
def test_the_jti_of_another_client(guarded: AppClient) -> None:
    assert call(guarded, f"Bearer {ISSUER.token(tenant='t1', jti='same')}").status_code == 200
    assert call(guarded, f"Bearer {OTHER.token(jti='same')}").status_code == 200


@attack(KIND, "no token, body of many megabytes", "401 before the body is read")
def test_nobody_gets_a_body_read(guarded: AppClient) -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        for _ in range(1000):
            read += 1
            yield b" " * 65536

    async def parts() -> Any:
        for part in endless():
            yield part

    response = guarded.post(SIGN, content=parts())

    assert response.status_code == 401
    assert read <= 1


@attack(KIND, "no token, feedback or unknown service", "401, not 404")
def test_nobody_learns_which_services_there_are(guarded: AppClient) -> None:
    answers = [call(guarded, path=SIGN + end) for end in ("", "/feedback", "-x", "/../x", "//")]

    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1


def test_registered_but_not_for_this_hook(
    knowledge: Knowledge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clients.toml"
    keys = key_set(jwk("P-384", ISSUER.kid))
    path.write_text(client_toml(id="north", iss=ISS, hooks=["patient-view"], jwks=keys))
    settings = Settings(clients=path, public_url=PUBLIC, database_url=NO_DATABASE)
    client = AppClient(create_app(settings, knowledge, clock=lambda: NOW))

    response = call(client, f"Bearer {ISSUER.token()}")

    assert response.status_code == 403
    assert response.json()["issue"][0]["code"] == "forbidden"


# --- what is let in ---


ACCEPTED: list[tuple[str, Make]] = [
    ("ES384", token()),
    ("RS384", token(RSA)),
    ("aud as list", token(aud=["https://x.example.org", PUBLIC + SIGN])),
    ("aud of the registry", token(aud="north-cds")),
    ("tenant t2", token(tenant="t2")),
    ("sub and nbf as Epic sends them", token(sub="north-cds", nbf=AT - 300)),
    ("jku as registered", token()),
    ("an hour of life", token(exp=AT + 3600)),
    ("clock 59 seconds behind", token(iat=AT + 59, exp=AT + 300)),
    ("clock 59 seconds ahead", token(iat=AT - 300, exp=AT - 59)),
    ("typ left out", token(headers={"typ": None})),
    ("numbers with fraction", token(iat=AT - 0.5, exp=AT + 299.5)),
]


@pytest.mark.statement("AU-03", "AU-04", "AU-05", "AU-08", "AU-11", "IN-06")
@pytest.mark.parametrize("make", [m for _, m in ACCEPTED], ids=[name for name, _ in ACCEPTED])
def test_a_token_that_is_accepted(guarded: AppClient, make: Make) -> None:
    assert call(guarded, f"Bearer {make()}").status_code == 200


@pytest.mark.statement("AU-02")
def test_the_scheme_in_any_case(guarded: AppClient) -> None:
    assert call(guarded, f"bearer {ISSUER.token(tenant='t1')}").status_code == 200


@pytest.mark.statement("FB-07")
def test_the_audience_of_feedback(guarded: AppClient) -> None:
    """FB-07: the sandbox names the feedback endpoint, others the service."""
    for aud in (PUBLIC + SIGN + "/feedback", PUBLIC + SIGN):
        headers = {"Authorization": f"Bearer {ISSUER.token(tenant='t1', aud=aud)}"}
        response = guarded.post(SIGN + "/feedback", json={"feedback": []}, headers=headers)
        assert response.status_code != 401


@pytest.mark.statement("DS-14")
def test_discovery_is_open_unless_a_setting_says_otherwise(
    guarded: AppClient, knowledge: Knowledge
) -> None:
    assert guarded.get("/cds-services").status_code == 200

    runtime = guarded.app.state.runtime
    settings = runtime.settings.model_copy(update={"discovery_auth": True})
    closed = AppClient(create_app(settings, knowledge, clock=lambda: NOW))
    headers = {"Authorization": f"Bearer {OTHER.token(aud=PUBLIC + '/cds-services')}"}
    assert closed.get("/cds-services").status_code == 401
    assert closed.get("/cds-services", headers=headers).status_code == 200


@pytest.mark.statement("CR-02")
def test_preflight_and_health_need_no_token(guarded: AppClient) -> None:
    assert guarded.request("OPTIONS", SIGN).status_code == 204  # CR-02
    assert guarded.get("/health/live").status_code == 200


@pytest.mark.statement("AU-12", "ER-03")
def test_the_audit_log_tells_why(quiet: AppClient, capsys: pytest.CaptureFixture[str]) -> None:
    call(quiet, f"Bearer {ISSUER.token(tenant='t1', aud='x', jti='for-the-log')}")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [line] = [line for line in lines if line["event"] == "token refused"]

    assert line["event"] == "token refused"
    assert line["reason"] == "the token is meant for another endpoint"
    assert (line["iss"], line["kid"], line["jti"]) == (ISS, ISSUER.kid, "for-the-log")
    assert (line["claim"], line["came"]) == ("aud", '"x"')
    assert line["expected"] == f'"{PUBLIC}{SIGN}" or "north-cds"'


def _seconds(at: int) -> str:
    return f"{at} ({datetime.fromtimestamp(at, UTC).isoformat(timespec='seconds')})"


WHY = [
    ({"iss": ISS + "/"}, "iss", f'"{ISS}/"', f'"{ISS}"'),
    ({"iss": None}, "iss", "nothing", f'"{ISS}"'),
    ({"exp": str(AT + 300)}, "exp", f'"{AT + 300}"', "this is a string"),
    ({"exp": (AT + 300) * 1000}, "exp", f"{(AT + 300) * 1000}", "these look like milliseconds"),
    ({"exp": 10**400}, "exp", "a very large number", "seconds since 1970"),
    ({"exp": True}, "exp", "true", "a number"),
    ({"iat": None}, "iat", "nothing", "a number"),
    ({"exp": AT - 61}, "exp", _seconds(AT - 61), f"after {_seconds(AT)}"),
    ({"nbf": AT + 90}, "nbf", _seconds(AT + 90), f"not after {_seconds(AT)}"),
    ({"exp": AT + 7200}, "exp", "7200 s after iat", "1 to 3600 s after iat"),
    ({"tenant": "t9"}, "tenant", '"t9"', '"t1"'),
    ({"jti": 7}, "jti", "7", "a string"),
    ({"aud": ["a", {}]}, "aud", 'a list: "a", an object', f'"{PUBLIC}{SIGN}"'),
    (
        {"aud": f"https://me:secret@cds.example.org{SIGN}?key=secret#secret"},
        "aud", f'"https://cds.example.org{SIGN} (parts left out)"', f'"{PUBLIC}{SIGN}"',
    ),
]  # fmt: skip


@pytest.mark.statement("AU-12", "ER-03")
@pytest.mark.parametrize(("changes", "claim", "came", "expected"), WHY)
def test_the_audit_log_names_the_claim(
    quiet: AppClient,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    claim: str,
    came: str,
    expected: str,
) -> None:
    """What came and what was expected, so that whoever connects an EHR need not guess; the caller
    is told nothing of it, and a secret in a URL is left out."""
    answer = call(quiet, f"Bearer {ISSUER.token(**({'tenant': 't1'} | changes))}")
    text = capsys.readouterr().err
    [line] = [
        line for line in map(json.loads, text.splitlines()) if line["event"] == "token refused"
    ]

    assert (line["event"], line["claim"], line["came"]) == ("token refused", claim, came)
    assert expected in line["expected"]
    assert "secret" not in text
    assert answer.status_code == 401
    assert claim not in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.statement("AU-12")
@pytest.mark.parametrize(
    ("headers", "member", "came", "expected"),
    [
        ({"kid": None}, "kid", "nothing", "the id of the key"),
        ({"kid": "nobody"}, "kid", '"nobody"', "a key for ES384"),
        ({"typ": "at+jwt"}, "typ", '"at+jwt"', '"JWT"'),
        ({"jku": "https://evil.example/k"}, "jku", '"https://evil.example/k"', '/jwks.json"'),
    ],
)
def test_the_audit_log_names_the_member_of_the_header(
    quiet: AppClient,
    capsys: pytest.CaptureFixture[str],
    headers: dict[str, Any],
    member: str,
    came: str,
    expected: str,
) -> None:
    call(quiet, f"Bearer {ISSUER.token(headers, tenant='t1')}")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [line] = [line for line in lines if line["event"] == "token refused"]

    assert (line["claim"], line["came"]) == (member, came)
    assert expected in line["expected"]


HOSTILE: list[tuple[str, str, str]] = [
    ("one-byte escape of a terminal", "escaped", "\x9b31m"),
    ("next line", "escaped", "a\x85b"),
    ("delete", "escaped", "a\x7fb"),
    ("direction of text turned", "escaped", "a\u202eb"),
    ("isolated direction of text", "escaped", "a\u2066b\u2069"),
    ("line separator", "escaped", "a\u2028b"),
    ("paragraph separator", "escaped", "a\u2029b"),
    ("invisible sign", "escaped", "a\u200bb\ufeff"),
    ("tag characters", "escaped", "a\U000e0041"),
    ("half a surrogate pair", "escaped", "a\ud800b"),
]


@attacks("Logs", [(f"{name} in a token", answer, value) for name, answer, value in HOSTILE])
def test_hostile_text_of_a_token_in_the_log(
    quiet: AppClient, capsys: pytest.CaptureFixture[str], answer: str, value: str
) -> None:
    """What comes after is read with any tool: a terminal, a pager, a viewer of logs."""
    call(quiet, f"Bearer {ISSUER.token({'kid': value}, tenant='t1')}")
    text = capsys.readouterr().err

    assert text.isascii()
    assert not [c for c in text if not c.isprintable() and c != "\n"]
    [line] = [
        line for line in map(json.loads, text.splitlines()) if line["event"] == "token refused"
    ]
    assert line["came"] == f'"{value}"'
