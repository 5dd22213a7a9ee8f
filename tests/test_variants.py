"""Wordings tried side by side over HTTP: who gets which, what is kept, what the figures say."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cds_service.errors import KnowledgeError
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from cds_service.store import report, tables
from tests.support.builders import request as build
from tests.support.live import Live
from tests.support.observed import TRACE
from tests.support.stores import opened, read, until

pytestmark = pytest.mark.anyio

_COUNTED = ("issued", "overridden")
ORDERS = "/cds-services/ho-orders"
DISH: dict[str, Any] = {
    "orders": ["right hip replacement"],
    "chart": {"conditions": ["icd10cm M48.10 DISH"]},
}
FOP: dict[str, Any] = {
    "orders": ["right hip replacement"],
    "chart": {"conditions": ["sct 82725007 Fibrodysplasia ossificans progressiva"]},
}
OVERLAY = """
overlay:
  name: Test hospital
  variants:
    moderate-risk:
      calm:
        summary: "After {order} heterotopic ossification is somewhat likely: {finding}."
        summary_short: "After {order} HO is somewhat likely: {finding}."
        summary_none_left: "After {order} HO is somewhat likely: {finding}. Nothing is open."
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "overlay.yaml").write_text(textwrap.dedent(OVERLAY))
    return folder


def call(description: dict[str, Any], user: str | None) -> dict[str, Any]:
    body = build(description)
    body["context"]["userId"] = user
    return body


async def cards(service: Any, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    async def is_open() -> bool:
        return bool((await service.request("GET", "/health/ready")).json()["database"] == "ok")

    await until(is_open)
    found = []
    for body in bodies:
        answer = await service.request("POST", ORDERS, json=body)
        assert answer.status_code == 200, answer.text
        [card] = answer.json()["cards"]
        found.append(card)
    return found


KEY = {"user_key": SecretStr("a key of users for tests")}


async def test_each_user_always_gets_the_same_words_and_they_are_kept(
    live: Live, database_url: str, site: Path
) -> None:
    users = [f"Practitioner/{n}" for n in range(40)]
    async with live(database_url, knowledge_overlay=site, **KEY) as service:
        shown = await cards(service, [call(DISH, user) for user in users * 2])
        reason = shown[0]["overrideReasons"][0]
        for card in shown[:10]:
            said = {"card": card["uuid"], "outcome": "overridden",
                    "overrideReason": {"reason": reason}}  # fmt: skip
            await service.send(said)
    drawn = [card["extension"][TRACE]["variant"] for card in shown]
    words = defaultdict(set)
    for card, one in zip(shown, drawn, strict=True):
        words[one["name"]].add(card["summary"])

    assert drawn[:40] == drawn[40:]
    assert 8 <= sum(one["name"] == "calm" for one in drawn[:40]) <= 32
    assert {name: len(told) for name, told in words.items()} == {"own": 1, "calm": 1}
    assert "somewhat likely" in words["calm"].pop()
    kept = Counter((row["variant"], row["part"]) for row in await read(database_url, tables.issued))
    assert kept == Counter((one["name"], one["part"]) for one in drawn)
    async with opened(database_url) as database:
        figures = await report.read(database)
    told = {
        key.variant: tuple(sum(getattr(t, name) for t in parts.values()) for name in _COUNTED)
        for key, parts in figures.variants.items()
    }
    assert told == {
        name: (
            sum(one["name"] == name for one in drawn),
            sum(one["name"] == name for one in drawn[:10]),
        )
        for name in ("own", "calm")
    }


@pytest.mark.parametrize(
    ("description", "user"), [(FOP, "Practitioner/1"), (DISH, ""), (DISH, None)]
)
async def test_nothing_is_tried_on_genetic_ho_or_on_nobody(
    live: Live, database_url: str, site: Path, description: dict[str, Any], user: str | None
) -> None:
    async with live(database_url, knowledge_overlay=site, **KEY) as service:
        [card] = await cards(service, [call(description, user)])

    assert "variant" not in card["extension"][TRACE]
    assert "somewhat likely" not in card["summary"]
    assert [row["variant"] for row in await read(database_url, tables.issued)] == [""]


async def test_what_differs_is_the_words_alone(live: Live, database_url: str, site: Path) -> None:
    async with live(database_url, knowledge_overlay=site, **KEY) as service:
        shown = await cards(service, [call(DISH, f"Practitioner/{n}") for n in range(20)])
    by_name: dict[str, Any] = {}
    for card in shown:
        by_name.setdefault(card["extension"][TRACE].pop("variant")["name"], card)
    own, calm = by_name["own"], by_name["calm"]

    for card in (own, calm):
        assert card.pop("uuid")
        for suggestion in card.get("suggestions", ()):
            del suggestion["uuid"]
    assert own.pop("summary") != calm.pop("summary")
    drafts = [card.pop("suggestions") for card in (own, calm)]
    assert own == calm
    assert [len(drafted) for drafted in drafts] == [len(drafts[0])] * 2


def test_variants_without_a_key_do_not_start(site: Path) -> None:
    with pytest.raises(KnowledgeError, match="CDS_USER_KEY"):
        create_app(
            Settings(database_url=SecretStr("none"), allow_anonymous=True, knowledge_overlay=site)
        )
