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

    def told(self, texts: Iterable[str], *, is_note: bool) -> tuple[list[SourceSignal], bool]:
        """What texts say, and whether all the rest of them is known to be harmless. Of a note
        English is harmless that says nothing of it."""
        found: list[SourceSignal] = []
        understood = True
        for sentence in self._open_sentences(texts):
            rows = [row for row, pattern in self._telling if pattern.search(sentence)]
            found += rows
            if not rows and not (is_note and sentence.isascii() and self._note.match(sentence)):
                understood = False
        return found, understood

    def _open_sentences(self, texts: Iterable[str]) -> Iterator[str]:
        """Sentences that are not known to be harmless, once each."""
        for text in dict.fromkeys(texts):
            for part in _ENDS.split(_plain(text)):
                sentence = part.strip().strip("\"'()[]").strip()
                if not (
                    _SAYS_NOTHING.fullmatch(sentence)
                    or self._plain_words.fullmatch(sentence)
                    or self._harmless.fullmatch(sentence)
                ):
                    yield sentence


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
