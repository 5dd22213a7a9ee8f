"""A medicine in words withholds what it withholds coded: each class that a rule asks for."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from cds_service.knowledge.code_systems import ATC
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.when import When
from tests.support import offline
from tests.support.builders import request

TODAY = date(2026, 11, 23)
NAMES: dict[str, dict[str, str]] = yaml.safe_load(
    (Path(__file__).parent / "medicine-names.yaml").read_text()
)
HO = "sct 444748003 Postoperative heterotopic ossification | onset 2019-06-02"
LANGUAGES = ("generic", "en", "de", "fr", "es")


def _asked(when: When) -> Iterator[str]:
    """The value sets that a rule asks of medicines."""
    if when.medication:
        yield from when.medication.value_sets
    for part in (*when.any, *when.all):
        yield from _asked(part)


def _rules(knowledge: Knowledge) -> list[set[str]]:
    asked = [set(_asked(rule.when)) for rule in knowledge.exclusions.values() if rule.enabled]
    return [sets for sets in (*asked, set(knowledge.protection.excluded_by)) if sets]


def _beside(knowledge: Knowledge, name: str) -> set[str]:
    """The other classes that a rule asks for together with this one."""
    return set().union(*(sets for sets in _rules(knowledge) if name in sets)) - {name}


def _coded(knowledge: Knowledge, name: str) -> str:
    parts = knowledge.value_sets[name]["compose"]["include"]
    codes = {c["code"] for p in parts if p["system"] == ATC for c in p["concept"]}
    return f"atc {min(codes)} A medicine of the class"


def _answer(knowledge: Knowledge, medicines: list[str], labs: str, kind: str) -> dict[str, Any]:
    chart = {"conditions": [HO], kind: medicines, **({"labs": "none"} if labs == "none" else {})}
    sent = request({"patient": {"age": 60, "sex": "male"}, "orders": ["right hip replacement"],
                    "chart": chart})  # fmt: skip
    cards: list[dict[str, Any]] = json.loads(
        offline.answer(json.dumps(sent).encode(), knowledge, TODAY)
    )["cards"]
    assert len(cards) == 1
    return cards[0]


def _drafts(card: dict[str, Any]) -> set[str]:
    created = (a["resource"] for s in card.get("suggestions", ()) for a in s["actions"]
               if a["type"] == "create")  # fmt: skip
    return {
        (r.get("medicationCodeableConcept") or r.get("code") or {})["coding"][0]["display"]
        for r in created
    }


def test_every_class_that_a_rule_asks_for_has_names(knowledge: Knowledge) -> None:
    assert set(NAMES) == set().union(*_rules(knowledge))
    named = defaultdict(set)
    for group in knowledge.drug_words.values():
        for value_set in group.value_sets:
            named[value_set].add(group.id)
    assert all(set(names) == set(LANGUAGES) for names in NAMES.values())


@pytest.mark.parametrize("labs", ["normal", "none"])
@pytest.mark.parametrize("kind", ["medications", "statements"])
@pytest.mark.parametrize("name", sorted(NAMES))
def test_words_withhold_what_the_code_withholds(
    knowledge: Knowledge, name: str, kind: str, labs: str
) -> None:
    for other in (None, *sorted(_beside(knowledge, name))):
        code = [_coded(knowledge, other)] if other else []
        coded = _drafts(_answer(knowledge, [_coded(knowledge, name), *code], labs, kind))
        for said in NAMES[name].values():
            besides = [code, [f"text {NAMES[other]['generic']}"]] if other else [code]
            for beside in besides:
                card = _answer(knowledge, [f"text {said}", *beside], labs, kind)
                assert _drafts(card) <= coded, (said, beside)
                assert beside or said.casefold() in card["detail"].casefold()
