"""Keeps the detail of a card readable in ten seconds: what fits is told, the rest is counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cds_service.cards.markdown import ELLIPSIS
from cds_service.cdshooks.models import markdown

NOTHING_TO_CHECK = 90
AT_WORST = 150
"""Words of a detail, split at white space (clinical decisions, section 4)."""

_REST = 2  # "+12 more"


class DetailPart(NamedTuple):
    """A line of a detail with its title, `words` of both; without text it is not told."""

    title: str
    text: str
    words: int


def part(title: str, text: str) -> DetailPart:
    """Raises ValueError for text that is no Markdown of a card."""
    if not text:
        return DetailPart(title, "", 0)
    return DetailPart(title, markdown(text), words(title) + words(text))


def words(text: str) -> int:
    """How many words a text has: all in a detail stand one blank apart."""
    return text.count(" ") + 1 if text else 0


def fit(items: Iterable[str], room: int, joint: str = "; ") -> str:
    """As many items as `room` words hold, in their order, and how many more there are.

    The first item always stands, cut after a word if it must be: a part of a card never says
    nothing but a number.
    """
    told = [item for item in items if item]
    whole = joint.join(told)
    if words(whole) <= room:
        return whole
    kept = fitting(told, room, joint, _REST)
    more = len(told) - kept
    if told and not kept:
        kept, more = 1, len(told) - 1
        told[0] = cut(told[0], room - _REST * bool(more))
    return joint.join(told[:kept]) + (f"{joint}+{more} more" if more else "")


def fitting(items: Sequence[str], room: int, joint: str = "; ", rest: int = 0) -> int:
    """How many items, from the first on, fit into `room`; where not all do, beside `rest` words."""
    for kept in range(len(items), 0, -1):
        if words(joint.join(items[:kept])) + (rest if kept < len(items) else 0) <= room:
            return kept
    return 0


def cut(text: str, room: int) -> str:
    """A text of at most `room` words, at least one, with a sign that it was cut."""
    said = text.split()
    room = max(room, 1)
    if len(said) <= room:
        return text
    kept = " ".join(said[:room])
    if kept.count("(") > kept.count(")"):  # a bracket that nothing closes
        kept = kept[: kept.rindex("(")] or kept
    return kept.rstrip(" ,;:(") + ELLIPSIS
