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


def has_places(page: str) -> bool:
    """Whether an address is that of our evidence pages, so that other addresses follow from it.

    Another page, as an operator may name one, is linked to as it stands.
    """
    parts = urlsplit(page)
    plain = not (parts.query or parts.fragment)
    return plain and parts.path.endswith(evidence_places.PAGE)


def titles(card: str, page: str | None) -> Mapping[str, str]:
    """For each title of a card, as Markdown, what stands instead; nothing without our pages."""
    if page is None or not has_places(page):
        return {}
    return {
        f"**{title}": f"**{link(title, page + evidence_places.of_line(card, line))}"
        for title, line in _LINES.items()
    }


def linked(detail: str, instead: Mapping[str, str]) -> str:
    """The detail with its titles as links. Text of a chart is escaped in it: only a title of ours
    begins a part with two asterisks."""
    parts = (part.partition(":** ") for part in detail.split("\n\n"))
    return "\n\n".join(instead.get(title, title) + mark + words for title, mark, words in parts)
