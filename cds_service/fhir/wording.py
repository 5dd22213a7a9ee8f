"""What a source says in words of its answer: withheld, not known, missing, or nothing of these."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from html import unescape
from typing import TYPE_CHECKING, Final

from cds_service.knowledge.names import SignalName
from cds_service.knowledge.word_search import folded

if TYPE_CHECKING:
    from cds_service.knowledge.completeness_schema import SourceSignal

_LIMIT: Final = 2_000
"""Letters of a text that are looked at."""

_COUNTED: Final = re.compile(
    r"(?<![\d.,:/-])(\d{1,6})\W+(?:out\W+of|of|von|sur|de|di|van|av|af|z)\W+(\d{1,6})(?![\d.,:/-]*\d)"
)
_PAGE: Final = re.compile(r"\b(?:page|seite|pagina|side|sida|sivu|strona|strana)\b|ページ|페이지")
_ENTRY_LIMIT: Final = 80
"""Letters of the text of an entry that says no more than this."""

_PLAIN: Final = {
    code: plain
    for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00))
    if (plain := folded(chr(code))) != chr(code)
}
"""Latin letters without their accents; others keep theirs (a Japanese syllable is another then)."""
_ENDS: Final = re.compile(r"[.;!?](?=\s|$)|[\n。；！？•|]")
_TAG: Final = re.compile(r"<[^<>]{0,400}>")
_INLINE: Final = re.compile(r"</?(?:a|b|em|i|small|span|strong|u)\b[^<>]{0,400}>", re.IGNORECASE)
_SAYS_NOTHING: Final = re.compile(r"[\W\d_]*")
_TOKEN: Final = r"[0-9a-f]{4,}(?:-[0-9a-f]+)*"  # noqa: S105  # the id of a request


class Wording:
    """The words of the signals, compiled."""

    def __init__(self, signals: Iterable[SourceSignal]) -> None:
        rows = tuple(signals)
        by_id = {row.id: "|".join(row.words) for row in rows}
        self._telling = [
            (row, re.compile("|".join(row.words), re.IGNORECASE))
            for row in rows
            if row.kind == "words"
        ]
        vocabulary = rf"(?<![a-z])(?:{by_id[SignalName.WORDS_VOCABULARY]}|{_TOKEN})(?![a-z])"
        self._plain_words = re.compile(rf"[\W\d_]*(?:{vocabulary}[\W\d_]*)*+", re.IGNORECASE)
        self._harmless = re.compile(by_id[SignalName.WORDS_HARMLESS], re.IGNORECASE)
        self._note = re.compile(by_id[SignalName.WORDS_NOTE], re.IGNORECASE)

    def told(
        self, texts: Iterable[str], *, is_note: bool, whole: bool = True
    ) -> tuple[list[SourceSignal], bool]:
        """What texts say, and whether all the rest of them is known to be harmless. Of a note
        English is harmless that says nothing of it. `whole`: no further page is read, so fewer
        than there are ("20 of 57") lack some."""
        found: list[SourceSignal] = []
        understood = True
        for sentence in self._sentences(texts):
            is_part = whole and _is_part(sentence)
            if not is_part and self._is_harmless(sentence):
                continue
            rows = [row for row, pattern in self._telling if pattern.search(sentence)]
            found += rows
            is_plain = is_note and sentence.isascii() and self._note.match(sentence)
            if is_part or not (rows or is_plain):
                understood = False
        return found, understood

    def _sentences(self, texts: Iterable[str]) -> Iterator[str]:
        """Sentences, once each text."""
        for text in dict.fromkeys(texts):
            for part in _ENDS.split(_plain(text)):
                yield part.strip().strip("\"'()[]").strip()

    def _is_harmless(self, sentence: str) -> bool:
        """Whether a sentence is known to say nothing of the results."""
        return bool(
            _SAYS_NOTHING.fullmatch(sentence)
            or self._plain_words.fullmatch(sentence)
            or self._harmless.fullmatch(sentence)
        )


def _is_part(sentence: str) -> bool:
    """Whether it counts fewer than there are ("20 of 57"); pages are counted by their links."""
    found = _COUNTED.search(sentence)
    return found is not None and int(found[1]) < int(found[2]) and not _PAGE.search(sentence)


class EntryWords:
    """Entries of a list whose words say only that they are not shown, or that nobody knows."""

    def __init__(self, signals: Iterable[SourceSignal]) -> None:
        self._rows = [
            (row, re.compile("|".join(row.words), re.IGNORECASE))
            for row in signals
            if row.kind == "entry-words"
        ]

    def of(self, text: str) -> SourceSignal | None:
        """What a text says where it says nothing else."""
        if len(text) > _ENTRY_LIMIT:
            return None
        said = _plain(text).strip(" \t\n\"'()[]{}<>.:;!-")
        return next((row for row, pattern in self._rows if pattern.fullmatch(said)), None)


def narrative(value: object) -> str | None:
    """The text of a Narrative (XHTML), tags taken out; None where there is none."""
    div = value.get("div") if isinstance(value, dict) else None
    if not isinstance(div, str):
        return None
    return unescape(_TAG.sub("\n", _INLINE.sub(" ", div[: 4 * _LIMIT])))


def _plain(text: str) -> str:
    """Lower case; Latin letters without accents."""
    lowered = text[:_LIMIT].lower()
    if lowered.isascii():
        return lowered
    return unicodedata.normalize("NFKC", lowered).translate(_PLAIN)
