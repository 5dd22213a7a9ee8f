"""Tells the patient's own resources from those of other patients."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from cds_service.fhir.elements import (
    Doc,
    identifier,
    items,
    kind_of,
    member,
    objects,
    reference,
    word,
)

_SUBJECTS = ("subject", "patient", "for")  # `for` is the patient of a Task
_IDENTIFIED = "urn:identified\n"
"""Begins what stands for a subject that is named by identifiers, until all is read."""
_OTHERS = frozenset({"patient", "for", "participant"})


class Whose(Enum):
    """Whose a resource is. NAMELESS: it names no patient that could be compared. LATER: it names
    a `urn:` that only the fullUrl of a Patient entry can explain, or identifiers."""

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
        self._identifiers: dict[str, set[str]] = {}

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
            return (
                (whose, ref) if whose is not Whose.NAMELESS else _by_identifier(doc, subject, ref)
            )
        named = [reference(s) for name in _SUBJECTS for s in items(doc.get(name))]
        actors = [reference(p.get("actor")) for p in objects(doc.get("participant"))]
        named += [actor for actor in actors if actor and "Patient/" in actor]  # Appointment
        judged = [(self.whose(ref), ref) for ref in named]
        for kind in (Whose.OWN, Whose.FOREIGN, Whose.LATER):
            for whose, ref in judged:
                if whose is kind:
                    return whose, ref
        first = next((s for name in _SUBJECTS for s in items(doc.get(name))), None)
        return _by_identifier(doc, first, reference(first))

    def is_own(self, whose: Whose, ref: str | None) -> bool:
        """Whether a resource of which `whose_doc` said this is the patient's, or names nobody; when
        all entries were learnt."""
        if whose is Whose.LATER and ref is not None:
            whose = self.resolve(ref)
        return whose is not Whose.FOREIGN

    def learn(self, full_url: str | None, doc: Doc) -> None:
        """Remember under which fullUrl a Patient stands in its Bundle."""
        if kind_of(doc) != "Patient":
            return
        ident = identifier(doc.get("id"))
        if ident in {None, self.patient_id}:
            for system, value in _identifiers(doc.get("identifier")):
                self._identifiers.setdefault(system, set()).add(value)
        if full_url and ident and full_url.lower().startswith("urn:"):
            self._aliases[full_url.lower()] = ident

    def resolve(self, urn: str) -> Whose:
        """Judge a `urn:` reference once everything has been seen.

        NAMELESS when no Patient entry explains it: then nobody can compare it. Another urn than
        the one known for this patient is somebody else's.
        """
        if urn.startswith(_IDENTIFIED):
            return self._compare(urn)
        known = self._aliases.get(urn.lower())
        if known is not None:
            return Whose.OWN if known == self.patient_id else Whose.FOREIGN
        if urn.rpartition(":")[2].lower() == self.patient_id.lower():
            return Whose.OWN
        return Whose.FOREIGN if self.patient_id in self._aliases.values() else Whose.NAMELESS

    def _compare(self, urn: str) -> Whose:
        """Judge the identifiers of a subject: another's where one of the patient's has the same
        system, and none the same value."""
        pairs = [pair.partition("\n") for pair in urn.removeprefix(_IDENTIFIED).split("\t")]
        known = [value in self._identifiers[s] for s, _, value in pairs if s in self._identifiers]
        return Whose.FOREIGN if known and not any(known) else Whose.OWN


def _identifiers(element: object) -> Iterator[tuple[str, str]]:
    for item in objects(element):
        system, value = word(item.get("system")), word(item.get("value"))
        if system and value:
            yield system, value.strip()


def _by_identifier(doc: Doc, subject: object, ref: str | None) -> tuple[Whose, str | None]:
    """A subject without a reference that could be compared: by its identifiers, when the patient's
    are known, or those of the resource inside that it means."""
    pairs = list(_identifiers(member(subject, "identifier")))
    if (ref or "").startswith("#"):
        inside = (c for c in objects(doc.get("contained")) if f"#{word(c.get('id'))}" == ref)
        meant = next(inside, None)
        if kind_of(meant) not in {None, "Patient"}:
            return Whose.FOREIGN, None
        pairs += _identifiers(member(meant, "identifier"))
    if not pairs:
        return Whose.NAMELESS, None
    return Whose.LATER, _IDENTIFIED + "\t".join(f"{s}\n{value}" for s, value in pairs[:8])
