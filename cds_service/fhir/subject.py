"""Tells the patient's own resources from those of other patients."""

from __future__ import annotations

from enum import Enum

from cds_service.fhir.elements import Doc, identifier, items, kind_of, objects, reference

_SUBJECTS = ("subject", "patient", "for")  # `for` is the patient of a Task
_OTHERS = frozenset({"patient", "for", "participant"})


class Whose(Enum):
    """Whose a resource is. NAMELESS: it names no patient that could be compared. LATER: it names
    a `urn:` that only the fullUrl of a Patient entry can explain."""

    OWN = "own"
    FOREIGN = "foreign"
    NAMELESS = "nameless"
    LATER = "later"


def bare_id(text: str) -> str:
    """`x` of `x`, `Patient/x`, `https://ehr/fhir/Patient/x` and `Patient/x/_history/2`."""
    path = text.strip().partition("?")[0].rstrip("/").partition("/_history/")[0]
    return path.rpartition("/")[2]


class Subjects:
    """Compares subject references with one patient id, and remembers what it has seen."""

    def __init__(self, patient_id: str) -> None:
        self.patient_id = bare_id(patient_id)
        self.own: set[str | None] = {self.patient_id, f"Patient/{self.patient_id}"}
        self._aliases: dict[str, str] = {}

    def whose(self, ref: str | None) -> Whose:
        """Judge one reference. Display-only and contained subjects are accepted: the EHR sent
        them for this patient, and many records leave the subject out."""
        if ref in self.own:
            return Whose.OWN
        ref = (ref or "").strip()
        if not ref or ref.startswith("#"):
            return Whose.NAMELESS
        if ref.lower().startswith("urn:"):
            return Whose.LATER
        kind = ref.rpartition("/_history/")[0] or ref
        parts = kind.rstrip("/").split("/")
        if parts[-1] == self.patient_id and (len(parts) == 1 or parts[-2] == "Patient"):
            if len(self.own) < 64:
                self.own.add(ref)
            return Whose.OWN
        return Whose.FOREIGN

    def whose_doc(self, doc: Doc) -> tuple[Whose, str | None]:
        """Judge a decoded resource by all its subjects; the reference is given for LATER."""
        subject = doc.get("subject")
        if _OTHERS.isdisjoint(doc) and not isinstance(subject, list):  # nearly always
            ref = reference(subject)
            whose = self.whose(ref)
            return (whose, ref) if whose is not Whose.NAMELESS else (whose, None)
        named = [reference(s) for name in _SUBJECTS for s in items(doc.get(name))]
        actors = [reference(p.get("actor")) for p in objects(doc.get("participant"))]
        named += [actor for actor in actors if actor and "Patient/" in actor]  # Appointment
        judged = [(self.whose(ref), ref) for ref in named]
        for kind in (Whose.OWN, Whose.FOREIGN, Whose.LATER):
            for whose, ref in judged:
                if whose is kind:
                    return whose, ref
        return Whose.NAMELESS, None

    def owns(self, doc: Doc) -> bool:
        """Whether a resource is this patient's, or names nobody; when all entries were learnt."""
        whose, ref = self.whose_doc(doc)
        if whose is Whose.LATER and ref is not None:
            whose = self.resolve(ref)
        return whose is not Whose.FOREIGN

    def learn(self, full_url: str | None, doc: Doc) -> None:
        """Remember under which fullUrl a Patient stands in its Bundle."""
        ident = identifier(doc.get("id")) if kind_of(doc) == "Patient" else None
        if full_url and ident and full_url.lower().startswith("urn:"):
            self._aliases[full_url.lower()] = ident

    def resolve(self, urn: str) -> Whose:
        """Judge a `urn:` reference once everything has been seen.

        NAMELESS when no Patient entry explains it: then nobody can compare it. Another urn than
        the one known for this patient is somebody else's.
        """
        known = self._aliases.get(urn.lower())
        if known is not None:
            return Whose.OWN if known == self.patient_id else Whose.FOREIGN
        if urn.rpartition(":")[2].lower() == self.patient_id.lower():
            return Whose.OWN
        return Whose.FOREIGN if self.patient_id in self._aliases.values() else Whose.NAMELESS
