"""Which cards are about genetic HO: nothing may be held back of them, or tried on them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cds_service.knowledge.schema import CardText

_TOPICS: Final = frozenset({"fop", "poh", "genetic-ho-question", "genetic-ho-family"})
_IDS: Final = frozenset({"genetic-not-assessed"})
ROLES: Final = frozenset({"genetic", "suspected"})
"""Roles of a finding that make any card one about genetic HO."""
_NAMED: Final = re.compile(r"\b(FOP|POH|ACVR1|GNAS|genetic\w*)\b", re.IGNORECASE)


def is_about(card: CardText, roles: Iterable[str]) -> bool:
    """Whether a card is about genetic HO, by its text or by the roles of its findings."""
    return is_genetic(card) or not ROLES.isdisjoint(roles)


def is_genetic(card: CardText) -> bool:
    """Whether a card is about genetic HO, whatever it rests on."""
    return card.topic in _TOPICS or card.id in _IDS


def speaks_of_genetic(card: CardText) -> bool:
    """Whether any of its words name genetic HO."""
    words = (card.summary, *card.advice, *card.advice_none_left, *card.avoid)
    return is_genetic(card) or any(_NAMED.search(text) for text in words)
