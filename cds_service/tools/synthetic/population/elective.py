"""The simulated elective hip list (clinical decisions, 5a): one planned operation each.

The frequencies stand in population.yaml; they are assumptions, not data of patients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any, Final

from cds_service.tools.synthetic import resources
from cds_service.tools.synthetic.catalogue import LEFT, RIGHT, Catalogue, Habits, Piece, catalogue
from cds_service.tools.synthetic.population.hips import fill, normal_results, operate, sign
from cds_service.tools.synthetic.population.history import History
from cds_service.tools.synthetic.population.wish import PopulationWish, book_of_populations
from cds_service.tools.synthetic.resources import Maker

CELECOXIB: Final = "rxnorm 205323 celecoxib 200 MG Oral Capsule"
ENOUGH_DAYS: Final = 7
"""From how many days on an NSAID prevents HO (clinical decisions, card table, row 6)."""


@dataclass(frozen=True, slots=True)
class ElectiveCase:
    """What was drawn: problems and operation as lines of population.yaml, sides, days of
    celecoxib (0: none), age in years, sex."""

    problems: tuple[Mapping[str, Any], ...]
    operation: Mapping[str, Any]
    sides: tuple[str, ...]
    celecoxib_days: int
    age: float
    sex: str


def draw(rng: Random) -> ElectiveCase:
    """One patient of the list."""
    book = book_of_populations()["elective"]
    problems = tuple(line for line in book["problems"] if rng.random() < line["chance"])
    kind = rng.random()
    operation = next(line for line in book["operations"] if kind < line["up_to"])
    sides = (RIGHT, LEFT) if rng.random() < book["both_hips"] else (RIGHT,)
    drug, age = book["celecoxib"], book["age"]
    days = rng.choice(drug["days"]) if rng.random() < drug["share"] else 0
    years = rng.triangular(age["least"], age["most"], age["mode"])
    sex = "male" if rng.random() < book["men"] else "female"
    return ElectiveCase(problems, operation, sides, days, years, sex)


def elective_patient(number: int, patient_id: str, wish: PopulationWish, rng: Random) -> History:
    """A patient of the list as an export shows it later: order, operation, little else."""
    case = draw(rng)
    day = wish.since + timedelta(days=rng.randrange((wish.until - wish.since).days))
    maker = Maker(patient_id, day, Habits.US, rng, RIGHT)
    person = resources.patient(maker, case.sex, 60, number)
    person["birthDate"] = (day - timedelta(days=int(365.25 * case.age))).isoformat()
    history = History(maker, person, wish, f"Practitioner/surgeon-{rng.randrange(wish.surgeons)}")
    pieces = catalogue()
    for line in case.problems:
        history.plant(_problem(line, pieces))
    normal_results(history)
    trigger = _trigger(case, pieces)
    if len(case.sides) > 1:  # a factor of its own
        both = next(p for p in pieces.sections["triggers"] if p.id == "both-hips")
        history.facts.append((both, day))
    signed = history.plant(_celecoxib(case.celecoxib_days)) if case.celecoxib_days else []
    orders = sign(history, trigger, signed)
    maker.today = day + timedelta(days=rng.randint(14, 60))
    fill(history, rng.randint(3, 8))
    if maker.today <= wish.until:
        operate(history, trigger, orders)
    return history


def _problem(line: Mapping[str, Any], book: Catalogue) -> Piece:
    """The problem as a piece, with the effect of the piece that it stands for."""
    part = {"condition": line["code"], "ago": [400, 5000]}
    like = next((p for p in book.all() if p.id == line.get("piece")), None)
    if like is None:
        return Piece("problem", "weightless", "none", (part,))
    return replace(like, parts=(part,), side=None)


def _trigger(case: ElectiveCase, book: Catalogue) -> Piece:
    """The operation, of one hip or of both."""
    found = next(p for p in book.sections["triggers"] if p.id == case.operation["trigger"])
    code, both = case.operation["code"], len(case.sides) > 1
    return replace(found, more={**found.more, "us": code, "uk": code, "both": both})


def _celecoxib(days: int) -> Piece:
    """Celecoxib as analgesia: from 7 days on it is prophylaxis as well."""
    part = {"medication": CELECOXIB, "draft": True,
            "dose": [200, "mg", 2, days]}  # fmt: skip
    more = {"gives": "celecoxib"} if days >= ENOUGH_DAYS else {}
    return Piece(f"celecoxib-{days}", "prophylaxis", "row-6", (part,), more=more)
