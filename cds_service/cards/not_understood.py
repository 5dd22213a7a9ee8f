"""Tells what came in codes that cannot be read: for the extension, the trace, logs and figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from cds_service.clinical.chart import NotUnderstood
from cds_service.knowledge.system_names import NO_CODE, NO_SYSTEM, ODD_MODIFIER, label, shown

SHOWN = 10
"""Systems that are named for one input; the rest is added up."""

_WORDS = {
    NO_SYSTEM: "codes without a system",
    NO_CODE: "no code",
    ODD_MODIFIER: "codes beside a modifier that is not known here",
}


def of_answer(told: Iterable[NotUnderstood]) -> dict[str, list[dict[str, Any]]]:
    """For each input how many entries came in which system, the most frequent first."""
    answer: dict[str, list[dict[str, Any]]] = {}
    for name, counts in _by_input(told).items():
        named = counts.most_common(SHOWN)
        rest = counts.total() - sum(count for _, count in named)
        rows = [_row(system, count) for system, count in named]
        answer[name] = [*rows, {"why": "further systems", "count": rest}] if rest else rows
    return answer


def _row(system: str, count: int) -> dict[str, Any]:
    said = _WORDS.get(system)
    return {"why": said, "count": count} if said else {"system": system, "count": count}


def lines(told: Iterable[NotUnderstood]) -> tuple[str, ...]:
    """The same for people, a line an input."""
    found = []
    for name, rows in of_answer(told).items():
        said = ", ".join(f"{row['count']} in {row.get('system') or row['why']}" for row in rows)
        found.append(f"{name}: {said}".replace(" in no code", " without any code"))
    return tuple(found)


def figures(told: Iterable[NotUnderstood]) -> dict[str, dict[str, int]]:
    """The same by names of a closed list."""
    found: dict[str, Counter[str]] = {}
    for one in told:
        found.setdefault(one.input, Counter())[label(one.system)] += one.count
    return {name: dict(counts) for name, counts in found.items()}


def _by_input(told: Iterable[NotUnderstood]) -> dict[str, Counter[str]]:
    """Two systems that are shown alike count as one."""
    found: dict[str, Counter[str]] = {}
    for one in told:
        found.setdefault(one.input, Counter())[shown(one.system)] += one.count
    return found
