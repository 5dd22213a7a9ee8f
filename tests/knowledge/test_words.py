"""Words of allergies and conditions: what they name, what they do not, and what it costs."""

from __future__ import annotations

import re

import pytest

from cds_service.knowledge.condition_names import ConditionNames
from cds_service.knowledge.drug_names import DrugNames
from cds_service.knowledge.loader import Knowledge

# What the list that stood in Python knew before words.yaml became the one list.
TELLING = (
    "Allergy to aspirin", "salicylates", "NSAID", "anti-inflammatory drugs", "antiphlogistics",
    "ibuprofen", "flurbiprofen", "diclofenac", "aceclofenac", "naproxen", "celecoxib",
    "etoricoxib", "indomethacin", "indometacin", "ketorolac", "meloxicam", "piroxicam",
    "etodolac", "nabumetone", "sulindac", "sulfa", "sulpha drugs", "sulfonamide", "Drug allergy",
    "medicine allergy", "Allergy to drug", "Allergy to medication", "Allergy to analgesic",
    "Allergie auf Ibuprofen", "Ei-steroidiset tulehduskipulääkkeet",
    "Non-steroidal anti-inflammatory agent", "Allergie aux AINS",
)  # fmt: skip
_BRAND = re.compile(r"\[([^\]]+)\]$")
HARMLESS = (
    "sulfate", "sulphates", "sulfonylurea", "Penicillin", "Latex", "No NSAID allergy",
    "denies aspirin allergy", "Family history: aspirin allergy", "Keine Allergie gegen Aspirin",
    "Pas d'allergie à l'aspirine", "アスピリンアレルギーなし", "无阿司匹林过敏",
)  # fmt: skip


@pytest.mark.parametrize("text", TELLING)
def test_words_of_an_allergy_that_rule_out(knowledge: Knowledge, text: str) -> None:
    assert knowledge.once(DrugNames).rules_out([text])


@pytest.mark.parametrize("text", HARMLESS)
def test_words_of_an_allergy_that_rule_out_nothing(knowledge: Knowledge, text: str) -> None:
    assert not knowledge.once(DrugNames).rules_out([text])


@pytest.mark.parametrize(
    ("text", "none"),
    [
        ("Pas d'allergie connue", True),
        ("Sin alergias conocidas", True),
        ("Inga kända allergier", True),
        ("アレルギーなし", True),
        ("无过敏史", True),
        ("Keine bekannten Allergien", True),
        ("Allergies inconnues", False),
        ("Allergie: Erdbeeren", False),
        ("No allergies but aspirin", False),
    ],
)
def test_words_that_say_there_is_no_allergy(knowledge: Knowledge, text: str, none: bool) -> None:
    assert knowledge.once(DrugNames).sayings.says_no_allergy(text) is none


def test_every_stem_of_a_condition_is_found_alone(knowledge: Knowledge) -> None:
    names = knowledge.once(ConditionNames)
    missed = [
        word
        for group in knowledge.condition_words.values()
        if not group.needs
        for word in (*group.stems, *group.words, *group.capitals)
        if group.id not in names.named([word]) or not names.speaks(word)
    ]
    assert missed == []


@pytest.mark.parametrize(
    "word", ["of ", "父母", "no ", "(", " ", "heart failure ", "family history of "]
)
def test_a_word_a_thousand_times_is_no_trap(knowledge: Knowledge, word: str) -> None:
    knowledge.once(ConditionNames).named([word * 1_000])


def test_every_brand_of_a_value_set_is_a_word_of_its_class(knowledge: Knowledge) -> None:
    """RxNorm writes the brand behind the product: what is known coded is named in words, too."""
    names = DrugNames(knowledge)
    of_set: dict[str, set[str]] = {}
    for group in knowledge.drug_words.values():
        for value_set in group.value_sets:
            of_set.setdefault(value_set, set()).add(group.id)
    missing = {
        (value_set, brand)
        for value_set, groups in of_set.items()
        for part in knowledge.value_sets[value_set]["compose"]["include"]
        for concept in part["concept"]
        for brand in _BRAND.findall(concept.get("display", ""))
        if groups.isdisjoint(names.named([brand]))
    }
    assert missing == set()
