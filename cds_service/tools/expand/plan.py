"""Decides which codes of the answers enter which value set, and which stay out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cds_service.knowledge.value_sets import ACQUIRED, GENETIC, wrong_code
from cds_service.tools.expand.roots import Key, Listed, Root
from cds_service.tools.expand.state import Descendant, Descendants

Answers = Mapping[Key, Descendants]


@dataclass
class SetPlan:
    """What one value set gains: code to the root it was found below; and what stays out."""

    value_set: str
    gains: dict[Key, tuple[Descendant, Root]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    lacking: list[str] = field(default_factory=list)

    @property
    def inactive(self) -> int:
        return sum(code.inactive is True for code, _ in self.gains.values())


def elsewhere(listed: Listed, answers: Answers, value_set: str) -> Iterator[Key]:
    """Codes below the roots of a value set that only other value sets list.

    Such a code was put elsewhere on purpose (concussion is no severe brain injury, stage 5 no
    stage 1), so it stays out, and so does all that is below it.
    """
    for root in listed.roots[value_set]:
        if (answer := answers.get(root.key)) is not None:
            for key in sorted(answer.below):
                ids = listed.sets.get(key)
                if ids and value_set not in ids:
                    yield key


def plan(listed: Listed, answers: Answers, value_sets: tuple[str, ...]) -> list[SetPlan]:
    """What every value set gains. One with `lacking` answers must stay as it is."""
    plans = [_plan_one(listed, answers, id_) for id_ in value_sets]
    genetic = {key for one in plans if one.value_set in GENETIC for key in one.gains}
    for one in plans:
        if one.value_set.startswith(ACQUIRED):
            for key in one.gains.keys() & genetic:
                del one.gains[key]
                one.left_out["of a genetic disease"] += 1
    return plans


def _plan_one(listed: Listed, answers: Answers, value_set: str) -> SetPlan:
    found = SetPlan(value_set)
    out: dict[Key, str] = {}
    for key in elsewhere(listed, answers, value_set):
        why = "listed in " + ", ".join(sorted(listed.sets[key]))
        if key not in answers:
            found.lacking.append(key[1])
            continue
        for below in answers[key].below:
            out.setdefault(below, why)
        out[key] = why
    for root in listed.roots[value_set]:
        answer = answers.get(root.key)
        for code in answer.codes if answer is not None else ():
            _sort_in(found, listed, out, root, code)
    return found


def _sort_in(
    found: SetPlan, listed: Listed, out: Mapping[Key, str], root: Root, code: Descendant
) -> None:
    key = code.system, code.code
    if key in found.gains or found.value_set in listed.sets.get(key, ()):
        return
    if code.system != root.system:
        found.left_out["of another code system"] += 1
    elif any(True for _ in wrong_code(code.system, code.code)):
        found.left_out["with a form or check digit that cannot be right"] += 1
    elif key in out:
        found.left_out[out[key]] += 1
    else:
        found.gains[key] = code, root
