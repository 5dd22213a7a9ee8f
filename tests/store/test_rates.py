"""Below which n no rate is told."""

from __future__ import annotations

import pytest

from cds_service.ops.intervals import wilson
from cds_service.store.rates import ENOUGH, Rate


@pytest.mark.parametrize(("n", "points"), [(30, 17), (100, 10)])
def test_reach_at_what_is_called_enough(n: int, points: int) -> None:
    """The table of `ENOUGH` says how far a rate may be from the truth there."""
    low, high = wilson(n // 2, n)

    assert n in ENOUGH.values()
    assert points - 1 < 100 * (high - low) / 2 < points


def test_below_at_and_above_enough() -> None:
    below, at, above = (Rate(5, n, 30) for n in (29, 30, 31))

    assert (below.value, below.interval) == (None, None)
    assert at.value == pytest.approx(5 / 30)
    assert at.interval == wilson(5, 30)
    assert above.value == pytest.approx(5 / 31)
    assert Rate(0, 0, 0).value is None
