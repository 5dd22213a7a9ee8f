"""Tells what a credulous Markdown renderer would make of a card's detail."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from markdown_it import MarkdownIt  # comes with Rich
from markdown_it.token import Token

LOOKED_AT = 50_000
"""Characters of a detail that are parsed; what is built to be hard takes the square of that."""

_CODE = frozenset({"javascript", "data", "vbscript"})
_PASSED_OVER = re.compile(r"[\x00-\x20\x7f]")  # browsers do so before they look for the scheme


class _Credulous(MarkdownIt):
    """A renderer that links to anything, as some clients do."""

    def validateLink(self, url: str) -> bool:
        return True


def active_parts(detail: str) -> list[str]:
    """HTML and links that run code, as a renderer that believes everything would find them in the
    first `LOOKED_AT` characters."""
    renderer = _Credulous("commonmark", {"html": True})
    return list(_active(renderer.parse(detail[:LOOKED_AT])))


def _active(tokens: Iterable[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type in {"html_block", "html_inline"}:
            yield token.content.strip()
        for name in ("href", "src"):
            url = str(token.attrs.get(name, ""))
            if _scheme(url) in _CODE:
                yield url
        yield from _active(token.children or ())


def _scheme(url: str) -> str:
    return _PASSED_OVER.sub("", url).partition(":")[0].lower()
