"""Makes the title of each line of a card a link to the place that explains the line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from cds_service.cards.markdown import link
from cds_service.knowledge import evidence_places

_LINES: Final = {
    "Found": "found",
    "Advised": "advised",
    "Avoid": "avoid",
    "Check": "check",
    "Benefit, harm": "benefit",
    "Limits": "limits",
}
"""The lines of `detail`, and their places on the page of a card."""

PLAIN: Final[Mapping[str, str]] = {title: f"**{title}:** " for title in (*_LINES, "Answered")}
"""How each line begins where no page explains it."""


def has_places(page: str) -> bool:
    """Whether an address is that of our evidence pages, so that other addresses follow from it.

    Another page, as an operator may name one, is linked to as it stands.
    """
    parts = urlsplit(page)
    plain = not (parts.query or parts.fragment)
    return plain and parts.path.endswith(evidence_places.PAGE)


def titles(card: str, page: str | None) -> Mapping[str, str]:
    """How each line begins, as Markdown: its title, which is a link where our pages are known."""
    if page is None or not has_places(page):
        return PLAIN
    return {
        title: f"**{link(title, page + evidence_places.of_line(card, line))}:** "
        for title, line in _LINES.items()
    }
