"""Draws the words of a card where a site tries several: always the same for one user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.cdshooks.models import Json
from cds_service.clinical.assessment import Guidance
from cds_service.knowledge import genetic_cards, variants
from cds_service.trust.rollout import variant_lot

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge
    from cds_service.knowledge.schema import CardText


@dataclass(frozen=True, slots=True)
class Draw:
    """The lots of one user (`context.userId`) of a client, drawn with the key of users."""

    knowledge: Knowledge
    key: bytes
    client: str
    user: str

    def words(self, text: CardText, guidance: Guidance) -> tuple[CardText, Json | None]:
        """The card in the words that this user gets, and which these are, for the trace.

        The card's own words, and None, where nothing is tried: the card has no variant, or rests on
        genetic HO.
        """
        wordings = self.knowledge.once(variants.by_card).get(text.id)
        if wordings is None or not genetic_cards.ROLES.isdisjoint(
            f.role for f in guidance.findings
        ):
            return text, None
        number, part = variant_lot(self.key, self.client, self.user, text.id, len(wordings))
        name, words = wordings[number]
        return words, {"name": name, "part": part}
