"""Tells the FHIR release of a request from the shape of its resources (no field names it)."""

from __future__ import annotations

from cds_service.fhir.elements import Doc

_DSTU2_TYPES = frozenset({"MedicationOrder", "DiagnosticOrder", "DeviceUseRequest"})
_DSTU2_REQUEST = frozenset({"orderedOn", "orderer", "scheduledDateTime", "scheduledPeriod"})
_DSTU2_PATIENT = frozenset(  # later releases have `subject`
    {"Condition", "MedicationStatement", "MedicationOrder", "ReferralRequest"}
)
_DRAFT = 1_000_000
_R5_TYPES = frozenset({"MedicationUsage", "RequestOrchestration"})
_STU3 = frozenset({"notDone", "assertedDate", "taken"})
_RELEASES = ("STU3", "R5", "DSTU2", "R4")


class Releases:
    """Counts the signs of each release over all resources that were read."""

    def __init__(self) -> None:
        self._votes: dict[str, int] = {}

    def look(self, doc: Doc, *, is_draft: bool = False) -> None:
        """Take note of what one resource shows. A draft order outweighs the whole chart: answers
        are in its release (FV-03)."""
        if sign := _sign(doc):
            self._votes[sign] = self._votes.get(sign, 0) + (_DRAFT if is_draft else 1)

    def also(self, others: Releases) -> None:
        """Take note of what others have seen."""
        for sign, votes in others._votes.items():
            self._votes[sign] = self._votes.get(sign, 0) + votes

    def release(self) -> str:
        """The release most resources speak: DSTU2, STU3, R4 (R4B looks the same) or R5."""
        votes = self._votes
        if len(votes) < 2:  # nearly always
            return next(iter(votes), "R4")
        return max(_RELEASES, key=lambda name: (votes.get(name, 0), name == "R4"))


def _sign(doc: Doc) -> str | None:
    """The release a resource gives away, None when it could be of several."""
    kind = doc.get("resourceType")
    if kind in _R5_TYPES or isinstance(doc.get("medication"), dict) or _is_r5(doc):
        return "R5"
    if kind in _DSTU2_TYPES or _is_dstu2(doc):
        return "DSTU2"
    if kind in {"ProcedureRequest", "ReferralRequest"} or not _STU3.isdisjoint(doc):
        return "STU3"
    if isinstance(doc.get("clinicalStatus"), str):
        return "STU3"
    return "R4" if kind == "ServiceRequest" else None


def _is_r5(doc: Doc) -> bool:
    code, reason = doc.get("code"), doc.get("reason")
    if isinstance(code, dict) and isinstance(code.get("concept"), dict):
        return True
    return isinstance(reason, list) and any(
        isinstance(r, dict) and ("concept" in r or isinstance(r.get("reference"), dict))
        for r in reason
    )


def _is_dstu2(doc: Doc) -> bool:
    kind = doc.get("resourceType")
    if kind in _DSTU2_PATIENT and "patient" in doc:
        return True
    if kind == "AllergyIntolerance" and "substance" in doc:
        return True
    return kind == "ProcedureRequest" and not _DSTU2_REQUEST.isdisjoint(doc)
