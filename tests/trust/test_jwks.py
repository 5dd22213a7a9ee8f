"""Key sets of clients: kept, rotated, fetched seldom, and never believed too much."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cds_service.trust import jwks
from cds_service.trust.clients import Client, Registry
from cds_service.trust.jwks import KeyFetchError, KeyRing
from cds_service.trust.keys import KeysError, read_keys
from cds_service.trust.outgoing import Outgoing
from tests.support.issuer import WebServer, json_answer, jwk, key_set, serving

pytestmark = pytest.mark.anyio

OLD, NEW = jwk("P-384", "old"), jwk("P-384#2", "new")


class Ehr:
    """A key server whose answer can be changed."""

    def __init__(self, server: WebServer) -> None:
        self.server = server
        self.client = Client(
            id="n", iss="i", jku=f"{server.base}/jwks", private_hosts=("localhost",)
        )
        self.registry = Registry((self.client,))
        self.outgoing = Outgoing()
        self.ring = KeyRing(self.outgoing)

    def answers(self, value: Any, status: int = 200) -> None:
        self.server.answer = lambda _: json_answer(value, status)

    async def find(self, kid: str) -> int:
        return len(await self.ring.find(self.registry, self.client, kid, "ES384"))

    @property
    def fetches(self) -> int:
        return len(self.server.paths)


@pytest.fixture
async def ehr() -> AsyncIterator[Ehr]:
    with serving(lambda _: json_answer(key_set(OLD))) as server:
        ehr = Ehr(server)
        yield ehr
        await ehr.outgoing.aclose()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time has to pass before another try."""
    monkeypatch.setattr(jwks, "RETRY_SECONDS", 0)


async def test_a_set_is_fetched_once(ehr: Ehr) -> None:
    assert [await ehr.find("old") for _ in range(5)] == [1] * 5
    assert ehr.fetches == 1


async def test_calls_at_once_lead_to_one_fetch(ehr: Ehr) -> None:
    assert await asyncio.gather(*(ehr.find("old") for _ in range(20))) == [1] * 20
    assert ehr.fetches == 1


async def test_an_unknown_kid_is_looked_for_seldom(ehr: Ehr) -> None:
    await ehr.find("old")
    assert [await ehr.find(f"none-{number}") for number in range(20)] == [0] * 20
    assert ehr.fetches == 1


@pytest.mark.statement("AU-09", "AU-14")
@pytest.mark.usefixtures("impatient")
async def test_rotation(ehr: Ehr) -> None:
    """A new kid is found by one fetch, and a key that was taken away is refused after it."""
    await ehr.find("old")
    ehr.answers(key_set(NEW))

    assert await ehr.find("new") == 1
    assert await ehr.find("old") == 0


@pytest.mark.usefixtures("impatient")
async def test_an_old_set_is_used_while_a_new_one_is_fetched(
    ehr: Ehr, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ehr.find("old")
    monkeypatch.setattr(jwks, "FRESH_SECONDS", -1)
    ehr.answers(key_set(NEW))

    assert await ehr.find("old") == 1  # at once
    remote = ehr.ring._remotes[ehr.client.jku or ""]
    assert remote.refresh is not None
    await remote.refresh
    assert await ehr.find("new") == 1


@pytest.mark.usefixtures("impatient")
async def test_keys_stay_in_use_while_their_server_fails(ehr: Ehr) -> None:
    await ehr.find("old")
    ehr.answers({}, 500)

    assert await ehr.find("unknown") == 0
    assert await ehr.find("old") == 1
    state = ehr.ring.states(ehr.registry)["n"]
    assert state.word == "stale"
    assert str(state.problem).startswith(
        "cannot be fetched (the server of the keys answered 500); those of 0 s ago are used"
    )


@pytest.mark.usefixtures("impatient")
async def test_but_not_for_ever(ehr: Ehr, monkeypatch: pytest.MonkeyPatch) -> None:
    await ehr.find("old")
    ehr.answers({}, 500)
    monkeypatch.setattr(jwks, "STALE_SECONDS", -1)

    with pytest.raises(KeyFetchError, match="500"):
        await ehr.find("old")


BAD: list[tuple[Any, str]] = [
    ({"keys": []}, "has no public"),
    ({"keys": {}}, "has no list"),
    ([], "has no list"),
    ({"keys": [7]}, r"keys\[0\] is not an object"),
    ({"keys": [OLD | {"d": "secret"}]}, "secret or private key"),
    ({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]}, "secret or private key"),
    ({"keys": [OLD] * 101}, "more than 100 keys"),
    ({"keys": [OLD], "padding": "x" * 300_000}, "more than 262144 bytes"),
]


