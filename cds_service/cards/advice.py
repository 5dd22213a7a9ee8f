"""What a card advises and what is known of its benefit: lines that mostly follow from the options.

A line that follows from ids of the knowledge alone is written once for each set of open options and
kept; nothing of a chart gets into what is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from cds_service.cards.checks import offered
from cds_service.cards.markdown import escape, fill
from cds_service.cards.prose import CardProse, Prose, capital
from cds_service.cards.word_budget import DetailPart, fitting, part, words
from cds_service.clinical.assessment import Guidance

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge
    from cds_service.knowledge.schema import Regimen

ADVICE_LIMIT = 400
_KEPT: Final = 512  # of each kind; the sets of open options that happen are few
_OFTEN = {1: "once daily", 2: "twice daily", 3: "three times daily", 4: "four times daily"}


class Offer(NamedTuple):
    """An option that is open, in ids of the knowledge; see `OptionVerdict`."""

    option: str
    drafted: bool
    regimen: str | None
    alternatives: tuple[str, ...]


Offers = tuple[Offer, ...]


def offers_of(guidance: Guidance) -> Offers:
    """The options that are left to a clinician."""
    return tuple(Offer(v.option, v.drafted, v.regimen, v.alternatives) for v in offered(guidance))


class OptionLines:
    """What follows from a card and the open options, for one knowledge
    (`knowledge.once(OptionLines)`)."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge, self._prose = knowledge, knowledge.once(Prose)
        self.open = lru_cache(_KEPT)(self._open)
        self.advised = lru_cache(_KEPT)(self._advised)
        self.benefit = lru_cache(_KEPT)(self._benefit)
        self.limits = lru_cache(_KEPT)(self._limits)

    def _open(self, offers: Offers) -> str:
        """The options that are left as part of a sentence; one that is not drafted comes last."""
        options = self._knowledge.options
        first = [_choice(offer, self._knowledge) for offer in offers if offer.drafted]
        decided = [
            f"{options[offer.option].label} only as your own decision, not drafted"
            for offer in offers
            if not offer.drafted
        ]
        return "; ".join(part for part in (", or ".join(first), *decided) if part)

    def _advised(self, card: str, has_options: bool, offers: Offers) -> DetailPart:
        """The advice of a card that `follows_options`, beside no order that may save a life."""
        ready = self._prose.cards[card]
        values = {"open": self.open(offers)}
        told = (*_sentences(ready, values, has_options=has_options, elective=True), ready.sources)
        return part("Advised", " ".join(filter(None, told)))

    def _benefit(self, card: str, options: tuple[str, ...]) -> DetailPart:
        """Figures of what is advised: those of any option, then those of each that is open."""
        figures = self._prose.cards[card].benefit
        told = (figures[key] for key in ("any", *options) if options and key in figures)
        return part("Benefit, harm", " ".join(told))

    def _limits(self, has_tier: bool, lists: str) -> DetailPart:
        """`lists` are those of medicines that were read alone."""
        tier = "Expert-tiered, unvalidated." if has_tier else "Free-text notes not read."
        medicines = f" Medicines: {escape(lists)}." if lists else ""
        return part("Limits", f"{tier}{medicines} {self._prose.version}")


def advised(
    guidance: Guidance, card: str, offers: Offers, knowledge: Knowledge, room: int
) -> DetailPart:
    """The card's own advice, then that of others which it stands for: whole, in their first
    sentences, or as many of these as there is room for."""
    lines, ready = knowledge.once(OptionLines), knowledge.once(Prose).cards[card]
    if ready.follows_options and not (guidance.kept or guidance.also):
        return lines.advised(card, bool(guidance.options), offers)
    values = {**dict(guidance.params), "open": lines.open(offers)}
    said = _sentences(ready, values, has_options=bool(guidance.options), elective=not guidance.kept)
    own = " ".join((*_life_first(guidance, knowledge), *said))
    also = list(_also(guidance, ready, knowledge))
    left = room - words(own) - words(ready.sources)
    if words(" ".join(also)) > left:
        also = [f"{one.partition('. ')[0].rstrip('.')}." for one in also]
    told = fitting(also, left, " ", 2)
    rest = f"+{len(also) - told} more." if told < len(also) else ""
    return part("Advised", " ".join(filter(None, (own, *also[:told], rest, ready.sources))))


def _life_first(guidance: Guidance, knowledge: Knowledge) -> Iterator[str]:
    """What comes first beside an order that may save a life."""
    if guidance.kept:
        prose = knowledge.once(Prose)
        rules = (knowledge.genetic.get(finding.rule) for finding in guidance.findings)
        yield from (prose.escape(r.life_first) for r in rules if r is not None and r.life_first)


def _also(guidance: Guidance, card: CardProse, knowledge: Knowledge) -> Iterator[str]:
    """The first advice of each other card that this one stands for, each once."""
    told = {paragraph for paragraph, _ in card.advice}
    for other in guidance.also:
        paragraph, has_names = knowledge.once(Prose).cards[other.card].advice[0]
        if paragraph not in told:
            told.add(paragraph)
            yield fill(paragraph, dict(other.params)) if has_names else paragraph


def _sentences(
    card: CardProse, values: Mapping[str, str], *, has_options: bool, elective: bool
) -> Iterator[str]:
    """The sentences of the card; one that names what is open is left out where nothing is."""
    open_ = values["open"]
    none_left = has_options and not open_
    for paragraph, has_names in card.none_left if none_left and card.none_left else card.advice:
        if open_ or "{open}" not in paragraph:
            yield capital(fill(paragraph, values, ADVICE_LIMIT)) if has_names else paragraph
    if elective and card.elective:
        yield card.elective


def _choice(offer: Offer, knowledge: Knowledge) -> str:
    """An option with its courses: the one that is drafted, and what else is left."""
    advice = knowledge.options[offer.option].advice
    if offer.regimen is None:
        return advice
    courses = [knowledge.regimens[id_] for id_ in (offer.regimen, *offer.alternatives)]
    named = ", or ".join(map(course_words, courses))
    return f"{advice} ({named}{'; off-label' if any(c.off_label for c in courses) else ''})"


def course_words(regimen: Regimen) -> str:
    """`celecoxib 200 mg twice daily 10 days`."""
    course = regimen.course
    often = _OFTEN.get(course.per_day, f"{course.per_day} times daily")
    return f"{regimen.drug} {course.dose:g} {course.unit} {often} {course.days} days"
