"""The decision table: the rows that cards and silences name, each with what has to be so.

The first row that matches decides for one order. Source: section 4 of the clinical decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cds_service.knowledge.model import Knowledge
    from cds_service.knowledge.schema import CardText

SILENCE: Final = "silence"
_HIP, _ANY = "hip arthroplasty", "any order"
_CUT = "biopsy or excision"

# Row: what the chart holds, and which order meets it.
_ROWS: Final[dict[str, tuple[str, str]]] = {
    "1": ("FOP on record or suspected", "surgery, a block, a needle, stretching, dental care"),
    "1u": ("FOP on record", "an order that was not understood"),
    "2": ("FOP on record or suspected", _CUT),
    "3": ("FOP on record or suspected", "an injection or vaccine that goes into muscle, or may"),
    "4": ("POH or platelike osteoma cutis", _CUT),
    "4i": ("another disease of GNAS", _CUT),
    "5": ("POH", "surgery"),
    "question": ("words or early signs that may mean FOP or POH", "an order that harms in these"),
    "family": ("FOP or POH in the family", "an order that harms in these"),
    "patient-view": ("FOP or POH on record", "none: the chart is opened"),
    "6": ("prophylaxis that is enough is ordered, active or given", _HIP),
    "6c": ("that prophylaxis, and a reason against it", _HIP),
    "6u": ("that prophylaxis, and something unread that may speak against it", _HIP),
    "7": ("high tier: one high factor, or two moderate ones", _HIP),
    "8": ("high tier, and every option is ruled out or waits for a test", _HIP),
    "9": ("moderate tier: one moderate factor", _HIP),
    "9a": ("no genetic ossification", "excision of heterotopic bone"),
    "9q": ("no genetic ossification", "a release that may take heterotopic bone out"),
    "10": ("no factor that counts", _HIP),
    "11": ("the problem list was not read", "hip arthroplasty, biopsy, injection, an opened chart"),
    "12": ("no factor found, and another input was not read", _HIP),
    "12h": ("words that may mean heterotopic ossification", _HIP),
    "12o": ("whatever it holds", "a draft that cannot be read"),
    "12n": ("a factor that counts", "an order that was not understood and may be of the hip"),
    "12g": ("FOP or POH", "an order that was not understood and may harm in these"),
    "12p": ("another patient's", "drafts that are all for other patients"),
}
# Where a row answers less than its cards say.
_WEAKER: Final[dict[str, str]] = {
    "1": "warning where FOP is only suspected",
    "2": "warning where FOP is only suspected",
    "6c": "info where the tier is not high and the course not too long",
}


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One row: `chart` and `order` in words, and the cards that it can give (none: silence)."""

    id: str
    chart: str
    order: str
    cards: tuple[CardText, ...]

    @property
    def answer(self) -> str:
        """The indicators of its cards, most severe first, and what weakens them; or silence."""
        found = {card.indicator for card in self.cards}
        said = [one for one in ("critical", "warning", "info") if one in found]
        weaker = _WEAKER.get(self.id)
        return ", ".join(filter(None, (" or ".join(said) or SILENCE, weaker)))


def rows(knowledge: Knowledge) -> tuple[DecisionRow, ...]:
    """The table in the order in which it is looked through."""
    cards: dict[str, list[CardText]] = {id_: [] for id_ in _ROWS}
    for card in knowledge.cards.values():
        cards[card.row].append(card)  # a test keeps the rows of the cards in the table
    return tuple(
        DecisionRow(id_, chart, order, tuple(cards[id_])) for id_, (chart, order) in _ROWS.items()
    )
