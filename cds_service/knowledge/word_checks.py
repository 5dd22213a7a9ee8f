"""Mistakes in the word lists: a word that stands twice, and a stem too short to be one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cds_service.knowledge.word_search import folded, squeezed

SHORTEST: Final = 4
"""Letters of a stem that is found anywhere in a text; less would stand in other words."""
_SHORTEST_SIGNS: Final = 2  # of Japanese, Korean and Chinese

# The lists of words by kind of content.
_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "drug words": ("stems", "words"),
    "condition words": ("stems", "words"),
    "harmless allergen": ("words",),
    "unspecified drug": ("words",),
    "language": ("none", "fill", "after", "but", "open", "relatives", "links", "self", "besides",
                 "reactions", "elsewhere", "here"),
}  # fmt: skip
# Kinds in which a word says one thing (a brand may hold two drugs, a word be one in two languages).
_ONE_MEANING: Final = frozenset({"condition words", "harmless allergen"})


def word_mistakes(placed: Sequence[Any]) -> Iterator[Any]:
    """All mistakes in the word lists, each where it stands."""
    seen: dict[tuple[str, str], str] = {}
    for one in placed:
        if one.kind not in _LISTS:
            continue
        members = _LISTS[one.kind]
        for member in members:
            fold = squeezed if (one.kind, member) == ("drug words", "stems") else folded
            within: set[str] = set()
            for number, word in enumerate(getattr(one.item, member)):
                ready = fold(word)
                path = (member, number)
                if member == "stems" and len(ready) < (
                    SHORTEST if _is_latin(ready) else _SHORTEST_SIGNS
                ):
                    yield one.mistake(
                        path, f"the stem '{word}' is short: it stands in other words",
                        "put it into 'words', or use more of it",
                    )  # fmt: skip
                first = one.item.id
                if one.kind in _ONE_MEANING:
                    first = seen.setdefault((one.kind, ready), first)
                if ready in within or first != one.item.id:
                    where = "" if first == one.item.id else f", first in '{first}'"
                    yield one.mistake(path, f"'{word}' stands twice{where}", "remove one")
                within.add(ready)


def _is_latin(word: str) -> bool:
    return any("a" <= letter <= "z" for letter in word)
