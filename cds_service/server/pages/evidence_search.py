"""Search over everything that the evidence pages say: rules, cards, sources and codes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cds_service.cards import decision_table
from cds_service.knowledge import evidence_places
from cds_service.server.pages import about, rule_pages, transparency
from cds_service.server.pages.code_lists import spread
from cds_service.server.pages.evidence_site import GROUPS, EvidenceSite, card_name
from cds_service.server.pages.fillers import filled

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge

MOST_CODES: Final = 100
MOST_PAGES: Final = 40
MOST_CHARACTERS: Final = 200
"""What one search shows of codes and of pages, and how long its words may be."""


@dataclass(frozen=True, slots=True)
class SearchEntry:
    """A page, or a place on one: its title, what it is, and the text that is shown of it."""

    title: str
    kind: str
    place: str
    text: str


class EvidenceSearch:
    """All entries with their words made ready (`knowledge.once(EvidenceSearch)`)."""

    def __init__(self, knowledge: Knowledge) -> None:
        site = knowledge.once(EvidenceSite)
        self._entries = [
            (spread(entry.title), spread(f"{entry.title} {entry.text} {more}"), entry)
            for entry, more in _entries(site)
        ]

    def find(self, words: str) -> list[SearchEntry]:
        """Entries that hold all words; those that hold them in the title come first."""
        wanted = spread(words).split()
        found = [
            (not all(f" {word}" in title for word in wanted), entry)
            for title, line, entry in self._entries
            if wanted and all(f" {word}" in line for word in wanted)
        ]
        return [entry for _, entry in sorted(found, key=lambda one: one[0])]


def _entries(site: EvidenceSite) -> Iterator[tuple[SearchEntry, str]]:
    """Each entry, and words that it is found by without being shown with them."""
    yield from _rules(site)
    yield from _cards(site)
    for one in site.knowledge.evidence.values():
        ids = " ".join(filter(None, (one.id, one.pmid, one.doi, one.caution)))
        place = evidence_places.of_source(one.id)
        yield SearchEntry(one.citation, "Source", place, one.finding), ids
    for id_, title in site.lists.titles.items():
        said = str(site.knowledge.value_sets[id_].get("description") or "")
        labels = " ".join(user.label for user in site.lists.users.get(id_, ()) if user.counts)
        place = evidence_places.of_value_set(id_)
        yield SearchEntry(title, "Value set", place, said), f"{id_} {labels}"
    yield from _others(site)


def _rules(site: EvidenceSite) -> Iterator[tuple[SearchEntry, str]]:
    for slug, rules in site.rules.items():
        for id_, rule in rules.items():
            figure = f" Figure: {rule.figure}" if rule.figure else ""
            said = site.cases.sentences.get(id_, ("", ""))[1]
            logic = " ".join(str(clause) for _, clause in rule_pages.logic(rule, site))
            pieces = (p.text for fact in rule_pages.facts(rule, site) for p in fact.pieces)
            shown = SearchEntry(
                rule.label, GROUPS[slug].one, site.places[id_], f"{rule.statement}{figure}"
            )
            more = (id_, said, rule_pages.template_text(rule), logic, *pieces)
            yield shown, " ".join(more)


def _cards(site: EvidenceSite) -> Iterator[tuple[SearchEntry, str]]:
    for card in site.knowledge.cards.values():
        figures = (figure.text for figure in card.benefit.values())
        example = site.cases.cards.get(card.id)
        lines = (text for _, text in example.lines) if example else ()
        words = (
            *map(filled, card.advice),
            card.advice_elective or "",
            *card.avoid,
            *figures,
            *lines,
        )
        place = evidence_places.of_card(card.id)
        shown = SearchEntry(card_name(card.id), "Card", place, filled(card.summary))
        yield shown, " ".join((card.id, *words))


def _others(site: EvidenceSite) -> Iterator[tuple[SearchEntry, str]]:
    for row in decision_table.rows(site.knowledge):
        place, title = evidence_places.of_row(row.id), f"Row {row.id} of the decision table"
        yield SearchEntry(title, "Decision", place, f"{row.chart}; {row.order}: {row.answer}"), ""
    for debate in site.knowledge.controversies.values():
        place = evidence_places.of_debate(debate.id)
        yield SearchEntry("Controversy", "Controversy", place, debate.text), debate.id
    for check in site.knowledge.unknown_checks:
        place = evidence_places.of_unknown(check.id)
        yield SearchEntry("Not known", "What is not known", place, filled(check.text)), check.id
    for part in about.load().sections:
        text = " ".join((*part.text, *part.points))
        yield SearchEntry(part.title, "About HO", f"/about#about-{part.id}", text), ""
    sheet = transparency.load()
    for one in (*sheet.source_attributes, *sheet.fda_criteria):
        yield SearchEntry(one.name, "Transparency sheet", "/transparency", one.said), ""
