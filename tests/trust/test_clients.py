"""The registry of EHR clients: read strictly, every mistake named, read again without a restart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cds_service.errors import ClientsError, SettingsError
from cds_service.knowledge.loader import Knowledge
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from cds_service.trust.access import admits_anonymous, build_trust, refuse_open_door, reload
from cds_service.trust.clients import ClientFile, Names, load
from cds_service.trust.replay import SeenInMemory
from tests.support.constants import NOW, ROOT
from tests.support.issuer import ISS, client_toml, jwk, key_set

KEYS = key_set(jwk("P-384", "k"))
HOSPITAL: dict[str, Any] = {"id": "north", "iss": ISS, "jku": "https://ehr.example.org/jwks"}


def write(folder: Path, text: str) -> Path:
    path = folder / "clients.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_can_be_read() -> None:
    """All but the keys, which are placeholders that nobody should be able to use."""
    with pytest.raises(ClientsError) as caught:
        load(ROOT / "clients.example.toml", Names(profiles=["epic"]))

    assert len(caught.value.mistakes) == 2
    assert "south-hospital" in str(caught.value)  # its file of keys is not there
    assert "browser-app" in str(caught.value)  # keys = REPLACE


def test_defaults(tmp_path: Path) -> None:
    [client] = load(write(tmp_path, client_toml(**HOSPITAL))).clients

    assert client.algorithms == ("ES384", "RS384")
    assert client.may_call("order-sign")
    assert not client.quirks


@pytest.mark.statement("AU-03", "AU-14")
def test_keys_in_the_file_and_beside_it(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps(key_set(jwk("RSA-2048", "r"))))
    text = client_toml(id="a", iss="https://a", jwks=KEYS)
    text += client_toml(id="b", iss="https://b", jwks_file="keys.json")
    registry = load(write(tmp_path, text))

    assert [len(registry.keys[name]) for name in ("a", "b")] == [1, 1]
    assert registry.keys["b"].find("r", "RS384")
    assert not registry.keys["b"].find("r", "ES384")


def private() -> dict[str, Any]:
    """A JWK that holds its private part."""
    return {**jwk("P-384", "k"), "d": "c2VjcmV0"}


BROKEN = [
    ("id = ", 1, "not TOML"),
    ("", None, "client: is required"),
    ("clients = 1\n" + client_toml(**HOSPITAL), None, "clients: is no key of this file"),
    (client_toml(**HOSPITAL, colour="red"), 5, "colour: is no key of a client"),
    (client_toml(id="north", jku="https://x"), 1, "iss: is required"),
    (client_toml(id="North 1", iss=ISS, jku="https://x"), 2, "id: "),
    (client_toml(id="north", iss=ISS), 1, "exactly one of jku, jwks and jwks_file"),
    (client_toml(**HOSPITAL, jwks_file="x"), 1, "exactly one of jku, jwks and jwks_file"),
    (client_toml(**HOSPITAL | {"jku": "http://ehr.example.org"}), 4, "must use https"),
    (client_toml(**HOSPITAL | {"jku": "https://u:pw@ehr.example.org"}), 4, "no user"),
    (client_toml(**HOSPITAL | {"jku": "file:///etc/passwd"}), 4, "absolute https URL"),
    (client_toml(**HOSPITAL, algorithms=["none"]), 5, "algorithms.0"),
    (client_toml(**HOSPITAL, algorithms=["HS256"]), 5, "algorithms.0"),
    (client_toml(**HOSPITAL, algorithms=[]), 5, "algorithms"),
    (client_toml(**HOSPITAL, fhir_servers=["fhir.example.org"]), 5, "absolute https URL"),
    (client_toml(**HOSPITAL, fhir_servers="https://x"), 5, "fhir_servers"),
    (client_toml(**HOSPITAL, private_hosts=["10.0.0.1"]), 1, "is no host of"),
    (client_toml(**HOSPITAL, cors_origins=["https://a.example.org/app"]), 5, "an origin"),
    (client_toml(**HOSPITAL, quirks=["cerner"]), 5, "quirks.0"),
    (client_toml(**HOSPITAL) + client_toml(**HOSPITAL), 6, "id: stands twice"),
    (client_toml(id="a", iss=ISS, jwks={"keys": [private()]}), 4, "secret or private key"),
    (client_toml(id="a", iss=ISS, jwks=key_set(jwk("P-384", ""))), 4, "has no public"),
    (client_toml(id="a", iss=ISS, jwks_file="none.json"), 4, "cannot be read"),
]


@pytest.mark.parametrize(("text", "line", "reason"), BROKEN, ids=[b[2] for b in BROKEN])
def test_a_mistake_is_named_with_file_line_and_key(
    tmp_path: Path, text: str, line: int | None, reason: str
) -> None:
    with pytest.raises(ClientsError) as caught:
        load(write(tmp_path, text))

    first = caught.value.mistakes[0]
    assert reason in first.reason
    assert first.line == line
    assert first.file.endswith("clients.toml")
    assert "pw@" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ClientsError, match="No such file"):
        load(tmp_path / "none.toml")


def test_reload_keeps_the_registry_when_the_file_is_broken(tmp_path: Path) -> None:
    path = write(tmp_path, client_toml(**HOSPITAL))
    clients = ClientFile(path)
    before = clients.registry

    write(tmp_path, "[[client]\n")
    assert not clients.reload()
    assert clients.registry is before
    assert "clients.toml:1" in str(clients.problem)

    write(tmp_path, client_toml(**HOSPITAL) + client_toml(**HOSPITAL | {"id": "b", "iss": "b"}))
    assert clients.reload()
    assert len(clients.registry.clients) == 2
    assert clients.problem is None
    assert clients.registry.version != before.version


def test_a_profile_must_exist(tmp_path: Path, knowledge: Knowledge) -> None:
    path = write(tmp_path, client_toml(**HOSPITAL | {"profile": "oracle"}))
    settings = Settings(clients=path, public_url="https://cds.example.org")
    seen = SeenInMemory(lambda: NOW)
    trust = build_trust(
        settings, lambda: NOW, seen, Names.of(knowledge, keyed=False, speaks_3=False)
    )

    assert trust.clients.registry.clients[0].profile == "oracle"
    write(tmp_path, client_toml(**HOSPITAL | {"profile": "Oracel"}))
    with pytest.raises(ClientsError) as caught:
        build_trust(settings, lambda: NOW, seen, Names.of(knowledge, keyed=False, speaks_3=False))

    [mistake] = caught.value.mistakes
    assert mistake.line == 5
    assert "no profile of this name" in mistake.reason
    assert all(name in str(caught.value) for name in ("epic", "oracle", "uk", "de", "ips"))
    assert not trust.clients.reload()  # and the registry in force stays
    assert trust.clients.registry.clients[0].profile == "oracle"
    with pytest.raises(ClientsError, match="no profile"):
        create_app(settings, knowledge)


def test_reload_is_heard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, client_toml(**HOSPITAL))
    settings = Settings(clients=path, public_url="https://cds.example.org")
    trust = build_trust(settings, lambda: NOW, SeenInMemory(lambda: NOW))
    write(tmp_path, "nonsense")
    reload(trust)
    write(tmp_path, client_toml(**HOSPITAL))
    reload(trust)

    logged = capsys.readouterr().err
    assert "clients NOT reloaded" in logged
    assert "clients reloaded" in logged
    assert "repeat_days" not in logged


def test_how_long_answers_are_kept_is_told_like_a_mode(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, client_toml(**HOSPITAL))
    settings = Settings(clients=path, public_url="https://cds.example.org")
    trust = build_trust(settings, lambda: NOW, SeenInMemory(lambda: NOW))
    write(tmp_path, client_toml(**HOSPITAL, repeat_days=30))
    reload(trust)

    told = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert (told["event"], told["repeat_days"]) == ("clients reloaded", {HOSPITAL["id"]: 30})


def test_clients_need_a_public_url(tmp_path: Path) -> None:
    path = write(tmp_path, client_toml(**HOSPITAL))
    with pytest.raises(SettingsError, match="CDS_PUBLIC_URL is needed"):
        build_trust(Settings(clients=path), lambda: NOW, SeenInMemory(lambda: NOW))


def test_several_workers_need_a_database_for_used_tokens(tmp_path: Path) -> None:
    path = write(tmp_path, client_toml(**HOSPITAL))
    settings = Settings(clients=path, public_url="https://cds.example.org", workers=2)
    with pytest.raises(SettingsError, match="several workers need a database"):
        build_trust(settings, lambda: NOW, SeenInMemory(lambda: NOW))


DOORS: list[tuple[dict[str, Any], bool, bool]] = [  # settings, anonymous, may start
    ({}, True, True),
    ({"host": "::1"}, True, True),
    ({"host": "192.0.2.1"}, False, False),
    ({"host": "0.0.0.0"}, False, False),  # noqa: S104
    ({"public_url": "https://cds.example.org"}, False, False),  # behind a proxy
    ({"public_url": "http://localhost:8000"}, True, True),
    ({"host": "192.0.2.1", "allow_anonymous": True}, True, True),
    ({"clients": Path("clients.toml")}, False, True),
    ({"clients": Path("clients.toml"), "host": "192.0.2.1"}, False, True),
    ({"clients": Path("clients.toml"), "allow_anonymous": True}, True, True),
]


@pytest.mark.statement("AU-01")
@pytest.mark.parametrize(("given", "anonymous", "starts"), DOORS)
def test_who_may_call_without_a_token(given: dict[str, Any], anonymous: bool, starts: bool) -> None:
    settings = Settings(**given)

    assert admits_anonymous(settings) is anonymous
    if starts:
        refuse_open_door(settings)
    else:
        with pytest.raises(SettingsError, match="--allow-anonymous"):
            refuse_open_door(settings)
