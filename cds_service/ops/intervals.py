"""The confidence interval of a rate."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist
from typing import Final

CONFIDENCE: Final = 0.95
_Z: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


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
