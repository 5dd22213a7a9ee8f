"""A call that is sent away for reasons of the service (503, 429) leaves its token as it was."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cds_service.store.database import Database
from cds_service.store.tables import tokens
from tests.cdshooks.test_feedback import ACCEPTED
from tests.support.builders import request as build
from tests.support.constants import NOW
from tests.support.ehr_calls import HIGH
from tests.support.issuer import ISS, PUBLIC, SIGN, Issuer, client_toml, jwk, key_set
from tests.support.live import FEEDBACK, Live, Service
from tests.support.stores import item, started

pytestmark = pytest.mark.anyio

ISSUER = Issuer(NOW)


def settings(folder: Path, **client: Any) -> dict[str, Any]:
    path = folder / "clients.toml"
    keys = key_set(jwk("P-384", ISSUER.kid))
    path.write_text(client_toml(id="north", iss=ISS, **client, jwks=keys))
    return {"clients": path, "public_url": PUBLIC}


async def call(service: Service, token: str, body: Any = None) -> int:
    answer = await service.request(
        "POST", SIGN, json=body or build(HIGH), headers={"Authorization": f"Bearer {token}"}
    )
    return answer.status_code


@asynccontextmanager
async def locked(url: str) -> AsyncIterator[None]:
    """The table of used tokens is held by another program."""
    database = Database(url)
    try:
        async with database.engine.execution_options(writing=True).begin() as connection:
            if not database.is_sqlite:
                await connection.execute(text("LOCK TABLE used_tokens IN ACCESS EXCLUSIVE MODE"))
            yield
    finally:
        await database.close()


async def test_while_the_database_is_locked(database_url: str, live: Live, tmp_path: Path) -> None:
    token = ISSUER.token()
    async with live(database_url, replay="database", **settings(tmp_path)) as service:
        async with locked(database_url):
            refused = [await call(service, token), await call(service, token)]
        again = [await call(service, token) for _ in range(3)]

    assert refused == [503, 503]
    assert again == [200, 401, 401]


async def test_while_the_database_is_locked_at_two_workers(
    database_url: str, live: Live, tmp_path: Path
) -> None:
    """What the first of them asked the database for does not happen later."""
    token = ISSUER.token()
    options = {"replay": "database"} | settings(tmp_path)
    async with live(database_url, **options) as one, live(database_url, **options) as other:
        async with locked(database_url):
            assert await call(one, token) == 503
        assert await call(one, ISSUER.token()) == 200  # what it asked before is answered by now
        async with asyncio.timeout(60):  # and is taken back, also by SQLite, which knows no queue
            while len(await one.rows(tokens)) > 1:
                pass
        assert [await call(other, token), await call(one, token)] == [200, 401]


async def until_idle(url: str) -> None:
    """Take part in the queue for the lock: who waited before has had it."""
    async with locked(url):
        pass
    async with locked(url):
        pass


async def test_while_the_table_is_gone(database_url: str, live: Live, tmp_path: Path) -> None:
    token = ISSUER.token()
    database = Database(database_url)
    async with live(database_url, replay="database", **settings(tmp_path)) as service:
        await rename(database, "used_tokens", "away")
        refused = await call(service, token)
        await rename(database, "away", "used_tokens")
        again = [await call(service, token) for _ in range(2)]
    await database.close()

    assert (refused, again) == (503, [200, 401])


async def rename(database: Database, old: str, new: str) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))


@pytest.mark.parametrize("replay", ["memory", "database"])
async def test_feedback_that_could_not_be_stored(replay: str, live: Live, tmp_path: Path) -> None:
    """The token that EHRs send with feedback is used up by an answer of 200 only."""
    file = tmp_path / "db"
    token = ISSUER.token(aud=PUBLIC + FEEDBACK)

    async def send(service: Service) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        body = {"feedback": [ACCEPTED]}
        return (await service.request("POST", json=body, headers=headers)).status_code

    async with live(f"sqlite:///{file}", replay=replay, **settings(tmp_path)) as service:
        with sqlite3.connect(file, isolation_level=None) as other:
            other.execute("ALTER TABLE feedback RENAME TO away")
            refused = await send(service)
            other.execute("ALTER TABLE away RENAME TO feedback")
        again = [await send(service) for _ in range(2)]
        kept = len(await service.rows())

    assert (refused, again, kept) == (503, [200, 401], 1)


@pytest.mark.parametrize("replay", ["memory", "database"])
async def test_too_many_calls_a_second(replay: str, live: Live, tmp_path: Path) -> None:
    token = ISSUER.token()
    options = settings(tmp_path, calls_per_second=0.5)
    got: list[int] = []
    async with live(replay=replay, **options) as service:
        assert await call(service, ISSUER.token()) == 200
        async with asyncio.timeout(20):
            while not got or got[-1] == 429:
                got.append(await call(service, token))
                await asyncio.sleep(0.1)

    assert set(got[:-1]) == {429}
    assert got[-1] == 200


@pytest.mark.parametrize("replay", ["memory", "database"])
async def test_too_many_calls_at_once(replay: str, live: Live, tmp_path: Path) -> None:
    options = settings(tmp_path) | {"max_concurrent_per_client": 1, "replay": replay}
    token, arriving, rest = ISSUER.token(), asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        body = json.dumps(build(HIGH)).encode()
        yield body[:100]
        arriving.set()
        await rest.wait()
        yield body[100:]

    async with live(**options) as service:
        headers = {"Authorization": f"Bearer {ISSUER.token()}"}
        sending = service.request("POST", SIGN, content=slowly(), headers=headers)
        slow = asyncio.create_task(sending)
        await arriving.wait()
        refused = [await call(service, token) for _ in range(2)]
        rest.set()
        first = (await slow).status_code
        again = [await call(service, token) for _ in range(2)]

    assert (first, refused, again) == (200, [503, 503], [200, 401])


async def test_a_call_that_was_looked_at_has_used_its_token(live: Live, tmp_path: Path) -> None:
    """Whatever came of it: 400 and 412 are answers."""
    token = ISSUER.token()
    async with live(**settings(tmp_path)) as service:
        first = await call(service, token, {"hook": "order-sign"})
        second = await call(service, token)

    assert (first, second) == (400, 401)


async def test_a_token_of_another_worker_is_not_given_back(
    live: Live, tmp_path: Path, database_url: str
) -> None:
    """While the database is away each worker goes by its own memory; what it gives back then is
    not what another one had put into the database."""
    token = ISSUER.token()
    options = {"replay": "auto", "workers": 2} | settings(tmp_path, calls_per_second=0.01)
    async with live(database_url, **options) as one, live(database_url, **options) as other:
        assert await call(one, token) == 200
        await call(other, ISSUER.token())
        async with locked(database_url):
            assert await call(other, token) == 429
        await until_idle(database_url)
        assert len(await one.rows(tokens)) == 2


async def test_stored_tokens_stay_while_a_store_ends(database_url: str) -> None:
    async with started(database_url) as store:
        await store.save([item()])
        assert await store.use_token("a" * 32, NOW, or_never=True)
        assert not await store.use_token("a" * 32, NOW, or_never=True)
        await store.give_back_token("a" * 32)
        assert await store.use_token("a" * 32, NOW, or_never=True)
