"""CQL text: indentation, comments, names and literals."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

_WIDTH = 100


def quoted(name: str) -> str:
    """An identifier of CQL."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def literal(text: str) -> str:
    """A string literal of CQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def indented(text: str, by: int = 2) -> str:
    """Every line of `text` moved to the right."""
    return textwrap.indent(text, " " * by)


def comment(*paragraphs: str | None) -> str:
    """Comment lines; a paragraph that is None or blank is left out."""
    lines = [
        line
        for paragraph in paragraphs
        for line in textwrap.wrap(paragraph or "", _WIDTH - 3, break_long_words=False)
    ]
    return "\n".join(f"// {line}" for line in lines)


def joined(operator: str, parts: Sequence[str]) -> str:
    """The parts joined by `and` or `or`, each on its lines; one part stays as it is."""
    if len(parts) == 1:
        return parts[0]
    first, *rest = (wrapped(part) for part in parts)
    return "\n".join([first, *(f"{operator} {part}" for part in rest)])


def wrapped(part: str) -> str:
    """The part in brackets, where it needs them beside `and` and `or`."""
    flat = _outside(part)
    if part.startswith(("case", "if ")) or re.search(r"\b(?:and|or)\b", flat):
        return bracketed(part)
    return part


def closed(part: str) -> str:
    """The part in brackets, unless it is a name or one call: before `is null` and `is true`."""
    return part if re.fullmatch(r"\S*\(\)|\S+", _outside(part)) else bracketed(part)


def bracketed(part: str) -> str:
    """The part in brackets."""
    return f"({part})" if "\n" not in part else f"(\n{indented(part)}\n)"


def _outside(part: str) -> str:
    """The part without what stands in quotes and brackets."""
    kept, depth, quote = [], 0, ""
    for sign in part:
        if quote:
            quote = "" if sign == quote else quote
            continue
        if sign in "\"'":
            quote = sign
            kept.append("x" if depth == 0 else "")
            continue
        depth -= sign in ")}"
        if depth == 0:
            kept.append(sign)
        depth += sign in "({"
    return "".join(kept)


def define(name: str, body: str, *said: str | None) -> str:
    """A named define under its comment."""
    above = comment(*said)
    return "\n".join([*([above] if above else []), f"define {quoted(name)}:", indented(body)])


def listing(values: Iterable[str]) -> str:
    """A list of string literals."""
    return "{ " + ", ".join(literal(value) for value in values) + " }"
