"""Tells whether a medicine or an allergy has a code that the service could know at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from cds_service.clinical.chart import CodeSeen
from cds_service.fhir import decoding
from cds_service.fhir.codings import NOTHING, label_of
from cds_service.fhir.elements import Doc, codings, first_text, printable, texts, words
from cds_service.knowledge.code_systems import (
    ATC,
    ICD9CM,
    ICD10,
    ICD10CM,
    RXNORM,
    SNOMED,
    canonical,
    is_known,
)
from cds_service.knowledge.drug_names import NO_NAMES, DrugNames

if TYPE_CHECKING:
    from cds_service.knowledge.terminology import CodeIndex

# What an entry says that there is none of: never an entry that was not understood.
_NONE = re.compile(
    r"(?:nkd?a|none(?: known)?|nil(?: known)?"
    r"|(?:no|nil|denies)(?: any)?(?: known| current| active)*"
    r"(?: (?:drug|food|medication|medicine|substance|environmental|latex|adverse))*"
    r" (?:allerg(?:y|ies)|intolerances?|reactions?|medications?|medicines?)(?: known| reported)?"
    r"|not (?:on|taking)(?: any)?(?: current| regular)? (?:medications?|medicines?)"
    r"|keine(?: bekannten)? (?:arzneimittel-?|medikamenten-?)?"
    r"(?:allergien|unverträglichkeiten|medikamente|medikation)(?: bekannt)?)"
    r"(?: \((?:nkd?a|situation)\))?",
    re.IGNORECASE,
)
# Codes that say the same: the International Patient Summary, and its system as HL7 v3 names it.
_ABSENT = frozenset(
    {
        "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips",
        "urn:oid:2.16.840.1.113883.5.1150.1",
    }
)
# Codes that say why there is no name; they are none themselves.
_NO_NAME = frozenset(
    {
        "http://terminology.hl7.org/CodeSystem/data-absent-reason",
        "http://terminology.hl7.org/CodeSystem/v3-NullFlavor",
    }
)
_NO_MEDICINE = frozenset({"food", "environment"})


# The systems in which every value set of medicines lists its codes
# (tests/knowledge/test_loader.py). The sets have SNOMED CT for a few drugs only: there, a code
# that is in none of them says nothing.
MEDICINES = frozenset({RXNORM, ATC})
_SUBSTANCE = re.compile(r"[A-Z][0-9]{2}[A-Z]{2}[0-9]{2}", re.IGNORECASE)
# Substances and findings; SNOMED CT and RxNorm are what records code allergies in. Of the findings
# many are missing: see `may_rule_out`.
ALLERGIES = frozenset({RXNORM, ATC, SNOMED, ICD10CM, ICD10, ICD9CM})


def readable(
    found: Iterable[CodeSeen | decoding.GlancedCoding],
    systems: frozenset[str],
    *,
    named: bool = True,
) -> bool:
    """Whether a coding is in one of the systems: then a code in no value set is a harmless one.

    Not so a group of ATC, or what is no code of it; nor a code of RxNorm that has no name: the
    value sets have every ATC substance that matters, but not every product of RxNorm.
    """
    for coding in found:
        if coding.code and coding.system and (uri := canonical(coding.system)) in systems:
            if uri == ATC and not _SUBSTANCE.fullmatch(coding.code):
                continue
            if named or uri != RXNORM:
                return True
    return False


def says_none(element: object, names: DrugNames = NO_NAMES) -> bool:
    """Whether an element says that nothing is known or taken ("No known allergies")."""
    if any(
        c.system in _ABSENT and (c.code or "").startswith("no-known-") for c in codings(element)
    ):
        return True
    said = [printable(text[:80]).rstrip(".") for text in texts(element)]
    none = names.sayings.says_no_allergy
    return any(_NONE.fullmatch(text) or (none(text) and not names.named([text])) for text in said)


def name_in(element: object) -> str:
    """What an element calls a medicine or an allergy; blank where it calls it nothing."""
    named = first_text(element) or any(c.system not in _NO_NAME for c in codings(element))
    return label_of(element, NOTHING, fallback="") if named else ""


def may_rule_out(element: object, names: DrugNames) -> bool:
    """Whether the words of an allergy name aspirin, an NSAID or a sulfonamide, or any drug."""
    return names.rules_out(texts(element))


def drugs_named(elements: Iterable[object], names: DrugNames) -> tuple[str, ...]:
    """The groups of drugs that the words or codes of an entry name, save where it denies them."""
    found = list(elements)
    said = [t for e in found for t in texts(e) if not names.sayings.denies_all(t)]
    return names.named(said, codes_of(found))


def codes_of(elements: Iterable[object]) -> Iterator[tuple[str, str]]:
    """System and code of every coding, the system by its usual URI."""
    for coding in (c for e in elements for c in codings(e)):
        if coding.system and coding.code:
            yield canonical(coding.system), coding.code


def as_atc(found: Iterable[CodeSeen], index: CodeIndex) -> frozenset[str]:
    """The value sets of codes that look like those of ATC, in a system that nobody here knows: it
    has many national names. Enough to ask."""
    matches = (
        index.match(ATC, c.code)
        for c in found
        if c.code and _SUBSTANCE.fullmatch(c.code.strip()) and not (c.system and is_known(c.system))
    )
    return frozenset(concept for match in matches if match for concept in match.concepts)


def is_allergy_in_words(element: object, names: DrugNames) -> bool:
    """Whether an entry of a problem list says in words that it is such an allergy."""
    return names.sayings.is_allergy(texts(element)) and may_rule_out(element, names)


def is_no_medicine(doc: Doc) -> bool:
    """Whether an allergy is stated to be one to food or surroundings, and to nothing else."""
    stated = frozenset(words(doc.get("category")))
    return bool(stated) and stated <= _NO_MEDICINE
