"""The rows of the decision table as actions, each with its condition in CQL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published.activity_definitions import protection_id
from cds_service.knowledge.published.cql.exclusions import exported, standing
from cds_service.knowledge.published.cql.rules import Lost
from cds_service.knowledge.schema import CardText, Genetic, Option, OrderKind, Regimen

HIP: Final = 'Triggers."Draft arthroplasty"'
EXCISION: Final = 'Triggers."Draft excision-ho"'
_DRAFTS: Final = 'exists Facts."Draft Services" or exists Facts."Draft Medicines"'
_CONDITIONS_KNOWN: Final = 'Facts."Conditions Known" is true'


@dataclass(frozen=True, slots=True)
class PlanAction:
    """One action: `row` of the decision table, `cql` its define, which has the name `condition`.

    `definition` is the id of the ActivityDefinition that it drafts; `evidence` ids of sources.
    """

    id: str
    row: str
    title: str
    description: str
    cql: str
    indicator: str = "info"
    evidence: tuple[str, ...] = ()
    definition: str | None = None
    children: tuple[PlanAction, ...] = ()
    one_of: bool = False

    @property
    def condition(self) -> str:
        return self.id


def tree(knowledge: Knowledge) -> tuple[PlanAction, ...]:
    """The actions, nested: what an action holds is asked only where it applies itself."""
    return (*_genetic(knowledge), *_unread(knowledge), *_hips(knowledge), _options(knowledge))


def actions(knowledge: Knowledge) -> Iterator[PlanAction]:
    """Every action, also those within others."""
    waiting = [*tree(knowledge)]
    while waiting:
        one = waiting.pop(0)
        yield one
        waiting[:0] = one.children


def _of_card(card: CardText, id_: str, cql: str, evidence: Iterable[str] = ()) -> PlanAction:
    advice = " ".join(_words(text) for text in (*card.advice, *card.avoid))
    sources = tuple(dict.fromkeys((*card.evidence, *evidence)))
    return PlanAction(id_, card.row, _words(card.summary), advice, cql, card.indicator, sources)


def _words(text: str) -> str:
    """The text with its blanks named: `{order}` as `[order]`."""
    return re.sub(r"\{(\w+)\}", r"[\1]", text)


def _any(parts: Iterable[str]) -> str:
    listed = list(dict.fromkeys(parts))
    return listed[0] if len(listed) == 1 else f"({' or '.join(listed)})"


def _card_of_row(knowledge: Knowledge, row: str) -> CardText:
    return next(card for card in knowledge.cards.values() if card.row == row)


# --- genetic ossification (rows 1 to 5, questions, family) ---


def _stands(rule: Genetic) -> str:
    return f'Genetic."{rule.id} on record or suspected"'


def _genetic(knowledge: Knowledge) -> Iterator[PlanAction]:
    stronger: list[str] = []
    for rule in knowledge.genetic.values():
        above = "".join(f" and not {one}" for one in stronger)
        for id_ in dict.fromkeys(one for one in rule.cards.values() if one):
            kinds = [f'Triggers."Draft {kind}"' for kind, card in rule.cards.items() if card == id_]
            cql = f"{_stands(rule)}{above}\n  and {_any(kinds)}"
            yield _of_card(knowledge.cards[id_], f"row {id_}", cql, rule.evidence)
        if rule.every_order:
            cql = f"{_stands(rule)} and ({_DRAFTS})"
            card = _card_of_row(knowledge, "1u")
            yield _of_card(card, f"row {card.id}", cql, rule.evidence)
        if not rule.beside:
            stronger.append(_stands(rule))
    yield from _questions(knowledge, stronger)


def _questions(knowledge: Knowledge, stronger: Iterable[str]) -> Iterator[PlanAction]:
    rules = knowledge.genetic.values()
    asked: list[str] = []
    family: list[str] = []
    sources: list[str] = []
    open_ = ""  # only what weighs more than the disease that stands is a question
    for rule in rules:
        kinds = _any(f'Triggers."Draft {kind}"' for kind, card in rule.cards.items() if card)
        open_ += f" and not {_stands(rule)}"
        hint = f'Genetic."ask: {rule.id}"'
        asked.append(f"({hint} and {kinds}{open_})")
        relative = f'Genetic."{rule.id} in the family" is true'
        family.append(f"({relative} and {kinds}{open_} and not {hint})")
        sources += rule.evidence
    card = knowledge.cards["genetic-question"]
    yield _of_card(card, f"row {card.id}", "\n  or ".join(asked), sources)
    card = knowledge.cards["family-history"]
    yield _of_card(card, f"row {card.id}", "\n  or ".join(family), sources)
    early = knowledge.early
    if early.enabled:
        kinds = _any(f'Triggers."Draft {kind}"' for kind in early.orders)
        cql = f'Genetic."ask: {early.id}" and {kinds}' + "".join(
            f"\n  and not {x}" for x in stronger
        )
        card = knowledge.cards[early.card]
        yield _of_card(card, f"row {card.id}", cql, early.evidence)


# --- not read (row 11), the tiers (rows 7 to 10), and what might raise them (row 12) ---


def _unread(knowledge: Knowledge) -> Iterator[PlanAction]:
    rules = knowledge.genetic.values()
    kinds = {kind for rule in rules for kind, card in rule.cards.items() if card}
    drafted = _any(f'Triggers."Draft {kind}"' for kind in sorted({*kinds, "arthroplasty"}))
    cql = f"not ({_CONDITIONS_KNOWN}) and {drafted}"
    yield _of_card(knowledge.cards["not-assessed"], "row not-assessed", cql)


def _not_genetic(knowledge: Knowledge, kind: OrderKind) -> str:
    found = (rule for rule in knowledge.genetic.values() if not rule.beside)
    return " and ".join(f"not {_stands(r)}" for r in found if r.cards[kind])


def _hips(knowledge: Knowledge) -> Iterator[PlanAction]:
    cards, plain = knowledge.cards, _not_genetic(knowledge, "arthroplasty")
    ruled_out = " and ".join(f'Exclusions."{name} ruled out"' for name in standing(knowledge))
    high = f'{HIP} and {plain}\n  and Factors."High tier"'
    rules = {
        "high-risk": f"{high}\n  and not ({ruled_out})",
        "high-risk-no-option": f"{high}\n  and {ruled_out}",
        "moderate-risk": f'{HIP} and {plain}\n  and Factors."Moderate tier"',
        "partly-assessed": f'{HIP} and {plain}\n  and Factors."The tier may be higher"',
        "ho-excision": f"{EXCISION} and {_not_genetic(knowledge, 'excision-ho')}",
    }
    for id_, cql in rules.items():
        children = _factors(knowledge, id_)
        made = _of_card(cards[id_], f"row {id_}", cql)
        yield replace(made, children=children)


def _factors(knowledge: Knowledge, card: str) -> tuple[PlanAction, ...]:
    """Which factors hold, below row 7; which may, below row 12."""
    named = {
        "high-risk": ("holds", 'Factors."{}" is true'),
        "partly-assessed": ("ask", 'Factors."ask: {}"'),
    }
    if card not in named:
        return ()
    word, cql = named[card]
    row = knowledge.cards[card].row
    return tuple(
        PlanAction(
            f"{word}: {one.id}",
            row,
            one.label,
            one.statement,
            cql.format(one.id),
            "info",
            one.evidence,
        )
        for one in knowledge.factors.values()
        if one.enabled
    )


# --- options ---


def _options(knowledge: Knowledge) -> PlanAction:
    """What can be drafted, what speaks against it, and what nobody knows."""
    tiers = 'Factors."High tier" or Factors."Moderate tier"'
    hip = f"{HIP} and {_not_genetic(knowledge, 'arthroplasty')} and ({tiers})"
    excision = f"{EXCISION} and {_not_genetic(knowledge, 'excision-ho')}"
    children = (_there(knowledge), *_offers(knowledge), *_against(knowledge))
    title = "Options for prophylaxis, and what speaks against them"
    said = "Asked where the risk is raised, or heterotopic bone is excised."
    return PlanAction("options", "7", title, said, f"({hip})\n  or ({excision})", children=children)


def _there(knowledge: Knowledge) -> PlanAction:
    card = knowledge.cards["prophylaxis-unchecked"]
    cql = 'Exclusions."Prophylaxis may be there"'
    made = _of_card(card, f"row {card.id}", cql)
    title = "Prophylaxis may be ordered, taken or given already: look whether it is enough."
    return replace(made, title=title)


def _offers(knowledge: Knowledge) -> Iterator[PlanAction]:
    absent = 'not Exclusions."Prophylaxis may be there"'
    for option in knowledge.options.values():
        if not option.enabled:
            continue
        drafts = option.regimens or (option.id,)
        offered = [
            PlanAction(
                id=f"offer {name}",
                row="7",
                title=_named(knowledge, name).label,
                description=_named(knowledge, name).statement,
                cql=f'Exclusions."{name} may be drafted"\n  and {absent}',
                evidence=option.evidence,
                definition=None if option.regimens else option.referral,
                children=_beside(knowledge, name),
            )
            for name in drafts
            if name in standing(knowledge)
        ]
        if option.regimens:
            cql = _any(
                f'Exclusions."{one.id.removeprefix("offer ")} may be drafted"' for one in offered
            )
            yield PlanAction(
                id=f"option {option.id}",
                row="7",
                title=option.advice,
                description=option.statement,
                cql=cql,
                evidence=option.evidence,
                children=tuple(offered),
                one_of=True,
            )
        else:
            yield from offered


def _beside(knowledge: Knowledge, name: str) -> tuple[PlanAction, ...]:
    """The course itself, and the protection of the stomach that goes with it."""
    if name not in knowledge.regimens:
        return ()
    regimen, protection = knowledge.regimens[name], knowledge.protection
    guard = protection_id(knowledge, regimen.course.days)
    course = PlanAction(f"draft {name}", "7", regimen.label, regimen.off_label, f'"offer {name}"',
                    "info", regimen.evidence, name)  # fmt: skip
    if not protection.enabled:
        return (course,)
    wanted = 'Exclusions."The stomach is to be protected"'
    beside = PlanAction(f"protect {name}", "7", protection.label, protection.statement, wanted,
                    "info", protection.evidence, guard)  # fmt: skip
    return course, beside


def _named(knowledge: Knowledge, name: str) -> Regimen | Option:
    return knowledge.regimens.get(name) or knowledge.options[name]


def _against(knowledge: Knowledge) -> Iterator[PlanAction]:
    """Each exclusion twice: where it holds it is told, where nobody knows it is asked."""
    for rule in exported(knowledge):
        applied = ", ".join(rule.applies_to)
        told = f"{_words(rule.text)} ({rule.effect}: {applied})"
        holds, unknown = f'Exclusions."{rule.id}" is true', f'Exclusions."unknown: {rule.id}"'
        yield PlanAction(f"holds: {rule.id}", "7", rule.label, told, holds, evidence=rule.evidence)
        check = f"Not known: {rule.check or rule.label}. Ask before {applied}. {rule.statement}"
        title = f"Not known: {rule.label}"
        yield PlanAction(f"unknown: {rule.id}", "7", title, check, unknown, evidence=rule.evidence)


ROWS_LOST: Final = {
    "1": "Cards for needles, catheters, dental care and the like are told by words and routes; with"
    " the disease on record or suspected the action of row 1u asks about every draft.",
    "3": "As row 1: vaccines, life-saving medicines and routes in words.",
    "6": "Whether prophylaxis is enough depends on dose, days and start: the action of row 6u"
    " asks.",
    "6c": "As row 6.",
    "8": "That one test would open an option is a question for each rule here.",
    "9q": "A release that may take heterotopic bone out has the action of row 9a.",
    "12g": "Orders that were not understood are known by their words.",
    "12h": "Words are not read; hints in codes are in the action of row 12.",
    "12n": "Orders that were not understood are known by their words.",
    "12o": "A draft that cannot be read does not come into an engine.",
    "12p": "Drafts for other patients do not come into the context of one patient.",
    "patient-view": "The plan is for the hook order-sign.",
}


def rows_lost(knowledge: Knowledge) -> Iterator[Lost]:
    """The rows of the decision table that are not exported, or in part."""
    done = {one.row for one in actions(knowledge)}
    for row, why in ROWS_LOST.items():
        yield Lost("rows", row, "in part" if row in done else "not exported", (why,))
