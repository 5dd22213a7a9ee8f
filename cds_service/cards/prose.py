"""Prose of the knowledge as ready Markdown, made once: a card then escapes only chart text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cds_service.cards.markdown import TEXT_LIMIT, escape, link, section
from cds_service.clinical.unknown_inputs import STATES_SAID

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge
    from cds_service.knowledge.schema import CardText, Evidence

CITATION_LIMIT = 300


@dataclass(frozen=True, slots=True)
class CardProse:
    """The parts of one card's detail that are the same for every patient.

    `advice` are its paragraphs, and whether each still has names to fill in; `left` those that
    stand instead where only that option is left, or none.
    """

    avoid: str
    advice: tuple[tuple[str, bool], ...]
    left: Mapping[str, tuple[tuple[str, bool], ...]]


class Prose:
    """All of it, for one knowledge (`knowledge.once(Prose)`)."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._escaped = {text: escape(text, len(text)) for text in _texts(knowledge)}
        self.cards = {card.id: _card(card) for card in knowledge.cards.values()}
        self.citations = {one.id: citation(one) for one in knowledge.evidence.values()}
        self.limits = tuple(escape(text) for text in knowledge.meta.limits)
        self.off_label = {id_: escape(r.off_label) for id_, r in knowledge.regimens.items()}
        self.version = escape(f"Knowledge {knowledge.version}.")

    def escape(self, text: str, limit: int = TEXT_LIMIT) -> str:
        """`markdown.escape`, at once where the text is one of the knowledge."""
        ready = self._escaped.get(text)
        return ready if ready is not None and len(text) <= limit else escape(text, limit)


def _card(card: CardText) -> CardProse:
    left: dict[str, tuple[tuple[str, bool], ...]] = {
        option: _paragraphs(advice) for option, advice in card.advice_left.items()
    }
    avoid = section("Avoid", map(escape, card.avoid))
    return CardProse(avoid, _paragraphs(card.advice), left)


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
        for state in STATES_SAID:
            yield check.text.format_map(defaultdict(str, state=state, older=""))


def capital(label: str) -> str:
    """The label at the beginning of a line."""
    return label[:1].upper() + label[1:]


def citation(evidence: Evidence) -> str:
    """A source as Markdown: what it is, and its PMID, DOI or address as a link."""
    text = escape(evidence.citation, CITATION_LIMIT)
    if evidence.pmid:
        url = f"https://pubmed.ncbi.nlm.nih.gov/{evidence.pmid}/"
        text = f"{text} {link(f'PMID {evidence.pmid}', url)}"
    elif evidence.doi:
        text = f"{text} {link('DOI', f'https://doi.org/{evidence.doi}')}"
    elif evidence.url:
        text = f"{text} {link(urlsplit(evidence.url).hostname or 'link', evidence.url)}"
    return text if evidence.verified else f"{text} (not read in the original)"
