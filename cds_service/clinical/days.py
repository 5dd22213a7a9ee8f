"""The day on which a case is judged: the hospital's, or all that it can be where nobody tells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from cds_service.clinical.chart import FhirDate

DAY = 86_400.0
_WEST, _EAST = timedelta(hours=12), timedelta(hours=14)  # no clock on earth is further from UTC
NO_ZONE = "no zone set: judged on the cautious side"


@dataclass(frozen=True, slots=True)
class Days:
    """Today, as the `earliest` and the `latest` day that it can be at the hospital.

    With a zone, or for a day that was given, both are one. Without a zone `now` (POSIX seconds) is
    known and the day is not. Every limit asks here how many days ago something was, and takes the
    number on the side of caution: the fewer where being recent excludes, the more where it
    reassures.
    """

    earliest: date
    latest: date
    zone: ZoneInfo | None = None
    now: float | None = None

    @classmethod
    def at(cls, moment: datetime, zone: ZoneInfo | None) -> Days:
        """Today at a moment: in a zone, or wherever on earth the hospital may stand."""
        if zone is not None:
            day = moment.astimezone(zone).date()
            return cls(day, day, zone)
        utc = moment.astimezone(UTC)
        return cls((utc - _WEST).date(), (utc + _EAST).date(), None, utc.timestamp())

    @classmethod
    def of(cls, today: date | Days) -> Days:
        """A day that was given, as it is."""
        return today if isinstance(today, Days) else cls(today, today)

    @property
    def known(self) -> bool:
        """Whether today is one day."""
        return self.earliest == self.latest

    @property
    def each(self) -> tuple[date, ...]:
        """The days that can be today; what lies between two of them decides nothing."""
        return (self.earliest,) if self.known else (self.earliest, self.latest)

    @property
    def said(self) -> str:
        """The zone that was used, in words."""
        if self.zone is not None:
            return self.zone.key
        return NO_ZONE if self.now is not None else "the day was given"

    def __str__(self) -> str:
        return " to ".join(map(str, self.each))

    def ago(self, when: FhirDate, *, recent: bool) -> tuple[int, int]:
        """How many days ago something was, the fewest and the most; below 0 for what is to come.

        A date of low precision counts by its latest day where `recent`, else by its earliest. An
        instant and now are so many days apart, or one more, in whatever zone.
        """
        if self.now is not None and when.clock == "instant":
            return _apart(when.order, self.now)
        day = when.latest if recent else when.earliest
        return (self.earliest - day).days, (self.latest - day).days

    def between(self, one: FhirDate, other: FhirDate, *, recent: bool = False) -> tuple[int, int]:
        """Days from one date to another, the fewest and the most; of dates of low precision from
        the earliest day to the earliest, or from the latest to the latest where `recent`."""
        if self.now is not None and one.clock == other.clock == "instant":
            return _apart(one.order, other.order)
        (first, last), (to_first, to_last) = (self.span(d, recent=recent) for d in (one, other))
        return (to_first - last).days, (to_last - first).days

    def span(self, when: FhirDate, *, recent: bool = False) -> tuple[date, date]:
        """The days that `when` (its earliest day, or its latest where `recent`) can be at the
        hospital: without a zone an instant may fall on the day before or after the one in UTC."""
        day = when.latest if recent else when.earliest
        if self.now is None or when.clock != "instant":
            return day, day
        seconds = when.order % DAY
        before = -1 if seconds < _WEST.total_seconds() else 0
        after = 1 if seconds >= DAY - _EAST.total_seconds() else 0
        return _moved(day, before), _moved(day, after)


def hours_between(one: FhirDate, other: FhirDate) -> float | None:
    """Hours from one time to another; None where they do not say it, or not in one zone."""
    if one.clock is None or one.clock != other.clock:
        return None
    return (other.order - one.order) / 3600


def _apart(one: float, other: float) -> tuple[int, int]:
    apart = (other - one) / DAY
    return math.floor(apart), math.ceil(apart)


def _moved(day: date, days: int) -> date:
    return date.fromordinal(
        min(max(day.toordinal() + days, date.min.toordinal()), date.max.toordinal())
    )
