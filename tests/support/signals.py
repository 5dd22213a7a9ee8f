"""What a source says when it did not tell everything: one answer of a search for each signal."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.resources import PATIENT_ID

KINDS = {
    "conditions": "Condition",
    "procedures": "Procedure",
    "medications": "MedicationRequest",
    "allergies": "AllergyIntolerance",
    "observations": "Observation",
    "familyHistory": "FamilyMemberHistory",
    "serviceRequests": "ServiceRequest",
}
"""The resource type of each input that is a list."""

Answer = Any
_OBSERVATION_VALUE = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
_IPS = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
_EMPTY_REASON = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_REASONS = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


@dataclass(frozen=True)
class Sign:
    """One signal. `of` gives the answer to a search for a resource type; `only` are the types that
    can carry it (all where empty)."""

    name: str
    of: Callable[[str], Answer]
    only: frozenset[str] = frozenset()

    def fits(self, name: str) -> bool:
        return not self.only or KINDS[name] in self.only


def _bundle(*resources: Answer, **members: Any) -> Answer:
    entries = [{"resource": resource} for resource in resources]
    rest = {"entry": entries} if entries else {}
    return {"resourceType": "Bundle", "type": "searchset", **rest, **members}


def _outcome(code: str, severity: str, number: str | None = None, **told: Any) -> Answer:
    issue: Answer = {"severity": severity, "code": code} | told
    if number:
        system = "urn:oid:1.2.840.114350.1.13.0.1.7.2.657369"
        issue["details"] = {"coding": [{"system": system, "code": number}]}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def resource(kind: str, code: Answer | None, **members: Any) -> Answer:
    """A resource of the patient that says no more than its code."""
    whose = "patient" if kind in {"AllergyIntolerance", "FamilyMemberHistory"} else "subject"
    element = "medicationCodeableConcept" if kind.startswith("Medication") else "code"
    coded = {element: code} if code is not None else {}
    subject = {"reference": f"Patient/{PATIENT_ID}"}
    return {"resourceType": kind, "id": "s1", "status": "active", whose: subject} | coded | members


def _coded(system: str, code: str) -> Callable[[str], Answer]:
    return lambda kind: _bundle(resource(kind, {"coding": [{"system": system, "code": code}]}))


def _absent(reason: str) -> Answer:
    return {"extension": [{"url": _ABSENT, "valueCode": reason}]}


def _absent_reason(reason: str, words: str | None = None) -> Callable[[str], Answer]:
    element = _absent(reason) | ({"text": words} if words else {})
    return lambda kind: _bundle(resource(kind, element))


def _masked_code(words: str) -> Callable[[str], Answer]:
    """A code that says why there is none, with words beside it."""
    return lambda kind: _bundle(resource(kind, _MASKED | {"text": words}))


def _labelled(member: str, code: str) -> Callable[[str], Answer]:
    label = {member: [{"system": _OBSERVATION_VALUE, "code": code}]}
    return lambda kind: _bundle(meta=label)


def _issue(
    code: str, severity: str, number: str | None = None, **told: Any
) -> Callable[[str], Answer]:
    return lambda kind: _bundle(_outcome(code, severity, number, **told), total=0)


def _in_words(words: str) -> Callable[[str], Answer]:
    return _issue("informational", "information", diagnostics=words)


def _listed(reason: str) -> Callable[[str], Answer]:
    coding = {"coding": [{"system": _EMPTY_REASON, "code": reason}]}
    entry = {"resourceType": "List", "status": "current", "mode": "working", "emptyReason": coding}
    return lambda kind: _bundle(entry)


def _linked(url: object) -> Callable[[str], Answer]:
    return lambda kind: _bundle(link=[{"relation": "next", "url": url}])


def _section(reason: str | None = None, **members: Any) -> Answer:
    coding = {"coding": [{"system": _EMPTY_REASON, "code": reason}]}
    return members | ({"emptyReason": coding} if reason else {})


def _document(*sections: Answer) -> Answer:
    return _bundle({"resourceType": "Composition", "status": "final", "section": [*sections]})


_TITLES = {
    "Condition": "Problems", "AllergyIntolerance": "Allergien und Unverträglichkeiten",
    "MedicationRequest": "Médicaments", "Procedure": "History of procedures",
}  # fmt: skip
_LIST: Answer = {"resourceType": "List", "status": "current", "mode": "working"}
_NONE_STATED: Answer = _LIST | {
    "emptyReason": {"coding": [{"system": _EMPTY_REASON, "code": "nilknown"}]}
}
_MASKED: Answer = {"coding": [{"system": _REASONS, "code": "masked"}]}
_EGFR: Answer = {"coding": [{"system": "http://loinc.org", "code": "98979-8"}]}
_ISSUES = (
    "suppressed", "forbidden", "security", "login", "expired", "unknown", "incomplete", "too-long",
    "timeout", "too-costly", "throttled", "transient", "lock-error", "no-store", "exception",
    "required", "not-supported", "business-rule",
)  # fmt: skip
_CODED_LISTS = frozenset(KINDS.values()) - {"Observation", "ServiceRequest"}
_STATED = _CODED_LISTS - {"FamilyMemberHistory"}
SIGNS = (
    *(Sign(f"{code}, {severity}", _issue(code, severity))
      for code in _ISSUES for severity in ("warning", "error")),
    Sign("Epic 59204", _issue("suppressed", "warning", "59204")),
    Sign("Epic 59204, coded as information", _issue("informational", "information", "59204")),
    Sign("a warning that nobody knows", _issue("processing", "warning")),
    Sign("a vendor's warning that nobody knows", _issue("processing", "warning", "59998")),
    Sign("a warning alone", lambda kind: _outcome("processing", "warning")),
    Sign("withheld, in details.text",
         _issue("informational", "information", details={"text": "2 entries were withheld."})),
    *(Sign(f"in words: {words}", _in_words(words)) for words in (
        "Some results are restricted.", "You are not authorized to see all results",
        "Results were filtered by consent rules", "The list is incomplete", "hidden from view",
        "Dieser Eintrag ist gesperrt", "Données non communiquées", "一部の情報は表示できません",
        "Wyniki są niekompletne", "Keine Angaben", "More records available",
        "Please narrow your search", "Maximum number of results reached",
        "Egyes eredmények rejtve vannak")),
    Sign("a note of a code that nobody knows",
         _issue("processing", "information", diagnostics="Results are tailored")),
    Sign("withheld, in a narrative", lambda kind: _bundle(
        _outcome("informational", "information") | {"text": {"div": "<div>Masqué</div>"}})),
    Sign("issues of a Bundle (R5)", lambda kind: _bundle(issues=_outcome("suppressed", "warning"))),
    Sign("issues of a Bundle (R5) whose total is text",
         lambda kind: _bundle(issues=_outcome("suppressed", "warning"), total="0")),
    Sign("the note of a list",
         lambda kind: _bundle(_LIST | {"note": [{"text": "部分结果已隐藏"}]})),
    Sign("the narrative of an empty list",
         lambda kind: _bundle(_LIST | {"text": {"div": "<div>Niet getoond</div>"}})),
    Sign("a masked code, of any type",
         lambda kind: _bundle(resource(kind, _absent("masked")))),
    Sign("a masked value", lambda kind: _bundle(
        resource(kind, _EGFR, dataAbsentReason=_MASKED)), frozenset({"Observation"})),
    Sign("a masked medicine", lambda kind: _bundle(
        resource(kind, None, medicationReference=_absent("masked"))),
        frozenset({"MedicationRequest"})),
    *(Sign(f"an entry labelled {code}", lambda kind, code=code: _bundle(  # type: ignore[misc]
        resource(kind, _EGFR, meta={"security": [{"system": _OBSERVATION_VALUE, "code": code}]})))
      for code in ("REDACTED", "MASKED")),
    *(Sign(f"an outcome alone: {code}", lambda kind, code=code: _outcome(code, "error"))  # type: ignore[misc]
      for code in ("not-found", "deleted", "processing", "forbidden")),
    *(Sign(f"{member} {code}", _labelled(member, code))
      for member in ("security", "tag")
      for code in ("REDACTED", "MASKED", "SUBSETTED", "ABSTRED", "AGGRED")),
    *(Sign(f"{member} REDACTED by its display", lambda kind, member=member: _bundle(  # type: ignore[misc]
        meta={member: [{"display": "REDACTED"}]})) for member in ("security", "tag")),
    Sign("an entry labelled Redacted by its display", lambda kind: _bundle(
        resource(kind, _EGFR, meta={"security": [{"display": "Redacted"}]}))),
    Sign("an outcome in the response of an entry", lambda kind: _bundle() | {
        "entry": [{"response": {"status": "200", "outcome": _outcome("suppressed", "warning")}}]}),
    Sign("an outcome beside a resource", lambda kind: _bundle() | {"entry": [{
        "resource": resource(kind, _EGFR),
        "response": {"status": "200", "outcome": _outcome("suppressed", "warning")}}]}),
    Sign("an outcome beside an empty search of a batch", lambda kind: _bundle() | {"entry": [{
        "resource": _bundle(),
        "response": {"status": "200", "outcome": _outcome("suppressed", "warning")}}]}),
    Sign("a document without a section of it", lambda kind: _document(
        _section(title="Plan of care")), _CODED_LISTS - {"MedicationRequest"}),
    *(Sign(f"a section by its title, {reason}", lambda kind, reason=reason: _document(  # type: ignore[misc]
        _section(reason, title=_TITLES[kind])), frozenset(_TITLES))
      for reason in ("withheld", "unavailable")),
    *(Sign(f"security {code}", _labelled("security", code)) for code in (
        "NODSCLCD", "NODSCLCDS", "NOAUTH", "NOLIST", "NOMOU", "NOORGPOL", "NORDSCLW", "NOVIP",
        "ORCON", "REDACT", "MASK")),
    *(Sign(f"an entry that is {reason}", lambda kind, reason=reason: (  # type: ignore[misc]
         _bundle() | {"entry": [_absent(reason)]})) for reason in ("masked", "unknown")),
    Sign("an entry that is masked, among none",
         lambda kind: _bundle() | {"entry": [{"fullUrl": "urn:uuid:1"} | _absent("masked")]}),
    Sign("a masked resource with nothing else",
         lambda kind: _bundle({"resourceType": kind, "id": "s1"} | _absent("masked"))),
    Sign("a masked resource of the patient",
         lambda kind: _bundle(resource(kind, None) | _absent("masked"))),
    *(Sign(f"emptyReason {reason}", _listed(reason))
      for reason in ("notasked", "withheld", "unavailable", "notstarted", "closed", "other")),
    Sign("SNOMED CT: no information available",
         _coded("http://snomed.info/sct", "1287211007"), _STATED),
    *(Sign(f"IPS {code}", _coded(_IPS, code), frozenset({kind})) for code, kind in (
        ("no-problem-info", "Condition"), ("no-allergy-info", "AllergyIntolerance"),
        ("no-medication-info", "MedicationRequest"), ("no-procedure-info", "Procedure"))),
    *(Sign(f"data-absent-reason {reason}", _absent_reason(reason), _STATED)
      for reason in ("unknown", "masked", "not-asked", "not-permitted", "error")),
    *(Sign(f"data-absent-reason {reason} beside words", _absent_reason(reason, "Masked"), _STATED)
      for reason in ("masked", "unknown")),
    Sign("a masked code with words", _masked_code("Not shown"), _STATED),
    Sign("null flavor", _coded("http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "UNK"),
         _STATED),
    Sign("an entry without a code", lambda kind: _bundle(resource(kind, None)),
         frozenset({"Condition", "Procedure", "AllergyIntolerance"})),
    *(Sign(f"an entry in words: {words}", lambda kind, words=words: _bundle(  # type: ignore[misc]
        resource(kind, {"text": words})), _STATED) for words in ("Redacted", "Not on file")),
    Sign("a search for another patient", lambda kind: _bundle(
        link=[{"relation": "self", "url": f"https://ehr.example/r4/{kind}?patient=p9"}])),
    Sign("a search for another type", lambda kind: _bundle(
        link=[{"relation": "self", "url": "https://ehr.example/r4/Patient?_id=p1"}])),
    *(Sign(f"none stated, {why}", lambda kind, rest=rest: _bundle(_NONE_STATED | rest))  # type: ignore[misc]
      for why, rest in (
          ("of another patient", {"subject": {"reference": "Patient/p9"}}),
          ("in error", {"status": "entered-in-error"}),
          ("and an entry", {"entry": [{"item": {"reference": "Condition/x1"}}]}))),
    Sign("fewer than the total, in digits", lambda kind: _bundle(total="7")),
    Sign("next without an address", _linked("")),
    Sign("next that is null", _linked(None)),
    Sign("next elsewhere", _linked("https://elsewhere.example/fhir/x?page=2")),
    Sign("fewer than the total", lambda kind: _bundle(total=7)),
    Sign("an array without an entry", lambda kind: []),
    Sign("an entry that is no resource", lambda kind: _bundle() | {"entry": [7]}),
    Sign("resources of another type",
         lambda kind: _bundle({"resourceType": "Slot", "id": "s"})),
)  # fmt: skip
"""Every signal by which an input is not known."""

NOT_SIGNS = (
    *(
        Sign(f"Epic {number}", _issue("processing", "warning", number))
        for number in ("4101", "4119", "4122", "59100")
    ),
    Sign("a note as a warning", _issue("informational", "warning")),
    Sign("a hint", _issue("informational", "information")),
    Sign("a page, in words", _in_words("Page 1 of 1")),
    Sign("a page of several, in words", _in_words("Page 1 of 3")),
    Sign("all of them, in words", _in_words("Showing 1 to 20 of 20")),
    Sign("no result, in German", _in_words("Es wurden keine Treffer gefunden")),
    Sign("no result, in Japanese", _in_words("該当するデータはありません")),
    Sign(
        "a note of a Bundle (R5)",
        lambda kind: _bundle(issues=_outcome("informational", "information")),
    ),
    Sign(
        "a duration, as a warning", _issue("processing", "warning", diagnostics="search took 5 ms")
    ),
    Sign("emptyReason nilknown", _listed("nilknown")),
    Sign("an empty answer", lambda kind: _bundle(total=0)),
)
"""What comes with ordinary answers."""

SAID = {sign.name: sign for sign in (*SIGNS, *NOT_SIGNS)}
"""All of them by name, for the clinical cases."""

GONE: dict[str, Answer] = {
    "not found": _outcome("not-found", "error"),
    "deleted": _outcome("deleted", "error"),
    "replaced": {
        "resourceType": "Patient", "id": PATIENT_ID, "gender": "male", "birthDate": "1980-03-14",
        "link": [{"other": {"reference": "Patient/survivor"}, "type": "replaced-by"}],
    },
    "not the main one": {
        "resourceType": "Patient", "id": PATIENT_ID, "gender": "male", "birthDate": "1980-03-14",
        "link": [{"other": {"reference": "Patient/main"}, "type": "refer"}],
    },
    "inactive": {
        "resourceType": "Patient", "id": PATIENT_ID, "gender": "male", "birthDate": "1980-03-14",
        "active": False,
    },
    "another": {"resourceType": "Patient", "id": "p9", "gender": "male", "birthDate": "1980-03-14"},
    "the survivor": {
        "resourceType": "Patient", "id": "p9", "gender": "male", "birthDate": "1980-03-14",
        "link": [{"other": {"reference": f"Patient/{PATIENT_ID}"}, "type": "replaces"}],
    },
    "masked": {
        "resourceType": "Patient", "id": PATIENT_ID, "gender": "male", "birthDate": "1980-03-14",
        "meta": {"security": [{"system": _OBSERVATION_VALUE, "code": "MASKED"}]},
    },
    "forbidden": _outcome("forbidden", "error"),
}  # fmt: skip
"""Answers to the read of a patient whose record is not the one in use."""


def as_bytes(answer: Answer) -> bytes:
    return json.dumps(answer).encode()
