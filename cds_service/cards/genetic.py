"""Tells cards about genetic HO: no mode of other cards, and no earlier answer, holds them back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cds_service.knowledge.schema import CardText

ROLES: Final = frozenset({"genetic", "suspected"})
"""Roles of findings that say that the patient has it, or may have."""

_TOPICS: Final = frozenset({"fop", "poh", "genetic-ho-question", "genetic-ho-family"})
_CARDS: Final = frozenset({"genetic-not-assessed"})


def is_about(text: CardText, roles: Iterable[str]) -> bool:
    """Whether a card is about genetic HO, by its text and the roles of its findings."""
    return text.topic in _TOPICS or text.id in _CARDS or not ROLES.isdisjoint(roles)
