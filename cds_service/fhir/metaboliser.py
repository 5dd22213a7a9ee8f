"""Reads that somebody is a poor metaboliser of CYP2C9, the enzyme that breaks down celecoxib.

Codes: LOINC 79716-7 as in the HL7 FHIR example observation-example-phenotype, with the answer
LA9657-3 of the HL7 Genomics Reporting guide. Else words that name both: no other code was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from cds_service.clinical.chart import ConditionFact, Provenance
from cds_service.fhir.codings import source_of
from cds_service.fhir.context import ReadContext
from cds_service.fhir.dates import read_moment
from cds_service.fhir.elements import Doc, all_texts, notes_of, objects, status
from cds_service.knowledge.names import CYP2C9_ACTIVITY, POOR_METABOLISER

_GENE = re.compile(r"\bCYP[ -]?2C9\b", re.IGNORECASE)
_OTHER_GENE = re.compile(r"\bCYP[ -]?(?!2C9\b)[1-4][A-Z][0-9]+", re.IGNORECASE)
_POOR = re.compile(
    r"\bpoor[ -]+metaboli[sz]|langsame\w*[ -]metabolisierer|m[ée]taboliseurs?[ -]lents?",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\b(?:not?|non|denies|kein\w*|pas|excluded)\b", re.IGNORECASE)
_TAKEN_BACK = frozenset({"entered-in-error", "cancelled", "cannot-be-obtained"})
_VALUES = ("valueCodeableConcept", "valueString")


def read_metaboliser(doc: Doc, look: ReadContext) -> Iterator[ConditionFact]:
    """The fact, where an Observation or one of its components says so of CYP2C9; where no part
    names the gene beside the answer, the whole has to name it and no other."""
    parts = (doc, *objects(doc.get("component")))
    poor = [part for part in parts if _is_poor(part, look)]
    if not poor or status(doc.get("status")) in _TAKEN_BACK:
        return
    told = [text for part in parts for text in _texts(part)]
    alone = not any(_OTHER_GENE.search(text) for text in told)
    if any(_names_gene(part, look) for part in (poor if not alone else parts)):
        known = look.know(doc.get("code"))
        when = read_moment(
            *(doc.get(n) for n in ("effectiveDateTime", "effectivePeriod", "issued"))
        )
        source = source_of(doc, doc.get("code"), known, when)
        yield _fact(source)


def in_words(doc: Doc, source: Provenance) -> Iterator[ConditionFact]:
    """The fact, where one text of a problem names the gene and says that it works poorly."""
    told = all_texts(doc.get("code"), notes_of(doc))
    if any(_GENE.search(text) and _says_poor((text,)) for text in told):
        yield _fact(source)


def _fact(source: Provenance) -> ConditionFact:
    label = Provenance(
        source.reference, source.coding, "poor metaboliser of CYP2C9", source.date, source.recorder
    )
    return ConditionFact(frozenset({POOR_METABOLISER}), label)


def _is_poor(part: Doc, look: ReadContext) -> bool:
    known = look.know(part.get("valueCodeableConcept"), part.get("interpretation"))
    return POOR_METABOLISER in known.concepts or _says_poor(_texts(part))


def _names_gene(part: Doc, look: ReadContext) -> bool:
    if CYP2C9_ACTIVITY in look.know(part.get("code")).concepts:
        return True
    return any(_GENE.search(text) for text in _texts(part))


def _texts(part: Doc) -> list[str]:
    return all_texts(*(part.get(name) for name in ("code", *_VALUES)))


def _says_poor(told: Iterable[str]) -> bool:
    """Whether a text says it, and does not deny it before."""
    for text in told:
        found = _POOR.search(text)
        if found and not _DENIED.search(text[max(0, found.start() - 30) : found.start()]):
            return True
    return False
