"""Finds likely mistakes in the elements of one resource: types, statuses, dates, units."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cds_service.cdshooks.conformance.statements import Path
from cds_service.clinical.laboratory import quantities_of
from cds_service.clinical.units import ucum_of, unit_of
from cds_service.fhir.dates import read_date
from cds_service.fhir.elements import Doc, codings, kind_of, objects, word, words
from cds_service.knowledge.terminology import CodeIndex
from cds_service.tools.validate.findings import DocumentFinding, replaced

_STRINGS: Final = frozenset({
    "resourceType", "id", "system", "code", "display", "reference", "status", "unit", "version",
    "gender", "birthDate", "intent", "use", "fullUrl", "family", "recordedDate", "authoredOn",
    "onsetDateTime", "performedDateTime", "effectiveDateTime", "issued", "clinicalStatus",
    "verificationStatus",
})  # fmt: skip
_LONGEST = 40  # signs of a number that is a value, and not digits without end
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_QUANTITY = re.compile(
    r"(?i).*(quantity|duration|age|money|count)$|^(numerator|denominator|low|high)$"
)
_DATES: Final = ("onsetDateTime", "recordedDate", "assertedDate", "performedDateTime",
                 "occurrenceDateTime", "effectiveDateTime", "birthDate", "authoredOn")  # fmt: skip
_UNKNOWN = frozenset({"unknown"})
# Codes of the required bindings, over all releases (hl7.org/fhir, value sets of each element).
_CLINICAL = _UNKNOWN | {"active", "recurrence", "relapse", "inactive", "remission", "resolved"}
_VERIFIED = _UNKNOWN | {"unconfirmed", "provisional", "differential", "confirmed", "refuted",
                        "entered-in-error", "presumed"}  # fmt: skip
_REQUEST = _UNKNOWN | {"draft", "active", "on-hold", "revoked", "completed", "entered-in-error",
                       "suspended", "cancelled"}  # fmt: skip
_STATUSES: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "Condition": {"clinicalStatus": _CLINICAL, "verificationStatus": _VERIFIED},
    "AllergyIntolerance": {"clinicalStatus": _CLINICAL, "verificationStatus": _VERIFIED},
    "Observation": {
        "status": _UNKNOWN | {"registered", "specimen-in-process", "preliminary", "final",
                              "amended", "corrected", "appended", "cancelled", "entered-in-error",
                              "cannot-be-obtained"},
    },
    "Procedure": {
        "status": _UNKNOWN | {"preparation", "in-progress", "not-done", "on-hold", "stopped",
                              "completed", "entered-in-error", "suspended", "aborted"},
    },
    "MedicationRequest": {"status": _REQUEST | {"stopped", "ended"}},
    "ServiceRequest": {"status": _REQUEST},
    "ProcedureRequest": {"status": _REQUEST | {"proposed", "requested", "received", "accepted",
                                               "in-progress", "rejected", "aborted"}},
}  # fmt: skip


def check(doc: Doc, path: Path, index: CodeIndex, release: str) -> Iterator[DocumentFinding]:
    """Likely mistakes in one resource, beside its codings."""
    yield from _types(doc, path)
    yield from _statuses(doc, path, release)
    for name in _DATES:
        value = doc.get(name)
        if isinstance(value, str) and read_date(value) is None:
            said = f"{name} {value[:40]!r} is no FHIR date"
            yield DocumentFinding("date-unreadable", (*path, name), said, "send YYYY-MM-DD")
    if kind_of(doc) == "Observation":
        yield from _units(doc, path, index)


def _types(value: Any, path: Path, name: str = "") -> Iterator[DocumentFinding]:
    """Numbers in the place of strings, and strings in the place of numbers."""
    if isinstance(value, dict):
        quantity = bool(_QUANTITY.match(name)) and "value" in value
        for member, inner in value.items():
            at = (*path, member)
            if member in _STRINGS and isinstance(inner, int | float) and inner not in (True, False):
                yield _number(inner, at, member)
            elif quantity and member == "value" and isinstance(inner, str):
                yield _string(inner, at)
            elif isinstance(inner, dict | list) and member not in {"extension", "meta"}:
                yield from _types(inner, at, member)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            if isinstance(item, dict | list):
                yield from _types(item, (*path, number), name)


def _number(value: float, path: Path, name: str) -> DocumentFinding:
    sure = isinstance(value, int)
    patch = replaced(path, value, str(value)) if sure else ()
    mend = f'send "{value}"' if sure else "send a string; zeros at the end may be lost already"
    return DocumentFinding("number-for-string", path, f"{name} is a number", mend, patch)


def _string(value: str, path: Path) -> DocumentFinding:
    plain = value.strip()
    if len(plain) <= _LONGEST and _NUMBER.fullmatch(plain):
        number = float(plain) if any(c in plain for c in ".eE") else int(plain)
        return DocumentFinding("string-for-number", path, f"value {plain!r} is a string",
                       f"send {plain} without quotes", replaced(path, value, number))  # fmt: skip
    return DocumentFinding("string-for-number", path, "value is a string", "send a number")


def _statuses(doc: Doc, path: Path, release: str) -> Iterator[DocumentFinding]:
    kind = kind_of(doc) or ""
    for name, known in _STATUSES.get(kind, {}).items():
        value = doc.get(name)
        for said in words(value):
            if said not in known:
                at, codes = (*path, name), ", ".join(sorted(known))
                shown = value if isinstance(value, str) else said
                message = f"{name} {shown[:40]!r} is no status of {kind}"
                yield DocumentFinding("status-unknown", at, message, f"one of {codes}")
    if kind in {"Condition", "AllergyIntolerance"} and "clinicalStatus" not in doc:
        checked = set(words(doc.get("verificationStatus"))) | set(words(doc.get("status")))
        if release != "DSTU2" and "entered-in-error" not in checked:
            mend = "say whether it is active, inactive or resolved"
            yield DocumentFinding("status-missing", (*path, "clinicalStatus"),
                          f"{kind} without clinicalStatus", mend)  # fmt: skip


def _units(doc: Doc, path: Path, index: CodeIndex) -> Iterator[DocumentFinding]:
    """Results of the laboratory value sets in units that nobody converts."""
    components = doc.get("component")
    parts = [(path, doc)] + [
        ((*path, "component", i), part)
        for i, part in enumerate(components if isinstance(components, list) else ())
        if isinstance(part, dict)
    ]
    for at, part in parts:
        known = [index.match(c.system, c.code) for c in codings(part.get("code"))]
        names = quantities_of(frozenset().union(*(m.concepts for m in known if m)))
        for quantity in objects(part.get("valueQuantity"))[:1] if names else ():
            spelled = [word(quantity.get(member)) for member in ("code", "unit")]
            if not any(unit_of(name, unit) for name in names for unit in spelled):
                unit = spelled[0] or spelled[1]
                said = f"unit {unit[:40]!r} cannot be converted" if unit else "no unit"
                mend = f"send one of {', '.join(ucum_of(names))} (UCUM)"
                yield DocumentFinding("unit", (*at, "valueQuantity", "unit"), said, mend)
