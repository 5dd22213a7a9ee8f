"""Changes the clinical content one rule at a time, to see which cases notice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from cds_service.knowledge.loader import Knowledge
from tests.support.case_check import differences, run
from tests.support.casebook import Case
from tests.support.observed import read_answer

SECTIONS = ("triggers", "genetic", "factors", "modifiers", "non_factors", "exclusions")
BOUNDS = frozenset(
    {"below", "at_least", "above", "within_days", "older_than_days", "starts_within_days"}
)

# Numbers whose move changes nothing that could be seen, with the reason.
HIDDEN = {
    ("egfr-30-to-59", "at_least"): "below 30 the exclusion speaks instead",
    ("platelets-50-to-99", "at_least"): "below 50 the exclusion speaks instead",
    ("pregnancy-not-excluded", "at_least"): "under 18 both options have a reason of their own",
    ("pregnancy-not-excluded-nsaid", "at_least"): "under 18 both options have their own reason",
    ("pregnancy-check-radiotherapy", "at_least"): "under 18 radiotherapy is ruled out anyway",
    ("post-traumatic-hip", "older_than_days"): "up to 90 days the recent fracture speaks instead",
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """The content with one thing changed. `everywhere`: no trace tells which cases it touches."""

    section: str
    rule: str
    change: str
    knowledge: Knowledge
    everywhere: bool = False


def switched_off(knowledge: Knowledge) -> Iterator[Mutant]:
    """Each rule, unknown check and regimen left out in turn.

    Rules without a condition (age, race among the non-factors) are statements for the evidence
    page only and are left alone.
    """
    for section in SECTIONS:
        rules: dict[str, Any] = dict(getattr(knowledge, section))
        for name, rule in rules.items():
            if getattr(rule, "when", rule) is None:
                continue
            rest = {other: kept for other, kept in rules.items() if other != name}
            changed = _with(knowledge, section, rest)
            untraced = section in _UNTRACED or getattr(rule, "effect", None) == "referral"
            yield Mutant(section, name, "off", changed, everywhere=untraced)
    for check in knowledge.unknown_checks:
        rest_checks = tuple(other for other in knowledge.unknown_checks if other is not check)
        changed = replace(knowledge, unknown_checks=rest_checks)
        yield Mutant("unknown_checks", check.id, "off", changed, everywhere=True)
    for name in knowledge.regimens:
        yield Mutant("regimens", name, "off", _without_regimen(knowledge, name), everywhere=True)


_UNTRACED = frozenset({"triggers", "genetic"})


def _with(knowledge: Knowledge, section: str, rules: dict[str, Any]) -> Knowledge:
    changes: dict[str, Any] = {section: rules}
    return replace(knowledge, **changes)


def _without_regimen(knowledge: Knowledge, name: str) -> Knowledge:
    nsaid = knowledge.options["nsaid"]
    kept = tuple(other for other in nsaid.regimens if other != name)
    options = dict(knowledge.options) | {"nsaid": nsaid.model_copy(update={"regimens": kept})}
    return replace(knowledge, options=options)


def moved_bounds(knowledge: Knowledge) -> Iterator[Mutant]:
    """Each number in a rule's condition moved by one step down and up, save the hidden ones."""
    for section in ("factors", "modifiers", "exclusions"):
        rules: dict[str, Any] = dict(getattr(knowledge, section))
        for name, rule in rules.items():
            for path, value in _numbers(rule.model_dump(exclude_none=True)["when"]):
                for step in () if (name, path[-1]) in HIDDEN else (-1, 1):
                    moved = _moved(rule, path, value, step)
                    changed = _with(knowledge, section, rules | {name: moved})
                    label = f"{path[-1]} {value} {'+' if step > 0 else '-'}"
                    yield Mutant(section, name, label, changed, everywhere=True)


def _numbers(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], float]]:
    if isinstance(value, dict):
        for name, member in value.items():
            if name in BOUNDS and isinstance(member, int | float) and member > 1:
                yield (*path, name), member
            else:
                yield from _numbers(member, (*path, name))
    elif isinstance(value, list | tuple):
        for index, member in enumerate(value):
            yield from _numbers(member, (*path, index))


def _moved(rule: BaseModel, path: tuple[Any, ...], value: float, step: int) -> BaseModel:
    raw = rule.model_dump(mode="json", exclude_none=True)
    holder = raw["when"]
    for part in path[:-1]:
        holder = holder[part]
    size = 0.1 if 1 < value < 10 else 1  # potassium is told in tenths
    holder[path[-1]] = round(value + step * size, 1)
    return type(rule).model_validate(raw)


class Court:
    """All cases, with the rules that each one's trace names."""

    def __init__(self, cases: list[Case], knowledge: Knowledge) -> None:
        self.cases = cases
        self.named: dict[str, set[str]] = {}
        self.failing: set[str] = set()
        for case in cases:
            status, body = run(case, knowledge)
            self.named[case.id] = read_answer(body).rules if status == 200 else set()
            if differences(case, status, body):
                self.failing.add(case.id)

    def against(self, mutant: Mutant) -> list[str]:
        """Ids of the cases that fail under the mutant and pass without it."""
        return [
            case.id
            for case in self.cases
            if case.id not in self.failing
            and (mutant.everywhere or mutant.rule in self.named[case.id])
            and fails(case, mutant.knowledge)
        ]


def fails(case: Case, knowledge: Knowledge) -> bool:
    """Whether a case fails; an answer that cannot be built fails as well."""
    try:
        return bool(differences(case, *run(case, knowledge)))
    except (KeyError, IndexError, ValueError):
        return True
