"""Finds texts that name a genetic HO disease; codes decide, such a text only raises a question."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from cds_service.fhir.denials import denied
from cds_service.fhir.elements import LABEL_LIMIT, text

Patterns = tuple[tuple[str, re.Pattern[str]], ...]

_SCOPED = re.compile(r"\(\?-?[a-z]+:(.*)\)")
_PLAIN = re.compile(r"[A-Za-z0-9 -]+")
_BETWEEN = re.compile(r"\\[Ws]\+")  # \W+ or \s+: what may stand between two words
_LOOKAHEAD = re.compile(r"\(\?![^|]*\)$")
_LOOKED_AT = 50  # denials in one text; nobody writes more


class Mentions:
    """The mention patterns of the knowledge (`disease`, compiled pattern), quick on texts that
    name nothing, which is nearly all of them."""

    def __init__(self, patterns: Patterns = (), also: tuple[str, ...] = ()) -> None:
        self._patterns = patterns
        self._quick = also
        self._slow: tuple[re.Pattern[str], ...] = ()
        for _, pattern in patterns:
            word = _telling_word(pattern.pattern)
            if word is None:
                self._slow += (pattern,)
            elif word not in self._quick:
                self._quick += (word,)

    def __bool__(self) -> bool:
        return bool(self._quick or self._slow)

    def within(self, json: bytes) -> Mentions:
        """These patterns, or none where no text of this JSON can match: one look at all of it."""
        whole = json.decode("utf-8", "replace")
        escaped = "\\u00" in whole  # nobody writes letters so, but a reader of JSON would see them
        return self if escaped or self._slow or self.speaks(whole) else Mentions()

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
                if disease not in named and (found := _first(pattern, value)):
                    named.add(disease)
                    yield disease, _around(value, found.start())


def _telling_word(pattern: str) -> str | None:
    """What a text must contain, in lower case, to match: the last of the words of a pattern that
    is words with blanks between them, perhaps with word boundaries and a scoped flag around."""
    scoped = _SCOPED.fullmatch(pattern)
    inner = _LOOKAHEAD.sub("", scoped[1] if scoped else pattern)  # what may not follow
    inner = inner.removeprefix(r"\b").removesuffix(r"\b")
    words = _BETWEEN.split(inner)
    return words[-1].lower() if all(_PLAIN.fullmatch(word) for word in words) else None


def _first(pattern: re.Pattern[str], value: str) -> re.Match[str] | None:
    """The first match that the words around it do not deny."""
    for number, one in enumerate(pattern.finditer(value)):
        if number >= _LOOKED_AT or not denied(value, one):
            return one
    return None


def _around(value: str, start: int) -> str:
    """A label that shows the mention even where it stands deep in a long note."""
    if start + 40 <= LABEL_LIMIT:
        return text(value) or ""
    return text("…" + value[start - 40 :]) or ""
