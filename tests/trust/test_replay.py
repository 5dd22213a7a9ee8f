"""The memory of used tokens: once each, forgotten when too old, with and without a database."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cds_service.errors import Unavailable
from cds_service.store.writer import Store
from cds_service.trust.replay import SeenInDatabase, SeenInMemory, fingerprint
from tests.support.constants import NOW

pytestmark = pytest.mark.anyio

LATER = NOW + timedelta(minutes=5)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


async def test_once_each() -> None:
    seen = SeenInMemory(Clock())

    assert await seen.first("a", "1", LATER)
    assert not await seen.first("a", "1", LATER)
    assert await seen.first("b", "1", LATER)
    assert await seen.first("a", "2", LATER)


async def test_what_is_too_old_is_forgotten() -> None:
    """By then the token is refused for its age."""
    clock = Clock()
    seen = SeenInMemory(clock)
    for number in range(100):
        await seen.first("a", str(number), LATER)
    clock.now = LATER + timedelta(seconds=1)
    await seen.first("a", "new", clock.now + timedelta(minutes=5))

    assert len(seen._seen) == 1


async def test_two_stores_share_a_database(database_url: str) -> None:
    first, second = Store(database_url), Store(database_url)
    await first.start()
    await second.start()
    here, there = SeenInDatabase(first, Clock()), SeenInDatabase(second, Clock())
    try:
        assert await here.first("a", "1", LATER)
        assert not await there.first("a", "1", LATER)
        assert await there.first("a", "2", LATER)
        assert not await here.first("a", "2", LATER)
    finally:
        await first.stop()
        await second.stop()


async def test_old_tokens_leave_the_database(database_url: str) -> None:
    store, clock = Store(database_url), Clock()
    await store.start()
    seen = SeenInDatabase(store, clock)
    try:
        await seen.first("a", "1", LATER)
        clock.now = LATER + timedelta(minutes=10)
        await seen.first("a", "2", clock.now + timedelta(minutes=5))

        assert await store.use_token(fingerprint("a", "1").hex(), LATER)  # it is there no more
        assert not await store.use_token(fingerprint("a", "2").hex(), LATER)
    finally:
        await store.stop()


async def test_without_the_database_each_worker_remembers_its_own(tmp_path: Path) -> None:
    seen = SeenInDatabase(Store(f"sqlite:///{tmp_path}/none/x.sqlite3"), Clock())

    assert await seen.first("a", "1", LATER)
    assert not await seen.first("a", "1", LATER)
    assert seen.problem


async def test_or_nobody_is_let_in(tmp_path: Path) -> None:
    seen = SeenInDatabase(Store(f"sqlite:///{tmp_path}/none/x.sqlite3"), Clock(), strict=True)

    with pytest.raises(Unavailable):
        await seen.first("a", "1", LATER)


def test_a_fingerprint_tells_where_iss_ends() -> None:
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    assert len(fingerprint("\ud800", "x" * 10_000)) == 16
