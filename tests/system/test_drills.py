"""The drills of docs/drills.md: every command runs as it stands, and does what it is there for."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.support.builders import request as build
from tests.support.constants import ROOT
from tests.support.databases import Postgres
from tests.support.ehr_calls import HIGH
from tests.support.issuer import (
    ISS,
    PUBLIC,
    SIGN,
    Issuer,
    client_toml,
    json_answer,
    jwk,
    key_set,
    serving,
)
from tests.support.machine import Machine, stop_in
from tests.system.documents import SHELL, blocks
from tests.system.test_endings import until

pytestmark = pytest.mark.process

OLD = Issuer(None, kid="old")
NEW = Issuer(None, kid="new", kind="P-384#new")
BOTH = key_set(jwk("P-384", "old"), jwk("P-384#new", "new"))
ONE = key_set(jwk("P-384", "old"))
OTHER = key_set(jwk("P-384#new", "new"))
DOCUMENT = ROOT / "docs" / "drills.md"


def commands(folder: Path) -> dict[str, list[str]]:
    """The command blocks under each heading."""
    parts = re.split(r"^## (.*)$", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {}
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        (folder / "part.md").write_text(text, encoding="utf-8")
        found[title] = [b.commands for b in blocks(folder / "part.md") if b.language in SHELL]
    return found


@pytest.fixture
def drills(tmp_path: Path) -> dict[str, list[str]]:
    return commands(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Of a machine, whose service is ended after the test."""
    folder = tmp_path / "machine"
    folder.mkdir()
    yield folder
    stop_in(folder)


def send(machine: Machine, card: str = "") -> str:
    """Feedback that is acknowledged; the card."""
    card = card or str(uuid4())
    body = {"feedback": [{"card": card, "outcome": "accepted"}]}
    assert machine.post(f"{SIGN}/feedback", body) == 200
    return card


def cards_in(file: Path) -> set[str]:
    connection = sqlite3.connect(file)
    try:
        return {row[0] for row in connection.execute("SELECT card FROM feedback")}
    finally:
        connection.close()


def test_backup_and_restore_of_sqlite(drills: dict[str, list[str]], folder: Path) -> None:
    if shutil.which("sqlite3") is None:
        pytest.skip("sqlite3 is not installed")
    backup, restore = drills["Back up and restore an SQLite file"]
    database = "sqlite:////var/lib/cds-service/feedback.sqlite3"
    machine = Machine(folder, CDS_DATABASE_URL=database)
    machine.control("start")
    send(machine)
    machine.run(backup)
    saved = cards_in(machine.var / "feedback.sqlite3") | {send(machine) for _ in range(5)}
    machine.run(backup)  # every night
    later = send(machine)
    if os.getuid() == 0:  # as a user of its own has it
        os.chown(machine.var, 54321, 54321)
    told = machine.run(restore)

    assert "Calls so far" in told
    assert cards_in(machine.var / "feedback.sqlite3") == saved
    assert (machine.var / "feedback.sqlite3").stat().st_uid == machine.var.stat().st_uid
    assert cards_in(machine.var / "before" / "feedback.sqlite3") == {*saved, later}
    again = send(machine, later)
    machine.control("stop")
    assert cards_in(machine.var / "feedback.sqlite3") == {*saved, again}


