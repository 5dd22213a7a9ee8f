"""Looks into decoded FHIR JSON without believing its types: nothing in here raises."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from cds_service.clinical.chart import CodeSeen
from cds_service.knowledge.names import Side

Doc = dict[str, Any]

LABEL_LIMIT = 120
CODE_LIMIT = 300
ID_LIMIT = 1000

# C0 and C1 controls, separators of lines and paragraphs, half surrogates (JSON escapes can hold
# them and UTF-8 cannot), and the invisible marks that hide or turn text.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]+"
)
_TYPE_LIMIT = 64
# Types that are asked for again and again; no others are wrong.
_USUAL = frozenset({
    "Patient", "Condition", "Procedure", "Observation", "AllergyIntolerance", "ServiceRequest",
    "MedicationRequest", "MedicationStatement", "FamilyMemberHistory", "Bundle",
})  # fmt: skip
_BLANKS = re.compile(r"\s+")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")


def items(value: object) -> list[object]:
    """A list as it is, nothing for None, anything else as a list of one (the Sandbox sends
    objects where R4 has arrays)."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def objects(value: object) -> list[Doc]:
    """The JSON objects in a list, or the one that stands alone."""
    if isinstance(value, dict):
        return [value]
    if isinstance(value, list):
        return [item for item in value if isinstance(item, dict)]
    return []


def member(value: object, *path: str) -> object:
    """Follow member names through objects; of a list the first object is taken."""
    for name in path:
        found = objects(value)
        value = found[0].get(name) if found else None
    return value


def printable(text: str) -> str:
    """One line without control signs, invisible marks and half surrogates."""
    if text.isprintable() and "  " not in text:  # nearly always
        return text.strip()
    return _BLANKS.sub(" ", _UNPRINTABLE.sub(" ", text)).strip()


def text(value: object, limit: int = LABEL_LIMIT) -> str | None:
    """A string for people: one line, at most `limit` signs, cut with an ellipsis; None if blank."""
    if not isinstance(value, str):
        return None
    if len(value) <= limit and value.isprintable() and "  " not in value:  # nearly always
        return value.strip() or None
    line = printable(value[: limit * 20])
    if len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    return line or None


def word(value: object) -> str | None:
    """A code, system or status: without blanks around; whole numbers are taken as their digits."""
    if isinstance(value, str):
        if len(value) > CODE_LIMIT:
            value = value[:CODE_LIMIT]
        if value.isprintable() and "  " not in value:  # nearly always
            return value.strip() or None
        return printable(value) or None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return str(value)
    return None


def status(value: object) -> str | None:
    """A FHIR code in lower case with hyphens, from a code, Coding or CodeableConcept."""
    if isinstance(value, str):
        return _normal(word(value) or "") or None
    return next(words(value), None)


def _normal(code: str) -> str:
    return code.lower().replace(" ", "-").replace("_", "-")


def words(value: object) -> Iterator[str]:
    """All codes of an element in lower case with hyphens; its text where it has no code."""
    if value is None:  # most elements are not there
        return
    for item in items(value):
        if isinstance(item, dict):
            coded = [code for part in _parts(item) if (code := word(part.get("code")))]
            found = coded or [word(item.get("text")) or ""]
        else:
            found = [word(item) or ""]
        yield from (_normal(w) for w in found if w)


def flag(value: object) -> bool:
    """True for JSON true and for the string "true"."""
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def number(value: object) -> float | None:
    """A finite number, also where it was sent as a string."""
    if isinstance(value, str) and len(value) <= 40 and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def identifier(value: object) -> str | None:
    """A resource id as it was sent. None when nothing could be addressed by it: not a string,
    blank, with blanks or control signs in it, or beyond any sensible length (Epic's drafts have
    194 characters)."""
    if isinstance(value, int):
        return word(value)
    if not isinstance(value, str) or not 0 < len(value) <= ID_LIMIT:
        return None
    return value if printable(value) == value and " " not in value else None


# --- codings ---


def codings(value: object) -> list[CodeSeen]:
    """All codings of a CodeableConcept, Coding, CodeableReference (R5) or a list of these."""
    if value is None:  # most elements are not there
        return []
    return [coding for part in _parts(value) if (coding := _coding(part))]


