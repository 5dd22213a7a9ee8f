"""Takes a patient's resources back to a moment: what came later is left out, and what is over now
is as it was then.

A complication that was recorded after an operation must never become a cause of the card for it.
`meta.lastUpdated` is no date of a fact: an export or a migration sets it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta, tzinfo
from enum import StrEnum
from typing import Final

from cds_service.clinical.chart import FhirDate
from cds_service.fhir.dates import read_date, read_moment
from cds_service.fhir.dosage import read_schedule
from cds_service.fhir.elements import Doc, kind_of, member, objects, status, words
from cds_service.fhir.inputs import INPUT_OF
from cds_service.fhir.medicine_lists import LISTS
from cds_service.knowledge.names import InputName

# The elements that say when a fact came to be known, over all releases.
_PROBLEM: Final = ("recordedDate", "assertedDate", "dateRecorded", "onsetDateTime", "onsetPeriod")
_EFFECTIVE: Final = ("effectiveDateTime", "effectivePeriod", "effectiveInstant", "effectiveTiming")
_GIVEN: Final = ("effectiveDateTime", "effectivePeriod", "effectiveTimeDateTime",
                 "effectiveTimePeriod", "occurenceDateTime", "occurencePeriod",
                 "occurrenceDateTime", "occurrencePeriod")  # fmt: skip
_WRITTEN: Final = ("authoredOn", "dateWritten", "orderedOn", "dateSent", "date")
DATES_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "Condition": _PROBLEM,
    "AllergyIntolerance": (*_PROBLEM, "onset"),
    "Procedure": ("performedDateTime", "performedPeriod", "occurrenceDateTime",
                  "occurrencePeriod", "recorded"),
    "Observation": (*_EFFECTIVE, "issued"),
    "DiagnosticReport": (*_EFFECTIVE, "issued"),
    "MedicationRequest": _WRITTEN,
    "MedicationOrder": _WRITTEN,
    "MedicationStatement": ("dateAsserted", "effectiveDateTime", "effectivePeriod"),
    "MedicationUsage": ("dateAsserted", "effectiveDateTime", "effectivePeriod"),
    "MedicationDispense": ("whenHandedOver", "whenPrepared", "recorded"),
    "MedicationAdministration": _GIVEN,
    "FamilyMemberHistory": ("date",),
    "ServiceRequest": _WRITTEN,
    "ProcedureRequest": _WRITTEN,
    "ReferralRequest": _WRITTEN,
    "DeviceRequest": _WRITTEN,
    "NutritionOrder": ("dateTime",),
    "List": ("date",),
    "Composition": ("date",),
}  # fmt: skip
_DIAGNOSTIC_ORDER: Final = "DiagnosticOrder"  # DSTU2: its date lies in an event
_PLANS: Final = ("occurrenceDateTime", "occurrencePeriod", "occurrenceTiming", "scheduledDateTime",
                 "scheduledPeriod", "scheduledTiming")  # fmt: skip
_OVER: Final = frozenset({"completed", "stopped", "cancelled", "revoked", "ended"})
_PAST: Final = frozenset({"inactive", "remission", "resolved"})
_MEDICINES: Final = frozenset(kind for kind, name in INPUT_OF.items() if name in LISTS)
_HANDED_OUT: Final = frozenset({"MedicationDispense", "MedicationAdministration"})
_ORDERED: Final = frozenset(
    kind for kind, name in INPUT_OF.items() if name is InputName.SERVICE_REQUESTS
) | {"DeviceRequest"}


class Timing(StrEnum):
    """When a fact came to be known, seen from a moment. UNDATED: no date of it says."""

    BEFORE = "before"
    LATER = "later"
    UNDATED = "undated"


def timing_of(doc: Doc, moment: FhirDate, zone: tzinfo | None = None) -> Timing:
    """Whether a resource was known at a moment. One day is no later than itself, except where both
    are exact times. A date of low precision that leaves it open counts as none. What has no date by
    its nature (a Patient, a Medication) was always there."""
    names = DATES_OF.get(kind_of(doc) or "")
    if names is None and kind_of(doc) != _DIAGNOSTIC_ORDER:
        return Timing.BEFORE
    found = [one for one in _dates(doc, names or (), zone) if one is not None]
    if any(is_later(one, moment) for one in found):
        return Timing.LATER
    if not found or found[0].latest > moment.latest:
        return Timing.UNDATED
    return Timing.BEFORE


def is_later(one: FhirDate, moment: FhirDate) -> bool:
    """Whether a date is surely after a moment."""
    if one.clock is not None and one.clock == moment.clock:
        return one.order > moment.order
    return one.earliest > moment.latest


def written_on(doc: Doc, zone: tzinfo | None = None) -> FhirDate | None:
    """The first date that says when a resource came to be known."""
    names = DATES_OF.get(kind_of(doc) or "", ())
    return next((one for one in _dates(doc, names, zone) if one is not None), None)


def _dates(doc: Doc, names: tuple[str, ...], zone: tzinfo | None) -> list[FhirDate | None]:
    found = [read_moment(doc[name], zone=zone) for name in names if name in doc]
    if kind_of(doc) == _DIAGNOSTIC_ORDER:
        found += [read_date(event.get("dateTime"), zone) for event in objects(doc.get("event"))]
    return found


def as_it_was(doc: Doc, moment: FhirDate, zone: tzinfo | None = None) -> Doc:
    """A resource that was known at a moment, with what came over it later taken back: the death
    and the end of use of a record, the end of a condition, of a medicine and of an order. Without
    a date of its end what is over stays so, except on the day on which it was ordered."""
    kind = kind_of(doc) or ""
    if kind == "Patient":
        return _alive(doc, moment, zone)
    if kind in {"Condition", "AllergyIntolerance"}:
        return _not_yet_over(doc, moment, zone)
    if status(doc.get("status")) not in _OVER:
        return doc
    if kind in _MEDICINES - _HANDED_OUT and _was_taken(doc, moment, zone):
        return doc | {"status": "active"}
    if kind in _ORDERED and _was_planned(doc, moment, zone):
        return doc | {"status": "active"}
    return doc


def _alive(doc: Doc, moment: FhirDate, zone: tzinfo | None) -> Doc:
    """Of a death the date says whether it came before; the end of a record never has one."""
    died = read_date(doc.get("deceasedDateTime"), zone)
    if died is not None and not is_later(died, moment):
        return doc
    later = {"deceasedBoolean", "deceasedDateTime", "active"}
    kept = {name: value for name, value in doc.items() if name not in later}
    links = [one for one in objects(doc.get("link")) if one.get("type") != "replaced-by"]
    return kept | {"link": links} if "link" in doc else kept


def _not_yet_over(doc: Doc, moment: FhirDate, zone: tzinfo | None) -> Doc:
    ended = read_moment(doc.get("abatementDateTime"), doc.get("abatementPeriod"), zone=zone)
    if ended is None or not is_later(ended, moment):
        return doc
    kept = {name: value for name, value in doc.items() if not name.startswith("abatement")}
    if not _PAST.isdisjoint(words(doc.get("clinicalStatus"))):
        del kept["clinicalStatus"]  # absent counts as active
    return kept


def _was_taken(doc: Doc, moment: FhirDate, zone: tzinfo | None) -> bool:
    """Whether a medicine that is over now was not at the moment: by its stated end, by the length
    of its course or supply, or because it was ordered on that day."""
    written = written_on(doc, zone)
    if _is_that_day(written, moment):
        return True
    schedule = read_schedule(doc, zone)
    ends = [schedule.end, read_date(member(doc, "dispenseRequest", "validityPeriod", "end"), zone)]
    ends.append(read_date(member(doc, "effectivePeriod", "end"), zone))
    if any(end is not None and end.latest >= moment.earliest for end in ends):
        return True
    begun = schedule.start or written
    if begun is None or schedule.days is None or any(end is not None for end in ends):
        return False
    return begun.earliest.toordinal() + int(schedule.days) >= moment.earliest.toordinal()


def _was_planned(doc: Doc, moment: FhirDate, zone: tzinfo | None) -> bool:
    """Whether an order that is over now was still to be done: its day lies after the moment, or it
    was written on that day."""
    planned = read_moment(*(doc[name] for name in _PLANS if name in doc), zone=zone)
    if planned is not None:
        return planned.latest >= moment.earliest
    return _is_that_day(written_on(doc, zone), moment)


def _is_that_day(one: FhirDate | None, moment: FhirDate) -> bool:
    return one is not None and moment.latest - one.latest < timedelta(days=1)
