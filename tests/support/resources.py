"""Builds one FHIR R4 resource from one short line of a case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.support.shorthand import TODAY, Line, body_sites, concept, day, line, one_concept

PATIENT_ID = "pat-1"

ORDERS = {
    "hip replacement": "sct 52734007 Total replacement of hip",
    "right hip replacement": "sct 443435007 Total replacement of right hip joint",
    "left hip replacement": "sct 770606008 Total replacement of left hip joint",
    "both hips replaced": "sct 444051004 Bilateral replacement of hip joints",
    "hip revision": "sct 112727005 Revision of hip replacement",
    "right hip revision": "sct 735194005 Revision of right total hip arthroplasty",
    "left hip revision": "sct 735196007 Revision of left total hip arthroplasty",
    "hip resurfacing": "sct 713522003 Total hip resurfacing arthroplasty",
    "conversion to hip replacement": "sct 449039004 Conversion to total hip replacement",
    "hip hemiarthroplasty": "sct 386649003 Partial hip replacement by prosthesis",
    "right hip hemiarthroplasty": "sct 681021000124102 Partial right hip replacement by prosthesis",
    "muscle biopsy": "sct 178263003 Biopsy of muscle",
    "soft tissue biopsy": "sct 75016008 Biopsy of soft tissue",
    "excision of heterotopic bone": (
        "cpt 27036 Removal of bone at the hip | for icd10cm M61.551 HO of thigh"
    ),
    "knee replacement": "pcs 0SRC0J9 Replacement of right knee joint",
    "radiotherapy": "sct 53438000 Radiation therapy procedure or service",
}

# Body structures, from the value sets `site-hip` and `site-elsewhere` of the knowledge.
SITES: dict[str, str] = {
    "hip": "sct 24136001 Hip joint structure",
    "elbow": "sct 16953009 Elbow joint structure",
}

FREQUENCY = {"once": 1, "twice": 2, "three times": 3, "four times": 4}
HL7 = "http://terminology.hl7.org/CodeSystem/"


def _status(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": HL7 + system, "code": code}]}


def _base(kind: str, number: int, read: Line, patient: str = "subject") -> dict[str, Any]:
    """Type, id and patient of a resource; `no id`, `modified` and
    `of another patient` change them."""
    resource: dict[str, Any] = {"resourceType": kind}
    if not read.flag("no id"):
        found = read.take(r"id (\S+)")
        resource["id"] = found.group(1) if found else f"{kind.lower()}-{number}"
    owner = "someone-else" if read.flag("of another patient") else PATIENT_ID
    resource[patient] = {"reference": f"Patient/{owner}"}
    if read.flag("modified"):
        resource["modifierExtension"] = [{"url": "https://example.org/turns", "valueBoolean": True}]
    return resource


def _reasons(read: Line) -> list[dict[str, Any]]:
    result = []
    while found := read.take(r"for (?!\d+ days)(.+)"):
        result.append(one_concept(found.group(1)))
    return result


def condition(item: str, number: int = 1) -> dict[str, Any]:
    """A Condition, e.g. `icd10cm M45.9 AS | onset 2010 | resolved | left`."""
    read = line(item)
    resource = _base("Condition", number, read)
    clinical = read.flag("active", "recurrence", "relapse", "inactive", "remission", "resolved")
    checked = read.flag(
        "confirmed", "unconfirmed", "provisional", "differential", "refuted", "entered-in-error"
    )
    if not read.flag("no status"):
        resource["clinicalStatus"] = _status("condition-clinical", clinical or "active")
        resource["verificationStatus"] = _status("condition-ver-status", checked or "confirmed")
    resource["code"] = concept(read)
    if sites := body_sites(read, SITES):
        resource["bodySite"] = sites
    if onset := read.take(r"onset (.+)"):
        resource["onsetDateTime"] = day(onset.group(1))
    if recorded := read.take(r"recorded (.+)"):
        resource["recordedDate"] = day(recorded.group(1))
    if stage := read.take(r"stage (.+)"):
        resource["stage"] = [{"summary": {"text": stage.group(1)}}]
    if note := read.take(r"(?s)note (.+)"):
        resource["note"] = [{"text": note.group(1)}]
    read.done()
    return resource


def procedure(item: str, number: int = 1) -> dict[str, Any]:
    """A Procedure, e.g. `cpt 27036 Excision | on 2018-03-01 | right | for icd10cm M61.551`."""
    read = line(item)
    resource = _base("Procedure", number, read)
    words = ("completed", "in-progress", "not-done", "entered-in-error", "preparation")
    resource["status"] = read.flag(*words) or "completed"
    resource["code"] = concept(read)
    if sites := body_sites(read, SITES):
        resource["bodySite"] = sites
    if reasons := _reasons(read):
        resource["reasonCode"] = reasons
    if when := read.take(r"on (.+)"):
        resource["performedDateTime"] = day(when.group(1))
    read.done()
    return resource


def _route(read: Line) -> dict[str, Any] | None:
    found = read.take(r"route (.+)")
    if not found:
        return None
    words = found.group(1)
    if words == "im":
        return one_concept("sct 78421000 Intramuscular route")
    return one_concept(words) if " " in words else {"text": words}


def _repeat(found: re.Match[str] | None, read: Line) -> dict[str, Any]:
    repeat: dict[str, Any] = {}
    if found:
        repeat |= {"frequency": FREQUENCY[found.group(3).lower()], "period": 1, "periodUnit": "d"}
        if found.group(4):
            repeat["boundsDuration"] = {
                "value": int(found.group(4)),
                "unit": "days",
                "system": "http://unitsofmeasure.org",
                "code": "d",
            }
    if period := read.take(r"from (.+?) to (.+)"):
        repeat["boundsPeriod"] = {"start": day(period.group(1)), "end": day(period.group(2))}
    if read.flag("single dose"):
        repeat = {"count": 1}
    return repeat


def _dosage(read: Line) -> list[dict[str, Any]]:
    """`200 mg twice daily for 10 days`, `as needed`, `single dose`, `route im`, `sig words`,
    `instruct words`."""
    dosage: dict[str, Any] = {}
    unit = r"(mg|capsule|tablet)s?"
    found = read.take(
        rf"([\d.]+) ?{unit} (once|twice|three times|four times) (?:daily|a day)(?: for (\d+) days)?"
    )
    if repeat := _repeat(found, read):
        dosage["timing"] = {"repeat": repeat}
    if read.flag("as needed"):
        dosage["asNeededBoolean"] = True
    if written := read.take(r"sig (.+)"):
        dosage["text"] = written.group(1)
    if told := read.take(r"instruct (.+)"):
        dosage["patientInstruction"] = told.group(1)
    if route := _route(read):
        dosage["route"] = route
    if found:
        dose = {"value": float(found.group(1)), "unit": found.group(2)}
        dosage["doseAndRate"] = [{"doseQuantity": dose}]
    return [dosage] if dosage else []


def medication(item: str, number: int = 1, *, draft: bool = False) -> dict[str, Any]:
    """A MedicationRequest (or statement, dispense), e.g. `rxnorm 11289 warfarin | active`."""
    read = line(item)
    kinds = {"statement": "MedicationStatement", "dispense": "MedicationDispense"}
    kind = kinds.get(read.flag(*kinds) or "", "MedicationRequest")
    resource = _base(kind, number, read)
    if kind == "MedicationRequest":
        resource["intent"] = read.flag("order", "plan", "proposal") or "order"
    words = ("active", "completed", "stopped", "cancelled", "on-hold", "draft", "entered-in-error",
             "intended", "not-taken", "unknown")  # fmt: skip
    resource["status"] = read.flag(*words) or ("draft" if draft else "active")
    if read.flag("do not perform"):
        resource["doNotPerform"] = True
    if note := read.take(r"note (.+)"):
        resource["note"] = [{"text": note.group(1)}]
    if form := read.take(r"form (.+)"):
        product = {"resourceType": "Medication", "id": "m1", "code": concept(read)}
        resource["contained"] = [product | {"form": {"text": form.group(1)}}]
        resource["medicationReference"] = {"reference": "#m1"}
    else:
        resource["medicationCodeableConcept"] = concept(read)
    if reasons := _reasons(read):
        resource["reasonCode"] = reasons
    if dosage := _dosage(read):
        name = "dosageInstruction" if kind != "MedicationStatement" else "dosage"
        resource[name] = dosage
    _supply(resource, read)
    read.done()
    return resource


def _supply(resource: dict[str, Any], read: Line) -> None:
    """Dates and amounts dispensed."""
    authored = read.take(r"(?:written|on) (.+)")
    when = day(authored.group(1)) if authored else TODAY.isoformat()
    dated = {"MedicationStatement": "dateAsserted", "MedicationDispense": "whenHandedOver"}
    resource[dated.get(resource["resourceType"], "authoredOn")] = when
    dispense: dict[str, Any] = {}
    if quantity := read.take(r"quantity (\d+)"):
        dispense["quantity"] = {"value": int(quantity.group(1)), "unit": "capsule"}
    if supply := read.take(r"supply (\d+) days"):
        dispense["expectedSupplyDuration"] = {"value": int(supply.group(1)), "unit": "d"}
    if dispense:
        resource["dispenseRequest"] = dispense


def allergy(item: str, number: int = 1) -> dict[str, Any]:
    """An AllergyIntolerance, e.g. `rxnorm 1191 aspirin | unconfirmed | reaction urticaria`."""
    read = line(item)
    resource = _base("AllergyIntolerance", number, read, "patient")
    clinical = read.flag("active", "inactive", "resolved")
    checked = read.flag("confirmed", "unconfirmed", "presumed", "refuted", "entered-in-error")
    resource["clinicalStatus"] = _status("allergyintolerance-clinical", clinical or "active")
    resource["verificationStatus"] = _status(
        "allergyintolerance-verification", checked or "confirmed"
    )
    resource["type"] = read.flag("allergy", "intolerance") or "allergy"
    resource["code"] = concept(read)
    if reaction := read.take(r"reaction (.+)"):
        resource["reaction"] = [{"manifestation": [{"text": reaction.group(1)}]}]
    if substance := read.take(r"substance (.+)"):
        resource["reaction"] = [
            {"substance": one_concept(substance.group(1)), "manifestation": [{"text": "rash"}]}
        ]
    read.done()
    return resource


def observation(item: str, number: int = 1) -> dict[str, Any]:
    """An Observation, e.g. `loinc 33914-3 eGFR | = 29 mL/min/{1.73_m2} | on 10 days ago`."""
    read = line(item)
    resource = _base("Observation", number, read)
    words = (
        "final",
        "preliminary",
        "amended",
        "corrected",
        "entered-in-error",
        "cancelled",
        "unknown",
    )
    resource["status"] = read.flag(*words) or "final"
    resource["code"] = concept(read)
    when = read.take(r"on (.+)")
    if not read.flag("undated"):
        resource["effectiveDateTime"] = day(when.group(1)) if when else day("14 days ago")
    if found := read.take(r"(=|<=|>=|<|>) ?([\d.]+) ?(\S.*)?"):
        sign, number_text, unit = found.groups()
        quantity: dict[str, Any] = {"value": float(number_text)}
        if sign != "=":
            quantity["comparator"] = sign
        if unit:
            quantity |= {"unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
        resource["valueQuantity"] = quantity
    if written := read.take(r"written (.+)"):
        resource["valueString"] = written.group(1)
    if answer := read.take(r"answer (.+)"):
        resource["valueCodeableConcept"] = one_concept(answer.group(1))
    if components := list(_genomic(read)):
        resource["component"] = components
    read.done()
    return resource


def _genomic(read: Line) -> Iterator[dict[str, Any]]:
    """Components of a genetic variant: gene, significance, source."""
    codes = {"gene": "48018-6", "significance": "53037-8", "source": "48002-0"}
    for name, code in codes.items():
        if said := read.take(rf"{name} (.+)"):
            words = said.group(1)
            value = one_concept(words if " " in words else f"text {words}")
            yield {"code": one_concept(f"loinc {code}"), "valueCodeableConcept": value}


def relative(item: str, number: int = 1) -> dict[str, Any]:
    """A FamilyMemberHistory, e.g. `sct 82725007 FOP | mother`."""
    read = line(item)
    resource = _base("FamilyMemberHistory", number, read, "patient")
    resource["status"] = read.flag("completed", "partial", "entered-in-error") or "completed"
    relation = read.flag("mother", "father", "brother", "sister", "son", "daughter") or "relative"
    resource["relationship"] = {"text": relation}
    if note := read.take(r"note (.+)"):
        resource["note"] = [{"text": note.group(1)}]
    resource["condition"] = [{"code": concept(read)}]
    read.done()
    return resource


def service_request(item: str, number: int = 1, *, draft: bool = True) -> dict[str, Any]:
    """A ServiceRequest, e.g. `right hip replacement | revoked` or `cpt 27130 | right`."""
    head, bar, rest = item.partition(" | ")
    read = line(ORDERS.get(head.strip(), head) + bar + rest)
    resource = _base("ServiceRequest", number, read)
    words = ("draft", "active", "on-hold", "revoked", "completed", "entered-in-error")
    resource["status"] = read.flag(*words) or ("draft" if draft else "active")
    resource["intent"] = read.flag("order", "plan", "proposal") or "order"
    if read.flag("do not perform"):
        resource["doNotPerform"] = True
    resource["code"] = concept(read)
    if sites := body_sites(read, SITES):
        resource["bodySite"] = sites
    if reasons := _reasons(read):
        resource["reasonCode"] = reasons
    if when := read.take(r"on (.+)"):
        resource["occurrenceDateTime"] = day(when.group(1))
    if category := read.take(r"category (.+)"):
        resource["category"] = [one_concept(category.group(1))]
    if note := read.take(r"note (.+)"):
        resource["note"] = [{"text": note.group(1)}]
    if priority := read.flag("routine", "urgent", "asap", "stat"):
        resource["priority"] = priority
    read.done()
    return resource


def immunization(item: str, number: int = 1) -> dict[str, Any]:
    """A drafted Immunization, e.g. `text Tetanus vaccine | vaccine | route im`."""
    read = line(item)
    read.flag("vaccine")
    resource = _base("Immunization", number, read, "patient")
    resource |= {"status": "not-done" if read.flag("not done") else "completed"}
    resource["vaccineCode"] = concept(read)
    if route := _route(read):
        resource["route"] = route
    read.done()
    return resource


def order(item: Any, number: int = 1) -> Any:
    """One draft order: a medicine, a vaccine, or a service, by what the line says."""
    if not isinstance(item, str):
        return item["raw"]
    if re.search(r"\| vaccine( |$)", item):
        resource = immunization(item, number)
    elif item.startswith(("rxnorm ", "atc ")) or "| medicine" in item:
        resource = medication(item.replace(" | medicine", ""), number, draft=True)
    else:
        resource = service_request(item, number)
    if resource.get("id") == f"{resource['resourceType'].lower()}-{number}":
        resource["id"] = f"order-{number}"
    return resource
