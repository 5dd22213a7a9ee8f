"""Finds conditions that speak against an option in short texts of any language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.sayings import SILENT, Sayings
from cds_service.knowledge.word_schema import ConditionWords
from cds_service.knowledge.word_search import NOTHING, TEXT_LIMIT, any_of, folded, spoken

_OTHER: Final = "\x01"
_LONGEST: Final = 1_200
_Set = frozenset[str]


class _Group:
    """The words of one kind of condition."""

    def __init__(self, words: ConditionWords) -> None:
        self.id, self.past, self.against = words.id, words.past, frozenset(words.as_condition)
        self.beside = frozenset(words.with_value_sets)
        self.may_be = frozenset(words.as_order)
        self.low = _low(words.stems, words.words)
        self.high = _high(words.capitals)
        self.needs = re.compile(spoken(words.needs)) if words.needs else None
        self.unless = re.compile(spoken(words.unless))


def _low(stems: Iterable[str], words: Iterable[str]) -> re.Pattern[str]:
    parts = [any_of(folded(stem) for stem in stems), spoken(words)]
    return re.compile("|".join(part for part in parts if part))


def _high(capitals: Iterable[str]) -> re.Pattern[str]:
    found = any_of(capitals)
    return re.compile(rf"(?<![^\W_]){found}(?![^\W_])") if found else NOTHING


class ConditionNames:
    """The condition words of the knowledge, compiled; without a knowledge they name nothing."""

    def __init__(self, knowledge: Knowledge | None = None) -> None:
        groups = tuple(knowledge.condition_words.values()) if knowledge else ()
        languages = tuple(knowledge.languages.values()) if knowledge else ()
        self._groups = tuple(map(_Group, groups))
        # An allergy in words stands on problem lists, too.
        hints = [word.rstrip("*") for one in languages for word in one.reactions]
        stems = [stem for group in groups for stem in group.stems]
        whole = [word for group in groups for word in (*group.words, *group.capitals)]
        self._quick = _low([*stems, *hints], whole).search
        orders = [group for group in groups if group.as_order]
        self._quick_orders = _low(
            [stem for group in orders for stem in group.stems],
            [word for group in orders for word in (*group.words, *group.capitals)],
        ).search
        self._sayings = knowledge.once(Sayings) if knowledge else SILENT

    def speaks(self, value: str) -> bool:
        """Whether a text may be worth a closer look. Quick: this is asked of every text of a
        problem list."""
        lowered = value.lower()
        if not lowered.isascii():
            lowered = folded(lowered, _LONGEST)
        return self._quick(lowered) is not None

    def named(self, values: Iterable[str], *, over: bool = False) -> tuple[str, ...]:
        """The groups that these texts name as the patient's; `over`: the entry is past."""
        found: set[str] = set()
        for value in values:
            found |= self._in(value[:TEXT_LIMIT], over)
        return tuple(group.id for group in self._groups if group.id in found)

    def speaks_of_orders(self, value: str) -> bool:
        """As `speaks`, of what an order may already be."""
        return self._quick_orders(folded(value, _LONGEST)) is not None

    def ordered(self, value: str) -> tuple[tuple[str, ...], _Set]:
        """The groups that the words of an order name, and the options that it may already be."""
        named = self.named([value])
        found = [group for group in self._groups if group.id in named and group.may_be]
        options = frozenset(option for group in found for option in group.may_be)
        return tuple(group.id for group in found), options

    def apart(self, groups: Iterable[str]) -> Iterator[tuple[tuple[str, ...], _Set, _Set]]:
        """These groups, those together that speak against the same options beside the same drugs:
        the groups, the options, and the value sets one of which the chart must hold."""
        named = frozenset(groups)
        found: dict[tuple[_Set, _Set], list[str]] = {}
        for group in self._groups:
            if group.id in named:
                found.setdefault((group.against, group.beside), []).append(group.id)
        for (against, beside), ids in found.items():
            yield tuple(ids), against, beside

    def _in(self, value: str, over: bool) -> set[str]:
        low = folded(value)
        places: list[tuple[int, int, str, str]] = []
        for group in self._groups:
            if (over and not group.past) or group.unless.search(low):
                continue
            if group.needs and not group.needs.search(low):
                continue
            places += [(*m.span(), group.id, low) for m in group.low.finditer(low)]
            places += [(*m.span(), group.id, value) for m in group.high.finditer(value)]
        return {
            name for start, end, name, text in places if self._is_meant(text, start, end, places)
        }

    def _is_meant(
        self, text: str, start: int, end: int, places: list[tuple[int, int, str, str]]
    ) -> bool:
        """Whether the words around a place leave it the patient's: "no heart failure or stroke"
        denies both."""
        before = text[:start]
        for first, last, _, where in sorted(places, reverse=True):
            if where is text and last <= start:
                before = before[:first] + _OTHER + before[last:]
        return self._sayings.speaks(before, text[end:])


NO_CONDITIONS: Final = ConditionNames()
"""Names nothing."""
