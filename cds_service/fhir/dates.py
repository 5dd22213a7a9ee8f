"""Reads FHIR dates and times of any precision as the days they can mean."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from cds_service.clinical.chart import FhirDate
from cds_service.clinical.days import DAY, hours_between
from cds_service.fhir.elements import member, number, word

# FHIR date, dateTime and instant (R4 datatypes, "Primitive Types"); real clients also send a blank
# instead of T, no seconds, no zone, or an offset without colon.
_DATE = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:[Tt ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,][0-9]+)?)?"
    r"\ *(?P<zone>[Zz]|(?P<sign>[+-])(?P<ahead>[0-9]{2}):?(?P<rest>[0-9]{2}))?)?)?)?"
)
_EPOCH = date(1970, 1, 1).toordinal()
_START = datetime(1970, 1, 1)
_UTC = ZoneInfo("UTC")  # which is the same object each time


def read_date(value: object, zone: tzinfo | None = None) -> FhirDate | None:
    """Read a FHIR date, dateTime or instant; None for anything else, also for impossible days.

    An instant is the same in whatever zone it is written: its day is the one in `zone`, the
    hospital's, or in UTC where that is not known. A day, and a time without a zone, are the
    hospital's; without `zone` they are taken as UTC for sorting only.
    """
    if not isinstance(value, str):
        return None
    if len(value) == 10 and value[4] == "-" == value[7]:  # a plain day, as most are
        return _day(value, zone)
    found = _DATE.fullmatch(value.strip())
    if found is None:
        return None
    year, month, day, *time = found.group("year", "month", "day", "hour", "minute", "second")
    try:
        earliest = date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    if time[0]:
        return _timed(earliest, time, found, zone)
    latest = earliest if day else _latest(earliest, int(month or 12))
    return FhirDate(found[0], earliest, latest, _midnight(earliest, zone))


def _day(text: str, zone: tzinfo | None) -> FhirDate | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return FhirDate(text, day, day, _midnight(day, zone))


def _midnight(day: date, zone: tzinfo | None) -> float:
    utc = (day.toordinal() - _EPOCH) * DAY
    return utc if zone is None or zone is _UTC else utc - _ahead(utc, zone)


def _ahead(local: float, zone: tzinfo) -> float:
    """Seconds that a zone is ahead of UTC at a local time, given as if it were in UTC."""
    try:
        offset = (_START + timedelta(seconds=local)).replace(tzinfo=zone).utcoffset()
    except OverflowError:
        return 0.0
    return offset.total_seconds() if offset is not None else 0.0


def _timed(
    day: date, time: list[str | None], found: re.Match[str], zone: tzinfo | None
) -> FhirDate | None:
    """A time of a day; None when there is no such time."""
    hour, minute, second = (int(part or 0) for part in time)
    ahead, rest = int(found["ahead"] or 0), int(found["rest"] or 0)
    if hour > 24 or minute > 59 or second > 60 or ahead > 14:
        return None
    order = (day.toordinal() - _EPOCH) * DAY + hour * 3600 + minute * 60 + second
    if found["zone"] is None:
        order -= _ahead(order, zone) if zone is not None else 0.0
        return FhirDate(found[0], day, day, order, "local" if zone is None else "instant")
    offset = ahead * 3600 + rest * 60
    order += offset if found["sign"] == "-" else -offset
    try:
        there = (_START + timedelta(seconds=order)).replace(tzinfo=UTC).astimezone(zone or UTC)
    except OverflowError:  # on the first or the last day of all
        return FhirDate(found[0], day, day, order, "instant")
    return FhirDate(there.isoformat(), there.date(), there.date(), order, "instant")


def _latest(earliest: date, month: int) -> date:
    return date(earliest.year, month, monthrange(earliest.year, month)[1])


def read_moment(*values: object, zone: tzinfo | None = None) -> FhirDate | None:
    """The first of these elements that can be read: a date, a Period (its start, else its end)
    or a Timing (its first event). `zone` as in `read_date`."""
    for value in values:
        if value is None:
            continue
        if isinstance(value, dict):
            found = read_moment(*map(value.get, ("start", "end", "event")), zone=zone)
        elif isinstance(value, list):
            found = read_date(value[0], zone) if value else None
        else:
            found = read_date(value, zone)
        if found is not None:
            return found
    return None


def days_between(start: FhirDate | None, end: FhirDate | None) -> float | None:
    """Length of a period in days; whole days count inclusively, times as they are.

    None when an end is not known, not exact to the day, or before the start.
    """
    if start is None or end is None:
        return None
    if start.earliest != start.latest or end.earliest != end.latest:
        return None
    hours = hours_between(start, end)
    days = hours / 24 if hours is not None else _whole_days(start, end)
    return days if days > 0 else None


def _whole_days(start: FhirDate, end: FhirDate) -> float:
    return float((end.earliest - start.earliest).days + 1)


def at_age(birth: FhirDate | None, years: float | None) -> FhirDate | None:
    """The year of life that began at age `years`, as a date of low precision."""
    if birth is None or years is None or not 0 <= years <= 150:
        return None
    whole = int(years)
    if birth.latest.year + whole + 1 > date.max.year:
        return None
    earliest = _same_day(birth.earliest, birth.earliest.year + whole)
    latest = _same_day(birth.latest, birth.latest.year + whole + 1)
    order = (earliest.toordinal() - _EPOCH) * DAY
    return FhirDate(str(earliest.year), earliest, latest, order)


def read_age(value: object, birth: FhirDate | None) -> FhirDate | None:
    """An Age in years as a date, where the birth date is known."""
    unit = word(member(value, "code")) or word(member(value, "unit"))
    if unit not in {None, "a", "year", "years", "yr"}:
        return None
    return at_age(birth, number(member(value, "value")))


def _same_day(day: date, year: int) -> date:
    return date(year, day.month, min(day.day, monthrange(year, day.month)[1]))
