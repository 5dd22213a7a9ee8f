"""Patterns of many words at once, for texts of any language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

TEXT_LIMIT: Final = 300
"""Letters of a text that are looked at."""

_LETTERS: Final = str.maketrans({"ł": "l", "ø": "o", "æ": "ae", "œ": "oe", "ß": "ss", "đ": "d"})
_RUN: Final = re.compile(r"([^\W\d_])\1+")
_FEW: Final = 2  # words that are looked at one by one: a group costs more to compile than to save
NOTHING: Final = re.compile(r"(?!)")
"""Matches nowhere."""


def folded(value: str, limit: int = TEXT_LIMIT) -> str:
    """Lower case without accents."""
    lowered = value[:limit].lower()
    if lowered.isascii():
        return lowered
    apart = unicodedata.normalize("NFKD", lowered.translate(_LETTERS))
    return "".join(c for c in apart if not unicodedata.combining(c))


def squeezed(value: str) -> str:
    """Folded, and each run of one letter as one: national spellings double letters freely."""
    return _RUN.sub(r"\1", folded(value))


def any_of(words: Iterable[str]) -> str:
    """The pattern of one of these words, as a tree: one that begins differently costs one look."""
    ends = ""
    tree: dict[str, set[str]] = {}
    for word in words:
        if word:
            tree.setdefault(word[0], set()).add(word[1:])
        else:
            ends = "?"
    if not tree:
        return ""
    parts: list[str] = []
    for head, tails in sorted(tree.items()):
        if len(tails) > _FEW:
            parts.append(re.escape(head) + any_of(tails))
        else:  # the longer one first, as in a tree
            parts += [re.escape(head + tail) for tail in sorted(tails, reverse=True)]
    if len(parts) == 1 and not ends:
        return parts[0]
    return f"(?:{'|'.join(parts)}){ends}"


def spoken(words: Iterable[str]) -> str:
    """The pattern of one of these as whole words of a folded text. A star stands for any ending;
    letters without upper and lower case (Japanese, Korean, Chinese) know no word boundaries."""
    whole: set[str] = set()
    begun: set[str] = set()
    free: set[str] = set()
    for word in words:
        ready = folded(word)
        if any("a" <= c <= "z" for c in ready):
            (begun if ready.endswith("*") else whole).add(ready.rstrip("*"))
        elif ready:
            free.add(ready)
    parts = []
    if whole:
        parts.append(rf"(?<!\w){any_of(whole)}(?!\w)")
    if begun:
        parts.append(rf"(?<!\w){any_of(begun)}[a-z]*")
    if free:
        parts.append(any_of(free))
    return f"(?:{'|'.join(parts)})" if parts else NOTHING.pattern
