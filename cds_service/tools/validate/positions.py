"""Finds the lines on which JSON values stand, by a walk over the text that decodes nothing twice.

Only the objects and arrays on the way to a wanted value are walked member by member; everything
beside the way is passed over by the scanner of the standard library.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

# typeshed lists JSONDecoder only; the other two are what the decoder itself reads strings with.
from json.decoder import WHITESPACE, JSONDecoder, scanstring  # type: ignore[attr-defined]
from typing import Any

from cds_service.cdshooks.conformance.statements import Path

Tree = dict[str | int, Any]
_skip = JSONDecoder(strict=False).raw_decode


class Positions:
    """Lines of the values of one JSON text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._breaks = [i for i, char in enumerate(text) if char == "\n"]

    def line_of(self, offset: int) -> int:
        """Line of a place in the text, counted from 1."""
        return bisect_right(self._breaks, offset - 1) + 1

    def lines(self, paths: Iterable[Path]) -> dict[Path, int]:
        """The line of each value: of its member name, or of the item of an array. A value that is
        not there has the line of the nearest value around it."""
        wanted = set(paths)
        offsets = dict(self._walk(_tree(wanted)))
        return {path: self.line_of(_nearest(path, offsets)) for path in wanted}

    def _walk(self, tree: Tree) -> Iterator[tuple[Path, int]]:
        start = _blank(self._text, 0)
        yield (), start
        try:
            yield from self._inside(start, tree, ())
        except (ValueError, IndexError, RecursionError):
            return  # not JSON from here on; what was found before stands

    def _inside(self, start: int, tree: Tree, path: Path) -> Iterator[tuple[Path, int]]:
        """Places of the wanted values inside the object or array that begins at `start`."""
        steps: Iterator[tuple[str | int, int, int]] = iter(())
        if self._text[start] == "{":
            steps = self._members(start)
        elif self._text[start] == "[":
            steps = self._items(start)
        for step, at, value in steps:
            if step in tree:
                here = (*path, step)
                yield here, at
                yield from self._inside(value, tree[step], here)

    def _members(self, start: int) -> Iterator[tuple[str, int, int]]:
        """Name, place of the name and place of the value of each member of an object."""
        text, at = self._text, _blank(self._text, start + 1)
        while text[at] == '"':
            name, end = scanstring(text, at + 1, False)
            colon = _blank(text, end)
            value = _blank(text, colon + 1)
            yield name, at, value
            at = _next(text, _skip(text, value)[1])

    def _items(self, start: int) -> Iterator[tuple[int, int, int]]:
        """Number and place (twice) of each item of an array."""
        text, at, number = self._text, _blank(self._text, start + 1), 0
        while text[at] != "]":
            yield number, at, at
            at = _next(text, _skip(text, at)[1])
            number += 1

    def twice(self, start: int | None = None, path: Path = ()) -> Iterator[Path]:
        """Members whose name stands twice in their object (an exact walk over the whole text)."""
        start = _blank(self._text, 0) if start is None else start
        seen: set[str | int] = set()
        if self._text[start] not in "{[":
            return
        steps = self._members(start) if self._text[start] == "{" else self._items(start)
        for step, _, value in steps:
            here = (*path, step)
            if step in seen:
                yield here
            seen.add(step)
            yield from self.twice(value, here)


def _tree(paths: Iterable[Path]) -> Tree:
    root: Tree = {}
    for path in paths:
        node = root
        for step in path:
            node = node.setdefault(step, {})
    return root


def _nearest(path: Path, offsets: dict[Path, int]) -> int:
    while path not in offsets:
        path = path[:-1]
    return offsets[path]


def _blank(text: str, at: int) -> int:
    """Place of the next sign that is not white space."""
    found = WHITESPACE.match(text, at)
    return found.end() if found else at


def _next(text: str, end: int) -> int:
    """Place of what follows a value: the next member or item, or the closing bracket."""
    at = _blank(text, end)
    return _blank(text, at + 1) if text[at] == "," else at
