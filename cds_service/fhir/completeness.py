"""What a source says in its own answer about what it did not tell, or does not know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cds_service.clinical.chart import CodeSeen, InputState
from cds_service.fhir.decoding import GlancedMeta
from cds_service.fhir.elements import Doc, codings, flag, items, member, objects, texts, word, words
from cds_service.knowledge.code_systems import LOINC, SNOMED, canonical, normal_system
from cds_service.knowledge.names import InputName


@dataclass(frozen=True, slots=True)
class Signal:
    """The state that an input is in by the word of its source, and why, without patient data."""

    state: InputState
    why: str


WITHHELD, PARTIAL, FAILED = InputState.WITHHELD, InputState.PARTIAL, InputState.FAILED
UNKNOWN, NOT_ASKED, NONE = InputState.UNKNOWN, InputState.NOT_ASKED, InputState.NONE_STATED

# http://hl7.org/fhir/issue-type. The code decides, because severities differ between EHRs: Epic
# reports results that it withholds as a warning. Codes in no list are noise unless an error.
_ISSUES: Final[Mapping[str, InputState]] = {
    "suppressed": WITHHELD, "forbidden": WITHHELD, "security": WITHHELD, "login": WITHHELD,
    "unknown": UNKNOWN, "expired": WITHHELD,
    "incomplete": PARTIAL, "too-long": PARTIAL,
    "timeout": FAILED, "too-costly": FAILED, "throttled": FAILED, "transient": FAILED,
    "lock-error": FAILED, "no-store": FAILED, "exception": FAILED, "required": FAILED,
    "not-supported": FAILED,
}  # fmt: skip
# Codes of one vendor in issue.details. Epic 59204: the client may not see some items; 4119: a
# parameter was ignored, which comes with ordinary answers (onc-certification-g10-test-kit#278).
_VENDOR_ISSUES: Final[Mapping[str, InputState | None]] = {"59204": WITHHELD, "4119": None}
_EPIC: Final = "urn:oid:1.2.840.114350."
_GONE: Final = frozenset({"not-found", "deleted"})
_NOISE: Final = frozenset({"information", "warning", "success"})
# http://terminology.hl7.org/CodeSystem/list-empty-reason, of a List or a section of a document.
_EMPTY_SYSTEM: Final = "http://terminology.hl7.org/codesystem/list-empty-reason"
_EMPTY_REASONS: Final[Mapping[str, InputState]] = {
    "nilknown": NONE, "notasked": NOT_ASKED, "withheld": WITHHELD, "unavailable": UNKNOWN,
    "notstarted": NOT_ASKED, "closed": UNKNOWN,
}  # fmt: skip
# http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips, and its system as HL7 v3 names it.
_IPS: Final = frozenset({
    "http://hl7.org/fhir/uv/ips/codesystem/absent-unknown-uv-ips",
    "urn:oid:2.16.840.1.113883.5.1150.1",
})  # fmt: skip
# Statements of SNOMED CT; displays as in the Global Patient Set (npm hl7.terminology.r4 7.0.1), the
# first as NHSEngland-FHIR-SCR-IPS#24 reports it for allergies.
_SNOMED: Final[Mapping[str, InputState]] = {
    "1287211007": UNKNOWN,  # no information available
    "716186003": NONE,  # no known allergy
    "409137002": NONE,  # no known drug allergy
    "787481004": NONE,  # no known medications
    "787480003": NONE,  # no known procedures
    "160245001": NONE,  # no current problems or disability
    "182849000": NONE,  # no drug therapy prescribed
}
# Why there is no value: data-absent-reason and the v3 null flavors.
_ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_ABSENT_SYSTEMS: Final = frozenset({
    "http://terminology.hl7.org/codesystem/data-absent-reason",
    "http://hl7.org/fhir/data-absent-reason",  # STU3
    "http://terminology.hl7.org/codesystem/v3-nullflavor",
    "http://hl7.org/fhir/v3/nullflavor",
    "urn:oid:2.16.840.1.113883.5.1008",
})  # fmt: skip
_REASONS: Final[Mapping[str, InputState]] = {
    "masked": WITHHELD, "msk": WITHHELD, "not-permitted": WITHHELD,
    "not-asked": NOT_ASKED, "nask": NOT_ASKED,
}  # fmt: skip
# Labels of v3-ObservationValue and of answers that were cut (http://hl7.org/fhir/R4/security-labels).
_LABELS: Final[Mapping[str, InputState]] = {
    "redacted": WITHHELD, "masked": WITHHELD, "subsetted": PARTIAL,
}  # fmt: skip
_SECTIONS: Final[Mapping[str, InputName]] = {
    "11450-4": InputName.CONDITIONS,
    "48765-2": InputName.ALLERGIES,
    "10160-0": InputName.MEDICATIONS,
    "47519-4": InputName.PROCEDURES,
    "30954-2": InputName.OBSERVATIONS,
    "10157-6": InputName.FAMILY_HISTORY,
}
"""LOINC codes of lists and of sections of a document (International Patient Summary)."""
STATEMENTS: Final = frozenset({
    *_SNOMED,
    "no-allergy-info", "no-known-allergies", "no-known-medication-allergies",
    "no-known-environmental-allergies", "no-known-food-allergies",
    "no-device-info", "no-known-devices", "no-immunization-info", "no-known-immunizations",
    "no-medication-info", "no-known-medications", "no-problem-info", "no-known-problems",
    "no-procedure-info", "no-known-procedures",
    "unknown", "asked-unknown", "temp-unknown", "not-asked", "asked-declined", "masked",
    "not-applicable", "unsupported", "as-text", "error", "not-performed", "not-permitted",
    "NI", "UNK", "ASKU", "NAV", "NASK", "MSK", "NA", "OTH",
})  # fmt: skip
"""Codes by which an entry may say that there is none, or that nothing is known (see `of_entry`)."""
# Types whose entries may say so, and those that must say what they are.
_LISTED: Final = frozenset({
    "Condition", "Procedure", "AllergyIntolerance", "FamilyMemberHistory", "MedicationRequest",
    "MedicationOrder", "MedicationStatement", "MedicationUsage", "MedicationDispense",
    "MedicationAdministration",
})  # fmt: skip
_NAMED: Final = frozenset({"Condition", "AllergyIntolerance"})


NO_RECORD: Final = Signal(UNKNOWN, "the patient record was not found")


def of_outcome(doc: Doc, *, alone: bool) -> Signal | None:
    """An OperationOutcome: the strongest of its issues; None for noise. `alone`: it stands in place
    of data, so there was no answer."""
    found = [_of_issue(issue) for issue in objects(doc.get("issue"))]
    signals = [signal for signal in found if signal is not None]
    if signals:
        return min(signals, key=lambda signal: STRENGTH.index(signal.state))
    return Signal(FAILED, "the EHR answered with an error") if alone or not found else None


def _of_issue(issue: Doc) -> Signal | None:
    code = (word(issue.get("code")) or "").lower()
    for coding in codings(issue.get("details")):
        number = coding.code or ""
        if (coding.system or "").startswith(_EPIC) and number in _VENDOR_ISSUES:
            state = _VENDOR_ISSUES[number]
            return Signal(state, f"the EHR says so (issue {number})") if state else None
    state = _ISSUES.get(code)
    if state is not None:
        return Signal(state, f"the EHR says so (issue {code})")
    severity = (word(issue.get("severity")) or "").lower()
    if code not in _GONE and severity in _NOISE:
        return None
    return Signal(FAILED, "the EHR answered with an error")


def is_gone(doc: Doc) -> bool:
    """Whether an OperationOutcome says that there is no such record (any more)."""
    said = {(word(issue.get("code")) or "").lower() for issue in objects(doc.get("issue"))}
    return not said.isdisjoint(_GONE)


def is_labelled(meta: GlancedMeta) -> bool:
    """Whether a label may say that something was taken out."""
    labels = (*(meta.security or ()), *(meta.tag or ()))
    return any((label.code or "").lower() in _LABELS for label in labels)


def of_labels(doc: Doc) -> Signal | None:
    """Security labels and tags of a Bundle or a resource: something was taken out of it."""
    meta = doc.get("meta")
    if not isinstance(meta, dict):
        return None
    for name in ("security", "tag"):
        for coding in codings(meta.get(name)):
            state = _LABELS.get((coding.code or "").lower())
            if state is not None:
                return Signal(state, f"labelled {str(coding.code).upper()} by its source")
    return None


def of_resource(kind: str, doc: Doc) -> tuple[Signal | None, bool]:
    """What a resource says of its input as a whole, and whether that is all it says."""
    entry = of_entry(doc) if kind in _LISTED else None
    if entry is not None and "modifierExtension" in doc:  # "none", and who knows what it turns
        entry = Signal(UNKNOWN, "an entry carries a modifier that is not known here")
    if entry is not None:
        return entry, True
    if kind in _NAMED and is_nameless(doc):
        return Signal(PARTIAL, "an entry does not say what it is"), False
    return of_labels(doc), False


def of_entry(doc: Doc) -> Signal | None:
    """An entry that is no fact: it says that there is none, or that nobody knows."""
    elements = [doc[name] for name in _CODES if name in doc]
    for coding in (coding for element in elements for coding in codings(element)):
        system = normal_system(coding.system or "")
        code = coding.code or ""
        if code in _SNOMED and canonical(coding.system or "") == SNOMED:
            return _stated(_SNOMED[code])
        if system in _IPS:
            return _stated(NONE if (coding.code or "").startswith("no-known-") else UNKNOWN)
        if system in _ABSENT_SYSTEMS:
            return _stated(_REASONS.get((coding.code or "").lower(), UNKNOWN))
    for element in elements:
        if (reason := _absent_reason(element)) is None:
            continue
        state = _REASONS.get(reason, UNKNOWN)
        if state is WITHHELD or not any(texts(element)):  # "Masked" is no name
            return _stated(state)
    return None


_CODES: Final = ("code", "medicationCodeableConcept", "substance")
_NAMED_BY: Final = (*_CODES, "medicationReference", "medication", "reaction")


def is_nameless(doc: Doc) -> bool:
    """Whether an entry says neither in a code nor in words what it is."""
    told = [doc[name] for name in _NAMED_BY if name in doc]
    return not any(codings(element) or any(texts(element)) or _points(element) for element in told)


def _points(element: object) -> bool:
    return any(isinstance(item, dict) and item.get("reference") for item in items(element))


def _absent_reason(element: object) -> str | None:
    parts = objects(member(element, "coding"))
    holders = [element, *parts, *(part.get("_code") for part in parts)]
    for holder in holders:
        for extension in objects(member(holder, "extension")):
            if word(extension.get("url")) == _ABSENT:
                return (word(extension.get("valueCode")) or "unknown").lower()
    return None


def of_lists(doc: Doc, asked: InputName | None) -> Iterator[tuple[InputName, Signal]]:
    """The empty reasons of a List, or of the sections of a document, by input."""
    sections = list(_sections(doc))
    for section in (doc, *sections):
        states = [_reason(coding) for coding in codings(section.get("emptyReason"))]
        if not states and section.get("emptyReason"):
            states = [UNKNOWN]  # in words
        if not states:
            continue
        found = codings(section.get("code"))
        coded = [c.code or "" for c in found if canonical(c.system or "") == LOINC]
        name = next((_SECTIONS[c] for c in coded if c in _SECTIONS), asked)
        if name is not None:
            yield name, _stated(min(states, key=STRENGTH.index))


def _reason(coding: CodeSeen) -> InputState:
    """Only the code system of FHIR is believed that there is none."""
    state = _EMPTY_REASONS.get((coding.code or "").lower(), UNKNOWN)
    own = normal_system(coding.system or "") == _EMPTY_SYSTEM
    return state if own or state is not NONE else UNKNOWN


def _sections(doc: Doc) -> Iterator[Doc]:
    for section in objects(doc.get("section")):
        yield section
        yield from objects(section.get("section"))


def _stated(state: InputState) -> Signal:
    return Signal(state, "the source says so")


def of_patient(doc: Doc) -> Signal | None:
    """A Patient record that is not the one in use: merged into another, or inactive."""
    for link in objects(doc.get("link")):
        if not {"replaced-by", "replace"}.isdisjoint(words(link.get("type"))):  # DSTU2: replace
            other = word(member(link.get("other"), "reference"))
            return Signal(PARTIAL, f"this record was replaced by {other or 'another'}")
    if "active" in doc and not flag(doc.get("active")):
        return Signal(PARTIAL, "this record is not active")
    return None


STRENGTH: Final = (FAILED, WITHHELD, UNKNOWN, NOT_ASKED, PARTIAL, NONE)
"""Which state is told where the source gives several."""
