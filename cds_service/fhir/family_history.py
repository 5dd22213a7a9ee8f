"""Reads a FamilyMemberHistory of any FHIR release."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.clinical.chart import FamilyFact, SetAside
from cds_service.fhir.codings import source_of
from cds_service.fhir.context import Item, ReadContext
from cds_service.fhir.elements import Doc, first_text, objects, status
from cds_service.fhir.record_status import IN_ERROR
from cds_service.knowledge.names import HO


def read_family_history(doc: Doc, look: ReadContext) -> Iterator[Item]:
    """Each coded condition of a relative, and each disease that only a text names."""
    relation = first_text(doc.get("relationship")) or status(doc.get("relationship"))
    when, in_error = look.date(doc.get("date")), status(doc.get("status")) == IN_ERROR
    for entry in (*objects(doc.get("condition")), doc):
        code = entry.get("code")
        known = look.know(code)
        source = source_of(doc, code, known, when)
        if known.meaning and in_error:
            yield SetAside(known.meaning, source, IN_ERROR)
        elif known.meaning:
            yield FamilyFact(known.meaning, source, relation)
        if in_error:
            continue
        for named in look.mentions.uncoded(entry, source, known.meaning):
            if named.disease == HO:
                continue  # acquired: no matter of the family
            yield FamilyFact(frozenset(), named.source, relation, named.disease)
