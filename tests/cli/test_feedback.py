"""`cds-service feedback report` and `purge`: figures as table, CSV and JSON; what is refused."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cds_service.cli.main import app
from cds_service.errors import SettingsError
from cds_service.knowledge.loader import Knowledge
from tests.support.stores import answer, card, item, record, started

EARLY = datetime(2026, 10, 1, tzinfo=UTC)


def run(*arguments: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(app, ["feedback", *arguments], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CDS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def filled(database_url: str, knowledge: Knowledge) -> str:
    """Six cards: two accepted, three overridden (two with a reason of ours), one unanswered."""
    reason = knowledge.override_reasons["planned-otherwise"]
    early, *rest = [
        card(),
        card(rules=("dish", "previous-ho")),
        card("fop-surgery"),
        card(),
        card(),
        card(),
    ]
    of = [shown.uuid for shown in rest]

    async def fill() -> None:
        async with started(database_url) as store:
            record(store, answer(early), at=EARLY)
            record(store, answer(*rest))
            record(store, answer())
            await store.save(
                [
                    item(1, card=early.uuid, received_at=EARLY),
                    item(2, card=of[0]),
                    item(
                        3,
                        card=of[1],
                        outcome="overridden",
                        reason_system=reason.system,
                        reason_code=reason.code,
                    ),
                    item(4, card=of[2], outcome="overridden"),
                    item(
                        6,
                        card=of[3],
                        outcome="overridden",
                        reason_system=knowledge.standard_reasons["patient-refuses"].system,
                        reason_code="patient-refuses",
                    ),
                    item(5),
                ]
            )

    asyncio.run(fill())
    return database_url


def test_table(filled: str, knowledge: Knowledge) -> None:
    text = run("report", "--database", filled).stdout

    assert "Calls so far: 3, of these 3 with an order that was looked at, 2 with cards." in text
    lines = [line.strip("│ ").split() for line in text.splitlines()]
    assert ["all", "│", "│", "6", "│", "2", "│", "3", "│", "0", "│", "1"] in lines
    assert ["dish", "│", "1", "│", "1", "│", "0", "│", "0", "│", "0"] in [
        line[-11:] for line in lines
    ]
    assert knowledge.override_reasons["planned-otherwise"].display in text
    assert "no coded reason" in text
    assert "Patient refuses/declines" in text
    assert "Feedback on cards that were not issued to its client: 1." in text


def test_json(filled: str, knowledge: Knowledge) -> None:
    report = json.loads(run("report", "--json", "--database", filled).stdout)
    reason = knowledge.override_reasons["planned-otherwise"]

    assert report["calls"] == {"all": 3, "considered": 3, "withCards": 2}
    assert report["cards"] == {
        "issued": 6, "accepted": 2, "overridden": 3, "ignored": 0, "noFeedback": 1,
    }  # fmt: skip
    assert set(report["by"]) == {"rule", "tier", "card", "service", "client", "knowledge"}
    assert report["by"]["card"]["fop-surgery"]["overridden"] == 1
    assert {
        "system": reason.system,
        "code": reason.code,
        "display": reason.display,
        "overridden": 1,
    } in report["reasons"]
    assert report["unmatched"] == {"accepted": 1}


def test_csv_since_a_day(filled: str) -> None:
    text = run("report", "--csv", "--since", "2026-11-01", "--database", filled).stdout
    rows = list(csv.DictReader(io.StringIO(text)))

    assert rows[0] == {
        "by": "all", "value": "", "issued": "5", "accepted": "1", "overridden": "3",
        "ignored": "0", "no feedback": "1",
    }  # fmt: skip
    assert {row["by"] for row in rows} == {
        "all", "rule", "tier", "card", "service", "client", "knowledge", "reason",
    }  # fmt: skip
    assert sum(int(row["overridden"]) for row in rows if row["by"] == "reason") == 3


def test_purge_asks_first(filled: str) -> None:
    assert run("purge", "--before", "2026-11-01", "--database", filled, stdin="n\n").exit_code == 1

    done = run("purge", "--before", "2026-11-01", "--database", filled, "--yes")

    assert done.stdout == "Deleted: 1 card, 1 item of feedback.\n"
    left = json.loads(run("report", "--json", "--database", filled).stdout)
    assert (left["cards"]["issued"], left["calls"]["all"]) == (5, 2)


def test_the_database_of_the_settings(monkeypatch: pytest.MonkeyPatch, filled: str) -> None:
    monkeypatch.setenv("CDS_DATABASE_URL", filled)

    assert json.loads(run("report", "--json").stdout)["cards"]["issued"] == 6


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (None, "does not exist"),
        ("none", "nothing is kept"),
        ("mysql://x/y", "CDS_DATABASE_URL: must be sqlite"),
        ("sqlite:///:memory:", "must be sqlite"),
        ("postgresql://postgres:geheim@/x?host=/nowhere", "cannot be used: FileNotFoundError"),
    ],
)
def test_a_database_that_cannot_be_read(url: str | None, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as raised:
        run("report", *(["--database", url] if url else []))

    assert "geheim" not in str(raised.value)


def test_no_file_is_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        run("report")

    assert list(tmp_path.iterdir()) == []
