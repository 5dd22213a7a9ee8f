"""The book of attacks: every attack the tests make has a name, a kind and the expected answer.

`scripts/docs` writes the table in docs/security.md from it, so that what stands there was tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from tests.support.constants import ROOT

_Test = TypeVar("_Test", bound=Callable[..., Any])

BOOK: list[Attack] = []
"""All attacks, in the order in which the tests name them."""

MODULES = tuple(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted((ROOT / "tests").rglob("test_*.py"))
    if "from tests.support.attack_book import" in path.read_text(encoding="utf-8")
)
"""Importing these fills the book."""


@dataclass(frozen=True)
class Attack:
    """One attack: `kind` is the part of the table, `answer` what the service does."""

    kind: str
    name: str
    answer: str


def attack(kind: str, name: str, answer: str) -> Callable[[_Test], _Test]:
    """Mark a test as one attack."""

    def enter(test: _Test) -> _Test:
        _enter(Attack(kind, name, answer))
        return test

    return enter


def attacks(kind: str, cases: Iterable[tuple[str, str, Any]]) -> pytest.MarkDecorator:
    """Parametrize a test with `(name, answer, value)`; the test takes `answer` and `value`."""
    parameters = []
    for name, answer, value in cases:
        _enter(Attack(kind, name, answer))
        parameters.append(pytest.param(answer, value, id=name.replace(" ", "-")))
    return pytest.mark.parametrize(("answer", "value"), parameters)


def _enter(new: Attack) -> None:
    if any((old.kind, old.name) == (new.kind, new.name) for old in BOOK):
        raise ValueError(f"{new.name} stands twice in the book of attacks")
    BOOK.append(new)


def status_of(answer: str) -> int:
    """The HTTP status that an answer such as `401, logged` begins with."""
    return int(answer.split()[0].strip(",;:"))
