"""What the texts of an entry of the record name without a code: the patient's, or a relative's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from cds_service.clinical.chart import FamilyFact, Mention, Provenance
from cds_service.fhir.codings import source_of
from cds_service.fhir.context import REASONS, ReadContext
from cds_service.fhir.elements import Doc, items, kind_of, objects, status, texts
from cds_service.fhir.record_status import IN_ERROR
from cds_service.knowledge.names import HO, SITE_ELSEWHERE, SITE_HIP

REASON_NAMES = frozenset(REASONS)
ANSWERS = frozenset({"valueCodeableConcept", "valueString", "valueBoolean", "component"})
GENETIC = frozenset({"fop", "poh"})
_WHERE = {"AllergyIntolerance": "in the allergies", "Observation": "in a result"}
_OF_FAMILY = re.compile(r"famil|mother|father|sibling|parent|relative", re.IGNORECASE)


def named_in(
    doc: Doc, look: ReadContext, source: Provenance, coded: frozenset[str]
) -> Iterator[Mention | FamilyFact]:
    """Mentions, and facts of the family where the words give the disease to a relative. Acquired
    HO is no matter of the family, and that of another joint than the hip asks nothing."""
    for named in look.mentions.uncoded(doc, source, coded):
        if named.disease == HO and (named.of_relative or _is_elsewhere(doc, look)):
            continue
        if named.of_relative:
            yield FamilyFact(frozenset(), named.source, None, named.disease)
        else:
            yield named


def _is_elsewhere(doc: Doc, look: ReadContext) -> bool:
    sites = look.sites(doc).sites
    return SITE_ELSEWHERE in sites and SITE_HIP not in sites


def named_as_reason(
    doc: Doc, look: ReadContext, source: Provenance
) -> Iterator[Mention | FamilyFact]:
    """Genetic HO as the reason of what was done or prescribed."""
    if status(doc.get("status")) == IN_ERROR:
        return
    found = [one for name in REASONS if name in doc for one in items(doc[name])]
    pointed = [target.get("code") for target in look.resolve(doc, found)]
    if found:
        yield from named_beside(doc, look, source, [*found, *pointed])


def named_as_result(
    doc: Doc, look: ReadContext, source: Provenance
) -> Iterator[Mention | FamilyFact]:
    """Genetic HO as the answer of an observation, or as what was observed."""
    answers = []
    for part in (doc, *objects(doc.get("component"))):
        answers += [part[n] for n in ("valueCodeableConcept", "valueString") if n in part]
    code = doc.get("code")
    if answers or any(disease in look.know(code).concepts for disease in GENETIC):
        of_family = any(map(_OF_FAMILY.search, texts(code)))
        for named in named_beside(doc, look, source, answers, coded=code):
            if of_family and isinstance(named, Mention):
                yield FamilyFact(frozenset(), named.source, None, named.disease)
            else:
                yield named


def named_beside(
    doc: Doc, look: ReadContext, source: Provenance, told: list[object], *, coded: object = None
) -> Iterator[Mention | FamilyFact]:
    """FOP or POH in elements where a disease does not belong, coded or in words: never more than a
    question. Of `coded` the codes count, and not the words ("FOP gene panel")."""
    source = replace(source, status=_WHERE.get(kind_of(doc) or "", "as a reason"))
    known = look.know(*told, coded)
    found = [disease for disease in sorted(GENETIC) if disease in known.concepts]
    if found:
        label = source_of(doc, told or coded, known, source.date).label
        yield from (Mention(d, replace(source, coding=None, label=label)) for d in found)
        return
    if look.mentions:
        for named in named_in({"code": told}, look, source, frozenset()):
            if not (isinstance(named, Mention) and named.disease not in GENETIC):
                yield named
