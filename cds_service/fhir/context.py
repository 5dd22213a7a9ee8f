"""What every reader of a resource needs: the code index, the day, and what references point to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from cds_service.clinical.chart import (
    AllergyFact,
    ConditionFact,
    FamilyFact,
    FhirDate,
    MeasurementFact,
    MedicationFact,
    Mention,
    ProcedureFact,
    SetAside,
    Unidentified,
)
from cds_service.clinical.days import Days
from cds_service.fhir.body_site import body_sites, unread_site
from cds_service.fhir.codings import NOTHING, Recognised, recognise
from cds_service.fhir.dates import read_date, read_moment
from cds_service.fhir.elements import (
    Doc,
    codings,
    items,
    kind_of,
    objects,
    reference,
    texts,
    type_and_id,
)
from cds_service.fhir.mentions import Mentions
from cds_service.fhir.record_status import onset_of, recorded_on
from cds_service.knowledge.names import SITE_UNREAD

if TYPE_CHECKING:
    from cds_service.fhir.release import Releases
    from cds_service.fhir.subject import Subjects
    from cds_service.knowledge.names import InputName
    from cds_service.knowledge.terminology import CodeIndex

Item = (
    ConditionFact
    | ProcedureFact
    | MedicationFact
    | AllergyFact
    | MeasurementFact
    | FamilyFact
    | SetAside
    | Mention
    | Unidentified
)

REASONS = ("reasonCode", "reasonReference", "reason", "reasonCodeableConcept", "indication",
           "reasonGiven", "reasonForUse", "reasonForUseCodeableConcept",
           "reasonForUseReference")  # fmt: skip

_MOST = 100  # references of one element that are followed


class References:
    """Finds the resource that a reference names, among all that were sent."""

    def __init__(self) -> None:
        self._docs: dict[str, Doc] = {}
        self.asked = False  # whether anything was looked up that does not lie in its holder

    def add(self, doc: Doc, full_url: str | None = None) -> None:
        """Remember a resource under `Type/id` and under its fullUrl; not a medicine that carries a
        modifier, which would be no fact."""
        if "modifierExtension" in doc and kind_of(doc) == "Medication":
            return
        self._docs.setdefault(type_and_id(doc), doc)
        if full_url:
            self._docs.setdefault(full_url, doc)

    def find(self, ref: str | None, holder: Doc) -> Doc | None:
        """The resource behind `#id` (contained), `Type/id`, an absolute URL or a `urn:`."""
        if not ref:
            return None
        if ref.startswith("#"):
            inside = (d for d in objects(holder.get("contained")) if f"#{d.get('id')}" == ref)
            return next(inside, None)
        self.asked = True
        plain = ref.partition("/_history/")[0]
        return self._docs.get(plain) or self._docs.get("/".join(plain.split("/")[-2:]))


class UnfinishedChart(Protocol):
    """A chart that is still being read, as this room sees it (`fhir_map.ChartReader`)."""

    references: References
    releases: Releases
    subjects: Subjects
    mentions: Mentions

    def read_input(self, name: InputName, raw: bytes) -> None:
        """Read a FHIR answer that was fetched."""

    def fail(
        self, name: InputName, why: str, *, is_gone: bool = False, is_refused: bool = False
    ) -> None:
        """Note that an input could not be fetched; `is_gone`: the server does not have it,
        `is_refused`: it does not show it."""

    def next_links(self) -> dict[InputName, str]:
        """Links to pages that nobody has read yet."""

    def strangers(self, name: InputName) -> int:
        """Resources of other patients that came for an input."""


@dataclass(frozen=True, slots=True)
class ReadContext:
    """The surroundings in which one resource is read."""

    index: CodeIndex
    days: Days
    references: References = field(default_factory=References)
    mentions: Mentions = field(default_factory=Mentions)
    birth: FhirDate | None = None

    def date(self, value: object) -> FhirDate | None:
        """A date or an instant, as a day of the hospital."""
        return read_date(value, self.days.zone)

    def moment(self, *values: object) -> FhirDate | None:
        """The first of these that can be read (`read_moment`), as a day of the hospital."""
        return read_moment(*values, zone=self.days.zone)

    def onset(self, doc: Doc) -> FhirDate | None:
        """When a condition or an allergy began."""
        return onset_of(doc, self.birth, self.days.zone)

    def recorded(self, doc: Doc) -> FhirDate | None:
        """When a condition or an allergy was recorded."""
        return recorded_on(doc, self.days.zone)

    def know(self, *elements: object) -> Recognised:
        """Recognise the codings of coded elements."""
        found = [c for e in elements if e is not None for c in codings(e)]
        return recognise(self.index, found) if found else NOTHING

    def resolve(self, holder: Doc, element: object) -> Iterator[Doc]:
        """The resources that References, or CodeableReferences, in `element` point to."""
        for item in items(element)[:_MOST]:
            if (found := self.references.find(reference(item), holder)) is not None:
                yield found

    def sites(self, doc: Doc) -> Recognised:
        """What the body sites of a resource say, also those in resources it points to."""
        pointed: list[Doc] = []
        if "bodyStructure" in doc:
            pointed += self.resolve(doc, doc["bodyStructure"])
        if "extension" in doc:
            for extension in objects(doc["extension"])[:_MOST]:
                pointed += self.resolve(doc, extension.get("valueReference"))
        bodies = [d for d in pointed if kind_of(d) in {"BodyStructure", "BodySite"}]
        found = body_sites(doc, bodies)
        known = recognise(self.index, found) if found else NOTHING
        if known.sites or not (found or "bodySite" in doc):
            return known
        unread = unread_site(doc, found, self.index)
        if unread is None:
            return known
        return replace(known, concepts=known.concepts | {SITE_UNREAD}, unread=unread)

    def reasons(self, doc: Doc) -> tuple[frozenset[str], bool]:
        """Value sets of the coded reasons, and whether any reason is stated at all.

        Reads reasonCode and reasonReference (STU3, R4), reason[x] (DSTU2, R5), and the code of a
        Condition that a reason points to.
        """
        concepts: frozenset[str] = frozenset()
        stated = False
        for name in REASONS:
            element = doc.get(name)
            if element is None:
                continue
            known = self.know(element)
            for target in self.resolve(doc, element):
                known = known.and_also(self.know(target.get("code")))
            concepts |= known.meaning
            stated = stated or any(_says(item) for item in items(element))
        return concepts, stated


def _says(item: object) -> bool:
    """True when a reason has a text, a coding or a reference."""
    return bool(any(t.strip() for t in texts(item)) or codings(item) or reference(item))
