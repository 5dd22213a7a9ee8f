"""Names of time zones as settings give them, and the day there."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator


def _known(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is no IANA time zone; write one such as Europe/Berlin") from None
    return name


Timezone = Annotated[str, AfterValidator(_known)]


def day_in(zone: str | None, moment: datetime) -> date:
    """The day of a moment in a zone; in UTC where no zone is given."""
    return moment.astimezone(ZoneInfo(zone) if zone else UTC).date()


def as_of(when: date, zone: str | None) -> tuple[datetime, str | None]:
    """A moment as it is; for a day its noon, in UTC where no zone is given."""
    if isinstance(when, datetime):
        return when, zone
    known = zone or "UTC"
    return datetime(when.year, when.month, when.day, 12, tzinfo=ZoneInfo(known)), known
