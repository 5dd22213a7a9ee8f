"""Today at a hospital whose zone nobody knows: what is true there lies between fewest and most."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.clinical.ages import ages_on_each
from cds_service.clinical.chart import PatientFacts
from cds_service.clinical.days import NO_ZONE, Days, hours_between
from cds_service.fhir.dates import read_date

ZONES = st.integers(-12 * 4, 14 * 4).map(lambda q: timezone(timedelta(minutes=15 * q)))
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
AUCKLAND, ANGELES = ZoneInfo("Pacific/Auckland"), ZoneInfo("America/Los_Angeles")


@given(now=MOMENTS, zone=ZONES)
def test_today_is_among_the_days(now: datetime, zone: timezone) -> None:
    days = Days.at(now, None)
    assert days.earliest <= now.astimezone(zone).date() <= days.latest


@given(now=MOMENTS, then=MOMENTS, zone=ZONES, written=ZONES)
def test_an_instant_is_as_many_days_ago_as_in_the_zone_of_the_hospital(
    now: datetime, then: datetime, zone: timezone, written: timezone
) -> None:
    then = then.replace(microsecond=0)
    when = read_date(then.astimezone(written).isoformat())
    assert when == read_date(then.isoformat())  # however it is written
    assert when is not None
    fewest, most = Days.at(now, None).ago(when, recent=True)
    here = (now.astimezone(zone).date() - then.astimezone(zone).date()).days
    assert fewest <= here <= most <= fewest + 1


@given(now=MOMENTS, then=st.dates(date(2019, 1, 1), date(2031, 1, 1)), zone=ZONES)
def test_a_day_is_as_many_days_ago_as_in_the_zone_of_the_hospital(
    now: datetime, then: date, zone: timezone
) -> None:
    when = read_date(then.isoformat(), zone)
    assert when is not None
    fewest, most = Days.at(now, None).ago(when, recent=True)
    assert fewest <= (now.astimezone(zone).date() - then).days <= most <= fewest + 2


@given(one=MOMENTS, other=MOMENTS | st.dates(date(2020, 1, 1), date(2030, 1, 1)), zone=ZONES)
def test_days_between_two_facts(one: datetime, other: datetime | date, zone: timezone) -> None:
    first, second = read_date(one.isoformat()), read_date(other.isoformat())
    assert first is not None
    assert second is not None
    then = other.astimezone(zone).date() if isinstance(other, datetime) else other
    here = (then - one.astimezone(zone).date()).days
    for recent in (False, True):
        fewest, most = Days.at(datetime(2026, 11, 25, tzinfo=UTC), None).between(
            first, second, recent=recent
        )
        assert fewest <= here <= most


@given(now=MOMENTS, then=MOMENTS)
def test_with_a_zone_the_day_is_the_hospitals(now: datetime, then: datetime) -> None:
    days, when = Days.at(now, AUCKLAND), read_date(then.isoformat(), AUCKLAND)
    assert when is not None
    here = (now.astimezone(AUCKLAND).date() - then.astimezone(AUCKLAND).date()).days
    assert days.ago(when, recent=True) == (here, here)
    assert str(when) == str(then.astimezone(AUCKLAND).date())
    assert when.order == then.replace(microsecond=0).timestamp()


@pytest.mark.parametrize(
    ("now", "days"),
    [
        ("2026-11-25T23:30:00+00:00", "2026-11-25 to 2026-11-26"),
        ("2026-11-25T00:30:00+00:00", "2026-11-24 to 2026-11-25"),
        ("2026-11-25T09:59:00+00:00", "2026-11-24 to 2026-11-25"),
        ("2026-11-25T10:00:00+00:00", "2026-11-24 to 2026-11-26"),  # the 25th lies between
        ("2026-11-25T12:00:00+00:00", "2026-11-25 to 2026-11-26"),
    ],
)
def test_the_days_of_a_moment(now: str, days: str) -> None:
    found = Days.at(datetime.fromisoformat(now), None)
    assert (str(found), found.said) == (days, NO_ZONE)


def test_a_day_that_was_given_is_one() -> None:
    days = Days.of(date(2026, 11, 25))
    assert (days.each, days.said) == ((date(2026, 11, 25),), "the day was given")
    assert Days.of(days) is days


@pytest.mark.parametrize(
    ("one", "other", "zone", "hours"),
    [
        ("2026-11-24T08:00:00Z", "2026-11-25T00:00:00-08:00", None, 24),
        ("2026-11-24T08:00:00", "2026-11-25T09:00:00", None, 25),
        ("2026-11-24T08:00:00", "2026-11-25T09:00:00Z", None, None),
        ("2026-11-24T08:00:00", "2026-11-25T00:00:00Z", ANGELES, 8),
        ("2026-11-24", "2026-11-25T00:00:00Z", None, None),
        ("2026-10-31T12:00:00", "2026-11-01T12:00:00", ANGELES, 25),  # clocks go back
    ],
)
def test_hours(one: str, other: str, zone: ZoneInfo | None, hours: float | None) -> None:
    first, second = read_date(one, zone), read_date(other, zone)
    assert first is not None
    assert second is not None
    assert hours_between(first, second) == hours


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_the_first_and_the_last_instant_of_all(text: str) -> None:
    for zone in (None, AUCKLAND, ANGELES):
        when = read_date(text, zone)
        assert when is not None
        days = Days.at(datetime(2026, 11, 25, tzinfo=UTC), zone)
        assert len(days.ago(when, recent=True)) == len(days.span(when)) == 2


def test_a_birthday_that_may_be_today_gives_two_ages() -> None:
    patient = PatientFacts("p1", read_date("1961-11-26"))
    days = Days.at(datetime(2026, 11, 25, 12, 30, tzinfo=UTC), None)
    assert ages_on_each(patient, days) == ((64, 64), (65, 65))
