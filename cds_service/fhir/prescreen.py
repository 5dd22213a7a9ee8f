"""Tells after one glance whether a resource can matter; most of a big chart does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.fhir.codings import wants_reading
from cds_service.fhir.completeness import ABSENT, SignalTable
from cds_service.fhir.decoding import NOTHING, Component, Concept, Glance, GlancedQuantity
from cds_service.fhir.inputs import INPUT_OF
from cds_service.fhir.medication import OVER
from cds_service.fhir.medicine_lists import LISTS
from cds_service.fhir.mentions import Mentions
from cds_service.fhir.named import GENETIC
from cds_service.fhir.unidentified import MEDICINES, readable
from cds_service.fhir.unread_codes import unread_system
from cds_service.knowledge.code_systems import canonical
from cds_service.knowledge.word_search import TEXT_LIMIT

if TYPE_CHECKING:
    from cds_service.knowledge.terminology import CodeIndex

_CODED = frozenset({"Condition", "Procedure", "Observation"})
_MEDICINES = frozenset(kind for kind, name in INPUT_OF.items() if name in LISTS)
_NAMED = frozenset({"Condition", "Procedure"})
_ABSENT = ABSENT.encode()
_MEMORY = 2_000  # more would cost more than it saves


class Prescreen:
    """Lets through what has a coding in a value set or a text that may be worth reading, medicines
    without a code to know them by, and whatever it cannot judge. Remembers the codes and texts
    that say nothing: a record repeats itself."""

    def __init__(self, index: CodeIndex, mentions: Mentions, signals: SignalTable) -> None:
        self._index = index
        self._signals = signals
        self._statements = signals.codes
        self._mentions = mentions
        self._dull: set[Concept] = set()
        self._plain: set[Concept] = set()  # they name no condition
        self._plain_results: set[Concept] = set()
        self._known: set[Concept] = set()  # medicines whose code is in no value set
        self.strange: dict[
            Concept | None, str
        ] = {}  # of the dull ones, those in systems nobody reads

    def holds_back(self, glance: Glance) -> bool:
        """True when the resource need not be read in full."""
        kind = glance.resourceType
        if (glance.reasonCode or glance.reason) and self._reason_speaks(glance):
            return False
        if glance.meta is not None and self._signals.is_labelled(glance.meta):
            return False
        if glance.extension is not NOTHING and _ABSENT in bytes(glance.extension):
            return False
        if kind in _CODED:
            code = glance.code
            if kind in _NAMED and (
                code is None
                or not (code.coding or code.text or code.concept)
                or (code.coding and code.coding[0].code is None)
                or code.extension
            ):
                return False  # nothing says what it is: then it may say why
            if (
                kind in _NAMED
                and code is not None
                and code not in self._plain
                and self._names_condition(code)
            ):
                return False
            return not (
                (code is not None and self._speaks(code))
                or (glance.valueString is not None and self._tells(glance.valueString))
                or (glance.note is not None and any(self._tells(n.text) for n in glance.note))
                or self._tells(glance.notes)
                or (glance.valueCodeableConcept and self._speaks(glance.valueCodeableConcept))
                or (glance.component and any(map(self._part_tells, glance.component)))
                or (kind == "Observation" and self._is_result(code, glance.valueQuantity))
            )
        if kind in _MEDICINES and glance.medicationReference is None:
            inline = glance.medicationCodeableConcept
            return inline is not None and not self._counts(inline, glance)
        return False

    def _reason_speaks(self, glance: Glance) -> bool:
        return any(map(self._names_genetic, (*(glance.reasonCode or ()), *(glance.reason or ()))))

    def _names_genetic(self, reason: Concept) -> bool:
        """Whether a reason may be genetic HO: a code in a value set, or words."""
        inner = reason.concept or reason
        for coding in inner.coding or ():
            match = self._index.match(coding.system, coding.code)
            if match is not None and not match.concepts.isdisjoint(GENETIC):
                return True
            if self._tells(coding.display):
                return True
        return self._tells(inner.text)

    def _part_tells(self, part: Component) -> bool:
        return bool(
            (part.code and self._speaks(part.code))
            or self._tells(part.valueString)
            or (part.valueCodeableConcept and self._speaks(part.valueCodeableConcept))
        )

    def _counts(self, medicine: Concept, glance: Glance) -> bool:
        """Whether a medicine is in a value set, or is one that the reader has to name as unknown:
        without any code to know it by, and not over by its status."""
        if medicine in self._known:
            return False
        if self._speaks(medicine):
            return True
        coded = medicine.coding or ()
        told = bool(medicine.text) or any(c.display for c in coded)
        if readable(coded, MEDICINES, named=told) and not self._names_drug(medicine):
            if len(self._known) < _MEMORY:
                self._known.add(medicine)
            return False
        return glance.status not in OVER

    def _names_drug(self, medicine: Concept) -> bool:
        """Whether its words or codes name a drug that matters, whose code is in no value set."""
        coded = medicine.coding or ()
        said = [text for text in (medicine.text, *(c.display for c in coded)) if text]
        codes = ((canonical(c.system), c.code) for c in coded if c.system and c.code)
        return bool(self._mentions.drugs.named(said, codes))

    def _names_condition(self, code: Concept) -> bool:
        """Whether its words name a condition or an allergy that speaks against an option."""
        said = code.text[:TEXT_LIMIT] if code.text else ""
        for coding in code.coding or ():
            if coding.display and coding.display != code.text:
                said += f"\n{coding.display[:TEXT_LIMIT]}"
        if self._mentions.conditions.speaks(said):
            return True
        if len(self._plain) < _MEMORY:
            self._plain.add(code)
        return False

    def _is_result(self, code: Concept | None, value: GlancedQuantity | None) -> bool:
        """Whether its words, its code or its unit names a result that is asked for, in a code that
        stands in no value set."""
        results = self._mentions.results
        if value is not None and results.in_unit(f"{value.unit} {value.code}"):
            return True
        if code is None or code in self._plain_results:
            return False
        said = (code.text, *(coding.display for coding in code.coding or ()))
        if results.coded(c.code for c in code.coding or ()):
            return True
        if results.named(text for text in said if text):
            return True
        if len(self._plain_results) < _MEMORY:
            self._plain_results.add(code)
        return False

    def _speaks(self, concept: Concept) -> bool:
        """Whether a coding is in a value set or a text may be worth reading."""
        if concept in self._dull:
            return False
        if self._says_something(concept):
            return True
        if len(self._dull) < _MEMORY:
            self._dull.add(concept)
        if len(self.strange) < _MEMORY:
            unread = unread_system(concept.coding or ())
            if unread is not None:
                self.strange[concept] = unread
        return False

    def _says_something(self, concept: Concept) -> bool:
        if concept.code is not None or concept.extension:
            return True
        match = self._index.match
        for coding in concept.coding or ():
            code = coding.code
            # A compound (SNOMED CT focus : refinement, ICD-11 stem/stem) is taken apart later.
            if (
                code in self._statements
                or match(coding.system, code) is not None
                or (code is not None and wants_reading(code))
            ):
                return True
            name = coding.display
            if name is not None and self._tells(name):
                return True
        text = concept.text
        if text is not None and self._tells(text):
            return True
        if not any(coding.code for coding in concept.coding or ()):  # its words are all there is
            said = (text, *(coding.display for coding in concept.coding or ()))
            if any(one and self._signals.tells_nothing(one) for one in said):
                return True
        return concept.concept is not None and self._says_something(concept.concept)

    def _tells(self, value: str | None) -> bool:
        return value is not None and self._mentions.speaks(value)
