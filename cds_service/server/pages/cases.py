"""The clinical cases that show a rule or a card, from the index that the tests write.

The cases are no part of the package; `scripts/case-table` writes what pages need of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec

_FILE = Path(__file__).parent / "content" / "cases.json"


class ShownCase(NamedTuple):
    """One case: the file's theme, patient and order in words, and what is expected."""

    theme: str
    title: str
    expected: str


class RuleCases(msgspec.Struct, frozen=True):
    """Cases that fail without a rule, by id, and how many more there are."""

    cases: tuple[str, ...]
    more: int


class CardExample(msgspec.Struct, frozen=True):
    """A card as one case shows it: its lines as (title, words)."""

    case: str
    summary: str
    lines: tuple[tuple[str, str], ...]


class CaseIndex(msgspec.Struct, frozen=True):
    """The whole file. `sentences`: of each rule the case, and what the card of it says."""

    cases: Mapping[str, ShownCase]
    rules: Mapping[str, RuleCases]
    sentences: Mapping[str, tuple[str, str]]
    cards: Mapping[str, CardExample]

    def of_rule(self, rule: str) -> list[ShownCase]:
        """The cases that show a rule, none where none is known."""
        found = self.rules.get(rule)
        return [self.cases[id_] for id_ in found.cases] if found else []

    def more_of(self, rule: str) -> int:
        """How many more there are than are shown."""
        found = self.rules.get(rule)
        return found.more if found else 0


@cache
def load() -> CaseIndex:
    """Read the index. Raises msgspec.ValidationError, which a test keeps from happening."""
    return msgspec.json.decode(_FILE.read_bytes(), type=CaseIndex)
