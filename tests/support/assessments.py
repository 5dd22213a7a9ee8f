"""Small assessments made by hand, for tests of what comes after `guidance`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

from cds_service.clinical.assessment import (
    Assessment,
    Effect,
    Finding,
    Guidance,
    NotAssessed,
    OptionVerdict,
    Reason,
    Standing,
    Tier,
)
from cds_service.clinical.chart import (
    Chart,
    CodeSeen,
    DraftOrder,
    FhirDate,
    InputReport,
    InputState,
    PatientFacts,
    Provenance,
)
from cds_service.fhir.search import TEMPLATES
from cds_service.knowledge.names import Side

SNOMED = "http://snomed.info/sct"
VERSION = "2026.11+1a2b3c4d"


def day(text: str) -> FhirDate:
    when = date.fromisoformat(text)
    return FhirDate(text, when, when, 0.0)


HO = Provenance(
    "Condition/c12",
    CodeSeen(SNOMED, "444748003", "ignored"),
    "Postoperative heterotopic ossification",
    day("2019-06-02"),
    status="Brooker III",
)
FOP = Provenance(
    "Condition/f1",
    CodeSeen("http://hl7.org/fhir/sid/icd-10-cm", "M61.151"),
    "Myositis ossificans progressiva, right thigh",
    day("2015-03-01"),
    recorder="Dr. A. Smith",
)
EGFR = Provenance(
    "Observation/e1", CodeSeen("http://loinc.org", "98979-8"), "eGFR", day("2026-10-20")
)
PATIENT = Provenance("Patient/p1", None, "male")

PREVIOUS_HO = Finding(
    "previous-ho-hip", "factor", "previous HO of the hip", (HO,), Tier.HIGH, ("biz2015",)
)
MALE = Finding("male-sex", "modifier", "male sex", (PATIENT,), evidence=("zhu2015",))
HAS_FOP = Finding("fop", "genetic", "fibrodysplasia ossificans progressiva (FOP)", (FOP,))

EGFR_48 = Reason(
    "egfr-30-to-59",
    Effect.CONDITION,
    "eGFR 48 on 2026-10-20: 7 to 10 days only.",
    (EGFR,),
)
ALLERGY = Reason(
    "nsaid-allergy",
    Effect.EXCLUDE,
    "Allergy on record: Ibuprofen. No NSAID.",
    (Provenance("AllergyIntolerance/a1", None, "Ibuprofen"),),
    ("celebrex-pdr",),
)
AGE = Reason("age-65-indomethacin", Effect.EXCLUDE, "Age 66: indomethacin is avoided from 65.")

NSAID = OptionVerdict("nsaid", Standing.OFFERED, "celecoxib", ("indomethacin",))
RADIOTHERAPY = OptionVerdict("radiotherapy", Standing.OFFERED)


def order(index: int = 0, side: Side = Side.RIGHT, **changes: Any) -> DraftOrder:
    """A draft hip replacement, `ServiceRequest/sr<index>`."""
    said: dict[str, Any] = {
        "resource_id": f"sr{index}",
        "label": f"Total replacement of {side.value} hip",
        "kinds": frozenset({"hip-total-primary"}),
    }
    return DraftOrder(index=index, resource_type="ServiceRequest", side=side, **said | changes)


def guidance(card: str | None = "high-risk", **changes: Any) -> Guidance:
    """A warning about one right hip with previous HO, both options open, unless changed."""
    said: dict[str, Any] = {
        "row": "7",
        "indicator": "warning" if card else None,
        "orders": (order(),),
        "tier": Tier.HIGH,
        "findings": (PREVIOUS_HO, MALE),
        "options": (NSAID, RADIOTHERAPY),
        "params": (("order", "right hip arthroplasty"), ("finding", "previous HO (2019)")),
    }
    return Guidance(card=card, **said | changes)


def genetic(card: str = "fop-surgery", **changes: Any) -> Guidance:
    """A critical card about FOP."""
    said: dict[str, Any] = {
        "row": "1",
        "indicator": "critical",
        "tier": Tier.NONE,
        "findings": (HAS_FOP,),
        "options": (),
        "params": (("order", "right hip arthroplasty"), ("status", "on record")),
    }
    return guidance(card, **said | changes)


def silence(why: str = "no risk factor that counts", **changes: Any) -> Guidance:
    said: dict[str, Any] = {"row": "10", "tier": Tier.NONE, "findings": (), "options": ()}
    return guidance(None, silent_because=why, **said | changes)


def hostile(text: str, card: str = "prophylaxis-conflict") -> Guidance:
    """A guidance in which the chart says `text` wherever a chart can say anything."""
    source = Provenance(text, CodeSeen(text, text, text), text, recorder=text, status=text)
    reason = Reason("egfr-30-to-59", Effect.CONDITION, text, (source,))
    against = Reason("nsaid-allergy", Effect.EXCLUDE, text, (source,))
    return guidance(
        card,
        findings=(Finding("previous-ho-hip", "factor", text, (source,), Tier.HIGH, note=text),),
        orders=(order(label=text), order(1, label=text, resource_id=text)),
        options=(
            replace(
                NSAID,
                standing=Standing.CONDITIONAL,
                reasons=(reason,),
                dropped=(("indomethacin", (against,)),),
            ),
            OptionVerdict("radiotherapy", Standing.EXCLUDED, reasons=(against,)),
        ),
        conflicts=(against,),
        not_assessed=(replace(UNREAD, text=text),),
        params=(("order", text), ("finding", text)),
    )


UNREAD = NotAssessed("allergies", "could not be read", "Allergies could not be read: confirm none.")


def inputs(**states: str) -> tuple[InputReport, ...]:
    return tuple(
        InputReport(name, InputState(states.get(name.value, "read")), 3) for name in TEMPLATES
    )


def assessment(guidances: Iterable[Guidance] = (), **changes: Any) -> Assessment:
    """An assessment of these guidances, everything read."""
    said: dict[str, Any] = {
        "findings": (),
        "inputs": inputs(),
        "set_aside": (),
        "mentions": (),
        "foreign": 0,
        "skipped": 0,
        "knowledge_version": VERSION,
    }
    return Assessment(guidances=tuple(guidances), **said | changes)


def chart(**changes: Any) -> Chart:
    return Chart(PatientFacts("p1", day("1960-05-05"), "male"), **changes)
