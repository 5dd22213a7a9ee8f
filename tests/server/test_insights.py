"""The figures for operators: who sees them, how they are counted, what a spreadsheet gets."""

from __future__ import annotations

import csv
import io
import math
from datetime import UTC, date
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from cds_service.knowledge.loader import Knowledge
from cds_service.ops.settings import Settings
from cds_service.server.pages import demo
from cds_service.server.pages.insight_tables import tables, tiles
from cds_service.server.pages.latency import quantile
from cds_service.store import report as kept
from cds_service.store.database import Database
from cds_service.store.figure_table import FigureTable
from cds_service.store.report import Figures, OutcomeTally
from tests.server.test_pages import PageClient
from tests.support.app_client import AppClient, ClientFactory
from tests.support.constants import FIXTURES, NOW
from tests.support.live import Live

TOKEN = "0123456789abcdef"
LOOPBACK = {"Host": "127.0.0.1:8000"}


@pytest.fixture
def guarded(make_client: ClientFactory) -> AppClient:
    return make_client(operator_token=TOKEN, database_url="none")


# --- who sees them ---


def test_token_is_asked_for(guarded: AppClient) -> None:
    assert guarded.get("/insights").status_code == 401
    assert guarded.get("/insights/day.csv").status_code == 401
    for given in ("Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer "):
        assert guarded.get("/insights", headers={"Authorization": given}).status_code == 401
    shown = guarded.get("/insights", headers={"Authorization": f"Bearer {TOKEN}"})
    assert shown.status_code == 200
    assert shown.headers["cache-control"] == "no-store"
    assert TOKEN not in shown.text


