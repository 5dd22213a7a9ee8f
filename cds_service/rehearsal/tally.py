"""Counts outcomes: counters that can be added up in any order and give the same."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

import msgspec

from cds_service.rehearsal.events import HIP
from cds_service.rehearsal.outcomes import EventOutcome
from cds_service.rehearsal.summary import summarise

_BANDS: Final = (40, 50, 60, 70, 80)
_REPEATS: Final = ((7, "7"), (30, "30"), (90, "90"))
_KEY_BYTES: Final = 64  # what blake2b takes


def age_band(age: int | None) -> str:
    """The band of an age in years."""
    if age is None:
        return "unknown"
    low = max((start for start in _BANDS if start <= age), default=0)
    if low == 0:
        return f"0-{_BANDS[0] - 1}"
    return f"{low}-{low + 9}" if low != _BANDS[-1] else f"{low}+"


class Tally:
    """Counters of a rehearsal. `key` is a secret of the run: surgeons are counted under what it
    makes of them, and that is never in a summary."""

    def __init__(
        self, key: bytes = b"", counts: Mapping[tuple[str, ...], int] | None = None
    ) -> None:
        self._key = key[:_KEY_BYTES]
        self.counts: Counter[tuple[str, ...]] = Counter(counts or {})

    def add(self, outcome: EventOutcome) -> None:
        """Count one event."""
        if outcome.about not in HIP:
            self.counts["genetic", outcome.row, outcome.indicator] += 1
            return
        if not outcome.replayed:
            self.counts["undated events",] += 1
            return
        count, carded = self.counts, "card" if outcome.carded else "silent"
        count["row", *_row(outcome)] += 1
        count["kind", outcome.kind, carded] += 1
        count["about", outcome.about, carded] += 1
        count["month", _month(outcome.day), carded] += 1
        count["age", outcome.sex, age_band(outcome.age), carded] += 1
        if outcome.group is not None:
            count["group", outcome.group, carded] += 1
        dated = "card" if outcome.dated_carded else "silent"
        count["dated", "some undated" if outcome.undated else "all dated", carded, dated] += 1
        if outcome.other_row is not None:
            count["other", carded, "card" if outcome.other_carded else "silent"] += 1
            other = "card" if outcome.other_carded else "silent"
            count["other row", *_row(outcome), outcome.other_row, other] += 1
        if outcome.about == "arthroplasty" and outcome.ho_after is not None:
            count["afterwards", "HO" if outcome.ho_after else "no HO", carded] += 1
        self._add_why(outcome)
        self._add_surgeon(outcome)

    def _add_why(self, outcome: EventOutcome) -> None:
        count = self.counts
        for rule in outcome.rules:
            count["rule", rule] += 1
            count["rule row", rule, *_row(outcome)] += 1
        for option, rule in outcome.ruled_out:
            count["ruled out", option, rule] += 1
        for name, state in outcome.inputs:
            count["input", name, state] += 1
        for what, found in (("late", outcome.late), ("undated", outcome.undated)):
            for name, facts in found:
                count[what, name, "events"] += 1
                count[what, name, "facts"] += facts
        for name, system, entries in outcome.not_understood:
            count["not understood", name, system, "events"] += 1
            count["not understood", name, system, "entries"] += entries
        for name, system, code in outcome.codes:
            count["code", name, system, code] += 1
        if outcome.doubt:
            count["doubt", outcome.doubt] += 1
        if outcome.carded:
            count["repeat", _repeat(outcome.days_since)] += 1

    def _add_surgeon(self, outcome: EventOutcome) -> None:
        if outcome.surgeon is None or outcome.day is None:
            self.counts["no surgeon",] += 1
            return
        who = hashlib.blake2b(outcome.surgeon.encode(), key=self._key, digest_size=12).hexdigest()
        year, week, _ = outcome.day.isocalendar()
        self.counts["surgeon", who, f"{year}-{week:02}"] += int(outcome.carded)

    def note(self, *key: str, n: int = 1) -> None:
        """Count something beside events: resources that were read, lines that could not be."""
        self.counts[key] += n

    def merge(self, other: Tally) -> None:
        """Add the counts of another part of the same run."""
        for key, n in other.counts.items():  # keys with 0 stay: a week without a card is a week
            self.counts[key] += n

    def summary(self, min_cell: int = 11, about: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """All that may leave: no cell under `min_cell`, none that could be found by subtraction.

        `about` describes the run (knowledge version, options) and stands in it as it is.
        """
        return summarise(self.counts, min_cell, about or {})

    def encoded(self) -> bytes:
        """The counts as JSON, the same bytes for the same counts."""
        return msgspec.json.encode(sorted((list(k), n) for k, n in self.counts.items()))

    @classmethod
    def decoded(cls, data: bytes, key: bytes = b"") -> Tally:
        """The reverse of `encoded`."""
        pairs: Iterable[tuple[list[str], int]] = msgspec.json.decode(
            data, type=list[tuple[list[str], int]]
        )
        return cls(key, {tuple(k): n for k, n in pairs})


def _row(outcome: EventOutcome) -> tuple[str, str, str, str]:
    """The row of the card table with its main card, indicator and tier."""
    main = outcome.cards[0].card if outcome.cards else ""
    return outcome.row, main, outcome.indicator, outcome.tier


def _month(day: date | None) -> str:
    """The month of a day; a year of few digits, as a typing error makes one, has four here, too."""
    return f"{day.year:04}-{day.month:02}" if day else "unknown"


def _repeat(days: int | None) -> str:
    if days is None:
        return "first"
    return next((name for most, name in _REPEATS if days <= most), "later")
