"""Tells what a credulous Markdown renderer would make of a card's detail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from markdown_it import MarkdownIt  # comes with Rich
from markdown_it.token import Token

_CODE = frozenset({"javascript", "data", "vbscript"})


class _Credulous(MarkdownIt):
    """A renderer that links to anything, as some clients do."""

    def validateLink(self, url: str) -> bool:
        return True


def active_parts(detail: str) -> list[str]:
    """HTML and links that run code, as a renderer that believes everything would find them."""
    renderer = _Credulous("commonmark", {"html": True})
    return list(_active(renderer.parse(detail)))


def _active(tokens: Iterable[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type in {"html_block", "html_inline"}:
            yield token.content.strip()
        for name in ("href", "src"):
            url = str(token.attrs.get(name, ""))
            if urlsplit(url).scheme.lower() in _CODE:
                yield url
        yield from _active(token.children or ())
