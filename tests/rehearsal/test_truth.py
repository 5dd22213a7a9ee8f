"""A rehearsal finds what the generator planted: events, cards, what came later, what is undated."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import pytest

from cds_service.fhir.inputs import INPUT_OF
from cds_service.knowledge.loader import Knowledge
from cds_service.rehearsal import replay
from cds_service.rehearsal.options import ReplayOptions
from cds_service.rehearsal.outcomes import NOTHING, UNREAD, EventOutcome
from cds_service.tools.synthetic.population.blocks import make_block
from cds_service.tools.synthetic.population.wish import PopulationKind, PopulationWish

Told = dict[str, Any]
UNTIL = date(2026, 11, 23)
KINDS: dict[str, dict[str, Any]] = {
    "hospital": {},
    "without-conditions": {"lacking": frozenset({"Condition"})},
    "without-others": {"lacking": frozenset({"FamilyMemberHistory", "Procedure", "Observation"})},
    "elective-hip": {"kind": PopulationKind.ELECTIVE_HIP},
}


@pytest.mark.parametrize("more", KINDS.values(), ids=KINDS)
def test_each_event_is_found_as_it_was_planted(knowledge: Knowledge, more: dict[str, Any]) -> None:
    wish = PopulationWish(120, 4, UNTIL, seed=11, hip_share=0.5, **more)
    block = make_block(wish, 0)
    planted: dict[str, dict[frozenset[str], Told]] = defaultdict(dict)
    for line in block.truth:
        told = json.loads(line)
        planted[told["patient"]][frozenset(told["events"])] = told
    options = ReplayOptions(types=frozenset(block.lines))
    wrong: list[tuple[str, Any, Any]] = []
    events = 0
    for patient, resources in _by_patient(block.lines).items():
        found = {
            frozenset(one.references): one for one in replay.patient(resources, knowledge, options)
        }
        wanted = planted[patient]
        events += len(wanted)
        wrong += [
            (patient, "not planted", one) for name, one in found.items() if name not in wanted
        ]
        wrong += [(patient, "not found", one) for name, one in wanted.items() if name not in found]
        wrong += [
            (patient, told, said)
            for name in wanted.keys() & found.keys()
            if (told := _planted(wanted[name])) != (said := _found(found[name]))
        ]
    assert not wrong, wrong[0]
    assert events > 40


def _by_patient(lines: Mapping[str, Iterable[str]]) -> dict[str, list[Told]]:
    found: dict[str, list[Told]] = defaultdict(list)
    for listed in lines.values():
        for line in listed:
            resource = json.loads(line)
            owner = resource.get("subject") or resource.get("patient") or {}
            name = str(owner.get("reference", "")).removeprefix("Patient/") or resource["id"]
            found[name].append(resource)
    return found


def _planted(told: Told) -> Told:
    silent = UNREAD if told["status"] == 412 else told["silentRow"] or NOTHING
    return {
        "kind": told["kind"],
        "day": told["day"],
        "cards": sorted((card["row"], card["card"], card["tier"]) for card in told["cards"]),
        "silent": None if told["cards"] else silent,
        "tier in silence": told["tier"] if silent == "6" and not told["cards"] else None,
        "card without undated facts": bool(told["dated"]["cards"]),
        "surgeon": told["surgeon"],
        "HO later": told["hoCodedLater"],
        "late": _by_input(told["late"]),
        "undated": _by_input(told["undated"]),
    }


def _by_input(counts: Mapping[str, int]) -> dict[str, int]:
    return {str(INPUT_OF[kind]): n for kind, n in counts.items()}


def _found(one: EventOutcome) -> Told:
    return {
        "kind": one.kind,
        "day": str(one.day),
        "cards": sorted((card.row, card.card, card.tier) for card in one.cards),
        "silent": None if one.cards else one.row,
        "tier in silence": one.tier if one.row == "6" else None,
        "card without undated facts": one.dated_carded,
        "surgeon": one.surgeon,
        "HO later": one.ho_after,
        "late": dict(one.late),
        "undated": dict(one.undated),
    }
