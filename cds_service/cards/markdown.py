"""Turns text of any origin into Markdown that shows as that text and does nothing else.

Clients render `detail` in many ways: GitHub Flavored Markdown, CommonMark with raw HTML, or as
it stands. So a word that can do no harm stays as it is (readable everywhere), and any other
word is escaped character by character (checklist MD-01 to MD-05).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import quote

from cds_service.cdshooks.models import utf16_length

ELLIPSIS = "…"
TEXT_LIMIT = 160  # characters of one piece of chart text; displays in real records are shorter

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
# Words that no Markdown dialect reads as anything but themselves: letters, digits and non-ASCII
# signs; commas, quotes, brackets of speech; a full stop or colon that ends a word; a decimal point;
# `-`, `/` or `+` between letters or digits, `:` before a digit, `/` alone. No dot between letters,
# so no host name can form.
_TAME = re.compile(
    r"(?:[^\W_]++|[ ,;%'\"()?]|(?<=[^\W_])[-/+](?=[^\W_])|(?<=\d)\.(?=\d)"
    r"|[.:](?=[)\"',;]*(?: |$))|(?<=[^\W_]):(?=\d)|(?<![^ ])/(?![^ ])|[^\x00-\x7f])++"
)
# Nearly all words of a card: nothing in them that `clean` or the rules above would change.
_UNTOUCHED = re.compile(r"[A-Za-z0-9]++(?:(?:, |[ /-])[A-Za-z0-9]++)*+")
_LIST_NUMBER = re.compile(r"(\d{1,9})([.)])(?= |$)")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# Some renderers look for bare addresses after parsing, where a backslash is already gone
# (remark-gfm does). Only a code span divides such an address and still shows the same text.
_ADDRESS = re.compile(r"[.:](?:(?<=www\.)|(?<=http:)|(?<=https:)|(?<=ftp:))|@", re.IGNORECASE)
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


def clean(text: str, limit: int = TEXT_LIMIT) -> str:
    """One line of printable text of at most `limit` characters, blanks folded.

    Control characters, bidirectional and zero-width marks, lone surrogates, private and
    unassigned characters are dropped: they can hide or reorder what a person reads.
    """
    if not text.isprintable():
        text = "".join(
            sign if sign.isprintable() else " " if sign.isspace() else "" for sign in text
        )
    if "  " in text or text.strip() != text:  # of all blanks only this one is printable
        text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + ELLIPSIS


def escape(text: str, limit: int = TEXT_LIMIT) -> str:
    """`clean(text)` as inline Markdown that renders as exactly that text (checklist MD-04)."""
    if len(text) <= limit and _UNTOUCHED.fullmatch(text):
        return text
    text = clean(text, limit)
    if not _is_tame(text):
        text = " ".join(word if _is_tame(word) else _escape_word(word) for word in text.split(" "))
    numbered = _LIST_NUMBER.match(text)
    return f"{numbered[1]}\\{text[numbered.end(1) :]}" if numbered else text


def _is_tame(text: str) -> bool:
    # GitHub's own parser makes a link of a bare "www.", so an ending full stop is not enough.
    return _TAME.fullmatch(text) is not None and _ADDRESS.search(text) is None


def _escape_word(word: str) -> str:
    out: list[str] = []
    end = 0
    for start, stop in _address_runs(word):
        out += (_PUNCTUATION.sub(_escape_sign, word[end:start]), "`", word[start:stop], "`")
        end = stop
    out.append(_PUNCTUATION.sub(_escape_sign, word[end:]))
    return "".join(out)


def _address_runs(word: str) -> list[tuple[int, int]]:
    """Where an address must be divided; neighbours become one run, as code spans cannot touch."""
    runs: list[tuple[int, int]] = []
    for found in _ADDRESS.finditer(word):
        if runs and runs[-1][1] == found.start():
            runs[-1] = (runs[-1][0], found.end())
        else:
            runs.append((found.start(), found.end()))
    return runs


def _escape_sign(found: re.Match[str]) -> str:
    sign = found.group()
    return _ENTITIES.get(sign) or f"\\{sign}"


def fill(template: str, values: Mapping[str, str], limit: int = TEXT_LIMIT) -> str:
    """Inline Markdown from a sentence of the knowledge with `{name}` filled in and all escaped.

    A name without a value keeps its braces, so that a mistake in the content is seen.
    """
    text = fill_plain(template, values, limit)
    return escape(text, len(text))


def fill_plain(template: str, values: Mapping[str, str], limit: int = TEXT_LIMIT) -> str:
    """The same as plain text: for summaries, labels, descriptions and FHIR text."""
    parts = list(_parts(template))
    for place in range(1, len(parts), 2):
        name = parts[place]
        parts[place] = clean(values.get(name, f"{{{name}}}"), limit)
    return " ".join("".join(parts).split())


@lru_cache(maxsize=1024)  # sentences of the knowledge
def _parts(template: str) -> tuple[str, ...]:
    """What stands between names, and the names."""
    return tuple(_PLACEHOLDER.split(template))


def names_of(*templates: str) -> set[str]:
    """The names that these have to be filled in with."""
    return {name for template in templates for name in _PLACEHOLDER.findall(template)}


def shorten(text: str, limit: int) -> str:
    """`text` in at most `limit` UTF-16 units, cut after a whole word where there is one."""
    if utf16_length(text) <= limit:
        return text
    kept = text.encode("utf-16-le")[: (limit - 1) * 2].decode("utf-16-le", errors="ignore")
    if not text[len(kept)].isspace() and " " in kept:
        kept = kept[: kept.rindex(" ")]
    return kept.rstrip(" ,;:(") + ELLIPSIS


def link(label: str, url: str) -> str:
    """A Markdown link. `url` comes from the knowledge or the settings, never from a chart."""
    return f"[{escape(label)}]({quote(url, safe='/:?&=%#;,@~+._-')})"


def section(title: str, items: Iterable[str], *, inline: bool = True) -> str:
    """A titled block of inline Markdown, nothing without items.

    One item stands beside its title, unless `inline` is off; more stand as a list below it.
    """
    lines = list(items)
    if not lines:
        return ""
    if inline and len(lines) == 1:
        return f"**{title}:** {lines[0]}"
    return "\n".join((f"**{title}:**", "", *(f"- {line}" for line in lines)))
