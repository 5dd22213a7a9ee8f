"""Recognition of codings: which value sets a system and code belong to, and which side it names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from cds_service.knowledge.code_systems import (
    CPT,
    HPO,
    ICD9CM,
    ICD10,
    ICD11,
    KVA,
    MONDO,
    OMIM,
    ORPHA,
    SNOMED,
    SYSTEMS,
    canonical,
)
from cds_service.knowledge.names import Side
from cds_service.knowledge.namespaces import EXTENSIONS

# Marks that an ICD code can carry behind it: dagger, asterisk, optional code, open position.
_ICD_MARKS: Final = "*+!†-"
_PREFIXES: Final[Mapping[str, re.Pattern[str]]] = {
    OMIM: re.compile(r"(?:O?MIM\b[:\s]*)?#?\s*", re.IGNORECASE),
    ORPHA: re.compile(r"(?:Orpha(?:net|code)?[:_\s]*)?", re.IGNORECASE),
}
# What stands before a code: the definition status of a SNOMED CT expression; the letter that the
# Danish SKS puts before an ICD-10 code (D alone is followed by digits).
_BEFORE: Final[Mapping[str, re.Pattern[str]]] = {
    SNOMED: re.compile(r"(?:={3}|<{3})\s*"),
    ICD10: re.compile(r"D(?=[A-Z][0-9]{2})", re.IGNORECASE),
}
# Danish SKS: D and ICD-10, or K and NCSP, in one system.
_DANISH_PROCEDURE: Final = re.compile(r"K([A-Z]{3}[0-9]{2}[A-Z0-9]*)", re.IGNORECASE)
# A modifier behind a CPT code may name the side: 27130-RT, 27130-50 (both).
_MODIFIED: Final = re.compile(r"([0-9]{4}[0-9A-Z])((?:[- ]?[0-9A-Z]{2}){1,4})")
_MODIFIER_SIDES: Final = {"RT": Side.RIGHT, "LT": Side.LEFT, "50": Side.BILATERAL}
# Where the first code of a compound ends: SNOMED CT puts the term behind a bar, ICD-11 joins
# extension codes with & and further stem codes with a slash.
_FIRST_ENDS: Final[Mapping[str, re.Pattern[str]]] = {
    SNOMED: re.compile(r"\|.*", re.DOTALL),
    ICD11: re.compile(r"[&/].*", re.DOTALL),
}
# Hostile input cannot grow the memory of answers beyond these.
_MOST_CODES: Final = 20_000
_MOST_SYSTEMS: Final = 500
_WHO_CHARACTERS: Final = 4
_SIDES: Final[Mapping[str, Side]] = {
    side.value: side for side in (Side.LEFT, Side.RIGHT, Side.BILATERAL)
}


@dataclass(frozen=True, slots=True)
class CodeMatch:
    """What a code means here: ids of value sets, the side it names, a short display."""

    concepts: frozenset[str]
    side: Side | None
    display: str


class Row(NamedTuple):
    """One code of a value set as the index needs it (a tuple: there are thousands)."""

    concept: str
    system: str
    code: str
    display: str
    prefix: bool
    side: Side | None
    confidence: str


def extensions(concept: Mapping[str, Any]) -> dict[str, str]:
    """Our extensions on a concept of a ValueSet: name to value."""
    found: dict[str, str] = {}
    for entry in concept.get("extension", ()):
        url = entry.get("url")
        if isinstance(url, str) and url.startswith(EXTENSIONS):
            value = entry.get("valueCode", entry.get("valueString"))
            if isinstance(value, str):
                found[url[len(EXTENSIONS) :]] = value
    return found


def rows(value_set: Mapping[str, Any]) -> Iterable[Row]:
    """All codes of one FHIR ValueSet (`compose.include.concept`)."""
    for include in value_set["compose"]["include"]:
        for concept in include.get("concept", ()):
            said = extensions(concept)
            yield Row(
                concept=value_set["id"],
                system=include["system"],
                code=concept["code"],
                display=concept.get("display") or concept["code"],
                prefix=said.get("match") == "prefix",
                side=_SIDES.get(said.get("side", "")),
                confidence=said.get("confidence", "high"),
            )


def normal_code(system: str, code: str) -> str:
    """Form of a code under which it is looked up in its (canonical) system; of a compound its
    first code, which names the thing (see `recognition` for the others)."""
    plain = code.strip()
    if (before := _BEFORE.get(system)) is not None:
        plain = before.sub("", plain, count=1)
    if (ends := _FIRST_ENDS.get(system)) is not None:
        plain = ends.sub("", plain).strip()
    known = SYSTEMS.get(system)
    if known is not None and not known.cased:
        plain = plain.upper()
    if known is not None and not known.dots:
        return plain.rstrip(_ICD_MARKS).replace(".", "")
    if system in (MONDO, HPO):
        return plain.replace("_", ":")
    if (start := _PREFIXES.get(system)) is not None:
        return start.sub("", plain, count=1)
    return plain


def danish_procedure(system: str, code: str) -> str | None:
    """The code of NCSP in a procedure of the Danish SKS, whose system is also that of ICD-10."""
    found = _DANISH_PROCEDURE.fullmatch(code)
    return found[1] if found and canonical(system) == ICD10 else None


class _Codes(dict[str, CodeMatch | None]):
    """Codes of one system as written in a record. Forms seen for the first time are worked out."""

    def __init__(self, system: str, found: Iterable[Row]) -> None:
        super().__init__()
        self._system = system
        self._exact: dict[str, list[Row]] = {}
        self._prefix: dict[str, list[Row]] = {}
        for row in found:
            table = self._prefix if row.prefix else self._exact
            for form in _forms(system, row.code):
                table.setdefault(form, []).append(row)
        self._lengths = sorted({len(form) for form in self._prefix}, reverse=True)

    def __missing__(self, code: str) -> CodeMatch | None:
        plain = normal_code(self._system, code)
        hits = list(self._exact.get(plain, ()))
        is_longer = self._system == ICD10 and len(plain) > _WHO_CHARACTERS
        for length in self._lengths:
            if length <= _WHO_CHARACTERS and is_longer and not hits:
                # A further character stands below the four: WHO has optional fifth ones (S32.40).
                hits += self._exact.get(plain[:_WHO_CHARACTERS], ())
            if length <= len(plain):
                hits += self._prefix.get(plain[:length], ())
        match = _join(hits)
        if match is None and self._system == CPT:
            match = self._with_modifier(plain)
        if len(self) < _MOST_CODES and len(code) < 100:
            self[code] = match
        return match

    def _with_modifier(self, code: str) -> CodeMatch | None:
        """A CPT code with modifiers, of which some name the side."""
        modified = _MODIFIED.fullmatch(code)
        match = _join(list(self._exact.get(modified[1], ()))) if modified else None
        if modified is None or match is None:
            return None
        sides = [s for name, s in _MODIFIER_SIDES.items() if name in re.split("[- ]", modified[2])]
        return replace(match, side=sides[0]) if len(sides) == 1 else match


class _Nothing(dict[str, CodeMatch | None]):
    """A code system none of the value sets speaks of."""

    def __missing__(self, code: str) -> None:
        return None


class _Systems(dict[str, dict[str, CodeMatch | None]]):
    """Code systems by any of their names."""

    def __init__(self, found: Iterable[Row]) -> None:
        super().__init__()
        by_system: dict[str, list[Row]] = {}
        for row in found:
            by_system.setdefault(row.system, []).append(row)
        self._codes = {canonical(name): _Codes(name, codes) for name, codes in by_system.items()}
        self._nothing = _Nothing()

    def __missing__(self, system: str) -> dict[str, CodeMatch | None]:
        codes = self._codes.get(canonical(system), self._nothing)
        if len(self) < _MOST_SYSTEMS and len(system) < 300:
            self[system] = codes
        return codes


def _forms(system: str, code: str) -> set[str]:
    """Normal forms of a listed code. ICD-9-CM keeps its dot: 81.51 and 815.1 are two codes."""
    plain = normal_code(system, code)
    return {plain, plain.replace(".", "")} if system == ICD9CM else {plain}


def _join(hits: list[Row]) -> CodeMatch | None:
    """One answer from all rows that hit, the most specific first. FOP rules out acquired HO."""
    if not hits:
        return None
    concepts = frozenset(hit.concept for hit in hits)
    if "fop" in concepts:
        concepts = frozenset(c for c in concepts if not c.startswith("ho-"))
    side = next((hit.side for hit in hits if hit.side), None)
    return CodeMatch(concepts, side, hits[0].display)


class CodeIndex:
    """Look-up of codings in all value sets. Rows of low confidence are not in it, but `possible`.

    A system and a code that were asked before cost two dict look-ups, hit or miss.
    """

    def __init__(self, every: Sequence[Row]) -> None:
        self._rows = tuple(row for row in every if row.confidence != "low")
        self._systems = _Systems(self._rows)
        self.unsure = tuple(row for row in every if row.confidence == "low")
        self._possible = _Systems(self.unsure)

    @classmethod
    def of(cls, value_sets: Iterable[Mapping[str, Any]]) -> CodeIndex:
        """The index of these value sets."""
        return cls([row for one in value_sets for row in rows(one)])

    def match(self, system: str | None, code: str | None) -> CodeMatch | None:
        """Value sets that hold this coding, or None. Spelling of system and code may vary:
        aliases, `system|version`, slash at the end, case and dots where the system ignores them.
        """
        if system is None or code is None:
            return None
        return self._systems[system][code]

    def possible(self, system: str | None, code: str | None) -> frozenset[str]:
        """Value sets that a row without a good source puts this coding into: enough to ask."""
        if system is None or code is None:
            return frozenset()
        match = self._possible[system][code]
        if match is None and (danish := danish_procedure(system, code)):
            match = self._possible[KVA][danish]  # stems of NCSP; neither list was seen
        return match.concepts if match is not None else frozenset()

    def codes(self, concept: str, system: str) -> tuple[str, ...]:
        """Codes that a value set lists in one system, in the order of the file."""
        return tuple(r.code for r in self._rows if r.concept == concept and r.system == system)
