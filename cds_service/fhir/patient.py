"""Reads a Patient of any FHIR release."""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.clinical.chart import PatientFacts
from cds_service.fhir.dates import read_date
from cds_service.fhir.elements import Doc, flag, objects, status, text, word

_BIRTHSEX = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"


def read_patient(doc: Doc, patient_id: str) -> PatientFacts:
    """Birth date, administrative sex and whether the patient has died. Sex is never guessed: the
    US Core birth sex counts only where Patient.gender is missing."""
    gender = status(doc.get("gender"))
    if gender is None:
        gender = {"M": "male", "F": "female"}.get(_birthsex(doc) or "")
    return PatientFacts(
        id=patient_id,
        birth=read_date((text(doc.get("birthDate")) or "")[:10]),
        sex=gender if gender in {"male", "female"} else "unknown",
        deceased=flag(doc.get("deceasedBoolean")) or bool(text(doc.get("deceasedDateTime"))),
    )


def _birthsex(doc: Doc) -> str | None:
    for extension in objects(doc.get("extension")):
        if word(extension.get("url")) == _BIRTHSEX:
            return word(extension.get("valueCode"))
    return None


def fullest(records: Iterable[Doc], patient_id: str) -> PatientFacts:
    """The patient; of more than one record of the same patient the fuller one."""
    facts = [read_patient(doc, patient_id) for doc in records]
    if len(facts) > 1:
        facts.sort(
            key=lambda f: (f.birth is None, f.sex == "unknown", not f.deceased, str(f.birth))
        )
    return facts[0] if facts else PatientFacts(patient_id)
