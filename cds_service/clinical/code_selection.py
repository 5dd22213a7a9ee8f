"""Matches codings of an order with the selections of codes that the knowledge names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cds_service.clinical.chart import CodeSeen
from cds_service.knowledge.code_systems import CPT, canonical
from cds_service.knowledge.order_schema import CodeSelection
from cds_service.knowledge.terminology import normal_code

_FIVE = re.compile(r"[0-9]{5}")
_MODIFIED = re.compile(r"([0-9]{4}[0-9A-Z])(?:[- ]?[0-9A-Z]{2}){1,4}")  # 27130-RT


@dataclass(frozen=True, slots=True)
class CodingKey:
    """A coding as it is compared: system and code in their normal forms, and its name."""

    system: str
    code: str
    name: str


def key_of(coding: CodeSeen) -> CodingKey | None:
    """None for a coding without system or code: it says nothing that could be looked up."""
    if coding.system is None or coding.code is None:
        return None
    system = canonical(coding.system)
    code = normal_code(system, coding.code).upper()
    if system == CPT and (modified := _MODIFIED.fullmatch(code)):
        code = modified[1]
    return CodingKey(system, code, coding.display or "")


def words_of(expressions: Iterable[str]) -> re.Pattern[str] | None:
    """One pattern for many; None for none."""
    found = "|".join(f"(?:{one})" for one in expressions)
    return re.compile(found, re.IGNORECASE) if found else None


class Selected:
    """One selection, made ready for matching."""

    def __init__(self, selection: CodeSelection) -> None:
        first = canonical(selection.systems[0])
        self._systems = frozenset(map(canonical, selection.systems))

        def plain(code: str) -> str:
            return normal_code(first, code).upper()

        self._codes = frozenset(map(plain, selection.codes))
        self._prefixes = tuple(map(plain, selection.prefixes))
        self._ranges = tuple(tuple(map(int, span.split("-"))) for span in selection.ranges)
        self._pattern = words_of(selection.patterns)
        self._not_codes = frozenset(map(plain, selection.not_codes))
        self._not_prefixes = tuple(map(plain, selection.not_prefixes))
        self._not_pattern = words_of(selection.not_patterns)
        self._names = words_of(selection.names)
        self._not_names = words_of(selection.not_names)
        listed = (selection.codes, selection.prefixes, selection.ranges, selection.patterns)
        self._whole = not any(listed)

    def holds(self, key: CodingKey) -> bool:
        """Whether this coding is one of the selection."""
        if key.system not in self._systems or self._refuses(key):
            return False
        if self._names is not None and not self._names.search(key.name):
            return False
        code = key.code
        return (
            self._whole
            or code in self._codes
            or code.startswith(self._prefixes)
            or self._in_range(code)
            or (self._pattern is not None and self._pattern.fullmatch(code) is not None)
        )

    def _refuses(self, key: CodingKey) -> bool:
        return (
            key.code in self._not_codes
            or key.code.startswith(self._not_prefixes)
            or (self._not_pattern is not None and bool(self._not_pattern.fullmatch(key.code)))
            or (self._not_names is not None and bool(self._not_names.search(key.name)))
        )

    def _in_range(self, code: str) -> bool:
        if not self._ranges or not _FIVE.fullmatch(code):
            return False
        number = int(code[:5])
        return any(low <= number <= high for low, high in self._ranges)


def selected(selections: Iterable[CodeSelection]) -> tuple[Selected, ...]:
    """Selections made ready."""
    return tuple(Selected(one) for one in selections)


def any_holds(listed: Iterable[Selected], codings: Iterable[CodeSeen]) -> bool:
    """Whether a selection holds one of the codings."""
    ready = tuple(listed)
    keys = [key for coding in codings if (key := key_of(coding)) is not None]
    return any(one.holds(key) for key in keys for one in ready)
