"""No button contradicts a line of its card, no two drafts each other, no line is said twice.

`tests/support/contradictions.py` reads a card; here are the cards: those of every case, of
generated charts, and of charts put together of several cases. Then its sight is tested: cards and
content are spoiled, and it has to see it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import date
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.errors import RequestError
from cds_service.knowledge.loader import Knowledge
from cds_service.tools.synthetic.generate import Wish, generate
from tests.support import offline
from tests.support.builders import request
from tests.support.case_check import run
from tests.support.casebook import Case, load_all
from tests.support.contradictions import contradictions, said_of_all
from tests.support.observed import read_answer
from tests.support.shorthand import TODAY

GENERATED = 320
Card = dict[str, Any]


@pytest.fixture(scope="module")
def cards(knowledge: Knowledge) -> list[tuple[str, Card]]:
    """The cards of every case of the casebook, and of generated charts, by name."""
    day = date(2026, 11, 23)
    answers = [(case.id, run(case, knowledge)[1]) for case in casebook()]
    for patient in generate(Wish(today=day, count=GENERATED, seed=5)):
        answers.append((patient.id, answer(patient.call, knowledge, day)))
    return [(name, card) for name, body in answers for card in body.get("cards", ())]


@cache
def casebook() -> tuple[Case, ...]:
    return tuple(load_all())


def answer(call: Any, knowledge: Knowledge, today: date = TODAY) -> dict[str, Any]:
    try:
        body: dict[str, Any] = json.loads(
            offline.answer(json.dumps(call).encode(), knowledge, today)
        )
    except RequestError:  # a case of a refused call
        return {}
    return body


# --- every card agrees with itself ---


def test_many_cards_are_looked_at(cards: list[tuple[str, Card]]) -> None:
    assert len({name for name, _ in cards if name.startswith("syn-")}) > 200
    assert len(cards) > 900


def test_no_card_of_a_case_or_a_generated_chart_contradicts_itself(
    cards: list[tuple[str, Card]], knowledge: Knowledge
) -> None:
    assert not [
        f"{name}: {wrong}" for name, card in cards for wrong in contradictions(card, knowledge)
    ]


def test_no_prophylaxis_is_drafted_beside_fop_or_poh_on_record(
    cards: list[tuple[str, Card]],
) -> None:
    """A disorder of GNAS that only informs (`info`) leaves the other card as it is."""
    topics: dict[str, set[str]] = {}
    for name, card in cards:
        if card["indicator"] != "info":
            topics.setdefault(name, set()).add(card["source"]["topic"]["code"])
    both = [name for name, of in topics.items() if of & {"fop", "poh"} and "hoProphylaxis" in of]
    assert not both


def charts() -> list[Case]:
    """Cases about a hip arthroplasty of an R4 chart that is read whole."""
    plain = {"patient", "orders", "chart"}
    return [
        case
        for case in casebook()
        if set(case.description) <= plain and case.cards and case.cards[0].get("row") in {"7", "9"}
    ]


def together(cases: Sequence[Case]) -> dict[str, Any]:
    """One patient with the charts of all of these: the orders and the patient of the first."""
    chart: dict[str, Any] = {}
    for case in cases:
        for name, items in (case.description.get("chart") or {}).items():
            if isinstance(items, list):
                chart.setdefault(name, []).extend(i for i in items if i not in chart[name])
            else:
                chart[name] = items
    return {**cases[0].description, "chart": chart}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_card_of_several_charts_in_one_contradicts_itself(
    knowledge: Knowledge, data: st.DataObject
) -> None:
    cases = data.draw(st.lists(st.sampled_from(charts()), min_size=2, max_size=5))
    body = answer(request(together(cases)), knowledge)
    for card in body["cards"]:
        assert not contradictions(card, knowledge), card["detail"]


def test_a_high_risk_is_not_left_to_nobody(
    cards: list[tuple[str, Card]], knowledge: Knowledge
) -> None:
    """Some suggestion, unless a test that the card names would open an option."""
    wrong = []
    for name, raw in cards:
        seen = read_answer({"cards": [raw]}).cards[0]
        closed = [option.rules for option in seen.options.values() if option.standing == "excluded"]
        waits = any(all(knowledge.exclusions[r].until for r in rules) for rules in closed if rules)
        if seen.tier == "high" and seen.options and not raw.get("suggestions") and not waits:
            wrong.append(name)
    assert not wrong


def test_the_sentences_of_two_rules_are_not_one(knowledge: Knowledge) -> None:
    """Else a card could say one thing and mean another."""
    said = sorted(
        (tuple(sorted(rule.applies_to)), said_of_all(rule.text))
        for rule in knowledge.exclusions.values()
        if rule.effect == "exclude" and len(said_of_all(rule.text).split()) > 3
    )
    assert not [one for one, other in pairwise(said) if one == other]


# --- a spoiled card is seen ---


def options(card: Card) -> dict[str, dict[str, Any]]:
    return {
        one["option"]: one for one in card["extension"]["org.example.ho-cds"].get("options", ())
    }


def is_closed(card: Card, option: str) -> bool:
    return options(card).get(option, {}).get("standing") == "excluded"


def part(card: Card, title: str) -> str:
    """The text of a part of the detail; empty where it is not there."""
    return next(
        (
            p.partition(":** ")[2]
            for p in card["detail"].split("\n\n")
            if p.startswith(f"**{title}:")
        ),
        "",
    )


def drafts(card: Card, label: str) -> bool:
    return any(label in s["label"].casefold() for s in card.get("suggestions", ()))


class Spoiler:
    """Ways to spoil a card; each gives None where a card is not of its kind. Suggestions are those
    of a card that has all of them."""

    def __init__(self, whole: Card) -> None:
        self.nsaid, self.radiotherapy = deepcopy(whole["suggestions"])

    def an_nsaid_that_is_ruled_out(self, card: Card) -> Card | None:
        return self._with(card, self.nsaid) if is_closed(card, "nsaid") else None

    def radiotherapy_that_is_ruled_out(self, card: Card) -> Card | None:
        return self._with(card, self.radiotherapy) if is_closed(card, "radiotherapy") else None

    def an_nsaid_that_is_the_clinicians(self, card: Card) -> Card | None:
        return self._with(card, self.nsaid) if "your own decision" in card["detail"] else None

    def a_second_nsaid(self, card: Card) -> Card | None:
        return (
            self._with(card, self.nsaid) if drafts(card, "nsaid") or drafts(card, "cele") else None
        )

    def a_button_beside_genetic_ho(self, card: Card) -> Card | None:
        return self._with(card, self.nsaid) if "fop" in card["source"]["topic"]["code"] else None

    def radiation_for_genetic_ho(self, card: Card) -> Card | None:
        topic = card["source"]["topic"]["code"]
        return self._with(card, self.radiotherapy) if topic.startswith("geneticHo") else None

    def no_line_about_what_is_ruled_out(self, card: Card) -> Card | None:
        """Only where no other part speaks of it: a card without any `Avoid`."""
        said = part(card, "Avoid")
        if not said or not (is_closed(card, "nsaid") or is_closed(card, "radiotherapy")):
            return None
        return self._detail(card, f"**Avoid:** {said}\n\n", "")

    def a_line_said_twice(self, card: Card) -> Card | None:
        said = part(card, "Avoid") or part(card, "Check")
        first = re.split(r"(?<=[.!?])\s", said)[0]
        if len(first.split()) < 5:
            return None
        return {**card, "detail": f"{card['detail']}\n\n**More:** {first}"}

    def a_longer_course_than_is_said(self, card: Card) -> Card | None:
        if not drafts(card, "celecoxib") or "7 days at most" not in card["detail"]:
            return None
        return self._course(card, 10)

    def another_course_than_is_advised(self, card: Card) -> Card | None:
        return self._course(card, 21) if drafts(card, "celecoxib") else None

    def no_word_of_the_course(self, card: Card) -> Card | None:
        if not drafts(card, "celecoxib"):
            return None
        return self._detail(card, "celecoxib 200 mg twice daily", "something")

    def no_word_of_the_stomach(self, card: Card) -> Card | None:
        return self._detail(card, " with PPI", "") if drafts(card, "celecoxib") else None

    def no_word_of_radiotherapy(self, card: Card) -> Card | None:
        if not drafts(card, "radiation oncology") or "radiotherapy once" not in card["detail"]:
            return None
        return self._detail(card, "radiotherapy once", "once")

    def advice_of_what_is_ruled_out(self, card: Card) -> Card | None:
        if not is_closed(card, "radiotherapy"):
            return None
        return self._detail(card, "**Avoid:**", "**Check:** Weigh radiotherapy.\n\n**Avoid:**")

    def a_refusal_of_what_is_drafted(self, card: Card) -> Card | None:
        if not drafts(card, "celecoxib"):
            return None
        return {**card, "detail": f"{card['detail']}\n\n**Check:** Warfarin: no NSAID."}

    def a_drug_to_avoid_that_is_drafted(self, card: Card) -> Card | None:
        if not drafts(card, "celecoxib") or part(card, "Avoid"):
            return None
        return {**card, "detail": f"{card['detail']}\n\n**Avoid:** Celecoxib (age 90)."}

    def omeprazole(self, card: Card) -> Card | None:
        if not drafts(card, "ppi"):
            return None
        said = json.dumps(card["suggestions"]).replace("pantoprazole", "omeprazole")
        return {**card, "suggestions": json.loads(said)}

    def alternatives_together(self, card: Card) -> Card | None:
        if len(card.get("suggestions", ())) < 2 or not options(card):
            return None
        return {**card, "selectionBehavior": "any"}

    def _with(self, card: Card, suggestion: Card) -> Card:
        return {
            **card,
            "suggestions": [*card.get("suggestions", ()), suggestion],
            "selectionBehavior": "at-most-one",
        }

    def _detail(self, card: Card, old: str, new: str) -> Card:
        assert old in card["detail"]
        return {**card, "detail": card["detail"].replace(old, new)}

    def _course(self, card: Card, days: int) -> Card:
        spoiled = deepcopy(card)
        for suggestion in spoiled["suggestions"]:
            for action in suggestion["actions"]:
                resource = action.get("resource", {})
                if "celecoxib" in json.dumps(resource.get("medicationCodeableConcept", "")):
                    repeat = resource["dosageInstruction"][0]["timing"]["repeat"]
                    repeat["boundsDuration"]["value"] = days
        return spoiled


SPOILERS = [name for name in vars(Spoiler) if not name.startswith("_")]


@pytest.mark.parametrize("name", SPOILERS)
def test_a_spoiled_card_is_seen(
    name: str, cards: list[tuple[str, Card]], knowledge: Knowledge
) -> None:
    whole = next(c for _, c in cards if len(c.get("suggestions", ())) == 2 and options(c))
    spoil: Callable[[Card], Card | None] = getattr(Spoiler(whole), name)
    spoiled = [
        (case, made)
        for case, card in cards
        if _is_r4(card) and (made := spoil(card)) is not None and made != card
    ]
    assert spoiled, "no card is of this kind"
    assert not [case for case, card in spoiled if not contradictions(card, knowledge)]


def _is_r4(card: Card) -> bool:
    """Not with drafts in another release, whose members have other names."""
    said = json.dumps(card.get("suggestions", ""))
    return '"ProcedureRequest"' not in said and '"concept"' not in said


# --- spoiled content is seen ---


def excluding(knowledge: Knowledge) -> Iterator[str]:
    """Rules that close an option by words that name it."""
    for rule in knowledge.exclusions.values():
        if rule.effect == "exclude" and rule.applies_to in {("nsaid",), ("radiotherapy",)}:
            yield rule.id


def test_a_rule_that_no_longer_closes_what_its_words_refuse_is_seen(knowledge: Knowledge) -> None:
    """Each rule in turn only asks, with the words with which it closed the option."""
    unseen = []
    for id_ in excluding(knowledge):
        rule = knowledge.exclusions[id_]
        if rule.ordered_only or rule.above_days:
            continue
        asks = rule.model_copy(update={"effect": "condition"})
        spoiled = replace(knowledge, exclusions={**knowledge.exclusions, id_: asks})
        told = [
            card
            for case in _cases_of(id_, knowledge)
            for card in run(case, spoiled)[1].get("cards", ())
            if _rests_only_on(card, id_)
        ]
        if told and not any(contradictions(card, knowledge) for card in told):
            unseen.append(id_)
    assert not unseen


def _cases_of(rule: str, knowledge: Knowledge) -> list[Case]:
    """A few cases that the rule decides."""
    by_rule = knowledge.once(_rules_of_cases)
    return by_rule.get(rule, [])[:4]


def _rules_of_cases(knowledge: Knowledge) -> dict[str, list[Case]]:
    found: dict[str, list[Case]] = {}
    for case in casebook():
        status, body = run(case, knowledge)
        for rule in read_answer(body).rules if status == 200 else ():
            found.setdefault(rule, []).append(case)
    return found


def _rests_only_on(card: Card, rule: str) -> bool:
    """Whether an option is open and drafted under this one condition."""
    for option in options(card).values():
        rules = {reason["rule"] for reason in option.get("reasons", ())}
        if rule in rules and option["standing"] == "conditional":
            return not any(r.get("effect") == "no-draft" for r in option["reasons"])
    return False
