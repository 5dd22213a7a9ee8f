"""The interval of Wilson."""

from __future__ import annotations

from statistics import NormalDist

import pytest

from cds_service.ops.intervals import wilson

Z = NormalDist().inv_cdf(0.975)


@pytest.mark.parametrize(("part", "n"), [(1, 2), (7, 30), (29, 31), (450, 451), (3, 90_000)])
def test_each_end_is_as_far_from_the_rate_as_its_own_error_allows(part: int, n: int) -> None:
    """What defines the score interval (Wilson 1927): z standard errors of the end, not of the
    rate."""
    low, high = wilson(part, n)

    assert 0 < low < part / n < high < 1
    for end in (low, high):
        assert abs(part / n - end) == pytest.approx(Z * (end * (1 - end) / n) ** 0.5)


@pytest.mark.parametrize("n", [1, 30, 5_000])
def test_none_and_all_end_at_the_edge(n: int) -> None:
    (low, high), (mirrored_low, mirrored_high) = wilson(0, n), wilson(n, n)

    assert (low, mirrored_high) == (0, 1)
    assert high == pytest.approx(Z**2 / (n + Z**2))
    assert mirrored_low == pytest.approx(1 - high)


@pytest.mark.parametrize(("part", "n"), [(0, 0), (-1, 3), (4, 3)])
def test_what_is_no_rate_is_refused(part: int, n: int) -> None:
    with pytest.raises(ValueError, match="no rate"):
        wilson(part, n)
