"""Reading and checking of the FHIR ValueSet files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from cds_service.errors import Mistake
from cds_service.knowledge import terminology
from cds_service.knowledge.code_systems import (
    CPT,
    LOINC,
    RXNORM,
    SNOMED,
    good_check_digit,
    has_form,
)
from cds_service.knowledge.model import ValueSet
from cds_service.knowledge.spelling import nearest
from cds_service.knowledge.terminology import Row

GENETIC: Final = ("fop", "poh")
ACQUIRED: Final = "ho-"
CONFIDENCE: Final = ("high", "medium", "low")
MATCH: Final = ("exact", "prefix", "descendants")
SIDES: Final = ("left", "right", "bilateral")


def line_of(raw: bytes, text: str) -> int | None:
    """Line (from 1) on which a JSON string first stands in a file."""
    where = raw.find(msgspec.json.encode(text))
    return raw.count(b"\n", 0, where) + 1 if where >= 0 else None


def read(
    name: str, raw: bytes, stem: str, *, sourced: bool = True
) -> tuple[ValueSet | None, list[Mistake]]:
    """One ValueSet file. None when it is not a ValueSet at all.

    `sourced` asks for the extension verified-in on each concept (a site need not give it).
    """
    try:
        data: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return None, [Mistake(name, _line_of_error(raw, str(error)), f"not JSON: {error}")]
    reason = _no_value_set(data)
    if reason:
        return None, [Mistake(name, 1, reason)]
    if data["id"] != stem:
        mend = f"name the file {data['id']}.json or set the id to {stem}"
        where = line_of(raw, data["id"])
        return None, [Mistake(name, where, f"the id is '{data['id']}', the file '{stem}'", mend)]
    if not any(include.get("concept") for include in data["compose"]["include"]):
        return None, [
            Mistake(name, line_of(raw, "compose"), "the value set is empty", "add a code")
        ]
    return data, _wrong_concepts(name, raw, data, sourced)


def _line_of_error(raw: bytes, said: str) -> int:
    found = re.search(r"byte (\d+)", said)
    return raw.count(b"\n", 0, int(found[1]) if found else len(raw)) + 1


def _no_value_set(data: Any) -> str | None:
    """Why this is no ValueSet that can be read here, or None."""
    if not isinstance(data, dict) or data.get("resourceType") != "ValueSet":
        return "this is not a FHIR ValueSet (resourceType)"
    if not isinstance(data.get("id"), str):
        return "the ValueSet has no id"
    include = data["compose"].get("include") if isinstance(data.get("compose"), dict) else None
    if not isinstance(include, list) or not include:
        return "the ValueSet has no compose.include"
    for one in include:
        if not isinstance(one, dict) or not isinstance(one.get("system"), str):
            return "an entry of compose.include has no system"
        if not isinstance(one.get("concept", []), list) or "filter" in one or "valueSet" in one:
            return "only listed concepts can be read, no filter and no other value set"
        for concept in one.get("concept", ()):
            if not isinstance(concept, dict) or not isinstance(concept.get("code"), str):
                return "a concept has no code, or one that is not a string"
            extensions = concept.get("extension", [])
            if not isinstance(extensions, list) or not all(isinstance(e, dict) for e in extensions):
                return f"{concept['code']}: extension is not a list of objects"
    return None


def _wrong_concepts(name: str, raw: bytes, data: ValueSet, sourced: bool) -> list[Mistake]:
    found: list[Mistake] = []
    seen: set[tuple[str, str, bool]] = set()
    for include in data["compose"]["include"]:
        for concept in include.get("concept", ()):
            code, said = concept["code"], terminology.extensions(concept)
            for reason, mend in _wrong_concept(include["system"], concept, said):
                found.append(Mistake(name, line_of(raw, code), f"{code}: {reason}", mend))
            if sourced and "verified-in" not in said:
                reason, mend = "it does not say where it was verified", "add extension verified-in"
                found.append(Mistake(name, line_of(raw, code), f"{code}: {reason}", mend))
            key = (include["system"], code, said.get("match") == "prefix")
            if key in seen:
                where = line_of(raw, code)
                found.append(Mistake(name, where, f"{code} is listed twice", "remove one"))
            seen.add(key)
    return found


def _wrong_concept(
    system: str, concept: Mapping[str, Any], said: Mapping[str, str]
) -> Iterator[tuple[str, str | None]]:
    for member, allowed in (("confidence", CONFIDENCE), ("match", MATCH), ("side", SIDES)):
        value = said.get(member)
        if value is not None and value not in allowed:
            yield f"{member} '{value}' is not one of {', '.join(allowed)}", nearest(value, allowed)
    if not isinstance(concept.get("display"), str) or not concept["display"].strip():
        yield "it has no display", "add a short display"
    yield from wrong_code(system, concept["code"], said.get("match"))


def wrong_code(
    system: str, code: str, match: str | None = None
) -> Iterator[tuple[str, str | None]]:
    """What is wrong with a code of a (canonical) system, and how to mend it."""
    if not code.strip() or code != code.strip():
        yield "a code has no blanks around it and is not empty", "remove the blanks"
    elif not has_form(system, code, listed=True):
        yield f"this is not how a code of {system} looks", "check it in its source"
    elif system == SNOMED and not _snomed_digit(code):
        yield (
            "the SNOMED check digit (Verhoeff) is wrong",
            "long ids must be strings; copy it again",
        )
    elif system == LOINC and not good_check_digit(system, code):
        yield "the LOINC check digit is wrong", "check it in its source"
    if match == "prefix" and system in (
        SNOMED,
        RXNORM,
        LOINC,
        CPT,
    ):
        yield "a prefix has no meaning in this code system", "list the codes"


def _snomed_digit(code: str) -> bool:
    """Verhoeff check digit and a concept partition (SNOMED CT Release File Specifications 5)."""
    return good_check_digit(SNOMED, code) and code[-3:-1] in {"00", "10"}


def conflicts(value_sets: Mapping[str, ValueSet]) -> list[tuple[str, Row, str]]:
    """Codes of a genetic disease that an acquired set, or the other disease, also covers.

    FOP must never be read as acquired HO, so this holds for listed codes and for prefixes. Each
    entry is (id of the genetic set, the row of the other set, the code it covers).
    """
    named = (id_ for id_ in value_sets if id_ in GENETIC or id_.startswith(ACQUIRED))
    rows = [
        row for id_ in named for row in terminology.rows(value_sets[id_]) if row.confidence != "low"
    ]
    genetic = [row for row in rows if row.concept in GENETIC]
    systems = {row.system for row in genetic}
    return [
        (mine.concept, row, mine.code)
        for row in rows
        if row.system in systems
        for mine in genetic
        if mine.concept != row.concept and mine.system == row.system and _meet(mine, row)
        if not (row.concept in GENETIC and row.concept < mine.concept)
    ]


def _meet(one: Row, other: Row) -> bool:
    """Whether a code exists that both rows cover."""
    a = terminology.normal_code(one.system, one.code)
    b = terminology.normal_code(other.system, other.code)
    return a == b or (one.prefix and b.startswith(a)) or (other.prefix and a.startswith(b))