def _parts(value: object) -> list[Doc]:
    """The codings of `codings`, as they were sent."""
    found: list[Doc] = []
    for item in objects(value):
        parts = objects(item.get("coding"))
        if "code" in item and not parts:
            parts = [item]
        found += parts
        if "concept" in item:
            for concept in objects(item["concept"]):
                found += objects(concept.get("coding"))
    return found


# What stands on the coding of a German diagnosis: its certainty, and the side. Source: HL7 Germany,
# "Deutsche Basisprofile", extensions of these names; Z is "Zustand nach" (a past condition).
_CERTAINTY = "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit"
_LATERALITY = "http://fhir.de/StructureDefinition/seitenlokalisation"
_CERTAINTIES = {"A": "refuted", "V": "provisional", "Z": "resolved", "G": "confirmed"}
_LATERALITIES = {"R": Side.RIGHT, "L": Side.LEFT, "B": Side.BILATERAL}


def _coding(part: Doc) -> CodeSeen | None:
    coding = CodeSeen(word(part.get("system")), word(part.get("code")), text(part.get("display")))
    if not (coding.code or coding.display):
        return None
    return _qualified(coding, part["extension"]) if "extension" in part else coding


def _qualified(coding: CodeSeen, extensions: object) -> CodeSeen:
    """The coding with what its extensions say of certainty and side."""
    said: dict[str, str] = {}
    for extension in objects(extensions):
        value = member(extension.get("valueCoding"), "code") or extension.get("valueCode")
        said[str(extension.get("url"))] = str(value).upper()
    return replace(
        coding,
        certainty=_CERTAINTIES.get(said.get(_CERTAINTY, "")),
        side=_LATERALITIES.get(said.get(_LATERALITY, "")),
    )


def texts(value: object) -> Iterator[str]:
    """Everything in a coded element that people read, raw: texts first, then displays."""
    for item in items(value):
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            inner = [item, *objects(item["concept"])] if "concept" in item else [item]
            parts = [part for one in inner for part in objects(one.get("coding"))]
            candidates = [one.get("text") for one in inner]
            candidates += [part.get("display") for part in (*parts, *inner)]
            yield from (c for c in candidates if isinstance(c, str))


def all_texts(*elements: object) -> list[str]:
    """Texts of several elements, raw."""
    return [t for element in elements if element is not None for t in texts(element)]


def notes_of(doc: Doc) -> list[str]:
    """Texts of note (Annotation), of DSTU2's `notes`, and of a note that is a bare string."""
    return all_texts(doc.get("note"), doc.get("notes"))


def first_text(value: object) -> str | None:
    """The first readable text of a coded element."""
    return next((t for raw in texts(value) if (t := text(raw))), None)


def misshapen(value: object) -> bool:
    """True when a coded element holds something in the place of its codings or code that cannot
    be read as such: then what it codes is unknown."""
    for item in items(value):
        if isinstance(item, str):
            continue
        if not isinstance(item, dict):
            return True
        for part in items(item.get("coding")):
            code = part.get("code") if isinstance(part, dict) else part
            if not isinstance(part, dict) or (word(code) is None and code not in (None, "")):
                return True
    return False


# --- references ---


def reference(value: object) -> str | None:
    """The reference of a Reference, of a CodeableReference (R5), or a bare string."""
    for _ in range(3):
        if isinstance(value, str):
            return value.strip()[: 2 * ID_LIMIT] or None
        value = member(value, "reference")
    return None


def kind_of(doc: object) -> str | None:
    """The resource type; None when this is no resource."""
    kind = doc.get("resourceType") if isinstance(doc, dict) else None
    if not isinstance(kind, str):
        return None
    if kind in _USUAL:
        return kind
    if not kind.isalpha() or not kind.isascii():
        return None
    return kind if len(kind) <= _TYPE_LIMIT else None


def type_and_id(doc: Doc) -> str:
    """`Type/id`, or the bare type of a resource without id."""
    kind = kind_of(doc) or "Resource"
    ident = identifier(doc.get("id"))
    return f"{kind}/{ident}" if ident else kind
