"""Counters add up in any order, and their summary holds no small number."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from cds_service.rehearsal.outcomes import EventOutcome, RehearsedCard
from cds_service.rehearsal.tally import Tally, age_band

CARD = RehearsedCard("7", "high-risk", "warning", "high")
SILENT = EventOutcome("p", ("ServiceRequest/1",), "order", "arthroplasty", date(2024, 1, 10), "10")


def some(number: int = 400, seed: int = 1) -> list[EventOutcome]:
    rng = Random(seed)
    found = []
    for count in range(number):
        one = replace(
            SILENT,
            day=date(2024, 1, 1) + timedelta(days=rng.randrange(300)),
            sex=rng.choice(["male", "female"]),
            age=rng.randrange(30, 95),
            surgeon=f"Practitioner/s{rng.randrange(15)}",
            inputs=(("conditions", rng.choice(["read", "empty"])),),
        )
        if rng.random() < 0.3:
            one = replace(one, row="7", tier="high", indicator="warning", cards=(CARD,),
                          dated_carded=True, dated_row="7", rules=("previous-ho-hip",))  # fmt: skip
        found.append(replace(one, patient=f"p{count}"))
    return found


def tally(outcomes: list[EventOutcome]) -> Tally:
    made = Tally(b"key")
    for one in outcomes:
        made.add(one)
    return made


def test_parts_add_up_in_any_order() -> None:
    every = some()
    whole = tally(every)
    parts = [tally(every[start::7]) for start in range(7)]
    Random(3).shuffle(parts)
    merged = Tally(b"key")
    for part in parts:
        merged.merge(pickle.loads(pickle.dumps(part)))  # noqa: S301  # our own
    assert merged.encoded() == whole.encoded()
    assert json.dumps(merged.summary()) == json.dumps(whole.summary())


def test_what_was_written_is_read_again() -> None:
    whole = tally(some())
    again = Tally.decoded(whole.encoded(), b"key")
    assert again.counts == whole.counts
    assert again.summary() == whole.summary()


def numbers(value: Any, name: str = "") -> Iterator[tuple[str, int]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(inner, name)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield name, value


@pytest.mark.parametrize("size", [5, 30, 400])
def test_no_number_of_events_is_small(size: int) -> None:
    summary = tally(some(size)).summary()
    counted = {"events", "cards", "facts", "entries", "cards_with", "cards_without", "other_cards"}
    small = [(k, n) for k, n in numbers(summary) if k in counted and 0 < n < 11]
    assert small == []


def test_ho_after_the_operation_cannot_be_found_by_subtraction() -> None:
    """Of 37 hips with HO later 29 had a card: the 8 without one follow from the sums."""
    card = replace(SILENT, row="7", tier="high", indicator="warning", cards=(CARD,))
    later = [replace(one, ho_after=True) for one in [card] * 29 + [SILENT] * 8]
    summary = tally([*later, *[card] * 190, *[SILENT] * 221]).summary()
    rates = {row["afterwards"]: row["cards"] for row in summary["rates"]["afterwards"]}
    about = summary["rates"]["about"][0]["cards"]
    assert rates["HO"] is None
    assert rates["no HO"] is None or (about is None and summary["events"]["cards"] is None)


def test_rates_of_a_known_list() -> None:
    cards = [replace(SILENT, row="7", tier="high", indicator="warning", cards=(CARD,))] * 30
    summary = tally([*([SILENT] * 70), *cards]).summary()
    told = summary["events"]
    assert (told["events"], told["cards"], told["per_100"]) == (100, 30, 30.0)
    assert (told["low"], told["high"]) == (21.89, 39.58)  # Wilson, 30 of 100
    assert {(r["row"], r["events"]) for r in summary["rows"]} == {("10", 70), ("7", 30)}


def test_no_surgeon_is_named() -> None:
    every = [replace(SILENT, surgeon=f"Practitioner/Smith{n % 12}") for n in range(120)]
    made = tally(every)
    assert "Smith" not in made.encoded().decode()
    summary = made.summary()
    assert summary["surgeons"]["surgeons"] == 12
    kept = {key[1] for key in made.counts if key[0] == "surgeon"}
    assert not any(one in json.dumps(summary) for one in kept)
    assert Tally(b"other").counts == {}


def test_few_surgeons_are_not_told_of() -> None:
    every = [replace(SILENT, surgeon=f"Practitioner/{n % 10}") for n in range(120)]
    assert tally(every).summary()["surgeons"] is None


def test_months_are_the_finest_dates() -> None:
    text = json.dumps(tally(some()).summary())
    assert "2024-05" in text
    assert not any(f"2024-05-{day:02}" in text for day in range(1, 32))


@pytest.mark.parametrize(
    ("age", "band"),
    [
        (None, "unknown"),
        (0, "0-39"),
        (39, "0-39"),
        (40, "40-49"),
        (79, "70-79"),
        (80, "80+"),
        (104, "80+"),
    ],
)
def test_bands_of_age(age: int | None, band: str) -> None:
    assert age_band(age) == band
