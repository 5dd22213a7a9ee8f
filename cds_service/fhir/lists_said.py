"""What a List, or the sections of a document, say of being empty, or of entries that they name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from cds_service.clinical.chart import CodeSeen
from cds_service.fhir.elements import Doc, codings, kind_of, notes_of, objects, texts
from cds_service.fhir.outcomes import IN_WORDS
from cds_service.fhir.signal import NONE, Signal, said, stated, strongest
from cds_service.fhir.wording import Wording, narrative
from cds_service.knowledge.code_systems import LOINC, canonical, normal_system
from cds_service.knowledge.names import InputName, SignalName

if TYPE_CHECKING:
    from cds_service.knowledge.completeness_schema import SourceSignal

_EMPTY_SYSTEM: Final = "http://terminology.hl7.org/codesystem/list-empty-reason"
_SECTIONS: Final[Mapping[str, InputName]] = {
    "11450-4": InputName.CONDITIONS,
    "48765-2": InputName.ALLERGIES,
    "10160-0": InputName.MEDICATIONS,
    "47519-4": InputName.PROCEDURES,
    "30954-2": InputName.OBSERVATIONS,
    "10157-6": InputName.FAMILY_HISTORY,
}
"""LOINC codes of lists and of sections of a document (International Patient Summary)."""
SECTIONED: Final = frozenset(_SECTIONS.values())
# Titles of sections without such a code. General language knowledge; the first that fits.
_TITLES: Final[tuple[tuple[re.Pattern[str], InputName], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), name)
    for pattern, name in (
        (r"famil|familj|rodinn|rodzin|家族|가족", InputName.FAMILY_HISTORY),
        (r"allerg|alerg|intoleran|unverträglich|nadwrażliw|アレルギー|过敏|過敏|알레르기",
         InputName.ALLERGIES),
        (r"medic(?:ation|ament|in)|arznei|médicament|farmac|läkemedel|lægemid|legemid|lääkk|lekar"
         r"|\bleki\b|\bdrugs?\b|処方|薬|药物|藥物|투약|약물", InputName.MEDICATIONS),
        (r"procedure|prozedur|eingriff|procédure|interventi|procedim|procedure|zabieg|výkon|åtgärd|手術|处置|수술",
         InputName.PROCEDURES),
        (r"problem|problèm|diagnos|diagnóst|conditions?\b|patholog|傷病|プロブレム|病名|诊断|診斷|진단|문제",
         InputName.CONDITIONS),
        (r"\bresult|\blabor|befund|résultat|risultat|observation|検査|检验|검사",
         InputName.OBSERVATIONS),
    )
)  # fmt: skip


class ListsSaid:
    """The signals of Lists and of sections."""

    def __init__(self, signals: Iterable[SourceSignal], wording: Wording) -> None:
        rows = tuple(signals)
        self._unknown = next(row for row in rows if row.id == SignalName.LIST_UNKNOWN)
        self._wording = wording
        self._empty = {
            code.lower(): row for row in rows if row.kind == "empty-reason" for code in row.codes
        }

    def read(self, doc: Doc, asked: InputName | None) -> Iterator[tuple[InputName, Signal]]:
        """What is said of being empty or not whole, by input."""
        for section in _parts(doc):
            told = self._told(section, in_document="section" in doc and section is not doc)
            name = _input_of(section, asked)
            if told is not None and name is not None:
                yield name, told

    def named(self, doc: Doc, asked: InputName | None) -> Iterator[InputName]:
        """The inputs that a List or a document is about."""
        yield from filter(None, (_input_of(section, asked) for section in _parts(doc)))

    def with_entries(self, doc: Doc, asked: InputName | None) -> Iterator[InputName]:
        """The inputs of which entries are named by reference."""
        for section in _parts(doc):
            name = _input_of(section, asked)
            if name is not None and section.get("entry"):
                yield name

    def _told(self, section: Doc, *, in_document: bool) -> Signal | None:
        rows = [self._empty_reason(coding) for coding in codings(section.get("emptyReason"))]
        if not rows and section.get("emptyReason"):
            rows = [self._unknown]  # in words
        if rows and section.get("entry"):  # empty, and holds something
            rows = [self._unknown if row.state == NONE else row for row in rows]
        told = strongest(map(stated, rows)) or self._in_words(section)
        holds = section.get("entry") or section.get("section")
        if told is None and in_document and not holds:  # a narrative at most, which is not read
            return stated(self._unknown)
        return told

    def _in_words(self, section: Doc) -> Signal | None:
        """What the note of a List says; and the narrative of one that holds no entry, or of such a
        section. Beside entries a narrative speaks of these."""
        words = notes_of(section) if "note" in section else []
        if not section.get("entry") and kind_of(section) != "Composition":
            words += [text for text in (narrative(section.get("text")),) if text]
        rows, _ = self._wording.told(words, is_note=True) if words else ([], True)
        return strongest(said(row, IN_WORDS) for row in rows)

    def _empty_reason(self, coding: CodeSeen) -> SourceSignal:
        """Only the code system of FHIR is believed that there is none."""
        row = self._empty.get((coding.code or "").lower())
        own = normal_system(coding.system or "") == _EMPTY_SYSTEM
        return self._unknown if row is None or (row.state == NONE and not own) else row


def _input_of(section: Doc, asked: InputName | None) -> InputName | None:
    found = codings(section.get("code"))
    coded = (c.code or "" for c in found if canonical(c.system or "") == LOINC)
    known = next((_SECTIONS[code] for code in coded if code in _SECTIONS), None)
    return known or _by_title(section) or asked


def _by_title(section: Doc) -> InputName | None:
    """What a section without a known code is about, by its title or the words of its code."""
    if kind_of(section) == "Composition":
        return None
    title = section.get("title")
    told = [*texts(section.get("code")), *([title] if isinstance(title, str) else [])]
    return next((name for one in told for words, name in _TITLES if words.search(one[:80])), None)


def inputs_of(doc: Doc) -> frozenset[InputName]:
    """The inputs that the sections of a document are about."""
    parts = (part for part in _parts(doc) if part is not doc)
    return frozenset(name for part in parts if (name := _input_of(part, None)))


def _parts(doc: Doc) -> Iterator[Doc]:
    yield doc
    for section in objects(doc.get("section")):
        yield section
        yield from objects(section.get("section"))
