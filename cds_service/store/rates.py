"""Rates of a sample: how many one needs, and how far it may be from the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Final

CONFIDENCE: Final = 0.95
_Z: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)

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


def wilson(part: int, n: int) -> tuple[float, float]:
    """The score interval without correction for continuity, from 0 to 1 (E. B. Wilson 1927, doi
    10.1080/01621459.1927.10502953). It takes the `n` as independent. Raises ValueError without any.
    """
    if not 0 <= part <= n or n < 1:
        raise ValueError(f"{part} of {n} is no rate")
    rate, square = part / n, _Z**2
    middle = rate + square / (2 * n)
    reach = _Z * sqrt(rate * (1 - rate) / n + square / (4 * n**2))
    low, high = (middle - reach) / (1 + square / n), (middle + reach) / (1 + square / n)
    return (0.0 if part == 0 else low), (1.0 if part == n else high)
