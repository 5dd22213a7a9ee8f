"""Makes a population in blocks, of which none needs the others: many can be made at once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any, Final

from cds_service.tools.synthetic.catalogue import Habits
from cds_service.tools.synthetic.population.background import (
    Lines,
    LineTemplates,
    compact,
    marked,
    templates,
)
from cds_service.tools.synthetic.population.elective import elective_patient
from cds_service.tools.synthetic.population.genetic import genetic_patient
from cds_service.tools.synthetic.population.hips import hip_patient
from cds_service.tools.synthetic.population.history import History
from cds_service.tools.synthetic.population.wish import PopulationKind, PopulationWish
from cds_service.tools.synthetic.resources import Resource

PATIENTS: Final = 2_000
"""Patients of a block."""
_GENETIC_ONE_IN: Final = 500
_FIRST_GENETIC: Final = 3


@dataclass(frozen=True, slots=True)
class PopulationBlock:
    """The lines of some patients by type, and the lines of truth about them."""

    lines: Lines
    truth: list[str] = field(default_factory=list)


def blocks_of(wish: PopulationWish) -> int:
    """How many blocks the population has."""
    return -(-wish.count // PATIENTS)


def make_block(wish: PopulationWish, number: int) -> PopulationBlock:
    """The block with this number, counted from 0: the same, whoever makes it."""
    rng = Random(f"{wish.seed}/{wish.kind}/{number}")  # noqa: S311  # made-up data, no secrets
    block = PopulationBlock(defaultdict(list))
    if number == 0:
        _practitioners(wish, block)
    first = number * PATIENTS
    for patient in range(first, min(first + PATIENTS, wish.count)):
        patient_id = f"pop-{wish.seed}-{patient + 1}"
        if (history := _history(patient, patient_id, wish, rng)) is not None:
            _write(history, block)
        else:
            forms = _templates(wish)
            forms[patient % len(forms)].patient(block.lines, patient_id, rng)
    return block


def _history(patient: int, patient_id: str, wish: PopulationWish, rng: Random) -> History | None:
    """The patient's history where there is an order to rehearse."""
    if wish.kind is PopulationKind.ELECTIVE_HIP:
        return elective_patient(patient, patient_id, wish, rng)
    if patient % _GENETIC_ONE_IN == _FIRST_GENETIC:
        return genetic_patient(patient, patient_id, wish, rng)
    if rng.random() < wish.hip_share:
        return hip_patient(patient, patient_id, wish, rng)
    return None


@cache
def _templates(wish: PopulationWish) -> tuple[LineTemplates, ...]:
    return tuple(templates(wish, Habits(habits)) for habits in wish.habits)


def _write(history: History, block: PopulationBlock) -> None:
    for resource in (history.person, *history.resources):
        if (kind := resource["resourceType"]) not in history.wish.lacking:
            block.lines[kind].append(compact(marked(resource, history.wish.marker)))
    block.truth.extend(compact(line) for line in history.truth_lines())


def _practitioners(wish: PopulationWish, block: PopulationBlock) -> None:
    names = [*(f"surgeon-{n}" for n in range(wish.surgeons)), "physician-1"]
    for name in names:
        doctor: Resource = {"resourceType": "Practitioner", "id": name,
                            "name": [{"family": "Synthetic", "given": [name]}]}  # fmt: skip
        block.lines["Practitioner"].append(compact(marked(doctor, wish.marker)))


def summary_of(wish: PopulationWish) -> dict[str, Any]:
    """The wish in words, for the file beside the export."""
    return {
        "population": wish.count, "kind": wish.kind.value, "seed": wish.seed,
        "since": wish.since.isoformat(), "until": wish.until.isoformat(),
        "hipShare": wish.hip_share, "habits": [Habits(h).value for h in wish.habits],
        "lacking": sorted(wish.lacking),
    }  # fmt: skip
