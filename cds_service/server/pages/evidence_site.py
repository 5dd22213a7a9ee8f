"""Everything that the evidence pages show of one knowledge, put together once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from cds_service.knowledge import evidence_places
from cds_service.knowledge.schema import Rule
from cds_service.server.pages import about, cases
from cds_service.server.pages.code_lists import CodeLists
from cds_service.server.pages.words import Sentences

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge

STRENGTHS: Final = {
    "strong": "Strong evidence",
    "moderate": "Moderate evidence",
    "weak": "Weak or indirect evidence",
    "conflicting": "Conflicting evidence",
    "none": "No evidence read",
}


@dataclass(frozen=True, slots=True)
class Group:
    """A kind of rule: its address, what people call it, and what it means."""

    slug: str
    title: str
    one: str
    lead: str


GROUPS: Final = {
    group.slug: group
    for group in (
        Group("genetic", "Genetic ossification", "Genetic disease",
              "Leaves the tiers: no prophylaxis is offered, and what sets off new bone is to be "
              "avoided."),
        Group("factors", "Risk factors", "Risk factor",
              "One high factor, or {high} moderate ones, make a high risk and a warning. One "
              "moderate factor makes an information card. No other risk factor makes one."),
        Group("modifiers", "Shown, never decisive", "Shown, never decisive",
              "Named on a card that another finding has called up; alone they stay silent."),
        Group("not-counted", "Not counted, and why", "Not counted",
              "Looked for or asked about often, and on purpose without an effect on the tier."),
        Group("options", "Prophylaxis", "Prophylaxis",
              "What a card offers to a patient at risk, the courses of it, and their figures."),
        Group("exclusions", "Who must not get what", "Exclusion",
              "Rules an option out, sets a condition for it, or leaves it to the clinician."),
        Group("orders", "Orders that are looked at", "Order that is looked at",
              "An order of one of these kinds makes the service look at the chart."),
        Group("harms", "Orders that harm in FOP and POH", "Order that harms in FOP and POH",
              "With genetic ossification on record an order is looked at unless it is known to be "
              "harmless. The first entry that fits decides which card is shown."),
        Group("harmless", "Orders known to be harmless", "Order known to be harmless",
              "Needs no cut, no needle into muscle and no stretching. Some entries say "
              "what nothing in the list makes harmless."),
    )
}  # fmt: skip

PAGES: Final = {
    "cards": "Cards",
    "unknown": "When something is not known",
    "sources": "Sources",
    "debates": "Controversies",
    "codes": "Code lists",
    "about": "What heterotopic ossification is",
    "transparency": "Transparency sheet, to print",
    "changes": "Versions and changes",
}
"""Pages that hold no rules, by the last part of their address."""


class EvidenceSite:
    """What the pages need of one knowledge (`knowledge.once(EvidenceSite)`)."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.places = evidence_places.of_rules(knowledge)
        self.rules: dict[str, dict[str, Rule]] = {
            slug: dict(rules) for slug, rules in evidence_places.kinds(knowledge)
        }
        self.labels = {
            id_: rule.label for rules in self.rules.values() for id_, rule in rules.items()
        }
        self.cases = cases.load()

    @cached_property
    def lists(self) -> CodeLists:
        """All codes, for whom they are shown: to put them together takes half a second."""
        return CodeLists(self.knowledge)

    @cached_property
    def sentences(self) -> Sentences:
        """Writes the conditions of rules."""
        return Sentences(self.lists.titles)

    @cached_property
    def cited_by(self) -> Mapping[str, list[tuple[str, str]]]:
        """For every source where it is used, as (label, place), each once."""
        return _cited_by(self.knowledge, self)

    def lead(self, group: Group) -> str:
        """What a kind of rule means, with the number that this content gives."""
        return group.lead.format(high=self.knowledge.meta.tier_high_at)

    def find(self, group: str, id_: str) -> Rule | None:
        """The rule of a page, None where there is none."""
        return self.rules.get(group, {}).get(id_)


def card_name(card: str) -> str:
    """What people call a card, from its id: FOP biopsy."""
    words = " ".join(word.upper() if word in _SHORT else word for word in card.split("-"))
    return words[:1].upper() + words[1:]


_SHORT = frozenset({"fop", "poh", "ho", "gnas", "nsaid"})


def _cited_by(knowledge: Knowledge, site: EvidenceSite) -> Mapping[str, list[tuple[str, str]]]:
    used: dict[str, dict[tuple[str, str], None]] = {}
    for ids, label, place in _uses(knowledge, site):
        for source in ids:
            used.setdefault(source, {})[label, place] = None
    return {source: list(places) for source, places in used.items()}


def _uses(knowledge: Knowledge, site: EvidenceSite) -> Iterator[tuple[tuple[str, ...], str, str]]:
    for rules in site.rules.values():
        for id_, rule in rules.items():
            yield rule.evidence, rule.label, site.places[id_]
    for card in knowledge.cards.values():
        place = evidence_places.of_card(card.id)
        figures: tuple[Any, ...] = tuple(card.benefit.values())
        ids = (*card.evidence, *(id_ for figure in figures for id_ in figure.evidence))
        yield ids, f"card: {card_name(card.id)}", place
    for debate in knowledge.controversies.values():
        yield debate.evidence, "a controversy", evidence_places.of_debate(debate.id)
    told = about.load()
    for part in told.sections:
        yield part.evidence, part.title, f"/about#about-{part.id}"
    yield told.brooker.evidence, "Brooker grades", "/about#brooker"
