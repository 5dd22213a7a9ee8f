"""Reads an Observation that names a variant of ACVR1, the gene of FOP.

Shape: HL7 Genomics Reporting guide, profile Variant (value: found or not; components: gene, source
class, clinical significance). A report of another shape counts where it names gene and finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from cds_service.clinical.chart import MeasurementFact
from cds_service.fhir.codings import source_of
from cds_service.fhir.context import ReadContext
from cds_service.fhir.elements import Doc, all_texts, member, objects, status
from cds_service.knowledge.names import (
    ACVR1_ASKED,
    ACVR1_GERMLINE,
    ACVR1_SOURCE_OPEN,
    ANSWER_NEGATIVE,
    ANSWER_POSITIVE,
    GENE_ACVR1,
    GENOMIC_GERMLINE,
    GENOMIC_NOT_PATHOGENIC,
    GENOMIC_PATHOGENIC,
    GENOMIC_PRESENT,
    GENOMIC_SOMATIC,
)

_GENE = re.compile(r"\bACVR1\b(?!\s*[BC])|\bALK-?2\b", re.IGNORECASE)
_ABSENT = re.compile(
    r"\b(?:absent|not (?:detected|found|present)|negative|no variant|wild ?type)\b", re.I
)
_TUMOUR = re.compile(r"tumou?r|neoplas|glioma|somatic|FFPE|carcinoma|malignan", re.IGNORECASE)
_GERMLINE = re.compile(r"germ ?-?line|constitutional", re.IGNORECASE)
_BENIGN = re.compile(r"benign|uncertain|\bVUS\b|unknown significance", re.IGNORECASE)
_PATHOGENIC = re.compile(r"pathogenic", re.IGNORECASE)
_TAKEN_BACK = frozenset({"entered-in-error", "cancelled", "cannot-be-obtained"})


def read_variant(doc: Doc, look: ReadContext) -> Iterator[MeasurementFact]:
    """A pathogenic ACVR1 variant as a fact: of the germline, or of a source that is not said. One
    whose significance is not said is a question. Somatic and benign ones, those of uncertain
    significance, those not found, and those of a tumour specimen are none."""
    code = doc.get("code")
    known = look.know(code)
    if not _names_gene(doc, look):
        return
    said = _told(doc, look)
    if status(doc.get("status")) in _TAKEN_BACK or _none(doc, said):
        return
    when = look.moment(*(doc.get(n) for n in ("effectiveDateTime", "effectivePeriod", "issued")))
    source = replace(source_of(doc, code, known, when), label="ACVR1 variant")
    pathogenic = GENOMIC_PATHOGENIC in said or any(map(_PATHOGENIC.search, _texts(doc)))
    germline = GENOMIC_GERMLINE in said or any(map(_GERMLINE.search, _texts(doc)))
    concept = ACVR1_ASKED
    if pathogenic:
        concept = ACVR1_GERMLINE if germline else ACVR1_SOURCE_OPEN
    yield MeasurementFact(frozenset({concept}), source, None, None, None, when)


def _names_gene(doc: Doc, look: ReadContext) -> bool:
    values = [part.get("valueCodeableConcept") for part in (doc, *objects(doc.get("component")))]
    if any(GENE_ACVR1 in look.know(value).concepts for value in values):
        return True
    return any(_GENE.search(text) for text in _texts(doc))


def _told(doc: Doc, look: ReadContext) -> frozenset[str]:
    """Value sets of all answers."""
    parts = (doc, *objects(doc.get("component")))
    known = (
        look.know(part.get("valueCodeableConcept"), part.get("interpretation")) for part in parts
    )
    return frozenset(concept for one in known for concept in one.concepts)


def _none(doc: Doc, said: frozenset[str]) -> bool:
    """Whether the answers say that it is not there, or not one that causes FOP."""
    if said & {GENOMIC_SOMATIC, GENOMIC_NOT_PATHOGENIC, ANSWER_NEGATIVE}:
        return True
    specimen = all_texts(doc.get("specimen"), member(doc, "specimen", "display"))
    told = [*_texts(doc), *specimen]
    if any(_TUMOUR.search(text) for text in told):
        return True
    if any(_BENIGN.search(text) for text in told):
        return True
    found = GENOMIC_PRESENT in said or ANSWER_POSITIVE in said
    return not found and any(_ABSENT.search(text) for text in told)


def _texts(doc: Doc) -> list[str]:
    parts = (doc, *objects(doc.get("component")))
    return all_texts(
        *(
            part.get(name)
            for part in parts
            for name in ("code", "valueCodeableConcept", "valueString")
        )
    )
