"""FHIR dates of any precision."""

from __future__ import annotations

from tests.support.charts import (
    condition_fact,
)


def test_days_that_a_date_can_mean_and_its_order_in_the_day() -> None:
    year, month = (
        condition_fact(onsetDateTime="2024").onset,
        condition_fact(onsetDateTime="2024-02").onset,
    )
    assert year is not None
    assert month is not None
    assert (str(year.earliest), str(year.latest)) == ("2024-01-01", "2024-12-31")
    assert (str(month.earliest), str(month.latest)) == ("2024-02-01", "2024-02-29")
    early, late = (
        condition_fact(onsetDateTime=f"2024-02-01T10:00:00{zone}").onset
        for zone in ("+02:00", "-0200")
    )
    assert early is not None
    assert late is not None
    assert late.order - early.order == 4 * 3600
