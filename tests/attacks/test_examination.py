"""Attacks with the mark of a conformance tool: to hide calls and overrides from the figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cds_service.ops.calls import EXAMINATION, EXAMINATION_HEADER
from cds_service.store import tables
from cds_service.store.report import Figures
from tests.support.attack_book import attack
from tests.support.live import Live, Service
from tests.support.rollouts import ORDERS, call, settings, signed
from tests.support.stores import until

pytestmark = pytest.mark.anyio

KIND = "Figures"
HIGH = {
    "orders": ["right hip replacement"],
    "chart": {"conditions": ["sct 444748003 Postoperative heterotopic ossification"]},
}
MARK = {EXAMINATION_HEADER: "doctor"}


async def ask(service: Service, headers: dict[str, str], path: str = ORDERS) -> dict[str, Any]:
    """The answer to one call of the registered client, when it is written."""
    answer = await service.request("POST", path, json=call(HIGH), headers=signed() | headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    uuids = {card["uuid"] for card in found["cards"]}

    async def is_written() -> bool:
        return uuids <= {row["card"] for row in await service.rows(tables.issued)}

    await until(is_written)
    return found


def counted(figures: Figures) -> dict[str, tuple[int, int]]:
    """Calls, and calls with a card, of each arm."""
    return {key.arm: (arm.calls, arm.with_cards) for key, arm in figures.arms.items()}


def overridden(card: dict[str, Any]) -> dict[str, Any]:
    stamp = "2026-11-23T23:00:00Z"
    return {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": stamp}


@attack(KIND, "a client marks its calls as those of a conformance tool",
        "answered alike, counted in an arm of its own that the operator sees")  # fmt: skip
async def test_marked_calls_are_counted_apart_and_shown(live: Live, tmp_path: Path) -> None:
    async with live(f"sqlite:///{tmp_path / 'db'}", **settings(tmp_path)) as service:
        plain = await ask(service, {})
        marked = await ask(service, MARK)
        figures = await service.figures()

    assert [c["summary"] for c in marked["cards"]] == [c["summary"] for c in plain["cards"]] != []
    assert counted(figures) == {"live": (1, 1), EXAMINATION: (1, 1)}
    assert (figures.calls, figures.total.issued) == (1, len(plain["cards"]))
    [arm] = [arm for key, arm in figures.arms.items() if key.arm == EXAMINATION]
    assert (arm.decided, arm.shown.issued) == (len(marked["cards"]), 0)


@attack(KIND, "a client marks its feedback, to hide overrides",
        "counts for the card that was shown all the same")  # fmt: skip
async def test_the_mark_hides_no_override(live: Live, tmp_path: Path) -> None:
    async with live(f"sqlite:///{tmp_path / 'db'}", **settings(tmp_path)) as service:
        [card] = (await ask(service, {}))["cards"]
        answer = await service.request(
            "POST",
            f"{ORDERS}/feedback",
            json={"feedback": [overridden(card)]},
            headers=signed() | MARK,
        )
        figures = await service.figures()

    assert answer.json() == {"feedback": 1}
    assert figures.total.ignored + figures.total.overridden == 1


@attack(KIND, "a client in shadow marks its calls, to see the cards",
        "silence as before")  # fmt: skip
async def test_the_mark_opens_no_shadow(live: Live, tmp_path: Path) -> None:
    members = settings(tmp_path, mode="shadow")
    async with live(f"sqlite:///{tmp_path / 'db'}", **members) as service:
        found = await ask(service, MARK)
        await until(lambda: _has_calls(service))
        figures = await service.figures()

    assert found == {"cards": []}
    assert counted(figures) == {EXAMINATION: (1, 1)}


async def _has_calls(service: Service) -> bool:
    return bool(await service.rows(tables.silent_calls))


async def test_feedback_of_an_examination_stands_in_no_figure(live: Live, tmp_path: Path) -> None:
    """Of cards that it invents, and of its own."""
    async with live(f"sqlite:///{tmp_path / 'db'}", **settings(tmp_path)) as service:
        [card] = (await ask(service, MARK))["cards"]
        strange = overridden(card) | {"card": "4e0a3a1e-3283-4575-ab82-028d55fe2719"}
        for item in (overridden(card), strange):
            await service.request(
                "POST",
                f"{ORDERS}/feedback",
                json={"feedback": [item]},
                headers=signed() | MARK,
            )
        figures = await service.figures()
        kept = {row["mode"] for row in await service.rows(tables.feedback)}

    assert (figures.total.issued, figures.total.answered, figures.unmatched) == (0, 0, {})
    assert kept == {EXAMINATION}
