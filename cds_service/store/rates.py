"""Rates of a sample, and how many of it one needs to tell them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cds_service.ops.intervals import wilson

ENOUGH: Final[Mapping[str, int]] = {
    "calls": 100,  # calls with a card, of all calls
    "overrides": 30,  # overridden, of cards that were answered
    "reasons": 30,  # one reason, of cards that were overridden
    "variants": 100,  # overridden, of cards with one wording that were shown
}
"""The n below which no rate is told, by what it is a rate of. A convention: at 30 the interval
reaches at most 18 points from the rate, at 100 at most 10."""
OFTEN: Final = 0.9
"""A rule that is overridden more often than this is named. A convention."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`part` of `n`, of which `least` are needed."""

    part: int
    n: int
    least: int

    @property
    def is_enough(self) -> bool:
        return self.n >= max(self.least, 1)

    @property
    def value(self) -> float | None:
        """From 0 to 1; None where there are not enough."""
        return self.part / self.n if self.is_enough else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of Wilson, as from 0 to 1; None where there are not enough."""
        return wilson(self.part, self.n) if self.is_enough else None
