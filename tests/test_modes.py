"""Off, shadow and live over HTTP: what users see, and what is kept of it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from cds_service.store import tables
from tests.support.live import Live
from tests.support.observed import TRACE
from tests.support.rollouts import KEY, ORDERS, call, settings, signed
from tests.support.stores import read, until

pytestmark = pytest.mark.anyio

FOP = "sct 82725007 Fibrodysplasia ossificans progressiva"
HO = "sct 444748003 Postoperative heterotopic ossification"
PEOPLE: list[dict[str, Any]] = [
    {"orders": ["right hip replacement"], "chart": {"conditions": [HO]}},
    {"orders": ["right hip replacement"], "chart": {"conditions": [FOP]}},
    {"orders": ["right hip replacement"], "chart": {"conditions": ["icd10cm M48.10 DISH"]}},
    {"orders": ["right hip replacement"], "chart": {"conditions": []}},
    {"orders": ["sct 168537006 Plain radiography"], "chart": {"conditions": [HO]}},
    {"orders": ["right hip replacement", "left hip replacement"], "chart": {"conditions": [HO]}},
]
HIGH, GENETIC = PEOPLE[:2]
RULE = "previous-ho-site-not-stated"
HARMLESS = {"orders": ["sct 168537006 Plain radiography"], "chart": {"conditions": []}}
_UNSTABLE = {"card", "suggestions"}  # uuids


class Hospital:
    """A service with one client, and its database."""

    def __init__(self, live: Live, folder: Path) -> None:
        self._live, self._folder = live, folder
        self.url = f"sqlite:///{folder / 'db'}"

    async def answers(self, bodies: list[dict[str, Any]], **client: Any) -> list[httpx.Response]:
        """What a service with this registration answers to calls; its records are written then."""
        async with self._live(self.url, **settings(self._folder, **client)) as service:

            async def is_open() -> bool:  # on a busy machine not yet when the service starts
                ready = (await service.request("GET", "/health/ready")).json()
                return bool(ready["database"] == "ok")

            await until(is_open)
            found = []
            for body in bodies:
                answer = await service.request("POST", ORDERS, json=body, headers=signed())
                assert answer.status_code == 200, answer.text
                found.append(answer)
            return found

    async def kept(self) -> list[dict[str, Any]]:
        rows = await read(self.url, tables.issued)
        return [{k: v for k, v in row.items() if k not in _UNSTABLE} for row in rows]


@pytest.fixture
def hospital(live: Live, tmp_path: Path) -> Hospital:
    return Hospital(live, tmp_path)


@pytest.fixture
def other(live: Live, tmp_path: Path) -> Hospital:
    folder = tmp_path / "other"
    folder.mkdir()
    return Hospital(live, folder)


def shown(answers: list[httpx.Response]) -> list[list[str]]:
    return [[card["extension"][TRACE]["card"] for card in a.json()["cards"]] for a in answers]


def whole(answer: httpx.Response) -> tuple[int, tuple[tuple[bytes, bytes], ...], bytes]:
    return answer.status_code, tuple(answer.headers.raw), answer.content


def multiset(rows: list[dict[str, Any]], *without: str) -> Counter[str]:
    return Counter(
        json.dumps({k: v for k, v in row.items() if k not in without}, default=str) for row in rows
    )


async def test_shadow_is_silence_to_the_byte_and_records_what_live_records(
    hospital: Hospital, other: Hospital
) -> None:
    """1,000 calls of 50 users: nothing of an answer tells what was decided."""
    bodies = [call(PEOPLE[n % len(PEOPLE)], f"Practitioner/{n % 50}") for n in range(1_000)]
    [silence] = await hospital.answers([call(HARMLESS)])
    shadow = await hospital.answers(bodies, mode="shadow")
    live = await other.answers(bodies)

    assert {whole(answer) for answer in shadow} == {whole(silence)}
    assert len({len(cards) for cards in shown(live)}) > 1
    kept = await hospital.kept()
    assert len(kept) > 500
    assert {(row["mode"], row["arm"]) for row in kept} == {("shadow", "shadow")}
    assert multiset(kept, "mode", "arm") == multiset(await other.kept(), "mode", "arm")
    [counted] = await read(other.url, tables.calls)
    [silent] = await read(hospital.url, tables.silent_calls)
    assert silent.pop("arm") == "shadow"
    assert silent == counted


async def test_off_is_an_empty_list_at_once_and_is_counted(hospital: Hospital) -> None:
    [silence] = await hospital.answers([call(HARMLESS)])
    unreadable = call(HIGH) | {"context": None}
    answers = await hospital.answers([call(HIGH), call(GENETIC), unreadable], mode="off")

    assert {whole(answer) for answer in answers} == {whole(silence)}
    assert await hospital.kept() == []
    [row] = await read(hospital.url, tables.silent_calls)
    assert (row["arm"], row["hook"], row["calls"], row["considered"]) == ("off", "order-sign", 3, 0)


async def test_off_keeps_no_hook_that_is_not_ours(hospital: Hospital) -> None:
    await hospital.answers([call(HIGH, hook="Jane Doe, born 1960")], mode="off")
    [row] = await read(hospital.url, tables.silent_calls)

    assert row["hook"] == ""


async def test_genetic_ho_is_live_while_the_rest_is_in_shadow(hospital: Hospital) -> None:
    answers = await hospital.answers(
        [call(GENETIC), call(HIGH)], mode="shadow", genetic="live", share=0
    )

    assert shown(answers) == [["fop-surgery"], []]
    assert answers[0].json().keys() == {"cards"}  # nothing beside it tells of other orders
    kept = {(row["text"], row["mode"], row["arm"]) for row in await hospital.kept()}
    assert kept == {("fop-surgery", "live", "shadow"), ("high-risk", "shadow", "shadow")}


@pytest.mark.parametrize(
    ("given", "seen", "kept"),
    [
        ({"cards": {"high-risk": "shadow"}}, [[], ["fop-surgery"]], "shadow"),
        ({"cards": {"high-risk": "off"}}, [[], ["fop-surgery"]], None),
        ({"rules": {RULE: "shadow"}}, [[], ["fop-surgery"]], "shadow"),
        ({"rules": {"dish": "shadow"}}, [["high-risk"], ["fop-surgery"]], "live"),
        ({"mode": "shadow", "cards": {"high-risk": "live"}}, [["high-risk"], []], "live"),
        ({"mode": "shadow", "rules": {RULE: "live"}}, [["high-risk"], []], "live"),
    ],
)
async def test_cards_and_rules_have_switches_of_their_own(
    hospital: Hospital, given: dict[str, Any], seen: list[list[str]], kept: str | None
) -> None:
    answers = await hospital.answers([call(HIGH), call(GENETIC)], **given)

    assert shown(answers) == seen
    modes = [row["mode"] for row in await hospital.kept() if row["text"] == "high-risk"]
    assert modes == ([kept] if kept else [])


async def test_a_card_that_is_withheld_leaves_silence_to_the_byte(hospital: Hospital) -> None:
    [silence] = await hospital.answers([call(HARMLESS)])
    [answer] = await hospital.answers([call(HIGH)], cards={"high-risk": "shadow"})

    assert whole(answer) == whole(silence)


async def test_a_share_is_stable_for_each_user(hospital: Hospital) -> None:
    users = [f"Practitioner/{n}" for n in range(40)]
    first = shown(await hospital.answers([call(HIGH, u) for u in users], share=50))
    again = shown(await hospital.answers([call(HIGH, u) for u in users], share=50))
    arms = Counter((row["mode"], row["arm"]) for row in await hospital.kept())

    assert first == again
    assert 8 < sum(map(len, first)) < 32
    assert arms == {
        ("live", "live"): 2 * sum(map(len, first)),
        ("shadow", "shadow"): 2 * first.count([]),
    }


async def test_a_department_is_read_from_the_call(hospital: Hospital) -> None:
    body = call(HIGH)
    there = body | {"extension": {"org.example.ho-cds.department": "ORTHO"}}
    away = body | {"extension": {"org.example.ho-cds.department": "ENT"}}
    answers = await hospital.answers([there, away, body], departments=["ORTHO"])

    assert shown(answers) == [["high-risk"], [], []]


async def test_log_and_figures_tell_the_mode(
    hospital: Hospital, capsys: pytest.CaptureFixture[str], live: Live, tmp_path: Path
) -> None:
    given = settings(tmp_path, mode="shadow") | {"metrics": True}
    async with live(hospital.url, **given) as service:
        await service.request("POST", ORDERS, json=call(HIGH), headers=signed())
        figures = (await service.request("GET", "/metrics")).text
        audited = capsys.readouterr().err
    logged = [json.loads(line) for line in audited.splitlines()]
    [line] = [one for one in logged if one["stream"] == "request" and one.get("client")]

    assert (line["mode"], line["cards"], line["withheld"]) == ("shadow", [], ["high-risk"])
    assert line["tier"] == "high"
    assert 'cds_answers_total{client="north",mode="shadow"}' in figures
    assert 'cds_cards_withheld_total{card="high-risk"' in figures
    [start] = [one for one in logged if one["event"] == "clients in force"]
    assert start["modes"] == {"north": {"mode": "shadow"}}
    assert KEY not in audited


async def test_the_report_counts_what_was_shown(
    hospital: Hospital, live: Live, tmp_path: Path
) -> None:
    await hospital.answers([call(HIGH)], mode="shadow")
    await hospital.answers([call(HIGH), call(HIGH)])
    async with live(hospital.url, **settings(tmp_path)) as service:
        told = await service.figures()

    assert (told.total.issued, told.calls, told.with_cards) == (2, 2, 2)


async def test_feedback_is_taken_in_every_mode_and_keeps_it(
    hospital: Hospital, live: Live, tmp_path: Path
) -> None:
    """A card that was shown before the switch can still be answered."""
    [answer] = await hospital.answers([call(HIGH)])
    [card] = answer.json()["cards"]
    said = {"card": card["uuid"], "outcome": "overridden"}
    for mode in ("off", "shadow", "live"):
        async with live(hospital.url, **settings(tmp_path, mode=mode)) as service:
            at = f"2026-11-23T1{len(mode)}:00:00Z"
            items = {"feedback": [said | {"outcomeTimestamp": at}]}
            path = ORDERS + "/feedback"
            got = await service.request("POST", path, json=items, headers=signed())
            assert got.status_code == 200, got.text

    rows = await read(hospital.url, tables.feedback)
    assert {row["mode"] for row in rows} == {"off", "shadow", "live"}


async def test_a_call_that_cannot_be_decided_is_refused_in_shadow_as_when_live(
    live: Live, tmp_path: Path
) -> None:
    """Nobody who rolls out is to learn of missing prefetch on the day of going live."""
    body = call(HIGH) | {"prefetch": {}}
    async with live(f"sqlite:///{tmp_path / 'db'}", **settings(tmp_path, mode="shadow")) as service:
        answer = await service.request("POST", ORDERS, json=body, headers=signed())

    assert answer.status_code == 412
