"""Draft FHIR orders that a suggestion creates, in the release that the request speaks.

A draft is plain JSON made from the knowledge; nothing of it depends on the request but the
references, the reason and the side. So the shape is validated through fhir.resources for every
medicine and referral of the knowledge (`check`, and the tests), and a call gets them from
`prepared_orders`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from cds_service.cards.markdown import clean
from cds_service.knowledge.dosages import DAY, dosage
from cds_service.knowledge.loader import load
from cds_service.knowledge.namespaces import REFERRAL_SYSTEM

if TYPE_CHECKING:
    from pathlib import Path

    from cds_service.knowledge.model import Knowledge
    from cds_service.knowledge.schema import DoseForm, Referral

Resource = dict[str, Any]

RELEASES = ("R4", "R5", "STU3", "DSTU2")


@dataclass(frozen=True, slots=True)
class DraftContext:
    """What a draft takes from the request: references (`Type/id`), reason, body site, release.

    `reason` and `site` are plain text; `release` is one of `RELEASES`, anything else gives R4.
    """

    subject: str
    reason: str
    encounter: str | None = None
    requester: str | None = None
    site: str | None = None
    release: str = "R4"


@dataclass(frozen=True, slots=True)
class Course:
    """A medicine as it is drafted, over so many days and with these notes."""

    form: DoseForm
    days: int
    notes: tuple[str, ...] = ()

    def draft(self, context: DraftContext) -> Resource:
        """See `medication_request`."""
        return medication_request(self.form, self.days, self.notes, context)


def courses(knowledge: Knowledge) -> Mapping[tuple[str, int], Course]:
    """Every course of the knowledge by its id and days; for `Knowledge.once`.

    The stomach is protected for as long as the course it goes with lasts.
    """
    made = {}
    protection = knowledge.protection
    for regimen in knowledge.regimens.values():
        days = regimen.course.days
        made[regimen.id, days] = Course(regimen.course, days, (regimen.off_label,))
        made[protection.id, days] = Course(protection.course, days)
    return made


def medication_request(
    course: DoseForm, days: int, notes: tuple[str, ...], context: DraftContext
) -> Resource:
    """A MedicationRequest for `course` over `days` days, without refills (FHIR R4 10.7.2).

    Raises ValueError for a blank reason.
    """
    draft: Resource = {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": {
            "coding": [{"system": course.system, "code": course.code, "display": course.display}],
            "text": course.display,  # the CDS Hooks Sandbox shows this and nothing else
        },
        **_participants(context),
        "reasonCode": [{"text": reason_of(context.reason)}],
        **({"note": [{"text": text} for text in notes]} if notes else {}),
        "dosageInstruction": [dosage(course, days)],
        "dispenseRequest": {
            "numberOfRepeatsAllowed": 0,
            "quantity": {"value": course.per_day * days, "unit": "dose"},
            "expectedSupplyDuration": {"value": days, **DAY},
        },
    }
    return to_release(draft, context.release)


def service_request(
    referral: Referral, knowledge: Knowledge, context: DraftContext, lead: str = ""
) -> Resource:
    """A ServiceRequest that asks for a consult, never for the treatment (FHIR R4 12.17).

    `lead` stands before the note of the referral.
    """
    draft: Resource = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "order",
        "code": {
            "coding": [{"system": REFERRAL_SYSTEM, "code": referral.id, "display": referral.label}],
            "text": referral.text,
        },
        **_participants(context),
        "performerType": knowledge.once(_specialties)[referral.id],
        "reasonCode": [{"text": reason_of(context.reason)}],
        "bodySite": [{"text": context.site}] if context.site else [],
        "note": [{"text": f"{lead} {referral.note}".strip()}],
    }
    return to_release(_without_empty(draft), context.release)


def _specialties(knowledge: Knowledge) -> Mapping[str, Resource | None]:
    """Whom each referral is for; for `Knowledge.once`."""
    return {id_: _specialty(one, knowledge) for id_, one in knowledge.referrals.items()}


def _specialty(referral: Referral, knowledge: Knowledge) -> Resource | None:
    """Whom a referral is for, by the first code of its value set."""
    if referral.performer is None:
        return None
    include = knowledge.value_sets[referral.performer]["compose"]["include"][0]
    concept = include["concept"][0]
    coding = {name: concept[name] for name in ("code", "display") if name in concept}
    return {"coding": [{"system": include["system"], **coding}]}


def _participants(context: DraftContext) -> Resource:
    named = {
        "subject": context.subject,
        "encounter": context.encounter,
        "requester": context.requester,
    }
    return {role: {"reference": reference} for role, reference in named.items() if reference}


def reason_of(text: str) -> str:
    """The reason of a draft as one line. Raises ValueError for a blank one."""
    if not (text := clean(text)):  # what is left is one line of plain text
        raise ValueError("must not be blank")
    return text


def _without_empty(resource: Resource) -> Resource:
    return {name: value for name, value in resource.items() if value}


# --- releases (shapes of section 3.3 of the CDS Hooks checklist) ---


def to_release(draft: Resource, release: str) -> Resource:
    """An R4 draft in the shape of `release`; a release that is not known gets R4 (and R4B)."""
    if release == "R5":
        return _r5(draft)
    if release == "STU3":
        return _stu3(draft)
    if release == "DSTU2":
        return _dstu2(_stu3(draft))
    return draft


def _renamed(draft: Resource, names: dict[str, str]) -> Resource:
    return {names.get(name, name): value for name, value in draft.items()}


def _r5(draft: Resource) -> Resource:
    """R5 wraps drug, code and reason in CodeableReference."""
    changed = _renamed(draft, {"medicationCodeableConcept": "medication", "reasonCode": "reason"})
    changed["reason"] = [{"concept": concept} for concept in changed["reason"]]
    for name in ("medication", "code"):
        if name in changed:
            changed[name] = {"concept": changed[name]}
    return changed


def _stu3(draft: Resource) -> Resource:
    """STU3 has ProcedureRequest, `context`, `requester.agent` and the dose beside the timing."""
    changed = _renamed(draft, {"encounter": "context"})
    if draft["resourceType"] == "ServiceRequest":
        changed["resourceType"] = "ProcedureRequest"
    else:
        changed["dosageInstruction"] = [_flat_dose(dose) for dose in draft["dosageInstruction"]]
        # positiveInt until R4: "none" cannot be written, and absent says nothing is allowed.
        changed["dispenseRequest"] = {
            name: value
            for name, value in draft["dispenseRequest"].items()
            if name != "numberOfRepeatsAllowed"
        }
    if "requester" in changed:
        changed["requester"] = {"agent": changed["requester"]}
    return changed


def _flat_dose(dose: Resource) -> Resource:
    flat = {name: value for name, value in dose.items() if name != "doseAndRate"}
    return flat | {"doseQuantity": dose["doseAndRate"][0]["doseQuantity"]}


def _dstu2(draft: Resource) -> Resource:
    """DSTU2 has MedicationOrder, single reasons, and no intent."""
    medicine = draft["resourceType"] == "MedicationRequest"
    names = {"context": "encounter", "reasonCode": "reasonCodeableConcept"}
    if medicine:
        names |= {"subject": "patient", "requester": "prescriber"}
    else:
        names |= {"requester": "orderer", "note": "notes"}
    kept = {k: v for k, v in draft.items() if k not in {"intent", "performerType"}}
    changed = _renamed(kept, names)
    changed["reasonCodeableConcept"] = draft["reasonCode"][0]
    if "requester" in draft:
        changed[names["requester"]] = draft["requester"]["agent"]
    if medicine:
        changed["resourceType"] = "MedicationOrder"
        changed["note"] = " ".join(note["text"] for note in draft.get("note", ()))
        changed["dosageInstruction"] = [_dstu2_timing(d) for d in draft["dosageInstruction"]]
    return _without_empty(changed)


def _dstu2_timing(dose: Resource) -> Resource:
    names = {"boundsDuration": "boundsQuantity", "periodUnit": "periodUnits"}
    repeat = _renamed(dose["timing"]["repeat"], names)
    return dose | {"timing": {"repeat": repeat}}


# --- validation ---


def validate(resource: Resource, release: str = "R4") -> None:
    """Refuse a draft that is not valid FHIR.

    Raises pydantic's ValidationError. R4 is checked as R4B, which is the same for these
    resources. fhir.resources has no DSTU2: those drafts are only checked to have a known type.
    It is imported here because it costs more than everything else together.
    """
    kind = resource["resourceType"]
    if release == "DSTU2":
        if kind not in {"MedicationOrder", "ProcedureRequest"}:
            raise ValueError(f"{kind} is not an order of DSTU2")
        return
    package = {"R5": "fhir.resources", "STU3": "fhir.resources.STU3"}.get(
        release, "fhir.resources.R4B"
    )
    getattr(import_module(f"{package}.{kind.lower()}"), kind).model_validate(resource)


def check(knowledge: Knowledge) -> Iterator[tuple[str, str, str]]:
    """Validate every draft that `knowledge` can give, in every release.

    Yields the id of a regimen, protection or referral, the member of FHIR that is wrong (blank
    where it is none) and why, once for each draft; nothing when all is well.
    """
    wrong: set[str] = set()
    for release in RELEASES:
        context = DraftContext("Patient/1", "Test", "Encounter/1", "Practitioner/1", "Hip", release)
        for name, draft in _every_draft(knowledge, context):
            try:
                validate(draft, release)
            except ValueError as problem:  # pydantic's ValidationError is one
                if name not in wrong:
                    wrong.add(name)
                    yield name, *_told(problem, release)


def load_checked(overlay: Path | None) -> Knowledge:
    """The clinical content, with the orders validated that a site overlay may have changed.

    Those of the content alone are by the tests and by `knowledge check`: a start without an overlay
    does not wait for fhir.resources. Raises KnowledgeError.
    """
    return load(overlay, check=check if overlay else None)


def _told(problem: ValueError, release: str) -> tuple[str, str]:
    """The member that is wrong, and a line for the author of the content."""
    if not isinstance(problem, ValidationError):
        return "", f"its draft order is no valid FHIR {release}: {problem}"
    first = problem.errors(include_url=False)[0]
    place = ".".join(str(step) for step in first["loc"])
    why = first["msg"]
    if first["type"] == "string_pattern_mismatch":  # the pattern holds line breaks
        why = f"{first['input']!r} is {'no text of this kind' if first['input'] else 'blank'}"
    return str(first["loc"][-1]), f"its draft order is no valid FHIR {release}: {place}: {why}"


def _every_draft(knowledge: Knowledge, context: DraftContext) -> Iterator[tuple[str, Resource]]:
    for (id_, _), course in knowledge.once(courses).items():
        yield id_, course.draft(context)
    for referral in knowledge.referrals.values():
        yield referral.id, service_request(referral, knowledge, context)
