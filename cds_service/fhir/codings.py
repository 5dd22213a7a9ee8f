"""Turns codings into value sets, side, site and Brooker class."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.clinical.chart import Coding, FhirDate, Side, Source
from cds_service.fhir.elements import Doc, codings, first_text, objects, text, texts, type_and_id

if TYPE_CHECKING:
    from cds_service.knowledge.terminology import CodeIndex, CodeMatch

# Value sets that the reader itself has to know; all others pass through it unread.
SITE_HIP = "site-hip"
ROUTE_IM = "route-intramuscular"
ROUTE_SYSTEMIC = "route-systemic"
ROUTE_LOCAL = "route-local"
INJECTION_IM = "im-injection"
SURGICAL_CATEGORY = "surgical-category"
_SIDES = {
    "side-right": Side.RIGHT,
    "side-left": Side.LEFT,
    "side-bilateral": Side.BILATERAL,
}
BROOKER = "brooker-class"
SITE_UNREAD = "site-unrecognised"
"""No value set: a body site is stated and nobody knows which."""
SITES = frozenset({SITE_HIP, "site-elsewhere", SITE_UNREAD})
# Which codes of an entry make a text beside them that names the disease superfluous.
CODED_AS: Mapping[str, frozenset[str]] = {
    "fop": frozenset({"fop", "fop-possible"}),
    "poh": frozenset({"poh", "poh-possible"}),
}
# What a genetic disease is taken for where it is no more than a part of a compound code.
_HINTS = {"fop": "fop-possible", "poh": "poh-possible"}
# A code of these alone says nothing about a patient.
_QUALIFIERS = SITES | frozenset(_SIDES) | {
    ROUTE_IM, ROUTE_SYSTEMIC, ROUTE_LOCAL, SURGICAL_CATEGORY,
}  # fmt: skip
# OPCS-4 codes that mean the hip only together with a site code (HSCIC PROMs Appendix A).
_NEEDS_HIP_SITE = {
    "opcs-prosthesis-needs-hip-site": "hip-hemiarthroplasty",
    "opcs-resurfacing-needs-hip-site": "hip-resurfacing",
}

_SCTID = re.compile(r"[0-9]{6,18}")
_TERMS = re.compile(r"\|[^|]*(?:\||$)")  # the words beside an id, which may hold any sign
_SNOMED_OID = ".6.96"
_ICD11 = "id.who.int/icd"
# A class as the whole of an answer: "III", "Brooker grade 3", "II-III, right hip". Never a search
# in a longer text, which may say "not present" or name the scale.
_GRADE = re.compile(
    r"\s*(?:(?:brooker|ho|class|classification|grade|stage|type|score)\b[\s:,.-]*)*"
    r"(?P<class>i\s?-\s?ii|ii\s?-\s?iii|iii\s?-\s?iv|iv|iii|ii|i|[1-4])\s?[ab]?"
    r"(?:[\s,;:()-]+(?:of|the|on|right|left|both|bilateral|hips?|sides?)\b)*[\s.)]*",
    re.IGNORECASE,
)
_ROMAN = {"1": "I", "2": "II", "3": "III", "4": "IV"}


@dataclass(frozen=True, slots=True)
class Recognised:
    """What some codings mean: their value sets, the first coding that was recognised, their
    sides. `display` is the short name that the value set gives to that coding; `unread` a body
    site that is stated and in no value set."""

    concepts: frozenset[str] = frozenset()
    coding: Coding | None = None
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
        first = self if self.coding else other
        concepts, sides = self.concepts | other.concepts, self.sides | other.sides
        return Recognised(concepts, first.coding, sides, first.display)


NOTHING = Recognised()
"""What no coding at all means."""


def recognise(index: CodeIndex, found: Iterable[Coding]) -> Recognised:
    """Look all codings up; codings without system or outside the value sets count for nothing."""
    result = NOTHING
    for coding in found:
        for system, code, only_qualifies in _readings(coding):
            match = index.match(system, code)
            if match is not None:
                result = result.and_also(_told(match, coding, only_qualifies))
    return result


def _told(match: CodeMatch, coding: Coding, only_qualifies: bool) -> Recognised:
    concepts, hints = match.concepts, frozenset[str]()
    if only_qualifies:
        hints = frozenset(_HINTS[c] for c in _HINTS.keys() & concepts)
        concepts = (concepts & _QUALIFIERS) | hints
    sides = frozenset(_SIDES[c] for c in _SIDES.keys() & concepts)
    if match.side is not None and match.side is not Side.UNKNOWN:
        sides |= {match.side}
    named = None if only_qualifies and not hints else coding
    return Recognised(concepts, named, sides, match.display)


def _readings(coding: Coding) -> Iterable[tuple[str | None, str | None, bool]]:
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
        return _parts(coding, _TERMS.sub(" ", code))
    if _ICD11 in system:
        return _stems(coding, code)
    return ((coding.system, code, False),)


def is_compound(code: str) -> bool:
    """Whether a code may have further codes in it, which a look-up of the whole does not see."""
    return ":" in code or "+" in code or "/" in code or "&" in code


def _parts(coding: Coding, code: str) -> Iterator[tuple[str | None, str | None, bool]]:
    focus, _, refinement = code.partition(":")
    yield from ((coding.system, part, False) for part in _SCTID.findall(focus))
    for value in refinement.split("=")[1:]:
        yield from ((coding.system, part, True) for part in _SCTID.findall(value)[:1])


def _stems(coding: Coding, code: str) -> Iterator[tuple[str | None, str | None, bool]]:
    first, *others = code.split("/")
    yield coding.system, first, False
    yield from ((coding.system, other, True) for other in others)


# --- side and site ---


def body_sites(doc: Doc, contained: Iterable[Doc] = ()) -> list[Coding]:
    """Codings of bodySite (any release), of bodyStructure (R5) and of the BodyStructure resources
    that the order carries with it."""
    found = codings(doc.get("bodySite")) + codings(doc.get("bodyStructure"))
    if "item" in doc:  # DiagnosticOrder (DSTU2)
        for item in objects(doc["item"]):
            found += codings(item.get("bodySite"))
    for site in contained:
        found += codings(site.get("location")) + codings(site.get("locationQualifier"))
        for structure in objects(site.get("includedStructure")):
            for name in ("structure", "laterality", "qualifier"):
                found += codings(structure.get(name))
    return found


# Words that name no place but a side of it, or a place that the hip may be part of, in the
# languages in which records are kept.
_SIDE_WORDS = re.compile(
    r"(?:left|right|both|bilateral|unilateral|sides?|[\s,./()-])*", re.IGNORECASE
)
_MAY_BE_HIP = re.compile(
    r"\bhips?\b|pelvi|femur|femoral|thigh|acetabul|trochant|groin|\bcoxa|lower (?:limb|extremity)"
    r"|multiple|unspecified|unknown"
    r"|hüft|huft|becken|oberschenkel|hanche|bassin|cuisse|cadera|muslo|\banca|bacino|coscia|heup"
    r"|höft|hoft|quadril",
    re.IGNORECASE,
)


def unread_site(doc: Doc, found: Iterable[Coding], index: CodeIndex) -> str | None:
    """A body site that is stated and that nobody recognises, in the words of the record.

    None where nothing is stated, or where the words leave the hip open: the site counts as not
    stated then. Only called where no coding is a known site.
    """
    known = [c for c in found if index.match(c.system, c.code) is not None]
    names = [*texts(doc.get("bodySite")), *(c.display for c in found if c.display)]
    codes = [c.code for c in found if c.code and c not in known]
    spoken = {c.display for c in known}
    said = [n for n in names if n not in spoken and not _SIDE_WORDS.fullmatch(n[:200])]
    if any(_MAY_BE_HIP.search(name[:200]) for name in said):
        return None
    return next((t for raw in (*said, *codes) if (t := text(raw, 60))), None)


def with_hip_site(concepts: frozenset[str], sites: frozenset[str]) -> frozenset[str]:
    """Add what an OPCS-4 code means once a hip site code stands beside it."""
    if SITE_HIP not in sites:
        return concepts
    return concepts | {_NEEDS_HIP_SITE[c] for c in concepts if c in _NEEDS_HIP_SITE}


def side_of(code: Recognised, site: Recognised) -> Side:
    """The side of a fact from its code and its body sites.

    Left and right together are bilateral. Where code and site disagree the side is unknown.
    """
    by_code, by_site = _one_side(code.sides), _one_side(site.sides)
    if Side.UNKNOWN in (by_code, by_site):
        return by_site if by_code is Side.UNKNOWN else by_code
    return by_code if by_code is by_site else Side.UNKNOWN


def _one_side(sides: frozenset[Side]) -> Side:
    if not sides:
        return Side.UNKNOWN
    return next(iter(sides)) if len(sides) == 1 else Side.BILATERAL


# --- Brooker class ---


def mentions_brooker(values: Iterable[str]) -> bool:
    """True when a text has the word Brooker in it."""
    return any("brooker" in value.lower() for value in values)


def brooker_class(values: Iterable[str], *, asked: bool) -> str | None:
    """The Brooker class (I to IV, or two neighbours) that an answer consists of.

    `asked` says that the question was for it; else the answer has to name Brooker itself.
    """
    for value in values:
        if (asked or mentions_brooker((value,))) and (found := _GRADE.fullmatch(value[:80])):
            said = found["class"].upper().replace(" ", "")
            return _ROMAN.get(said, said)
    return None


def coded_class(index: CodeIndex, found: Iterable[Coding]) -> str | None:
    """The Brooker class of a code that stands for one."""
    for coding in found:
        match = index.match(coding.system, coding.code)
        if match is not None and BROOKER in match.concepts and coding.code in _ROMAN:
            return _ROMAN[coding.code]
    return None


# --- provenance ---


def source_of(
    doc: Doc,
    element: object,
    known: Recognised,
    when: FhirDate | None,
    recorder: object = None,
) -> Source:
    """Where a fact stands, with the words in which the EHR itself names it."""
    return Source(
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


def all_texts(*elements: object) -> list[str]:
    """Texts of several elements, raw."""
    return [t for element in elements if element is not None for t in texts(element)]
