"""Tells after one glance whether a resource can matter; most of a big chart does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.chart import InputName
from cds_service.inputs import INPUT_OF
from cds_service.mentions import Mentions
from cds_service.sniff import Concept, Sniff

if TYPE_CHECKING:
    from cds_service.codes import CodeIndex

_CODED = frozenset({"Condition", "Procedure", "Observation"})
_MEDICINES = frozenset(k for k, name in INPUT_OF.items() if name is InputName.MEDICATIONS)
_MEMORY = 50_000


class Sieve:
    """Lets through what has a coding in a value set or a text that may be worth reading, and
    whatever it cannot judge. Remembers codings and texts that say nothing."""

    def __init__(self, index: CodeIndex, mentions: Mentions) -> None:
        self._index = index
        self._mentions = mentions
        self._dull: set[tuple[str | None, str | None]] = set()

    def holds_back(self, sniff: Sniff) -> bool:
        """True when the resource need not be read in full."""
        kind = sniff.resourceType
        if kind in _CODED:
            return not (self._speaks(sniff.code) or self._adds(sniff))
        if kind in _MEDICINES and sniff.medicationReference is None:
            inline = sniff.medicationCodeableConcept
            return inline is not None and not self._speaks(inline)
        return False

    def _adds(self, sniff: Sniff) -> bool:
        """Whether something beside the code may matter: value, note, components."""
        if self._tells(sniff.valueString) or self._speaks(sniff.valueCodeableConcept):
            return True
        if sniff.note and any(self._tells(note.text) for note in sniff.note):
            return True
        return any(self._speaks(part.code) for part in sniff.component or ())

    def _speaks(self, concept: Concept | None) -> bool:
        if concept is None:
            return False
        silent, dull = self._mentions.silent, self._dull
        for coding in concept.coding or ():
            key = (coding.system, coding.code)
            if key not in dull and not self._is_dull(key):
                return True
            if coding.display not in silent and self._tells(coding.display):
                return True
        if concept.text not in silent and self._tells(concept.text):
            return True
        return concept.concept is not None and self._speaks(concept.concept)

    def _is_dull(self, key: tuple[str | None, str | None]) -> bool:
        system, code = key
        if self._index.match(system, code) is not None:
            return False
        if code is not None and ":" in code:  # perhaps a SNOMED CT expression
            return False
        if len(self._dull) >= _MEMORY:
            self._dull.clear()
        self._dull.add(key)
        return True

    def _tells(self, value: str | None) -> bool:
        if value is None or value in self._mentions.silent:
            return False
        return self._mentions.speaks(value)
