"""Services that answer with the cards to try a client on, one for each, whatever they are asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cds_service.tools.synthetic.client_cards import KINDS, ClientCard, client_cards

PATH: Final = "/client-cards"
HOOK: Final = "patient-view"


class CardServices:
    """The discovery of each kind, `valid` and `wrong`, and the answers by their id."""

    def __init__(self) -> None:
        self._cards: Mapping[str, Mapping[str, ClientCard]] = {
            kind: {card.id: card for card in client_cards() if card.kind == kind} for kind in KINDS
        }

    def describe(self, kind: str) -> dict[str, Any] | None:
        """What discovery answers; None for a kind that there is not."""
        if kind not in self._cards:
            return None
        cards = self._cards[kind].values()
        return {
            "services": [
                {"hook": HOOK, "id": card.id, "title": card.id, "description": card.why}
                for card in cards
            ]
        }

    def answer(self, kind: str, id_: str) -> bytes | None:
        """The bytes that a service answers; None where there is none of this id."""
        card = self._cards.get(kind, {}).get(id_)
        return card.content if card else None
