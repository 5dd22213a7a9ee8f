"""Prose of the knowledge as ready Markdown, made once: a card then escapes only chart text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.cards.markdown import TEXT_LIMIT, escape, names_of
from cds_service.clinical.unknown_inputs import states_said

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge
    from cds_service.knowledge.schema import CardText, Figure


@dataclass(frozen=True, slots=True)
class CardProse:
    """The parts of one card's detail that are the same for every patient.

    `advice` are its paragraphs, and whether each still has names to fill in; `none_left` those that
    stand instead where no option is left; `elective` is said where no order is urgent. `benefit`
    are the figures by option, and of `any`; `sources` stand in their place. A card whose paragraphs
    name nothing but what is open `follows_options`.
    """

    avoid: str
    advice: tuple[tuple[str, bool], ...]
    elective: str
    none_left: tuple[tuple[str, bool], ...]
    benefit: Mapping[str, str]
    sources: str
    follows_options: bool


class Prose:
    """All of it, for one knowledge (`knowledge.once(Prose)`)."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._escaped = {text: escape(text, len(text)) for text in _texts(knowledge)}
        self._sentences = {text: capital(told) for text, told in self._escaped.items()}
        cards = (*knowledge.cards.values(), *knowledge.variants.values())
        self.cards = {card.id: _card(card) for card in cards}
        self.version = escape(f"Knowledge {knowledge.version}.")

    def escape(self, text: str, limit: int = TEXT_LIMIT) -> str:
        """`markdown.escape`, at once where the text is one of the knowledge."""
        ready = self._escaped.get(text)
        return ready if ready is not None and len(text) <= limit else escape(text, limit)

    def sentence(self, text: str, limit: int = TEXT_LIMIT) -> str:
        """The same with a capital letter."""
        ready = self._sentences.get(text)
        if ready is not None and len(text) <= limit:
            return ready
        return capital(escape(text, limit))


def _card(card: CardText) -> CardProse:
    avoid = "; ".join(map(escape, card.avoid))
    benefit: dict[str, str] = {of: _figure(figure) for of, figure in card.benefit.items()}
    return CardProse(
        f"{capital(avoid)}." if avoid else "",
        _paragraphs(card.advice),
        escape(card.advice_elective or "", TEXT_LIMIT),
        _paragraphs(card.advice_none_left),
        benefit,
        source_keys(card.evidence[:2]) if card.evidence and not benefit else "",
        names_of(*card.advice, *card.advice_none_left) <= {"open"},
    )


def _figure(figure: Figure) -> str:
    return f"{escape(figure.text, len(figure.text))} {source_keys(figure.evidence)}."


def source_keys(evidence: Iterable[str]) -> str:
    """Sources as short keys; they are ids of the knowledge, so nothing in them is Markdown."""
    return f"[{', '.join(evidence)}]"


def _paragraphs(advice: Iterable[str]) -> tuple[tuple[str, bool], ...]:
    return tuple(
        (text, True) if "{" in text else (escape(text, len(text)), False)
        for text in (" ".join(paragraph.split()) for paragraph in advice)
    )


def _texts(knowledge: Knowledge) -> Iterator[str]:
    """Texts that reach a card as they stand in the knowledge, whatever the chart says."""
    for rules in (knowledge.factors, knowledge.modifiers, knowledge.genetic):
        for rule in rules.values():
            yield capital(rule.label)
    for option in knowledge.options.values():
        yield capital(option.label)
    for regimen in knowledge.regimens.values():
        yield capital(regimen.drug)
    for exclusion in knowledge.exclusions.values():
        yield exclusion.text
    for check in knowledge.unknown_checks:
        for state in states_said(knowledge):
            yield check.text.format_map(defaultdict(str, state=state, older=""))


def capital(label: str) -> str:
    """The label at the beginning of a line; `eGFR` stays as it is."""
    if label[:1].isupper() or label[1:2].isupper():
        return label
    return label[:1].upper() + label[1:]
