"""Compares the display of a coding with the names that its code has."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

# Words that many names share and that tell nothing about one of them.
_EMPTY: Final = frozenset(
    {
        "a", "an", "and", "at", "by", "for", "from", "in", "into", "nos", "not", "of", "on",
        "or", "other", "per", "same", "site", "specified", "the", "to", "type", "unspecified",
        "with", "without", "due", "disorder", "disease", "finding", "procedure", "situation",
        "substance", "product", "qualifier", "value", "body", "structure", "observable",
        "entity", "event", "morphologic", "abnormality", "regime", "therapy", "person",
        "physical", "object", "medicinal", "clinical", "drug", "initial", "subsequent",
        "encounter", "sequela", "code", "codes", "history", "personal", "status", "mg", "ml",
        "oral", "tablet", "capsule", "solution", "injection",
    }
)  # fmt: skip
_LEFT, _RIGHT = frozenset({"left", "lt"}), frozenset({"right", "rt"})
# Parts of the body whose names exclude one another. Neighbours are in one group on purpose.
_PARTS: Final = {
    part: group
    for group, parts in {
        "hip": "hip hips coxa coxal femur femoral thigh acetabulum acetabular pelvis pelvic",
        "knee": "knee knees patella patellar",
        "shoulder": "shoulder glenohumeral",
        "elbow": "elbow",
        "hand": "wrist hand finger fingers thumb",
        "foot": "ankle foot toe toes",
        "back": "spine spinal lumbar thoracic cervical vertebra vertebral",
    }.items()
    for part in parts.split()
}
_NAMES = re.compile(r"[a-z0-9]+")


def words(text: str) -> list[str]:
    """Words in lower case without accents."""
    plain = unicodedata.normalize("NFKD", text.lower())
    return _NAMES.findall("".join(c for c in plain if not unicodedata.combining(c)))


def contradiction(display: str, names: Iterable[str]) -> str | None:
    """What a display says otherwise than every name of its code: side or part of the body."""
    said = words(display)
    known = [words(name) for name in names]
    if not known:
        return None
    side, sides = _side(said), {_side(name) for name in known}
    if side and sides and sides <= {"left", "right"} - {side}:
        return f"the display says {side}, the code {next(iter(sides))}"
    parts, own = _parts(said), [_parts(name) for name in known]
    if parts and all(own) and parts.isdisjoint(frozenset[str]().union(*own)):
        of_code = ", ".join(sorted(frozenset[str]().union(*own)))
        return f"the display is about {', '.join(sorted(parts))}, the code about {of_code}"
    return None


def unlike(display: str, names: Iterable[str]) -> bool:
    """True when a display shares no telling word with any name of its code."""
    said = _stems(display)
    known = [_stems(name) for name in names]
    return bool(said and known and all(known)) and all(said.isdisjoint(name) for name in known)


def same_name(one: str, other: str) -> bool:
    """Whether two names say the same with perhaps other empty words."""
    return bool(_stems(one)) and _stems(one) == _stems(other)


def _side(said: list[str]) -> str | None:
    left, right = not _LEFT.isdisjoint(said), not _RIGHT.isdisjoint(said)
    return None if left == right else "left" if left else "right"


def _parts(said: list[str]) -> frozenset[str]:
    return frozenset(_PARTS[word] for word in said if word in _PARTS)


def _stems(text: str) -> frozenset[str]:
    """Telling words, cut so that arthritis, arthritic and arthroses meet."""
    return frozenset(
        word[:5]
        for word in words(text)
        if word not in _EMPTY and len(word) > 2 and not word.isdigit()
    )
