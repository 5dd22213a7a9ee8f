"""Finds texts that name a genetic HO disease; codes decide, such a text only raises a question."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from cds_service.elements import LABEL_LIMIT, text

Patterns = tuple[tuple[str, re.Pattern[str]], ...]

_SCOPED = re.compile(r"\(\?-?[a-z]+:(.*)\)")
_PLAIN = re.compile(r"[A-Za-z0-9 -]+")


class Mentions:
    """The mention patterns of the knowledge (`disease`, compiled pattern), quick on texts that
    name nothing, which is nearly all of them."""

    def __init__(self, patterns: Patterns = (), also: tuple[str, ...] = ()) -> None:
        self._patterns = patterns
        self._quick = also
        self._slow: tuple[re.Pattern[str], ...] = ()
        for _, pattern in patterns:
            if word := _plain_words(pattern.pattern):
                self._quick += (word,)
            else:
                self._slow += (pattern,)

    def speaks(self, value: str) -> bool:
        """True when the text may be worth a closer look."""
        lowered = value.lower()
        for word in self._quick:  # a plain loop: this runs for nearly every text of a record
            if word in lowered:
                return True
        return bool(self._slow) and any(pattern.search(value) for pattern in self._slow)

    def find(self, values: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Each disease that these texts name, once, with the words around the place."""
        named: set[str] = set()
        for value in values:
            for disease, pattern in self._patterns:
                if disease not in named and (found := pattern.search(value)):
                    named.add(disease)
                    yield disease, _around(value, found.start())


def _plain_words(pattern: str) -> str | None:
    """What a text must contain, in lower case, to match: only for patterns that are plain words,
    perhaps with word boundaries and a scoped flag around them."""
    scoped = _SCOPED.fullmatch(pattern)
    inner = (scoped[1] if scoped else pattern).removeprefix(r"\b").removesuffix(r"\b")
    return inner.lower() if _PLAIN.fullmatch(inner) else None


def _around(value: str, start: int) -> str:
    """A label that shows the mention even where it stands deep in a long note."""
    if start + 40 <= LABEL_LIMIT:
        return text(value) or ""
    return text("…" + value[start - 40 :]) or ""
