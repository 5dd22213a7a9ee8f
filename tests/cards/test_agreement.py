"""No button contradicts a line of its card, no two drafts each other, no line is said twice."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Any

import pytest

from cds_service.knowledge.loader import Knowledge
from cds_service.tools.synthetic.generate import Wish, generate
from tests.support.app_client import AppClient, ClientFactory
from tests.support.builders import request
from tests.support.casebook import load_all
from tests.support.observed import SeenCard, read_answer

URL = "/cds-services/ho-order-sign"
GENERATED = 320


@pytest.fixture(scope="module")
def answers(make_client: ClientFactory) -> dict[str, dict[str, Any]]:
    """What is answered to every case of the casebook, and to generated charts."""
    app = make_client()
    found = {case.id: _answer(app, request(case.description)) for case in load_all()}
    patients = generate(Wish(today=date(2026, 11, 23), count=GENERATED, seed=5))
    found |= {patient.id: _answer(app, patient.call) for patient in patients}
    return {name: answer for name, answer in found.items() if answer.get("cards")}


def _answer(app: AppClient, body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = app.post(URL, json=body).json()
    return answer


def _cards(answers: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], SeenCard]]:
    for name, answer in answers.items():
        for raw, seen in zip(answer["cards"], read_answer(answer).cards, strict=True):
            yield name, raw, seen


def _plain(text: str) -> str:
    return re.sub(r"\\([^\w\s])", r"\1", text).casefold()


def _said_of_all(text: str) -> str:
    """What a rule says whatever the patient: the longest part between the names in its text."""
    parts = re.split(r"\{\w+\}", text)
    return _plain(max(parts, key=len).strip(" .:;"))


def _is_drafted(target: str, seen: SeenCard, knowledge: Knowledge) -> bool:
    """Whether a card drafts an option, or a course: this drug for these days."""
    if target == "nsaid":
        return any(rule.drug in seen.drafted for rule in knowledge.regimens.values())
    course = knowledge.regimens.get(target)
    if course is None:
        return target in seen.drafted
    return course.drug in seen.drafted and seen.days == course.course.days


def test_many_cards_are_looked_at(answers: dict[str, dict[str, Any]]) -> None:
    assert sum(1 for name in answers if name.startswith("syn-")) > 200
    assert len(list(_cards(answers))) > 900


def test_nothing_is_drafted_that_a_line_speaks_against(
    answers: dict[str, dict[str, Any]], knowledge: Knowledge
) -> None:
    """By the words of the card: the sentence of a rule that excludes or asks the clinician."""
    ours = [
        (rule, _said_of_all(rule.text))
        for rule in knowledge.exclusions.values()
        if rule.effect in {"exclude", "no-draft"} and not rule.ordered_only
    ]
    wrong = []
    for name, raw, seen in _cards(answers):
        words = _plain(raw.get("detail", ""))
        for rule, sentence in ours:
            alone = len(sentence.split()) > 3 and [s for _, s in ours].count(sentence) == 1
            told = alone and sentence in words
            drafted = [t for t in rule.applies_to if _is_drafted(t, seen, knowledge)] * told
            wrong += [f"{name}: {rule.id} says {sentence!r}, and {t} is drafted" for t in drafted]
    assert not wrong


def test_nothing_is_drafted_that_the_trace_closes(
    answers: dict[str, dict[str, Any]], knowledge: Knowledge
) -> None:
    wrong = []
    for name, _, seen in _cards(answers):
        for option in seen.options.values():
            closed = option.standing == "excluded" or option.decision
            targets = [*([option.option] if closed else []), *option.dropped]
            drafted = [target for target in targets if _is_drafted(target, seen, knowledge)]
            wrong += [f"{name}: {target} is closed and drafted" for target in drafted]
    assert not wrong


def test_no_two_drafts_exclude_each_other(answers: dict[str, dict[str, Any]]) -> None:
    wrong = []
    for name, raw, _ in _cards(answers):
        drafted: Counter[str] = Counter()
        for suggestion in raw.get("suggestions", ()):
            drafted.update(_medicines(suggestion))
        # Two suggestions are alternatives; one suggestion is one course with its protection.
        nsaids = sum(n for drug, n in drafted.items() if "prazole" not in drug)
        if nsaids > 1 or sum(drafted.values()) - nsaids > 1:
            wrong.append(f"{name}: {dict(drafted)}")
        offered = [s for s in raw.get("suggestions", ()) if s["actions"][0]["type"] == "create"]
        if len(offered) > 1 and _has_options(raw) and raw["selectionBehavior"] != "at-most-one":
            wrong.append(f"{name}: alternatives that may be taken together")
    assert not wrong


def _has_options(raw: dict[str, Any]) -> bool:
    return bool(raw["extension"]["org.example.ho-cds"].get("options"))


def _medicines(suggestion: dict[str, Any]) -> Iterator[str]:
    for action in suggestion["actions"]:
        resource = action.get("resource") or {}
        named = resource.get("medicationCodeableConcept") or resource.get("medication")
        if named:
            yield json.dumps(named).lower()


def test_no_line_says_the_same_twice(answers: dict[str, dict[str, Any]]) -> None:
    wrong = []
    for name, raw, _ in _cards(answers):
        said = Counter(_sentences(raw.get("detail", "")))
        wrong += [f"{name}: {s!r} {n} times" for s, n in said.items() if n > 1]
    assert not wrong


def _sentences(detail: str) -> list[str]:
    """Sentences of some length, without what a list puts before them (`**Celecoxib:**`)."""
    lines = [re.sub(r"^[-*\s]*(\*\*[^*]*\*\*)?:?\s*", "", line) for line in detail.splitlines()]
    parts = [part.strip() for line in lines for part in re.split(r"(?<=[.!?])\s", line)]
    return [_plain(p) for p in parts if len(p.split()) > 4 and not p.startswith(("(", "\\("))]


def test_a_high_risk_is_not_left_to_nobody(
    answers: dict[str, dict[str, Any]], knowledge: Knowledge
) -> None:
    """Some suggestion, unless a test that the card names would open an option."""
    wrong = []
    for name, raw, seen in _cards(answers):
        closed = [option.rules for option in seen.options.values() if option.standing == "excluded"]
        waits = any(all(knowledge.exclusions[r].until for r in rules) for rules in closed if rules)
        if seen.tier == "high" and seen.options and not raw.get("suggestions") and not waits:
            wrong.append(name)
    assert not wrong


def test_the_sentences_of_two_rules_are_not_one(knowledge: Knowledge) -> None:
    """Else a card could say one thing and mean another."""
    said = sorted(
        (tuple(sorted(rule.applies_to)), _said_of_all(rule.text))
        for rule in knowledge.exclusions.values()
        if rule.effect == "exclude" and len(_said_of_all(rule.text).split()) > 3
    )
    assert not [one for one, other in pairwise(said) if one == other]
