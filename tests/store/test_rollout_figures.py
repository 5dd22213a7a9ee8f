"""Figures of a roll-out: the same in the database, on the page, as CSV, as JSON and as text."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cds_service.cards.issued import call_of, issued_cards
from cds_service.cdshooks.models import Card, to_json
from cds_service.cli.main import app
from cds_service.ops.intervals import wilson
from cds_service.store import report, rollout_tables
from cds_service.store.records import CallCount, Origin
from cds_service.store.report import Arm, ArmKey, Figures, OutcomeTally
from cds_service.store.writer import Store
from tests.support.constants import NOW
from tests.support.live import Live
from tests.support.stores import answer, card, item, opened, started

SOUTH = Origin("ho-orders", "order-sign", "south")
WEST = Origin("ho-orders", "order-select", "west")


def issue(store: Store, origin: Origin, arm: str, cards: Sequence[Card], *modes: str) -> None:
    """One call of an arm; `modes` are those of its cards."""
    told = to_json(answer(*cards))
    kept = issued_cards(told, origin, NOW, modes or [arm] * len(cards), arm)
    counted = modes.count("live") if arm == "live" and modes else len(kept)
    call = call_of(told, origin, NOW, "2026.12", arm, bool(counted))
    store.record_issued(kept, *call)


async def fill(store: Store) -> None:
    """South: 40 calls live with 32 cards, of which 31 are overridden; 120 in shadow with 30 cards,
    one of them shown. West: 5 off and 3 in shadow."""
    seen = [card("moderate-risk", ("dish",)) for _ in range(32)]
    for one in seen:
        issue(store, SOUTH, "live", [one])
    for _ in range(8):
        issue(store, SOUTH, "live", [])
    genetic = card("fop-surgery", ("fop",))
    issue(store, SOUTH, "shadow", [genetic], "live")
    for _ in range(29):
        issue(store, SOUTH, "shadow", [card()])
    for _ in range(90):
        issue(store, SOUTH, "shadow", [])
    for _ in range(5):
        key, _ = call_of({"cards": []}, WEST, NOW, "2026.12", "off")
        store.record_issued((), key, CallCount(calls=1))
    for _ in range(3):
        issue(store, WEST, "shadow", [])
    said = [
        item(n, card=one.uuid, client="south", outcome="overridden", reason_code="declined")
        for n, one in enumerate(seen[1:], 2)
    ]
    said.append(item(1, card=seen[0].uuid, client="south"))
    said.append(item(50, card=genetic.uuid, client="south", outcome="overridden"))
    await store.save(said)


@pytest.mark.anyio
async def test_shadow_stands_next_to_live(database_url: str) -> None:
    async with started(database_url) as store:
        await fill(store)
    async with opened(database_url) as database:
        found = await report.read(database)

    assert found.arms == {
        ArmKey("south", "live"): Arm(
            40, 40, 32, 32, OutcomeTally(32, 1, 31), reasons={(None, "declined"): 31}
        ),
        ArmKey("south", "shadow"): Arm(
            120, 120, 30, 30, OutcomeTally(1, 0, 1), reasons={(None, None): 1}
        ),
        ArmKey("west", "off"): Arm(5),
        ArmKey("west", "shadow"): Arm(3, 3),
    }
    assert (found.calls, found.with_cards, found.total) == (40, 32, OutcomeTally(33, 1, 32))


@pytest.mark.anyio
async def test_each_rate_has_its_n_and_interval_or_says_not_enough(database_url: str) -> None:
    async with started(database_url) as store:
        await fill(store)
    async with opened(database_url) as database:
        found = await report.read(database)
    displays: dict[report.Reason, str] = {(None, "declined"): "Declined"}
    arms, overrides, reasons, often, _ = rollout_tables.tables(found, displays)
    low, high = (round(100 * end, 1) for end in wilson(30, 120))
    often_low, often_high = (round(100 * end, 1) for end in wilson(31, 32))

    assert arms.rows == (
        ("south: live", 40, 40, 32, "not enough", "", "", 32, "not enough", 32),
        ("south: shadow", 120, 120, 30, 25.0, low, high, 30, 25.0, 1),
        ("west: off", 5, *[""] * 8),
        ("west: shadow", 3, 3, 0, "not enough", "", "", 0, "not enough", 0),
    )
    assert overrides.rows == (
        ("south: live", 32, 32, 31, 96.9, often_low, often_high),
        ("south: shadow", 1, 1, 1, "not enough", "", ""),
    )
    assert [row[:3] for row in reasons.rows] == [
        ("south: live: Declined", 31, 31),
        ("south: shadow: no coded reason", 1, 1),
    ]
    assert often.rows == (("dish", 32, 32, 31, 96.9, often_low, often_high),)
    assert "Not judged: 1 with fewer than 30" in often.note


@pytest.mark.parametrize(
    ("tally", "named"),
    [
        (OutcomeTally(30, 3, 27), False),  # 90 %: at the limit
        (OutcomeTally(31, 3, 28), True),
        (OutcomeTally(29, 0, 29), False),  # not enough
        (OutcomeTally(300, 0, 29), False),  # the rest got no feedback
        (OutcomeTally(300, 0, 30), True),
        (OutcomeTally(40, 0, 30, 4), False),  # ignored is an answer, too
    ],
)
def test_rules_that_are_overridden_nearly_always(tally: OutcomeTally, named: bool) -> None:
    figures = Figures(None)
    figures.by["rule"] = {"dish": tally}

    assert [rule for rule, _ in rollout_tables.overridden_often(figures)] == ["dish"] * named


@pytest.mark.anyio
async def test_page_csv_json_and_terminal_show_the_same(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'db'}"
    async with started(url) as store:
        await fill(store)
    here = {"Host": "127.0.0.1:8000"}
    async with live(url, pages=True) as service:
        page = (await service.request("GET", "/insights", headers=here)).text
        csvs = {
            name: (await service.request("GET", f"/insights/{name}.csv", headers=here)).text
            for name in rollout_tables.IDS
        }
    monkeypatch.setenv("COLUMNS", "200")

    def printed(*arguments: str) -> str:
        asked = ["feedback", "report", "--database", url, *arguments]
        return CliRunner().invoke(app, asked, catch_exceptions=False).stdout

    async def run(*arguments: str) -> str:  # a loop of its own, as on the command line
        return await asyncio.to_thread(printed, *arguments)

    for name, content in csvs.items():
        assert (await run("--table", name)).splitlines() == content.splitlines()
    text, told = await run(), json.loads(await run("--json"))["rollout"]
    [south] = [a for a in told["arms"] if (a["client"], a["arm"]) == ("south", "shadow")]
    low, high = wilson(30, 120)
    assert south["withCards"] == {"count": 30, "n": 120, "rate": 0.25, "low": low, "high": high}
    assert told["overriddenOften"][0]["rule"] == "dish"
    for cell in ("south: shadow", str(round(100 * low, 1)), str(round(100 * high, 1))):
        assert cell in page
        assert cell in text
        assert cell in csvs["arms"]


def test_a_table_that_does_not_exist_is_refused() -> None:
    result = CliRunner().invoke(app, ["feedback", "report", "--table", "arm"])

    assert result.exit_code == 2
    assert "there is no table 'arm'" in result.output


def test_an_empty_time_has_no_rates() -> None:
    figures: Figures = Figures(None)
    told: dict[str, Any] = rollout_tables.as_json(figures, {})

    assert (told["arms"], told["overriddenOften"]) == ([], [])
    assert all(not table.rows for table in rollout_tables.tables(figures, {}))
