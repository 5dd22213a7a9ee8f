"""Small checks that the rules share: texts, URLs, Codings, extensions, empties."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from cds_service.cdshooks.conformance.statements import Path, Violation

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_UNIQUE_NAME = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9_-]+)+|[a-z][a-z0-9+.-]*:.+")
_MARKUP = re.compile(r"\*\*[^*\s]|^#{1,6} |```|\]\(|</?[a-z][a-z0-9]*( [^<>]*)?>", re.MULTILINE)
_ACTIVE = frozenset({"javascript", "data", "vbscript"})
MAY_BE_EMPTY = frozenset({("cards",), ("services",)})
"""The empty arrays that the text itself allows (JS-03)."""


def strict_json(body: bytes) -> Any:
    """JSON by RFC 8259: UTF-8 without mark, no NaN, no member twice. Raises ValueError."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a member stands twice")
        return found

    if body.startswith(b"\xef\xbb\xbf"):
        raise ValueError("begins with a byte order mark")
    try:
        return json.loads(body.decode(), parse_constant=refuse, object_pairs_hook=members)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def empties(value: Any, path: Path = ()) -> Iterator[Violation]:
    """Where null, "", [] or {} stand (JS-03)."""
    if value is None or (value in ("", [], {}) and path not in MAY_BE_EMPTY):
        words = {"": "an empty string", "[]": "an empty array", "{}": "an empty object"}
        said = "null" if value is None else words[str(value)]
        yield Violation("JS-03", path, f"{said} is sent; leave the member out", value)
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from empties(member, (*path, name))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from empties(member, (*path, index))


def text(
    holder: Mapping[str, Any], name: str, path: Path, rule: str, *, required: bool = True
) -> Iterator[Violation]:
    """A string that is not blank, one line of plain text."""
    value = holder.get(name)
    if value is None and not required:
        return
    if not isinstance(value, str) or not value.strip():
        yield Violation(rule, (*path, name), f"{name} must be a string that is not blank", value)
    elif _CONTROL.search(value):
        yield Violation("MD-01", (*path, name), f"{name} has control characters", value)
    elif name in {"summary", "label"} and _MARKUP.search(value):
        yield Violation("MD-01", (*path, name), f"{name} has markup in it", value)


def absolute_url(value: Any, path: Path, rule: str) -> Iterator[Violation]:
    """An absolute URL with a host."""
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        good = bool(parts.scheme and parts.hostname) and " " not in str(value)
    except ValueError:
        good = False
    if not good:
        yield Violation(rule, path, "must be an absolute URL", value)
    elif parts.scheme.lower() in _ACTIVE:
        yield Violation(rule, path, "a URL that runs code", value)


def is_one_of(value: Any, words: Collection[str]) -> bool:
    """Whether a value of any type is one of these words. Lists and objects cannot be looked up in
    a set, and so are sorted out first."""
    return isinstance(value, str) and value in words


def coding(value: Any, path: Path, *, rule: str, display: bool = False) -> Iterator[Violation]:
    """A Coding: code and system, and display where it is required (CO-01)."""
    if not isinstance(value, dict):
        yield Violation(rule, path, "must be a Coding", value)
        return
    for name in ("code", "system"):
        yield from text(value, name, path, "CO-01")
    if display:
        yield from text(value, "display", path, rule)


def extension(holder: Mapping[str, Any], path: Path) -> Iterator[Violation]:
    """`extension` is an object with globally unique names (EX-01, EX-02)."""
    if "extension" not in holder:
        return
    value, at = holder["extension"], (*path, "extension")
    if not isinstance(value, dict):
        yield Violation("EX-01", at, "extension must be an object", value)
        return
    for name in value:
        if not _UNIQUE_NAME.fullmatch(name):
            yield Violation("EX-02", (*at, name), "not a globally unique name", name)


def objects(
    holder: Mapping[str, Any], name: str, path: Path, rule: str
) -> Iterator[tuple[Path, Any, Violation | None]]:
    """Items of an optional array of objects; what is none comes with its violation."""
    if holder.get(name) is None:
        return
    value = holder[name]
    if not isinstance(value, list):
        at = (*path, name)
        yield at, None, Violation(rule, at, f"{name} must be an array", value)
        return
    for index, item in enumerate(value):
        at = (*path, name, index)
        wrong = None if isinstance(item, dict) else Violation(rule, at, "must be an object", item)
        yield at, item, wrong


def unknown(
    holder: Mapping[str, Any], known: frozenset[str], path: Path, rule: str
) -> Iterator[Violation]:
    """Members that the specification does not have."""
    for name in holder.keys() - known - {"extension"}:
        yield Violation(rule, (*path, name), "no member of the specification", name)
