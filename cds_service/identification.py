"""Tells whether a medicine or an allergy has a code that the service could know at all."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cds_service import sniff
from cds_service.chart import Coding
from cds_service.codes import ALIASES, ATC, ICD9CM, ICD10, ICD10CM, RXNORM, SNOMED, normal_system
from cds_service.elements import Doc, printable, texts, words

# What an entry says that there is none of: never an entry that was not understood.
_NONE = re.compile(
    r"nkd?a|none(?: known)?|(?:no|nil)(?: known| current)?"
    r"(?: (?:drug|food|medication|medicine|substance|environmental|latex))?"
    r" (?:allerg(?:y|ies)|medications?|medicines?)",
    re.IGNORECASE,
)
_NO_MEDICINE = frozenset({"food", "environment"})


def _names(*systems: str) -> frozenset[str]:
    """The systems under all their names, as `normal_system` spells them."""
    aliases = (alias for alias, name in ALIASES.items() if name in systems)
    return frozenset(normal_system(name) for name in (*systems, *aliases))


# The systems in which every value set of medicines lists its codes (tests/test_knowledge.py). The
# sets have SNOMED CT for a few drugs only: there, a code that is in none of them says nothing.
MEDICINES = _names(RXNORM, ATC)
# Substances and findings; SNOMED CT and RxNorm are what records code allergies in.
ALLERGIES = _names(RXNORM, ATC, SNOMED, ICD10CM, ICD10, ICD9CM)


def readable(found: Iterable[Coding | sniff.Coding], systems: frozenset[str]) -> bool:
    """Whether a coding is in one of the systems: then a code in no value set is a harmless one."""
    return any(c.code and c.system and normal_system(c.system) in systems for c in found)


def says_none(element: object) -> bool:
    """Whether an element says in words that nothing is known or taken ("No known allergies")."""
    return any(_NONE.fullmatch(printable(said[:80]).rstrip(".")) for said in texts(element))


def is_no_medicine(doc: Doc) -> bool:
    """Whether an allergy is stated to be one to food or surroundings, and to nothing else."""
    stated = frozenset(words(doc.get("category")))
    return bool(stated) and stated <= _NO_MEDICINE
