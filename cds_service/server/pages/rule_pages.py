"""One rule as its page tells it: facts in words, logic, codes, and the sentence on a card."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cds_service.knowledge import evidence_places
from cds_service.knowledge.order_schema import Harm, HarmlessOrder
from cds_service.knowledge.schema import (
    Exclusion,
    Factor,
    Genetic,
    Option,
    Protection,
    Regimen,
    Rule,
    Trigger,
)
from cds_service.server.pages.evidence_site import EvidenceSite, card_name
from cds_service.server.pages.fillers import filled
from cds_service.server.pages.words import Clause, roles


@dataclass(frozen=True, slots=True)
class FactPiece:
    """Words of a fact, with the place that they lead to."""

    text: str
    place: str | None = None


@dataclass(frozen=True, slots=True)
class RuleFact:
    """Something that is said of a rule: `name` and its pieces."""

    name: str
    pieces: tuple[FactPiece, ...]


@dataclass(frozen=True, slots=True)
class SetUse:
    """A value set of a rule: what it is to the rule, and its codes by system."""

    id: str
    title: str
    role: str
    counts: dict[str, int]


def facts(rule: Rule, site: EvidenceSite) -> list[RuleFact]:
    """What belongs to the kind of the rule alone."""
    match rule:
        case Factor():
            return list(_of_factor(rule, site))
        case Exclusion():
            return list(_of_exclusion(rule, site))
        case Option():
            return list(_of_option(rule, site))
        case Regimen() | Protection():
            return list(_of_course(rule))
        case Trigger():
            return [_said("A card calls it", rule.noun)]
        case Genetic():
            return list(_of_genetic(rule))
        case Harm():
            return [RuleFact("Its card", (_card(rule.card),))]
    return []


def _said(name: str, text: str) -> RuleFact:
    return RuleFact(name, (FactPiece(text),))


def _card(card: str) -> FactPiece:
    return FactPiece(card_name(card), evidence_places.of_card(card))


def _rules(ids: Iterable[str], site: EvidenceSite) -> tuple[FactPiece, ...]:
    return tuple(FactPiece(site.labels[id_], site.places[id_]) for id_ in ids)


def _of_factor(rule: Factor, site: EvidenceSite) -> Iterator[RuleFact]:
    if rule.group:
        others = [
            other.id
            for other in site.knowledge.factors.values()
            if other.group == rule.group and other.id != rule.id
        ]
        yield RuleFact("Counts once together with", _rules(others, site))


_EFFECTS = {
    "exclude": "Rules out",
    "no-draft": "Named as the clinician's own decision, never drafted",
    "condition": "Sets a condition for",
    "referral": "Told to whom the patient is referred",
}


def _of_exclusion(rule: Exclusion, site: EvidenceSite) -> Iterator[RuleFact]:
    yield RuleFact(_EFFECTS[rule.effect], _rules(rule.applies_to, site))
    if said := "; ".join(_limits(rule)):
        yield _said("Speaks only", said)
    if rule.until:
        yield _said("May be lifted by", rule.until)
    if rule.check:
        yield _said("A button says: check", rule.check)


def _limits(rule: Exclusion) -> Iterator[str]:
    if rule.above_daily_mg:
        yield f"against more than {rule.above_daily_mg:g} mg a day"
    if rule.above_days:
        yield f"against a course of more than {rule.above_days} days"
    if rule.ordered_only:
        yield "against a course that is ordered already"
    if rule.own_course_only:
        yield "against the course that is drafted here"


def _of_option(rule: Option, site: EvidenceSite) -> Iterator[RuleFact]:
    yield _said("A card says", rule.advice)
    if rule.regimens:
        yield RuleFact("Courses, in this order", _rules(rule.regimens, site))
        yield RuleFact("Goes with each course", _rules((site.knowledge.protection.id,), site))
    for card in site.knowledge.cards.values():
        for of, figure in card.benefit.items():
            if of in ("any", rule.id):
                yield RuleFact(
                    f"Figure on the card {card_name(card.id)}",
                    (FactPiece(figure.text, evidence_places.of_line(card.id, "benefit")),),
                )
    against = [e.id for e in site.knowledge.exclusions.values() if rule.id in e.applies_to]
    if against:
        yield RuleFact("What speaks against it", _rules(against, site))


def _of_course(rule: Regimen | Protection) -> Iterator[RuleFact]:
    yield _said("Drafted as", f"{rule.course.display}, {rule.course.instruction}")
    if isinstance(rule, Regimen):
        yield _said("Licence", rule.off_label)


_KINDS = {
    "arthroplasty": "hip arthroplasty", "excision-ho": "excision of heterotopic bone",
    "biopsy": "biopsy", "excision": "excision", "intramuscular": "injection into muscle",
    "surgery": "other surgery", "block": "block or joint injection",
}  # fmt: skip


def _of_genetic(rule: Genetic) -> Iterator[RuleFact]:
    for kind, card in rule.cards.items():
        if card is not None:
            yield RuleFact(f"Card for {_KINDS[kind]}", (_card(card),))
    if rule.card_on_record:
        yield RuleFact("Card when the chart is opened", (_card(rule.card_on_record),))
    if rule.life_first:
        yield _said("Beside an order that may save a life", rule.life_first)


def logic(rule: Any, site: EvidenceSite) -> list[tuple[str, Clause]]:
    """How the rule is read, as titled conditions; none for what is a statement only."""
    words, found = site.sentences, list[tuple[str, Clause]]()
    if getattr(rule, "when", None) is not None:
        found.append(("It holds where", words.describe(rule.when)))
    if isinstance(rule, Genetic | Trigger | HarmlessOrder) and rule.value_sets:
        lead = "An order coded as" if not isinstance(rule, Genetic) else "A record coded as"
        found.append(("It holds where", words.coded(lead, rule.value_sets)))
    if isinstance(rule, Trigger) and rule.reasons:
        found.append(("and where", words.coded("The order names as its reason", rule.reasons)))
    if isinstance(rule, Genetic):
        for ids, title, lead in (
            (rule.signs, "It is suspected where", "There is"),
            (rule.clues, "A question is asked where", "An entry is coded as"),
            (rule.family, "The family is named where", "A relative has"),
        ):
            if ids:
                found.append((title, words.coded(lead, ids)))
    if isinstance(rule, Factor) and rule.clues:
        found.append(("It is asked about, not counted, where", words.describe(rule.clues)))
    return found


def spoken(rule: Any) -> str:
    """Whether words without a code are read too, in a sentence; blank where they are not."""
    patterns = getattr(rule, "mentions", ()) or getattr(rule, "words", ())
    if isinstance(rule, Trigger):
        patterns = rule.named.words if rule.named else ()
    if not patterns:
        return ""
    subject = "An order" if isinstance(rule, Trigger | Harm) else "An entry"
    does = "is recognised" if isinstance(rule, Harm) else "is asked about, never counted,"
    return f"{subject} without a code {does} by its words ({len(patterns)} patterns)."


def sets(rule: Rule, site: EvidenceSite) -> list[SetUse]:
    """The value sets of a rule."""
    return [
        SetUse(id_, site.lists.titles[id_], role, site.lists.counts(id_))
        for id_, role in roles(rule).items()
    ]


def template_text(rule: Any) -> str:
    """What the rule says on any card, with words for what the chart will say; blank for others."""
    return filled(rule.text) if isinstance(rule, Exclusion) else ""