async def cards_at(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        return {row["card"] for row in await connection.fetch("SELECT card FROM feedback")}
    finally:
        await connection.close()


def test_backup_and_restore_of_postgresql(
    drills: dict[str, list[str]], folder: Path, postgres: Postgres
) -> None:
    backup, restore = drills["Back up and restore a PostgreSQL database"]
    urls = {"DATABASE_URL": postgres.new_database(), "RESTORED_URL": postgres.url("cds_restored")}
    machine = Machine(folder, CDS_DATABASE_URL=urls["DATABASE_URL"])
    machine.control("start")
    saved = {send(machine) for _ in range(5)}
    machine.run(backup, **urls)
    later = send(machine)
    told = machine.run(restore, **urls)

    assert "Calls so far" in told
    assert asyncio.run(cards_at(urls["RESTORED_URL"])) == saved
    send(machine, later)
    assert asyncio.run(cards_at(urls["RESTORED_URL"])) == {*saved, later}


def call(machine: Machine, issuer: Issuer) -> int:
    return machine.post(SIGN, build(HIGH), issuer.token())


def until_both(machine: Machine, statuses: tuple[int, int]) -> None:
    """A reload is noticed a moment later: ask until both keys get these statuses."""
    for _ in range(200):
        if (call(machine, OLD), call(machine, NEW)) == statuses:
            return
    raise AssertionError((machine.etc.parent / "log").read_text()[-3000:])


def write(machine: Machine, name: str, keys: object) -> None:
    (machine.etc / name).write_bytes(json_answer(keys)[2])


def test_change_of_the_keys_of_a_client(drills: dict[str, list[str]], folder: Path) -> None:
    both, alone, _ = drills["Change the keys of a client"]
    machine = Machine(
        folder,
        CDS_DATABASE_URL="none",
        CDS_PUBLIC_URL=PUBLIC,
        CDS_CLIENTS="/etc/cds-service/clients.toml",
    )
    text = client_toml(id="north", iss=ISS, jwks_file="north.json")
    (machine.etc / "clients.toml").write_text(text)
    write(machine, "north.json", ONE)
    write(machine, "north-both.json", BOTH)
    write(machine, "north-new.json", OTHER)
    machine.control("start")
    versions = [version(machine)]
    assert (call(machine, OLD), call(machine, NEW)) == (200, 401)

    machine.run(both)
    until_both(machine, (200, 200))
    versions.append(version(machine))
    machine.run(alone)
    until_both(machine, (401, 200))
    versions.append(version(machine))

    assert len(set(versions)) == 3


def version(machine: Machine) -> str:
    state = httpx.get(machine.base + "/health/ready", timeout=30).json()
    assert state["status"] == "ok"
    return str(state["registry"])


def test_a_key_that_became_known(drills: dict[str, list[str]], folder: Path) -> None:
    """Its set was fetched a moment ago, and would be used for five minutes."""
    [*_, restart] = drills["Change the keys of a client"]
    with serving(lambda _: json_answer(ONE)) as server:
        machine = Machine(
            folder,
            CDS_DATABASE_URL="none",
            CDS_PUBLIC_URL=PUBLIC,
            CDS_CLIENTS="/etc/cds-service/clients.toml",
        )
        text = client_toml(
            id="north", iss=ISS, jku=f"{server.base}/jwks", private_hosts=["localhost"]
        )
        (machine.etc / "clients.toml").write_text(text)
        machine.control("start")
        assert call(machine, OLD) == 200
        server.answer = lambda _: json_answer(OTHER)
        assert call(machine, OLD) == 200
        machine.run(restart)
        assert (call(machine, OLD), call(machine, NEW)) == (401, 200)


def test_change_of_the_token_of_operators(drills: dict[str, list[str]], folder: Path) -> None:
    [change] = drills["Change the operators' token"]
    before = "the-token-before-the-drill"
    database = "sqlite:////var/lib/cds-service/feedback.sqlite3"
    machine = Machine(
        folder, CDS_DATABASE_URL=database, CDS_OPERATOR_TOKEN=before, CDS_PAGES="true"
    )
    machine.control("start")
    assert shown(machine, before)
    machine.run(change)

    after = machine.setting("CDS_OPERATOR_TOKEN")
    assert len(after) == 64
    assert (shown(machine, before), shown(machine, after)) == (False, True)


def shown(machine: Machine, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.get(f"{machine.base}/insights", headers=headers, timeout=30)
    return answer.status_code == 200 and "Leave" in answer.text


def test_no_command_is_left_out(drills: dict[str, list[str]]) -> None:
    assert {title: len(found) for title, found in drills.items() if found} == {
        "Back up and restore an SQLite file": 2,
        "Back up and restore a PostgreSQL database": 2,
        "Change the keys of a client": 3,
        "Change the operators' token": 1,
        "Roll back the knowledge alone": 1,
    }


def test_roll_back_of_the_knowledge_alone(drills: dict[str, list[str]], folder: Path) -> None:
    [back] = drills["Roll back the knowledge alone"]
    machine = Machine(
        folder, CDS_DATABASE_URL="none", CDS_KNOWLEDGE_OVERLAY="/etc/cds-service/overlay"
    )
    for name in ("before", "after"):
        state = machine.etc / "overlays" / name
        state.mkdir(parents=True)
        link = f"{{id: ours, label: {name}, url: 'https://a.example.org', cards: [high-risk]}}"
        (state / "overlay.yaml").write_text(f"overlay:\n  name: Example\n  links: [{link}]\n")
    (machine.etc / "overlay").symlink_to(machine.etc / "overlays" / "after")
    machine.control("start")
    began, in_force = labels(machine), knowledge(machine)
    machine.run(back)
    until(lambda: knowledge(machine) != in_force)  # the content is tried first

    assert "after" in began
    assert labels(machine) == began - {"after"} | {"before"}


def knowledge(machine: Machine) -> str:
    """The version in force."""
    return str(httpx.get(machine.base + "/health/ready", timeout=30).json()["knowledge"])


def labels(machine: Machine) -> set[str]:
    """Of the links on the card."""
    answer = httpx.post(machine.base + SIGN, json=build(HIGH), timeout=30).json()
    return {link["label"] for card in answer["cards"] for link in card["links"]}