@pytest.mark.parametrize(("answer", "why"), BAD, ids=[why for _, why in BAD])
async def test_a_set_that_cannot_be_used(ehr: Ehr, answer: Any, why: str) -> None:
    ehr.answers(answer)
    with pytest.raises(KeyFetchError, match=why):
        await ehr.find("old")


async def test_what_is_no_json(ehr: Ehr) -> None:
    ehr.server.answer = lambda _: (200, {}, b"<html>" + b"[" * 10_000)
    with pytest.raises(KeyFetchError, match="is not JSON"):
        await ehr.find("old")


async def test_a_server_that_is_not_there(ehr: Ehr) -> None:
    gone = ehr.client.model_copy(update={"jku": "http://localhost:9/jwks"})
    with pytest.raises(KeyFetchError, match="cannot be reached"):
        await ehr.ring.find(Registry((gone,)), gone, "old", "ES384")


async def test_a_server_that_stalls(ehr: Ehr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "TIMEOUT_SECONDS", 0.05)
    go_on = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stall(_: str) -> tuple[int, dict[str, str], bytes]:
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)
        return json_answer({})

    ehr.server.answer = stall
    try:
        with pytest.raises(KeyFetchError):
            await ehr.find("old")
    finally:
        go_on.set()


@pytest.mark.statement("AU-14")
def test_keys_of_other_kinds_are_left_out() -> None:
    others = [
        {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMl"},
        {"kty": "EC", "crv": "secp256k1", "kid": "k", "x": "AA", "y": "AA"},
        {"kty": "new", "kid": "new"},
        OLD | {"kid": 7},
        OLD | {"kid": "enc", "use": "enc"},
        OLD | {"kid": "ops", "key_ops": ["encrypt"]},
        OLD | {"kid": "bad", "x": "!!"},
        OLD | {"kid": "es512", "alg": "ES512"},
    ]  # fmt: skip
    keys = read_keys(json.dumps(key_set(*others, OLD)).encode())

    assert list(keys.keys) == ["old"]


@pytest.mark.statement("AU-14")
def test_two_keys_of_one_kid_are_both_tried() -> None:
    keys = read_keys(key_set(OLD, NEW | {"kid": "old"}))
    assert len(keys.find("old", "ES384")) == 2


def test_a_small_curve_does_not_fit_es384() -> None:
    keys = read_keys(key_set(jwk("P-256", "p256")))
    assert not keys.find("p256", "ES384")
    assert keys.find("p256", "ES256")


def test_no_keys_at_all() -> None:
    with pytest.raises(KeysError):
        read_keys(b"")


_ODD: tuple[Any, ...] = (None, 5, 1.5, "", [], ["sig"], {}, {"a": 1}, True, "x" * 5_000, "\ud800")


@pytest.mark.parametrize("member", ["use", "key_ops", "alg", "kid", "kty", "crv", "x", "y", "x5c"])
@pytest.mark.parametrize("value", _ODD, ids=lambda value: repr(value)[:12])
async def test_an_odd_key_does_not_stop_its_hospital(member: str, value: Any) -> None:
    """RFC 7517 section 5: keys that are not understood are left out."""
    keys = read_keys(key_set(OLD | {member: value}, NEW))

    assert keys.find("new", "ES384")
    assert keys.left_out in {(), (0,)}


async def test_a_key_that_is_left_out_is_named_by_its_place() -> None:
    keys = read_keys(key_set(OLD, NEW | {"use": ["sig"]}))

    assert (len(keys), keys.left_out) == (1, (1,))
