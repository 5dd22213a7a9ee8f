"""Below which n no rate is told."""

from __future__ import annotations

import pytest

from cds_service.ops.intervals import wilson
from cds_service.store.rates import ENOUGH, Rate


@pytest.mark.parametrize(("n", "points"), [(30, 18), (100, 10)])
def test_reach_at_what_is_called_enough(n: int, points: int) -> None:
    """The table of `ENOUGH` says how far a rate may be from the truth there: farthest not at one
    half, but at a third or two, where the interval leans to the middle."""
    reach = 0.0
    for part in range(n + 1):
        low, high = wilson(part, n)
        reach = max(reach, part / n - low, high - part / n)

    assert n in ENOUGH.values()
    assert points - 1 < 100 * reach < points


def test_below_at_and_above_enough() -> None:
    below, at, above = (Rate(5, n, 30) for n in (29, 30, 31))

    assert (below.value, below.interval) == (None, None)
    assert at.value == pytest.approx(5 / 30)
    assert at.interval == wilson(5, 30)
    assert above.value == pytest.approx(5 / 31)
    assert Rate(0, 0, 0).value is None