@pytest.mark.parametrize(
    "headers",
    [
        {**LOOPBACK, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
        {**LOOPBACK, "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
    ],
)
def test_other_sites_do_not_read_figures_of_this_machine(
    headers: dict[str, str], client: AppClient
) -> None:
    assert client.get("/insights", headers=headers).status_code == 403


FOREIGN = ("http://evil.example", "https://evil.example:8000", "http://127.0.0.1:9", "null",
           "http://[", "")  # fmt: skip
PAGES = (("GET", "/insights"), ("GET", "/insights/rule.csv"), ("POST", "/insights/login"),
         ("POST", "/insights/leave"))  # fmt: skip


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize(("method", "path"), PAGES)
def test_pages_of_other_origins_get_nothing(
    method: str, path: str, origin: str, make_client: ClientFactory
) -> None:
    for settings in ({}, {"operator_token": TOKEN, "public_url": "https://cds.example.org"}):
        client = make_client(pages=True, allow_anonymous=True, **settings)
        headers = {**LOOPBACK, "Origin": origin, "Authorization": f"Bearer {TOKEN}"}
        response = client.request(method, path, headers=headers, content=f"token={TOKEN}")

        assert response.status_code == 403
        assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": f"http://{LOOPBACK['Host']}"},
        {"Origin": "https://CDS.example.org"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_pages_of_our_own_get_in(headers: dict[str, str], make_client: ClientFactory) -> None:
    settings = {"public_url": "https://cds.example.org", "operator_token": TOKEN}
    client = PageClient(make_client(pages=True, allow_anonymous=True, **settings).app)
    headers = {**LOOPBACK, **headers}
    response = client.post("/insights/login", headers=headers, content=f"token={TOKEN}")

    assert response.status_code == 303
    token = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get("/insights/time.csv", headers=headers | token).status_code == 200


def test_a_short_token_is_refused() -> None:
    with pytest.raises(ValidationError, match="16"):
        Settings(operator_token=SecretStr("short"))


# --- what they show ---


NAMES = ("day", "tier", "card", "reason", "rule", "client", "service", "knowledge", "unread",
         "arms", "overrides", "arm-reasons", "overridden", "variants")  # fmt: skip


def test_without_a_database_there_are_no_figures(guarded: AppClient) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    shown = guarded.get("/insights", headers=headers).text

    assert "No figures of cards:" in shown
    assert "CDS_DATABASE_URL is none" in shown
    assert 'class="tiles"' not in shown
    assert "all numbers on this page are invented" not in shown
    for name in NAMES:
        assert guarded.get(f"/insights/{name}.csv", headers=headers).status_code == 404
    assert guarded.get("/insights/time.csv", headers=headers).status_code == 200


@pytest.mark.anyio
async def test_an_empty_store_shows_nothing_invented(live: Live, database_url: str) -> None:
    async with live(database_url, pages=True) as service:
        shown = (await service.request("GET", "/insights", headers=LOOPBACK)).text
        content = [
            (await service.request("GET", f"/insights/{name}.csv", headers=LOOPBACK)).text
            for name in NAMES
        ]

    assert "invented." not in shown
    assert '<span class="name">Cards</span> <span class="value">0</span>' in shown
    assert [len(text.splitlines()) for text in content] == [1] * len(NAMES)


@pytest.mark.anyio
async def test_a_store_that_cannot_be_read_is_not_empty(live: Live, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with live(f"sqlite:///{tmp_path / 'file' / 'db'}", pages=True) as service:
        shown = await service.request("GET", "/insights", headers=LOOPBACK)
        table = await service.request("GET", "/insights/rule.csv", headers=LOOPBACK)

    assert "the database cannot be read now" in shown.text
    assert 'class="tiles"' not in shown.text
    assert table.status_code == 503


def test_who_asks_for_a_demonstration_is_told_in_every_line(guarded: AppClient) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    shown = guarded.get("/insights?demo=1", headers=headers).text
    assert "all numbers on this page are invented" in shown

    for name in (*NAMES, "time"):
        got = guarded.get(f"/insights/{name}.csv?demo=1", headers=headers)
        assert 'filename="demonstration-' in got.headers["content-disposition"]
        lines = list(csv.reader(io.StringIO(got.text)))
        assert {line[0] for line in lines} == {"invented"}


@pytest.mark.parametrize("asked", ["", "demo=0", "demo=true", "demo=", "demo=11"])
def test_nothing_else_asks_for_a_demonstration(asked: str, guarded: AppClient) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert "No figures of cards:" in guarded.get(f"/insights?{asked}", headers=headers).text


def test_demonstration_is_the_same_each_time(knowledge: Knowledge) -> None:
    first = demo.figures(knowledge, date(2026, 11, 23), 30)

    assert first == demo.figures(knowledge, date(2026, 11, 23), 30)
    told, by_day = first
    assert told.total.issued == sum(day.issued for day in by_day.values()) > 100
    assert set(told.by["rule"]) <= {*knowledge.factors, *knowledge.genetic}
    assert set(told.by["card"]) <= set(knowledge.cards)


def test_tables_are_whole() -> None:
    told = Figures(None, total=OutcomeTally(3, 1, 1), calls=9, considered=6, with_cards=3)
    told.by["tier"] = {"high": OutcomeTally(3, 1, 1)}
    told.reasons = {(None, None): 1, ("http://x", "y"): 2}
    found = {
        table.id: table for table in tables(told, {date(2026, 1, 2): OutcomeTally(3, 1, 1)}, {}, [])
    }

    assert found["day"].rows == (("2026-01-02", 3, 1, 1, 0, 1),)
    assert found["tier"].rows == (("high", 3, 1, 1, 0, 1),)
    assert found["reason"].rows == (("http://x y", 2), ("no coded reason", 1))
    assert {name: value for name, value, _ in tiles(told)}["Calls with a card"] == "3"


def test_spreadsheets_get_no_formulas() -> None:
    table = FigureTable(
        "x", "X", ("name", "count"), (("=1+1", 1), ("@a", 2), ("plain", -3)), "bars"
    )
    rows = list(csv.reader(io.StringIO(table.as_csv())))

    assert rows[1:] == [["'=1+1", "1"], ["'@a", "2"], ["plain", "-3"]]


@pytest.mark.parametrize(
    ("buckets", "part", "seconds"),
    [
        ([], 0.5, 0),
        ([(0.1, 0.0), (math.inf, 0.0)], 0.5, 0),
        ([(0.1, 10.0), (math.inf, 10.0)], 0.5, 0.05),
        ([(0.1, 5.0), (0.2, 10.0), (math.inf, 10.0)], 0.75, 0.15),
        ([(0.1, 5.0), (math.inf, 10.0)], 0.99, 0.1),
    ],
)
def test_percentiles(buckets: list[tuple[float, float]], part: float, seconds: float) -> None:
    assert quantile(buckets, part) == pytest.approx(seconds)


@pytest.mark.anyio
async def test_cards_are_counted_by_day(live: Live, database_url: str) -> None:
    async with live(database_url) as service:
        content = (FIXTURES / "high-risk-previous-ho.json").read_bytes()
        for _ in range(2):
            await service.request("POST", "/cds-services/ho-order-sign", content=content)
    database = Database(database_url)
    try:
        days = await kept.by_day(database, since=date(2026, 11, 1))
        assert days == {NOW.astimezone(UTC).date(): OutcomeTally(2)}
        assert await kept.by_day(database, since=date(2027, 1, 1)) == {}
    finally:
        await database.close()
