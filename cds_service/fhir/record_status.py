"""Whether a condition or an allergy of a record counts by its status, and since when."""

from __future__ import annotations

from datetime import tzinfo

from cds_service.clinical.chart import FhirDate
from cds_service.fhir.dates import read_age, read_moment
from cds_service.fhir.elements import Doc, words

_CLINICAL = frozenset({"active", "recurrence", "relapse", "inactive", "remission", "resolved"})
SUSPECTED = frozenset({"unconfirmed", "provisional", "differential"})
IN_ERROR = "entered-in-error"
DOUBTED = frozenset({"refuted", IN_ERROR})


def doubt_of(doc: Doc) -> str | None:
    """Why a Condition does not count: refuted or entered in error."""
    return next((w for w in verifications(doc) if w in DOUBTED), None)


def verifications(doc: Doc) -> list[str]:
    """The codes of verificationStatus, of any release."""
    # DSTU2 has one status for both questions in AllergyIntolerance.
    return [*words(doc.get("verificationStatus")), *words(doc.get("status"))]


def clinical_status(doc: Doc) -> str:
    """The clinical status; active where none is stated and no abatement says that it is over."""
    said = [*words(doc.get("clinicalStatus")), *words(doc.get("status"))]
    stated = next((w for w in said if w in _CLINICAL), None)
    return stated or ("resolved" if _abated(doc) else "active")


def _abated(doc: Doc) -> bool:
    return any(
        name.startswith("abatement") and value not in (None, False, "", "false")
        for name, value in doc.items()
    )


def onset_of(doc: Doc, birth: FhirDate | None, zone: tzinfo | None = None) -> FhirDate | None:
    """When it began, also from an age where the birth date is known."""
    stated = map(doc.get, ("onsetDateTime", "onsetPeriod", "onsetString"))
    onset = read_moment(*stated, zone=zone)
    return onset or read_age(doc.get("onsetAge") or doc.get("onsetQuantity"), birth)


def recorded_on(doc: Doc, zone: tzinfo | None = None) -> FhirDate | None:
    """When it was recorded."""
    stated = map(doc.get, ("recordedDate", "assertedDate", "dateRecorded"))
    return read_moment(*stated, zone=zone)
