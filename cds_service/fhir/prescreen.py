"""Tells after one glance whether a resource can matter; most of a big chart does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cds_service.fhir.codings import wants_reading
from cds_service.fhir.completeness import ABSENT, SignalTable
from cds_service.fhir.decoding import CONCEPT, NOTHING, UNFIT, Component, Concept, Glance
from cds_service.fhir.dull_codes import DullCodes
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

_NAMED, _RESULT, _MEDICINE = b"named:", b"result:", b"medicine:"
_GROUPS = {
    "Condition": _NAMED,
    "Procedure": _NAMED,
    "Observation": _RESULT,
    **{kind: _MEDICINE for kind, name in INPUT_OF.items() if name in LISTS},
}
_ABSENT = ABSENT.encode()
_MEMORY = 2_000  # more would cost more than it saves
UNDERSTOOD: Final = ""
_IF_OVER: Final = "?"  # of a medicine that nobody can know: it says nothing once it is over


class Prescreen:
    """Lets through what has a coding in a value set or a text that may be worth reading, medicines
    without a code to know them by, and whatever it cannot judge. Remembers what codes and texts
    say: a record repeats itself, and `dull` is what other records said."""

    def __init__(
        self, index: CodeIndex, mentions: Mentions, signals: SignalTable, dull: DullCodes
    ) -> None:
        self._index = index
        self._signals = signals
        self._statements = signals.codes
        self._mentions = mentions
        self._dull_codes = dull
        self._dull: set[Concept] = set()
        self._told: dict[bytes, dict[bytes, str | None]] = {
            _NAMED: {}, _RESULT: {}, _MEDICINE: {}
        }  # fmt: skip

    def dull_as(self, glance: Glance) -> str | None:
        """None for a resource that has to be read in full. For any other UNDERSTOOD, or the system
        of its code where that is one that nobody reads."""
        kind = glance.resourceType
        if kind is None or kind not in _GROUPS:
            return None
        group = _GROUPS[kind]
        raw = glance.code
        if group is _MEDICINE:
            if glance.medicationReference is not None:
                return None
            raw = glance.medicationCodeableConcept
        code, known = bytes(raw), self._told[group]
        told = known[code] if code in known else self._by_code(group, code)
        if told == _IF_OVER:
            told = UNDERSTOOD if glance.status in OVER else None
        beside = (
            glance.note or glance.notes or glance.component or glance.valueCodeableConcept
            or glance.valueString or glance.valueQuantity or glance.reasonCode or glance.reason
            or glance.meta or glance.extension is not NOTHING
            or glance.reasonReference is not NOTHING or _has_older_reason(glance)
        )  # fmt: skip
        if told is None or not beside:  # nearly always
            return told
        if self._is_marked(glance) or (group is not _MEDICINE and self._speaks_beside(glance)):
            return None
        return told

    def _is_marked(self, glance: Glance) -> bool:
        """Whether a reason, a label or an extension may say something of any resource."""
        return bool(
            ((glance.reasonCode or glance.reason) and self._reason_speaks(glance))
            or _has_older_reason(glance)
            or (glance.reasonReference is not NOTHING and self._reference_speaks(glance))
            or (glance.meta is not None and self._signals.is_labelled(glance.meta))
            or (glance.extension is not NOTHING and _ABSENT in bytes(glance.extension))
        )

    def _speaks_beside(self, glance: Glance) -> bool:
        """Whether something beside its code may be worth reading."""
        return bool(
            (glance.valueString is not None and self._tells(glance.valueString))
            or (glance.note is not None and any(self._tells(n.text) for n in glance.note))
            or (glance.notes is not None and self._tells(glance.notes))
            or (glance.valueCodeableConcept and self._speaks(glance.valueCodeableConcept))
            or (glance.component and any(map(self._part_tells, glance.component)))
            or (glance.valueQuantity is not None and self._is_result_in(glance))
        )

    def _by_code(self, group: bytes, code: bytes) -> str | None:
        """What a code alone says that this record has not shown yet; from now on remembered."""
        digest = self._dull_codes.digest(group, code)
        found: str | None = UNDERSTOOD
        if digest not in self._dull_codes.known:
            found = self._judged(group, code)
            if found == UNDERSTOOD:
                self._dull_codes.add(digest)
        if len(self._told[group]) < _MEMORY:
            self._told[group][code] = found
        return found

    def _judged(self, group: bytes, raw: bytes) -> str | None:
        """What a code says, for `dull_as`."""
        try:
            code = CONCEPT.decode(raw) if raw else None
        except UNFIT:
            return None
        if group is _MEDICINE:
            return self._of_medicine(code)
        if code is None:
            return None if group is _NAMED else UNDERSTOOD
        if group is _NAMED:
            speaks = _says_no_name(code) or self._names_condition(code)
        else:
            speaks = self._is_result(code)
        if speaks or self._speaks(code):
            return None
        return unread_system(code.coding or ()) or UNDERSTOOD

    def _reason_speaks(self, glance: Glance) -> bool:
        if glance.contained is not NOTHING:  # to which a reason may point
            return True
        return any(map(self._names_genetic, (*(glance.reasonCode or ()), *(glance.reason or ()))))

    def _reference_speaks(self, glance: Glance) -> bool:
        """Whether a reason that is a reference may be genetic HO: by its words, by what the
        resource carries with it, or by a code where none belongs."""
        raw = bytes(glance.reasonReference)
        if glance.contained is not NOTHING or b"\\" in raw or b'"cod' in raw:
            return True
        return self._tells(raw.decode("utf-8", "replace"))

    def _names_genetic(self, reason: Concept) -> bool:
        """Whether a reason may be genetic HO: a code in a value set, or words."""
        inner = reason.concept or reason
        if inner.code is not None:  # a Coding where the concept should be
            return True
        for coding in inner.coding or ():
            match = self._index.match(coding.system, coding.code)
            if match is not None and not match.concepts.isdisjoint(GENETIC):
                return True
            if self._tells(coding.display):
                return True
        return self._tells(inner.text) or self._tells(reason.display)

    def _part_tells(self, part: Component) -> bool:
        return bool(
            (part.code and self._speaks(part.code))
            or self._tells(part.valueString)
            or (part.valueCodeableConcept and self._speaks(part.valueCodeableConcept))
        )

    def _of_medicine(self, medicine: Concept | None) -> str | None:
        """Whether a medicine is in a value set, or is one that the reader has to name as unknown:
        without any code to know it by, and not over by its status."""
        if medicine is None or self._speaks(medicine):
            return None
        coded = medicine.coding or ()
        told = bool(medicine.text) or any(c.display for c in coded)
        known = readable(coded, MEDICINES, named=told) and not self._names_drug(medicine)
        return UNDERSTOOD if known else _IF_OVER

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
        return self._mentions.conditions.speaks(said)

    def _is_result(self, code: Concept) -> bool:
        """Whether its words or its code name a result that is asked for, in a code that stands in
        no value set."""
        results, coded = self._mentions.results, code.coding or ()
        said = (code.text, *(coding.display for coding in coded))
        if results.coded(c.code for c in coded):
            return True
        return bool(results.named(text for text in said if text))

    def _is_result_in(self, glance: Glance) -> bool:
        """Whether its unit names a result that is asked for."""
        value = glance.valueQuantity
        if value is None:
            return False
        return self._mentions.results.in_unit(f"{value.unit} {value.code}") is not None

    def _speaks(self, concept: Concept) -> bool:
        """Whether a coding is in a value set or a text may be worth reading."""
        if concept in self._dull:
            return False
        if self._says_something(concept):
            return True
        if len(self._dull) < _MEMORY:
            self._dull.add(concept)
        return False

    def _says_something(self, concept: Concept) -> bool:
        if concept.code is not None or concept.display is not None or concept.extension:
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


def _says_no_name(code: Concept) -> bool:
    """Whether nothing says what it is: then it may say why."""
    return (
        not (code.coding or code.text or code.concept)
        or bool(code.coding and code.coding[0].code is None)
        or bool(code.extension)
    )


def _has_older_reason(glance: Glance) -> bool:
    """Whether a reason stands in an element of an older release; then all of it is read."""
    return (
        glance.reasonCodeableConcept is not NOTHING
        or glance.indication is not NOTHING
        or glance.reasonGiven is not NOTHING
        or glance.reasonForUse is not NOTHING
        or glance.reasonForUseCodeableConcept is not NOTHING
        or glance.reasonForUseReference is not NOTHING
    )
