"""Reads an Observation or DiagnosticReport that names a variant of ACVR1, the gene of FOP.

Shape: HL7 Genomics Reporting guide, profile Variant (value: found or not; components: gene, source
class, clinical significance). A report of another shape counts where it names gene and finding.
c.617G>A (p.Arg206His) is the variant of most people with FOP (Mol Syndromol 2014, PMID 25337067),
so its name alone says that it is pathogenic.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from cds_service.clinical.chart import MeasurementFact
from cds_service.fhir.codings import source_of
from cds_service.fhir.context import ReadContext
from cds_service.fhir.elements import (
    Doc,
    all_texts,
    kind_of,
    member,
    notes_of,
    objects,
    status,
)
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

# ACVR1B and ACVR1C are other genes; "c." begins the name of a variant.
_GENE = re.compile(r"\bACVR1\b(?!\s*[BC]\b(?!\.))|\bALK-?2\b", re.IGNORECASE)
_ABSENT = re.compile(
    r"\b(?:absent|not (?:detected|found|present|identified)|negative|normal|wild ?type"
    r"|no (?:\w+ ){0,3}(?:variants?|mutations?))\b",
    re.IGNORECASE,
)
_CLASSIC = re.compile(r"\bc\.\s?617\s?G\s?>\s?A|R206H\b|Arg206His", re.IGNORECASE)
_NOT_BEFORE = re.compile(
    r"\b(?:no|not|negative for|absence of|without|exclud\w*|kein\w*|pas de|sin)\W+"
    r"(?:[\w.()>]+\W+){0,4}$",
    re.IGNORECASE,
)
_NOT_AFTER = re.compile(
    r"[^.;,\n]{0,40}?\b(?:not (?:detected|found|present|identified)|absent|negative|excluded"
    r"|wild ?type)\b",
    re.IGNORECASE,
)
_FOUND = re.compile(
    r"\bc\.\s?\d|\bp\.|\b[A-Z]\d{2,4}[A-Z]\b|heterozyg|pathogenic|positive|detected|present|identified"
    r"|\b(?:variant|mutation|mutated)\b",
    re.IGNORECASE,
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
    if not _names_gene(doc, look) or status(doc.get("status")) in _TAKEN_BACK:
        return
    said, classic = _told(doc, look), _classic(doc)
    if _none(doc, said, classic):
        return
    when = look.moment(*(doc.get(n) for n in ("effectiveDateTime", "effectivePeriod", "issued")))
    source = replace(source_of(doc, code, known, when), label="ACVR1 variant")
    pathogenic = classic or GENOMIC_PATHOGENIC in said
    pathogenic = pathogenic or any(map(_PATHOGENIC.search, _texts(doc)))
    germline = GENOMIC_GERMLINE in said or any(map(_GERMLINE.search, _texts(doc)))
    concept = ACVR1_ASKED
    if pathogenic:
        concept = ACVR1_GERMLINE if germline else ACVR1_SOURCE_OPEN
    yield MeasurementFact(frozenset({concept}), source, None, None, None, when)


def finds_variant(doc: Doc) -> bool:
    """Whether words of a result that is no coded variant name the gene and a finding: an order or
    a result that says nothing yet is none."""
    return any(map(_GENE.search, _texts(doc))) and any(map(_FOUND.search, _answers(doc)))


def as_observation(doc: Doc) -> Doc | None:
    """A DiagnosticReport whose conclusion finds a variant of the gene, in the shape of an
    Observation; None for any other."""
    if kind_of(doc) != "DiagnosticReport":
        return None
    codes = [{"valueCodeableConcept": one} for one in objects(doc.get("conclusionCode"))]
    codes += [{"valueCodeableConcept": one} for one in objects(doc.get("codedDiagnosis"))]
    shaped = {**doc, "valueString": doc.get("conclusion"), "component": codes}
    return shaped if finds_variant(shaped) else None


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


def _classic(doc: Doc) -> bool:
    """Whether the answers name the variant of most people with FOP, and do not deny it."""
    places = [one for text in _answers(doc) for one in _CLASSIC.finditer(text)]
    return bool(places) and not any(
        _NOT_BEFORE.search(one.string[max(0, one.start() - 60) : one.start()])
        or _NOT_AFTER.match(one.string, one.end())
        for one in places
    )


def _none(doc: Doc, said: frozenset[str], classic: bool) -> bool:
    """Whether the answers say that it is not there, or not one that causes FOP."""
    if said & {GENOMIC_SOMATIC, GENOMIC_NOT_PATHOGENIC, ANSWER_NEGATIVE}:
        return True
    specimen = all_texts(doc.get("specimen"), member(doc, "specimen", "display"))
    told = [*_texts(doc), *specimen]
    if any(_TUMOUR.search(text) for text in told):
        return True
    if classic:
        return False
    if any(_BENIGN.search(text) for text in told):
        return True
    found = GENOMIC_PRESENT in said or ANSWER_POSITIVE in said
    return not found and any(_ABSENT.search(text) for text in told)


def _texts(doc: Doc) -> list[str]:
    parts = (doc, *objects(doc.get("component")))
    return [*all_texts(*(part.get("code") for part in parts)), *_answers(doc)]


def _answers(doc: Doc) -> list[str]:
    """The words of the values and notes, without those of the questions."""
    parts = (doc, *objects(doc.get("component")))
    values = [part.get(name) for part in parts for name in ("valueCodeableConcept", "valueString")]
    return [*all_texts(*values, doc.get("interpretation")), *notes_of(doc)]
