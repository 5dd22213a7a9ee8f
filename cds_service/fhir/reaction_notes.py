"""What the notes of an allergy name where its code does not say which drug it is about."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cds_service.fhir.elements import Doc, all_texts, notes_of, objects, text
from cds_service.knowledge.drug_names import DrugNames

_MOST_REACTIONS = 20
_CLAUSE = re.compile(
    r"[.;\n。；]|,|\b(?:but|aber|mais|pero|ma|maar|however|jedoch|though)\b", re.IGNORECASE
)
# "Tolerates ibuprofen" names what is no allergy, "does not tolerate ibuprofen" what is one.
_TAKEN = re.compile(
    r"\b(?:tolerat(?!ion)\w*|toleriert\w*|vertr[aä]g\w*|tol[eè]re\w*|tolera\w*|tollera\w*"
    r"|verdraagt|can (?:take|have)|takes|ok with|okay with|safe with|instead|stattdessen)\b",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"\b(?:not|cannot|can't|doesn't|didn't|never|unable|nicht|kein\w*|ne|n'|non|no|niet|geen"
    r"|poorly|schlecht|mal)\b",
    re.IGNORECASE,
)
_NO_TROUBLE = re.compile(
    r"\b(?:no (?:problems?|issues?|reactions?)|without (?:problems?|issues?|reactions?)"
    r"|keine? (?:problem\w*|reaktion\w*)|ohne (?:problem\w*|reaktion\w*)|sans probl[eè]mes?"
    r"|sin problemas?|senza problemi)\b",
    re.IGNORECASE,
)


def notes_on(doc: Doc) -> list[str]:
    """Notes and descriptions of an allergy and of its reactions, raw."""
    said = notes_of(doc)
    for reaction in objects(doc.get("reaction"))[:_MOST_REACTIONS]:
        said += all_texts(reaction.get("description"), reaction.get("manifestation"))
        said += notes_of(reaction)
    return said


def named_in_notes(values: Iterable[str], names: DrugNames) -> tuple[tuple[str, ...], str]:
    """The groups of drugs that speak against an option, and the first clause that names one; save
    what is denied or tolerated."""
    groups: dict[str, None] = {}
    first = ""
    for value in values:
        for clause in _CLAUSE.split(value[:2_000]):
            found = names.named([clause])
            if not names.speaks_against(found, "allergies") or _is_harmless(clause, names):
                continue
            groups |= dict.fromkeys(found)
            first = first or text(clause.strip()) or ""
    return tuple(groups), first


def _is_harmless(clause: str, names: DrugNames) -> bool:
    if names.sayings.denies_all(clause.strip()) or _NO_TROUBLE.search(clause):
        return True
    return bool(_TAKEN.search(clause)) and not _NOT.search(clause)
