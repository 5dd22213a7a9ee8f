"""Tells whether a medicine or an allergy has a code that the service could know at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

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
)
from cds_service.knowledge.drug_names import DrugNames

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
# Words of an allergy that rules out every NSAID or celecoxib. The SNOMED CT and ICD codes of such
# findings could not be verified (they are in no value set), so the words beside one are heeded.
_TELLING = re.compile(
    r"aspirin|salicyl|nsaid|anti-?\s?(?:inflammator|phlogist|rheumatic)|profen|fenac|naproxen|coxib"
    r"|indometh?acin|ketorolac|oxicam|etodolac|nabumetone|sulindac"
    r"|sul(?:f|ph)(?:a(?!t(?:e|es|s)?\b)|on(?!ylurea))|^(?:drug|medication|medicine) allergy\b"
    r"|^allergy to (?:drug|medication|medicine|analgesic)",
    re.IGNORECASE,
)
_REACTION = re.compile(
    r"allerg|sensitiv|intoleran|anaphyla|adverse (?:drug )?(?:reaction|effect)", re.IGNORECASE
)
_DENIED = re.compile(
    r"\W*(?:no|not|nil|denies|family history)\b(?!.*\b(?:but|except)\b)", re.IGNORECASE
)
_TEXT_LIMIT = 300
_NO_MEDICINE = frozenset({"food", "environment"})


# The systems in which every value set of medicines lists its codes
# (tests/knowledge/test_loader.py). The sets have SNOMED CT for a few drugs only: there, a code
# that is in none of them says nothing.
MEDICINES = frozenset({RXNORM, ATC})
# Substances and findings; SNOMED CT and RxNorm are what records code allergies in. Of the findings
# many are missing: see `may_rule_out`.
ALLERGIES = frozenset({RXNORM, ATC, SNOMED, ICD10CM, ICD10, ICD9CM})


def readable(found: Iterable[CodeSeen | decoding.GlancedCoding], systems: frozenset[str]) -> bool:
    """Whether a coding is in one of the systems: then a code in no value set is a harmless one."""
    return any(c.code and c.system and canonical(c.system) in systems for c in found)


def says_none(element: object) -> bool:
    """Whether an element says that nothing is known or taken ("No known allergies")."""
    if any(
        c.system in _ABSENT and (c.code or "").startswith("no-known-") for c in codings(element)
    ):
        return True
    return any(_NONE.fullmatch(printable(said[:80]).rstrip(".")) for said in texts(element))


def name_in(element: object) -> str:
    """What an element calls a medicine or an allergy; blank where it calls it nothing."""
    named = first_text(element) or any(c.system not in _NO_NAME for c in codings(element))
    return label_of(element, NOTHING, fallback="") if named else ""


def may_rule_out(element: object) -> bool:
    """Whether the words of an allergy name aspirin, an NSAID or a sulfonamide, or any drug."""
    said = (text[:_TEXT_LIMIT] for text in texts(element))
    return any(_TELLING.search(text) and not _DENIED.match(text) for text in said)


def drugs_named(elements: Iterable[object], names: DrugNames) -> tuple[str, ...]:
    """The groups of drugs that the words or codes of an entry name, save where it denies them."""
    found = list(elements)
    said = [t for e in found for t in texts(e) if not _DENIED.match(t[:_TEXT_LIMIT])]
    return names.named(said, codes_of(found))


def codes_of(elements: Iterable[object]) -> Iterator[tuple[str, str]]:
    """System and code of every coding, the system by its usual URI."""
    for coding in (c for e in elements for c in codings(e)):
        if coding.system and coding.code:
            yield canonical(coding.system), coding.code


def is_allergy_in_words(element: object) -> bool:
    """Whether an entry of a problem list says in words that it is such an allergy."""
    return may_rule_out(element) and any(_REACTION.search(t[:_TEXT_LIMIT]) for t in texts(element))


def is_no_medicine(doc: Doc) -> bool:
    """Whether an allergy is stated to be one to food or surroundings, and to nothing else."""
    stated = frozenset(words(doc.get("category")))
    return bool(stated) and stated <= _NO_MEDICINE
