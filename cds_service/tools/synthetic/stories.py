"""Chooses of which pieces a patient is made. Every piece leads a patient in turn, so that every
rule is shown; what goes with it is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from cds_service.tools.synthetic.catalogue import LEFT, RIGHT, Catalogue, Piece

_OLDER: Final = (56, 64)  # neither childbearing nor beyond 65
_INPUTS: Final = {
    "condition": "conditions", "procedure": "procedures", "medication": "medications",
    "allergy": "allergies", "observation": "observations", "family": "familyHistory",
    "planned": "serviceRequests",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Story:
    """A patient in pieces: the order, what the chart holds, sex, age and side."""

    lead: Piece
    trigger: Piece
    pieces: tuple[Piece, ...]
    sex: str
    age: int
    side: str


def choose(number: int, book: Catalogue, rng: Random) -> Story:
    """The story of the patient with this number (counted from 0)."""
    leads = book.all()
    lead = leads[number % len(leads)]
    trigger = _trigger(lead, book, rng)
    pieces = [] if lead.section == "triggers" else [lead]
    pieces += _companions(lead, trigger, pieces, book, rng)
    fitting = _fitting(pieces, [lead, trigger])
    sex = next((p.sex for p in fitting if p.sex), None) or rng.choice(("female", "male"))
    age = next((p.age for p in fitting if p.age), None) or _OLDER
    side = rng.choice((RIGHT, LEFT))
    return Story(lead, trigger, tuple(fitting), sex, rng.randint(*age), side)


def _trigger(lead: Piece, book: Catalogue, rng: Random) -> Piece:
    triggers = book.sections["triggers"]
    if lead.section == "triggers":
        return lead
    if "trigger" in lead.more:
        return next(t for t in triggers if t.id == lead.more["trigger"])
    if lead.section in {"genetic", "hints"}:
        return rng.choice(triggers)
    hips = [t for t in triggers if t.more["kind"] == "arthroplasty" and not t.more.get("both")]
    if lead.side is not None:  # a code that leaves the side open would count for both
        hips = [t for t in hips if t.more.get("site") or t.id == "total"]
    return rng.choice(hips)


def _companions(
    lead: Piece, trigger: Piece, pieces: Sequence[Piece], book: Catalogue, rng: Random
) -> list[Piece]:
    """What goes with the lead, so that its effect can be seen, and some variety."""
    found: list[Piece] = []
    factors = book.sections["factors"]
    if lead.section in {"exclusions", "triggers", "withheld", "prophylaxis"}:
        found += rng.sample(factors, rng.choice((0, 1, 1, 1, 2)))
    if lead.section == "exclusions" and not any(p.effect.tier != "none" for p in found):
        found.append(rng.choice([p for p in factors if p.effect.tier == "high"]))
    if lead.section in {"factors", "weightless"} and rng.random() < 0.4:
        found.append(rng.choice(factors))
    if lead.section in {"triggers", "hints"} and rng.random() < 0.25:
        found.append(rng.choice(book.sections["genetic"]))
    if lead.section not in {"prophylaxis", "withheld"}:
        others = [p for p in book.sections["exclusions"] if "trigger" not in p.more]
        found += rng.sample(others, rng.choice((0, 0, 1, 2)))
    found += rng.sample(book.sections["weightless"], rng.choice((0, 0, 1, 2)))
    return found


def _fitting(pieces: Iterable[Piece], fixed: Sequence[Piece]) -> list[Piece]:
    """The pieces that can be in one patient: one of each class, of one sex, of one age."""
    kept: list[Piece] = []
    for piece in pieces:
        others = [*kept, *(p for p in fixed if p is not piece and p.section == "triggers")]
        if not any(_clash(piece, other) for other in others):
            kept.append(piece)
    return kept


def _clash(one: Piece, other: Piece) -> bool:
    if one is other or one.id == other.id:
        return True
    if one.class_ is not None and one.class_ == other.class_:
        return True
    if one.sex and other.sex and one.sex != other.sex:
        return True
    if one.age and other.age:
        return True
    pairs = ((one, other), (other, one))
    return any(_hides(a, b) or _two_hips(a, b) for a, b in pairs) or _tells_twice(one, other)


def _hides(withheld: Piece, piece: Piece) -> bool:
    """An input that does not come hides what is in it."""
    name = withheld.more.get("missing") or withheld.more.get("failed")
    if name == "patient":
        return bool(piece.sex or piece.age)
    return any(_INPUTS[kind] == name for part in piece.parts for kind in _INPUTS.keys() & part)


def _two_hips(trigger: Piece, piece: Piece) -> bool:
    """With both hips on the table each may get its own answer: no piece about one side then."""
    return bool(trigger.more.get("both")) and piece.side is not None


def _tells_twice(one: Piece, other: Piece) -> bool:
    """Two pieces of one rule would be one fact in two words, or a fact and its opposite."""
    if one.rule == other.rule and one.section == other.section:
        return True
    return {one.section, other.section} == {"genetic", "hints"} and bool(
        {"fop-refuted"} & {one.id, other.id}
    )
