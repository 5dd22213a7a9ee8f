"""Tells in which system an entry is coded that says nothing, where nobody can read that system."""

from __future__ import annotations

from cds_service.fhir.context import ReadContext
from cds_service.fhir.elements import Doc, codings
from cds_service.fhir.inputs import INPUT_OF
from cds_service.fhir.medication import name_of
from cds_service.fhir.unidentified import says_none
from cds_service.fhir.unread_codes import unread_system
from cds_service.knowledge.names import InputName

_CODED = frozenset({"Condition", "Procedure", "Observation", "AllergyIntolerance"})


def unread_entry(kind: str, doc: Doc, look: ReadContext) -> str | None:
    """See `unread_system`; None for what carries no such code, as a patient does."""
    if kind in _CODED:
        element = doc.get("code") or doc.get("substance")  # DSTU2
    elif INPUT_OF[kind] is InputName.MEDICATIONS:
        element = name_of(doc, look).element
    else:
        return None
    return None if says_none(element) else unread_system(codings(element))
