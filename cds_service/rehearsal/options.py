"""What a rehearsal is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from cds_service.fhir.inputs import INPUT_OF


class EventKind(StrEnum):
    """What is replayed as the draft that it was."""

    ORDER = "order"
    PROCEDURE = "procedure"


class AsOf(StrEnum):
    """Which facts count: those known at the event, or all of today."""

    EVENT = "event"
    TODAY = "today"


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How one patient's events are replayed.

    `types` are the resource types that the export has: of a type that it lacks nothing is known.
    `since` and `until` bound the day of an event, both included. `today` decides with
    `AsOf.TODAY`. `zone` is the hospital's IANA zone, UTC where none is given. `groups` maps
    references (`Practitioner/1`, `Patient/2`) to the group that a hospital gives them.
    """

    types: frozenset[str] = frozenset(INPUT_OF)
    events: frozenset[EventKind] = frozenset(EventKind)
    as_of: AsOf = AsOf.EVENT
    since: date | None = None
    until: date | None = None
    today: date = field(default_factory=lambda: datetime.now(UTC).date())
    zone: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)

    @property
    def timezone(self) -> ZoneInfo:
        """The zone in which days are told."""
        return ZoneInfo(self.zone or "UTC")

    def holds(self, day: date) -> bool:
        """Whether an event of this day is asked for."""
        return (self.since is None or day >= self.since) and (
            self.until is None or day <= self.until
        )
