"""What repeats leave in the database: nothing that links without the key, and not for long."""

from __future__ import annotations

import asyncio
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from cds_service.cli.main import app
from cds_service.knowledge.loader import Knowledge
from cds_service.ops.repeat_key import RepeatKey
from cds_service.store import tables
from cds_service.store.brief_reads import BriefReads
from cds_service.store.database import Database
from tests.support.builders import PATIENT_ID
from tests.support.constants import NOW
from tests.support.databases import Postgres
from tests.support.repeating import HIGH, ward
from tests.support.stores import opened, read, until

pytestmark = pytest.mark.anyio

NAMES = (PATIENT_ID, "pat-2", "order-1", "condition-1", "enc-1", "surgeon-1", "444748003")


async def dump(url: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    return {name: await read(url, table) for name, table in tables.metadata.tables.items()}


def hashes(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    marks = [str(row["sealed"]) for row in found["repeat_marks"]]
    return marks + [str(row["mark"]) for row in found["repeat_answers"]]


async def rotated(monkeypatch: pytest.MonkeyPatch, key: Path) -> str:
    """What the command says that makes a new key."""
    monkeypatch.setenv("CDS_REPEAT_KEY_FILE", str(key))
    done = await asyncio.to_thread(CliRunner().invoke, app, ["repeats", "rotate"])
    assert done.exit_code == 0, done.output
    return done.output


async def test_a_dump_without_the_key_links_nothing(
    tmp_path: Path, knowledge: Knowledge, database_url: str
) -> None:
    """No name stands in it, and no two rows have anything in common but days: neither two cards
    of one patient and finding, nor a card and the answer to it."""
    async with ward(tmp_path, knowledge, database_url) as north:
        for _ in range(3):
            await north.card(HIGH)
        await north.overridden()
        await north.overridden(patient="pat-2")
        await north.written()
        found = await dump(database_url)

    assert [len(found[name]) for name in ("repeat_marks", "repeat_answers")] == [5, 2]
    written = json.dumps(found, default=str)
    assert [name for name in NAMES if name in written] == []
    assert len(set(hashes(found))) == 7
    cards = {row["card"] for row in found["issued_cards"]}
    for row in found["repeat_answers"]:
        assert cards.isdisjoint(map(str, row.values()))
    # A part of a hash in another one would be a link, too.
    pieces = [one[i : i + 16] for one in hashes(found) for i in range(0, 64, 16)]
    assert len(pieces) == len(set(pieces))


async def test_who_knows_all_but_the_key_makes_other_marks(
    tmp_path: Path, knowledge: Knowledge
) -> None:
    """The program, the client, the patient, the chart and the orders, on the same day."""
    answers: list[str] = []
    for name in ("one", "other", "other"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        url = f"sqlite:///{folder / str(len(answers))}"
        async with ward(folder, knowledge, url) as north:
            await north.overridden()
            answers += [row["mark"] for row in await read(url, tables.repeat_answers)]
    mine, guessed, again = answers
    assert guessed == again  # the test guesses rightly but for the key
    assert mine != guessed


async def test_the_database_file_holds_no_name(tmp_path: Path, knowledge: Knowledge) -> None:
    async with ward(tmp_path, knowledge) as north:
        await north.overridden()
        await north.written()
    content = b"".join(path.read_bytes() for path in tmp_path.glob("db*"))
    assert b"repeat_marks" in content
    assert [name for name in NAMES if name.encode() in content] == []
    assert (tmp_path / "repeat.key").read_bytes().strip() not in content


async def test_the_drill_of_a_rotation(
    tmp_path: Path,
    knowledge: Knowledge,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A new key while the service runs: warnings come once more, what was there links to nothing
    any more, and is deleted when its time is over."""
    key = tmp_path / "repeat.key"
    async with ward(tmp_path, knowledge, database_url) as north:
        await north.overridden()
        unanswered = await north.card(HIGH, patient="pat-2")
        assert (await north.card(HIGH))["indicator"] == "info"
        await north.written()
        before, old = hashes(await dump(database_url)), key.read_bytes()

        said = await rotated(monkeypatch, key)

        assert "come again" in said
        assert key.read_bytes() != old
        assert key.stat().st_mode & 0o777 == 0o600
        assert [path.name for path in tmp_path.glob("repeat.key*")] == ["repeat.key"]  # no copy
        assert (await north.card(HIGH))["indicator"] == "warning"
        await north.answered(unanswered)  # a card of the old key: its mark cannot be told
        assert (await north.card(HIGH, patient="pat-2"))["indicator"] == "warning"
        await north.overridden()
        assert (await north.card(HIGH))["indicator"] == "info"
        await north.written()
        assert set(before) < set(hashes(await dump(database_url)))

    async def is_gone() -> bool:
        return not hashes(await dump(database_url))

    later = NOW + timedelta(days=31)
    async with ward(tmp_path, knowledge, database_url, now=later):
        await until(is_gone)


async def test_what_has_had_its_time_is_deleted_and_no_more(
    tmp_path: Path, knowledge: Knowledge, database_url: str
) -> None:
    clients = {"north": {"repeat_days": 3}, "south": {"repeat_days": 10}}
    async with ward(tmp_path, knowledge, database_url, clients=clients) as north:
        await north.overridden(client="north")
        await north.overridden(client="south")
        await north.written()

    async def kept() -> set[date]:
        found = await dump(database_url)
        names = ("repeat_marks", "repeat_answers")
        assert len(found[names[0]]) == len(found[names[1]])
        return {row["until"] for name in names for row in found[name]}

    first, second = ((NOW + timedelta(days=days)).date() for days in (3, 10))
    assert await kept() == {first, second}

    async def is_second() -> bool:
        return await kept() == {second}

    later = NOW + timedelta(days=4)
    async with ward(tmp_path, knowledge, database_url, clients=clients, now=later):
        await until(is_second)


async def test_purge_takes_them_with_their_cards(
    tmp_path: Path, knowledge: Knowledge, database_url: str
) -> None:
    async with ward(tmp_path, knowledge, database_url) as north:
        await north.overridden()
        await north.written()
    async with opened(database_url) as database:
        await database.purge(NOW + timedelta(days=1))
    assert hashes(await dump(database_url)) == []


# --- never at the cost of a call ---


@pytest.mark.parametrize("table", ["repeat_marks", "repeat_answers"])
async def test_a_look_up_that_fails_shows_the_warning(
    tmp_path: Path, knowledge: Knowledge, database_url: str, table: str
) -> None:
    async with ward(tmp_path, knowledge, database_url) as north:
        await north.overridden()
        await execute(database_url, f"ALTER TABLE {table} RENAME TO away")
        shown = await north.card(HIGH, patient="pat-2")
        assert shown["indicator"] == "warning"
        await north.answered(shown)  # feedback is taken nevertheless
        await execute(database_url, f"ALTER TABLE away RENAME TO {table}")
        assert (await north.card(HIGH))["indicator"] == "info"


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    return postgres.new_database()


@pytest.mark.system
@pytest.mark.postgres
async def test_a_look_up_that_is_late_shows_the_warning(
    tmp_path: Path, knowledge: Knowledge, postgres_url: str
) -> None:
    """Another program holds the table: calls are answered while it does."""
    url = postgres_url
    async with ward(tmp_path, knowledge, url, repeat_wait_ms=50) as north:
        await north.overridden()
        database = Database(url)
        async with database.engine.begin() as connection:
            await connection.execute(text("LOCK TABLE repeat_answers IN ACCESS EXCLUSIVE MODE"))
            for _ in range(20):
                assert (await north.card(HIGH))["indicator"] == "warning"
        await database.close()

        async def is_back() -> bool:
            return bool((await north.card(HIGH))["indicator"] == "info")

        await until(is_back)


@pytest.mark.parametrize("content", [None, "", "short"])
async def test_without_a_key_the_warning_is_shown(
    tmp_path: Path, knowledge: Knowledge, content: str | None
) -> None:
    key = tmp_path / "repeat.key"
    async with ward(tmp_path, knowledge) as north:
        await north.overridden()
        key.unlink()
        if content is not None:
            key.write_text(content)
        assert (await north.card(HIGH))["indicator"] == "warning"
        assert "no key in CDS_REPEAT_KEY_FILE" in (await north.ready())["problems"][0]
    key.unlink(missing_ok=True)
    async with ward(tmp_path, knowledge, key=False) as north:  # it starts nevertheless
        assert (await north.card(HIGH))["indicator"] == "warning"


async def test_one_late_read_lets_nobody_else_wait() -> None:
    reads, gate = BriefReads(), asyncio.Event()

    async def held() -> str:
        await gate.wait()
        return "late"

    async def quick() -> str:
        return "at once"

    with pytest.raises(TimeoutError):
        await reads.ask(held(), 0.01)
    with pytest.raises(TimeoutError):
        await reads.ask(quick(), 60)
    gate.set()
    await asyncio.sleep(0)

    async def is_free() -> bool:
        try:
            return await reads.ask(quick(), 60) == "at once"
        except TimeoutError:
            return False

    await until(is_free)


def test_a_key_is_seen_as_soon_as_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = RepeatKey(path)
    assert key.current is None
    for content in ("a" * 32, "b" * 64):
        path.write_text(content + "\n")
        assert key.current == content.encode()
    path.unlink()
    assert key.current is None


async def execute(url: str, statement: str) -> None:
    database = Database(url)
    try:
        async with database.engine.execution_options(writing=True).begin() as connection:
            await connection.execute(text(statement))
    finally:
        await database.close()
