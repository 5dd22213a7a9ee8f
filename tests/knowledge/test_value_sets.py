"""The medicine value sets: which products stand in which class; displays are plain names."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest

from cds_service.knowledge import terminology
from cds_service.knowledge.code_systems import RXNORM
from cds_service.knowledge.loader import CONTENT
from cds_service.knowledge.terminology import CodeIndex

FILES = sorted((CONTENT / "valuesets").glob("*.json"))
VALUE_SETS: dict[str, dict[str, Any]] = {f.stem: json.loads(f.read_bytes()) for f in FILES}
INDEX = CodeIndex.of(VALUE_SETS.values())

# What a name must hold to stand in a class, and what puts it there wherever it stands.
CLASSES: Final = {
    "nsaid": (
        "celecoxib diclofenac diflunisal etodolac fenbufen fenoprofen flurbiprofen ibuprofen "
        "indomethacin ketoprofen ketorolac meclofenamate mefenamic meloxicam nabumetone naproxen "
        "oxaprozin piroxicam rofecoxib salsalate sulindac suprofen tenoxicam tolmetin valdecoxib "
        "zomepirac"
    ),
    "celecoxib": "celecoxib",
    "indomethacin": "indomethacin",
    "ketorolac": "ketorolac",
    "aspirin": "aspirin",
    "ppi": "omeprazole esomeprazole lansoprazole dexlansoprazole pantoprazole rabeprazole",
    "warfarin": "warfarin dicumarol phenindione phenprocoumon acenocoumarol",
    "anticoagulant": (
        "warfarin dicumarol phenindione phenprocoumon acenocoumarol apixaban argatroban betrixaban "
        "bivalirudin dabigatran dalteparin desirudin edoxaban enoxaparin fondaparinux heparin "
        "rivaroxaban tinzaparin"
    ),
    "antiplatelet": (
        "cilostazol clopidogrel dipyridamole prasugrel ticagrelor ticlopidine vorapaxar"
    ),
    "ssri-snri": (
        "citalopram desvenlafaxine duloxetine escitalopram fluoxetine fluvoxamine levomilnacipran "
        "milnacipran paroxetine sertraline venlafaxine"
    ),
    "corticosteroid": (
        "betamethasone cortisone dexamethasone hydrocortisone meprednisone methylprednisolone "
        "paramethasone prednisolone prednisone triamcinolone"
    ),
    "potassium-sparing-diuretic": "amiloride eplerenone spironolactone triamterene",
    "diuretic": (
        "amiloride bendroflumethiazide bumetanide chlorothiazide chlorthalidone clopamide "
        "cyclopenthiazide cyclothiazide eplerenone ethacrynic furosemide hydrochlorothiazide "
        "hydroflumethiazide indapamide methyclothiazide metolazone polythiazide quinethazone "
        "spironolactone tolvaptan torsemide triamterene trichlormethiazide"
    ),
    "ace-inhibitor-arb": (
        "azilsartan benazepril candesartan captopril cilazapril enalapril eprosartan fosinopril "
        "irbesartan lisinopril losartan moexipril olmesartan perindopril quinapril ramipril "
        "sacubitril telmisartan trandolapril valsartan"
    ),
    "lithium": "lithium",
    "methotrexate": "methotrexate",
    "calcineurin-inhibitor": "cyclosporine tacrolimus",
}

# RxNorm codes without a strength: ingredients and pairs of them. Products are added beside these.
INGREDIENTS: Final = {
    "nsaid": (
        "3355 3393 5640 5781 6142 7258 8356 10237 10636 24605 31448 32613 35827 36108 41493 140587 "
        "214502 214627 232158 278567"
    ),
    "celecoxib": "140587",
    "indomethacin": "5781",
    "ketorolac": "35827",
    "aspirin": (
        "1191 214159 214160 214250 214256 214257 226716 466549 466584 689518 689556 817958"
    ),
    "ppi": "7646 17128 40790 114979 283742 816346",
    "anticoagulant": "5224 11289 67108 114194 314659 1037042 1114195 1364430 1599538",
    "warfarin": "11289 114194",
    "antiplatelet": "3521 10594 21107 32968 226716 1116632",
    "ssri-snri": "2556 4493 32937 36437 39786 42355 72625 321988 588250",
    "corticosteroid": "1514 2878 3264 5492 6902 8638 8640",
    "diuretic": (
        "2409 4603 5487 5764 6916 9997 10763 38413 214317 214617 214618 214619 214626 258337"
    ),
    "potassium-sparing-diuretic": "9997 10763 258337",
    "ace-inhibitor-arb": (
        "1998 3827 18867 29046 30131 35208 35296 38454 50166 52175 54552 69749 73494 83515 83818 "
        "214223 214354 214617 214618 214619 214626 321064 1091643 1656328"
    ),
    "lithium": "6448 42351",
    "methotrexate": "6851",
    "calcineurin-inhibitor": "3008 42316",
    "allergy-nsaid": (
        "1191 3355 3393 5640 5781 6142 7258 8356 10237 10636 19478 24605 31448 32613 35827 36108 "
        "41493 140587 214159 214160 214250 214256 214257 214502 214627 226716 232158 278567 466549 "
        "466584 689518 689556 817958"
    ),
    "allergy-aspirin": (
        "1191 3393 19478 36108 214159 214160 214250 214256 214257 226716 466549 466584 689518 "
        "689556 817958"
    ),
    "allergy-celecoxib": "140587",
    "allergy-sulfonamide": "9524 9793 10169 10171 10180 10831",
}

LOCAL = re.compile(
    r"topical|ophthalmic|otic|nasal|inhal|buccal|vaginal|transdermal|cream|gel\b|ointment|"
    r"lotion|foam|enema|patch|drops|spray|actuat|mouthwash|paste",
    re.IGNORECASE,
)
# The nasal spray of ketorolac acts in the whole body (VSAC "Ketorolac Tromethamine").
WHOLE_BODY: Final = {"1797855"}


def rxnorm_rows(name: str) -> list[terminology.Row]:
    return [row for row in terminology.rows(VALUE_SETS[name]) if row.system == RXNORM]


def products() -> dict[str, str]:
    """Every RxNorm code of a medicine set with its display."""
    return {row.code: row.display for name in CLASSES for row in rxnorm_rows(name)}


def named(display: str, name: str) -> bool:
    """Whether a display names a drug of this class."""
    return any(re.search(rf"\b{drug}\b", display.lower()) for drug in CLASSES[name].split())


@pytest.mark.parametrize("name", CLASSES)
def test_every_product_stands_in_exactly_the_classes_that_its_name_states(name: str) -> None:
    listed = {row.code for row in rxnorm_rows(name)}
    assert listed == {code for code, display in products().items() if named(display, name)}


@pytest.mark.parametrize("name", CLASSES)
def test_every_new_product_says_its_source_and_is_medium(name: str) -> None:
    for include in VALUE_SETS[name]["compose"]["include"]:
        for concept in include["concept"]:
            said = terminology.extensions(concept)
            if "medication-list.js" in said["verified-in"]:
                assert said["confidence"] == "medium"
                assert re.search(r" [\d.]+ MG\b", concept["display"])


@pytest.mark.parametrize("name", INGREDIENTS)
def test_the_ingredients_of_a_set(name: str) -> None:
    plain = {row.code for row in rxnorm_rows(name) if not re.search(r"\d", row.display)}
    assert plain == set(INGREDIENTS[name].split())


def test_no_product_acts_in_one_place_only() -> None:
    local = {code for code, display in products().items() if LOCAL.search(display)}
    assert local <= WHOLE_BODY


def test_a_name_without_dose_form_only_where_no_local_form_exists() -> None:
    forms = re.compile(
        r"tablet|capsule|solution|suspension|inject|syringe|cartridge|pellet|powder|pack|spray|"
        r"solute|\.\.\.$",
        re.IGNORECASE,
    )
    loose = [d for d in products().values() if re.search(r"\d", d) and not forms.search(d)]
    assert "Hydrochlorothiazide 25 MG" in loose
    assert "Warfarin Sodium 10 MG" in loose
    also_local = (
        "diclofenac|ibuprofen|indomethacin|ketoprofen|ketorolac|naproxen|piroxicam|flurbiprofen|"
        "betamethasone|dexamethasone|cortisone|prednisolone|triamcinolone|cyclosporine|tacrolimus"
    )
    assert [d for d in loose if re.search(rf"\b({also_local})\b", d.lower())] == []


def test_aspirin_is_no_nsaid_here() -> None:
    """Aspirin at the dose of thromboprophylaxis is no prophylaxis of HO (evidence 3.1)."""
    for row in rxnorm_rows("aspirin"):
        match = INDEX.match(RXNORM, row.code)
        assert match is not None
        assert "nsaid" not in match.concepts, row.display


@pytest.mark.parametrize("code", ["316672", "833036", "835900", "856907"])
def test_a_code_that_two_sources_read_differently_is_in_no_set(code: str) -> None:
    """833036: captopril in a real record, acetaminophen with hydrocodone in the public list."""
    assert INDEX.match(RXNORM, code) is None


PRODUCTS = [
    ("316049", {"diuretic"}),  # Hydrochlorothiazide 25 MG, as Synthea records it
    ("823982", {"diuretic", "ace-inhibitor-arb"}),  # Zestoretic
    ("994010", {"nsaid", "naproxen", "ppi", "allergy-nsaid"}),  # Vimovo
    ("1359109", {"nsaid", "diclofenac", "allergy-nsaid"}),  # Arthrotec
    ("858798", {"nsaid", "ibuprofen", "allergy-nsaid"}),  # hydrocodone / ibuprofen
    (  # aspirin / omeprazole
        "1811631",
        {"aspirin", "ppi", "ppi-omeprazole", "allergy-aspirin", "allergy-nsaid"},
    ),
    (
        "259081",
        {"aspirin", "antiplatelet", "allergy-aspirin", "allergy-nsaid"},
    ),  # with dipyridamole
    ("855334", {"warfarin", "anticoagulant"}),  # Coumadin
    ("835911", {"calcineurin-inhibitor"}),  # Neoral
    ("208161", {"ssri-snri"}),  # Zoloft
    ("260330", {"corticosteroid"}),  # Medrol
    ("1244214", set()),  # budesonide: not among the ATC systemic corticosteroids
    ("746073", set()),  # lithium aspartate, a food supplement
    ("106258", set()),  # hydrocortisone cream, as Synthea records it
    ("855635", set()),  # diclofenac gel
]


@pytest.mark.parametrize(("code", "expected"), PRODUCTS)
def test_where_a_product_lands(code: str, expected: set[str]) -> None:
    match = INDEX.match(RXNORM, code)
    assert (match.concepts if match else set()) == expected


def test_a_display_is_a_name_and_no_note_on_its_upkeep() -> None:
    note = re.compile(
        r"billable|redefined|deleted|chapter \d|C00|FY\d{4}|\b20[12]\d\b|professional only|"
        r"ICD-9-CM|MeSH SCR|\((?=\w*\d)[0-9A-Z]{2,7}\)$",
        re.IGNORECASE,
    )
    for value_set in VALUE_SETS.values():
        for row in terminology.rows(value_set):
            brandless = re.sub(r" \[.*\]$", "", row.display)
            assert not note.search(brandless), (row.concept, row.code, row.display)
