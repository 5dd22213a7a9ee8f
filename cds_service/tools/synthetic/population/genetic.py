"""Patients with genetic HO, whose every order counts."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Final

from cds_service.tools.synthetic import resources
from cds_service.tools.synthetic.catalogue import Piece, catalogue
from cds_service.tools.synthetic.population.hips import done, fill, person, sign
from cds_service.tools.synthetic.population.history import History
from cds_service.tools.synthetic.population.wish import PopulationWish, book_of_populations
from cds_service.tools.synthetic.truth import Expected, Truth

# On record, and not only suspected: an order that nobody understands is asked about.
_ON_RECORD: Final = frozenset({"fop", "fop-orpha-resolved"})
_DISEASES: Final = ("fop", "poh", "fop-orpha-resolved", "fop-suspected", "fop-refuted", "php")
_ORDERS: Final = (
    "total",
    "biopsy",
    "intramuscular-medicine",
    "knee",
    "soft-tissue-excision",
    "block",
)
_AGE: Final = (19, 45)


def genetic_patient(number: int, patient_id: str, wish: PopulationWish, rng: Random) -> History:
    """FOP or POH, then some orders that do harm and some that do not, each on a day of its own."""
    book = catalogue()
    days = (wish.until - wish.since).days
    start = wish.since + timedelta(days=rng.randrange(max(days // 2, 1)))
    pieces = (*book.sections["genetic"], *book.sections["hints"])
    disease = rng.choice([p for p in pieces if p.id in _DISEASES])
    history = person(number, patient_id, wish, rng, start, rng.randint(*_AGE))
    history.plant(disease)
    known = "Condition" not in wish.lacking  # else none but a hip order is looked at
    triggers = {piece.id: piece for piece in book.sections["triggers"]}
    wished = [*rng.sample(_ORDERS, 3), "everyday", "everyday", "tablet", "form"]
    rng.shuffle(wished)
    wished = wished if known else ["total"]
    for name in wished:
        if history.maker.today > wish.until:
            break
        if name in triggers:
            sign(history, triggers[name])
        else:
            _harmless(history, name, disease)
        history.maker.today += timedelta(days=rng.randint(1, max(days // 16, 2)))
    history.maker.today = start
    fill(history, rng.randint(5, 15), orders=False)
    return history


def _harmless(history: History, name: str, disease: Piece) -> None:
    """A blood test, a film, a tablet; or a form of the house, which FOP on record asks about."""
    maker, book = history.maker, book_of_populations()
    if name == "tablet":
        line = maker.rng.choice(catalogue().filler["medications"][maker.habits])
        made = resources.medication(maker, {"medication": line})
    else:
        line = book["local"]["form"] if name == "form" else maker.rng.choice(book["everyday"])
        made = resources.planned(maker, {"planned": line}, None)
    done(history, [history.add(made)])
    asked = name == "form" and disease.id in _ON_RECORD
    cards = (Expected("1u", "fop-not-understood"),) if asked else ()
    history.told("order", maker.today, [made], Truth(200, cards), trigger=name,
                 understood=name != "form")  # fmt: skip
