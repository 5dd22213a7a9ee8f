"""Turns codings into value sets and sides, compounds too, and into the provenance of a fact."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.clinical.chart import CodeSeen, FhirDate, Provenance
from cds_service.fhir.elements import Doc, codings, first_text, text, type_and_id
from cds_service.knowledge.code_systems import ICD10, ICD10CM, canonical, is_known
from cds_service.knowledge.names import (
    FOP_POSSIBLE,
    ROUTE_IM,
    ROUTE_LOCAL,
    ROUTE_SYSTEMIC,
    SITE_ELSEWHERE,
    SITE_HIP,
    SITE_UNREAD,
    SURGICAL_CATEGORY,
    Side,
)

if TYPE_CHECKING:
    from cds_service.knowledge.terminology import CodeIndex, CodeMatch

# Value sets that the reader itself has to know; all others pass through it unread.
_SIDES = {
    "side-right": Side.RIGHT,
    "side-left": Side.LEFT,
    "side-bilateral": Side.BILATERAL,
}
"""No value set: a body site is stated and nobody knows which."""
SITES = frozenset({SITE_HIP, SITE_ELSEWHERE, SITE_UNREAD})
# What a genetic disease is taken for where it is no more than a part of a compound code.
_HINTS = {"fop": "fop-possible", "poh": "poh-possible"}
# A code of these alone says nothing about a patient.
_QUALIFIERS = SITES | frozenset(_SIDES) | {
    ROUTE_IM, ROUTE_SYSTEMIC, ROUTE_LOCAL, SURGICAL_CATEGORY,
}  # fmt: skip
_SCTID = re.compile(r"[0-9]{6,18}")
_TERMS = re.compile(r"\|[^|]*(?:\||$)")  # the words beside an id, which may hold any sign
_ADDRESS = re.compile(r"https?://snomed\.info/id/")  # a concept by its URI
_SNOMED_OID = ".6.96"
_ICD11 = "id.who.int/icd"
_ICD = frozenset({ICD10, ICD10CM})
# FHIR's own page on ICD puts several codes into one coding: "S62.32 Z33! O09.1! Z34".
_ICD_CODES = re.compile(r"[A-Z][0-9][0-9A-Z](?:\.?[0-9A-Z]{1,4})?")
_FOP_CODE = re.compile(r"D?M61\.?1[0-9A-Z]{0,3}|82725007", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Recognised:
    """What some codings mean: their value sets, the first coding that was recognised, their
    sides. `display` is the short name that the value set gives to that coding; `unread` a body
    site that is stated and in no value set."""

    concepts: frozenset[str] = frozenset()
    coding: CodeSeen | None = None
    sides: frozenset[Side] = frozenset()
    display: str | None = None
    unread: str | None = None

    @property
    def meaning(self) -> frozenset[str]:
        """The value sets without mere qualifiers (site, side, route, category)."""
        return self.concepts - _QUALIFIERS

    @property
    def sites(self) -> frozenset[str]:
        return self.concepts & SITES

    def and_also(self, other: Recognised) -> Recognised:
        """Both together; the first coding that was recognised stays the first."""
        if self.coding and not other.concepts and not other.sides:
            return self
        if self is NOTHING and other.unread is None:
            return other
        first = self if self.coding else other
        concepts, sides = self.concepts | other.concepts, self.sides | other.sides
        return Recognised(concepts, first.coding, sides, first.display)


NOTHING = Recognised()
"""What no coding at all means."""


def recognise(index: CodeIndex, found: Iterable[CodeSeen]) -> Recognised:
    """Look all codings up; codings without system or outside the value sets count for nothing."""
    result = NOTHING
    for coding in found:
        for system, code, only_qualifies in _readings(coding):
            match = index.match(system, code)
            if match is not None:
                result = result.and_also(_recognised(match, coding, only_qualifies))
            elif code is not None and _may_be_fop(system, code):
                result = result.and_also(Recognised(frozenset({FOP_POSSIBLE}), coding))
    return result


def _may_be_fop(system: str | None, code: str) -> bool:
    """Whether a code that nobody can place would be FOP in ICD-10 or SNOMED CT: a question."""
    if not _FOP_CODE.fullmatch(code.strip()):
        return False
    return system is None or not is_known(system)


def _recognised(match: CodeMatch, coding: CodeSeen, only_qualifies: bool) -> Recognised:
    concepts, hints = match.concepts, frozenset[str]()
    if only_qualifies:
        hints = frozenset(_HINTS[c] for c in _HINTS.keys() & concepts)
        concepts = (concepts & _QUALIFIERS) | hints
    sides = frozenset(_SIDES[c] for c in _SIDES.keys() & concepts)
    for side in (match.side, coding.side):
        if side is not None and side is not Side.UNKNOWN:
            sides |= {side}
    named = None if only_qualifies and not hints else coding
    return Recognised(concepts, named, sides, match.display)


def _readings(coding: CodeSeen) -> Iterable[tuple[str | None, str | None, bool]]:
    """The coding itself, and the parts of a compound: of a SNOMED CT expression ("focus :
    attribute = value") or of an ICD-11 cluster ("stem & extension / stem").

    Only the focus, or the first stem, names the thing. The others may give side and site, and
    never a diagnosis ("family history of", "absent"); a genetic disease among them is a question.
    """
    code = coding.code
    if code is None or not is_compound(code):
        return ((coding.system, code, False),)
    system = (coding.system or "").lower()
    if "snomed" in system or system.endswith(_SNOMED_OID):
        return _parts(coding, _ADDRESS.sub("", _TERMS.sub(" ", code)))
    if _ICD11 in system:
        return _stems(coding, code)
    if canonical(system) in _ICD:
        return [(coding.system, part, False) for part in _ICD_CODES.findall(code.upper())]
    return ((coding.system, code, False),)


def is_compound(code: str) -> bool:
    """Whether a code may have further codes in it, which a look-up of the whole does not see."""
    return ":" in code or "+" in code or "/" in code or "&" in code or " " in code


def wants_reading(code: str) -> bool:
    """Whether a code that is in no value set may say something all the same."""
    return is_compound(code) or _FOP_CODE.fullmatch(code) is not None


def _parts(coding: CodeSeen, code: str) -> Iterator[tuple[str | None, str | None, bool]]:
    focus, _, refinement = code.partition(":")
    yield from ((coding.system, part, False) for part in _SCTID.findall(focus))
    for value in refinement.split("=")[1:]:
        yield from ((coding.system, part, True) for part in _SCTID.findall(value)[:1])


def _stems(coding: CodeSeen, code: str) -> Iterator[tuple[str | None, str | None, bool]]:
    first, *others = code.split("/")
    yield coding.system, first, False
    yield from ((coding.system, other, True) for other in others)


def source_of(
    doc: Doc,
    element: object,
    known: Recognised,
    when: FhirDate | None,
    recorder: object = None,
) -> Provenance:
    """Where a fact stands, with the words in which the EHR itself names it."""
    return Provenance(
        reference=type_and_id(doc),
        coding=known.coding,
        label=label_of(element, known),
        date=when,
        recorder=first_text(recorder),
    )


def label_of(element: object, known: Recognised, fallback: str = "(no name)") -> str:
    """Display of the recognised coding, else any text of the element, else the value set's name
    for the code, else the code."""
    own = known.coding.display if known.coding else None
    readable = own or first_text(element) or text(known.display)
    if readable:
        return readable
    code = next((c.code for c in codings(element) if c.code), None)
    return text(code) or fallback
