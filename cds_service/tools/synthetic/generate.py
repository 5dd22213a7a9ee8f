"""Generates synthetic patients: records, CDS Hooks calls and what must come, from a seed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any, Final
from uuid import UUID

from cds_service.tools.synthetic import resources
from cds_service.tools.synthetic.catalogue import LEFT, RIGHT, Catalogue, Habits, Piece, catalogue
from cds_service.tools.synthetic.fhir_releases import in_release
from cds_service.tools.synthetic.resources import Maker, Resource
from cds_service.tools.synthetic.stories import Story, choose
from cds_service.tools.synthetic.truth import Truth, truth

_KEYS: Final = ("conditions", "procedures", "medications", "allergies", "observations",
                "familyHistory", "serviceRequests")  # fmt: skip
_NORMAL: Final = (  # results that nobody minds
    ("loinc 98979-8 Glomerular filtration rate", [66, 105], "mL/min/{1.73_m2}"),
    ("loinc 2823-3 Potassium", [3.6, 4.9], "mmol/L"),
    ("loinc 777-3 Platelets", [150, 380], "10*3/uL"),
)
MOST_RESOURCES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What to generate: how many patients, from which seed, and of which kind.

    `size` is the least and most number of resources of a chart; the pieces of a story come in
    any case. `releases` and `habits` are taken in turn. `today` is the day on which the truth
    holds.
    """

    today: date
    count: int = 20
    seed: int = 1
    releases: Sequence[str] = ("R4",)
    habits: Sequence[Habits] = (Habits.US, Habits.UK)
    size: tuple[int, int] = (5, 40)


@dataclass(frozen=True, slots=True)
class Patient:
    """One synthetic patient: a call, the whole record (None where a record cannot show it), and
    what must come."""

    id: str
    story: Story
    release: str
    habits: Habits
    resources: int
    call: Resource
    record: Resource | None
    truth: Truth


def generate(wish: Wish) -> Iterator[Patient]:
    """The patients, one after the other; the same wish gives the same patients."""
    book = catalogue()
    for number in range(wish.count):
        yield _patient(number, wish, book)


def _patient(number: int, wish: Wish, book: Catalogue) -> Patient:
    rng = Random(f"{wish.seed}/{number}")  # noqa: S311  # made-up data, no secrets
    story = choose(number, book, rng)
    release = wish.releases[number % len(wish.releases)]
    habits = wish.habits[number // len(wish.releases) % len(wish.habits)]
    maker = Maker(f"syn-{wish.seed}-{number + 1}", wish.today, habits, rng, story.side)
    person = resources.patient(maker, story.sex, story.age, number + 1)
    chart, drafts = _chart(story, maker, book, _size(wish.size, rng))
    for resource in (*(r for listed in chart.values() for r in listed), *drafts):
        in_release(resource, release)
    call = _call(maker, person, chart, drafts)
    _withhold(call, story)
    count = 1 + len(drafts) + sum(len(listed) for listed in chart.values())
    record = _record(person, chart, drafts) if _shows(story) else None
    return Patient(maker.patient_id, story, release, habits, count, call, record,
                   truth(story.trigger, story.pieces))  # fmt: skip


def _size(bounds: tuple[int, int], rng: Random) -> int:
    """Small charts are as frequent as large ones."""
    least, most = bounds
    return round(least * math.pow(most / least, rng.random()))


# --- the chart ---


def _chart(
    story: Story, maker: Maker, book: Catalogue, size: int
) -> tuple[dict[str, list[Resource]], list[Resource]]:
    """Resources by prefetch key, and the draft orders."""
    chart: dict[str, list[Resource]] = {key: [] for key in _KEYS}
    trigger = story.trigger.more
    choices = {habit.value: trigger[habit] for habit in Habits if habit in trigger}
    drafts = resources.orders(maker, trigger, choices)
    for piece in story.pieces:
        for part in piece.parts:
            resource, key = maker.part(part, _side(piece, story))
            (drafts if key == "draft" else chart[key]).append(resource)
    missing = size - 1 - len(drafts) - sum(map(len, chart.values()))
    if missing >= len(_NORMAL):
        missing -= _normal(chart, maker)
    _fill(chart, maker, book.filler, missing)
    for listed in chart.values():
        maker.rng.shuffle(listed)
    return chart, drafts


def _side(piece: Piece, story: Story) -> str | None:
    if piece.side is None:
        return None
    other = LEFT if story.side == RIGHT else RIGHT
    return story.side if piece.side == "operated" else other


def _normal(chart: dict[str, list[Resource]], maker: Maker) -> int:
    """Add normal results of the quantities that no piece has set; returns how many."""
    there = {str(r["code"]["coding"][0]["code"]) for r in chart["observations"]}
    added = 0
    for line, value, unit in _NORMAL:
        if line.split()[1] not in there:
            part = {"observation": line, "value": value, "unit": unit, "ago": [2, 80]}
            chart["observations"].append(resources.observation(maker, part))
            added += 1
    return added


def _fill(
    chart: dict[str, list[Resource]], maker: Maker, filler: dict[str, Any] | Any, missing: int
) -> None:
    """Add what a chart holds and no rule is about, until the size is reached."""
    habits, rng = maker.habits, maker.rng
    for _ in range(max(missing, 0)):
        kind = rng.choices(("observation", "condition", "procedure", "medication"), (6, 2, 1, 1))[0]
        part: dict[str, Any] = {"ago": [30, 3000]}
        if kind == "observation":
            line, least, most, unit = rng.choice(filler["observations"])
            part |= {"observation": line, "value": [least, most], "unit": unit}
        else:
            part[kind] = rng.choice(filler[f"{kind}s"][habits])
            part["state"] = rng.choice(("active", "resolved"))
        resource, key = maker.part(part, None)
        chart[key].append(resource)


# --- messages ---


def _bundle(kind: str, listed: Sequence[Resource]) -> Resource:
    bundle: Resource = {"resourceType": "Bundle", "type": kind}
    if listed:
        bundle["entry"] = [{"resource": resource} for resource in listed]
    return bundle


def _call(
    maker: Maker,
    person: Resource,
    chart: dict[str, list[Resource]],
    drafts: list[Resource],
) -> Resource:
    """The order-sign call with everything prefetched."""
    prefetch: Resource = {"patient": person}
    prefetch |= {key: _bundle("searchset", chart[key]) for key in _KEYS}
    return {
        "hook": "order-sign",
        "hookInstance": str(UUID(int=maker.rng.getrandbits(128), version=4)),
        "context": {
            "userId": "Practitioner/synthetic-surgeon",
            "patientId": maker.patient_id,
            "draftOrders": _bundle("collection", drafts),
        },
        "prefetch": prefetch,
    }


def _withhold(call: Resource, story: Story) -> None:
    """Leave an input out, or say that its query failed."""
    for piece in story.pieces:
        if missing := piece.more.get("missing"):
            del call["prefetch"][missing]
        if failed := piece.more.get("failed"):
            issue = {"severity": "error", "code": "timeout", "diagnostics": "search timed out"}
            outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
            call["prefetch"][failed] = outcome


def _record(person: Resource, chart: dict[str, list[Resource]], drafts: list[Resource]) -> Resource:
    listed = [person, *(r for key in _KEYS for r in chart[key]), *drafts]
    return _bundle("collection", listed)


def _shows(story: Story) -> bool:
    """Whether a record tells the same as the call: nothing is withheld, and the order has a
    status that says draft (an Immunization has none)."""
    whole = all(piece.section != "withheld" for piece in story.pieces)
    return whole and story.trigger.more.get("resource") != "immunization"
