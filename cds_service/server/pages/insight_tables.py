"""The tables of the insights page; each is shown, drawn as a plot, and given as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from cds_service.server.pages.latency import Latency

if TYPE_CHECKING:
    from cds_service.store.report import Figures, Reason, Tally

Cell = str | int | float
_OUTCOMES = ("issued", "accepted", "overridden", "ignored", "no feedback")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run
MOST_ROWS = 100

_BY = {
    "tier": "Cards by tier",
    "card": "Cards by kind",
    "rule": "Cards by rule",
    "client": "Cards by client",
    "service": "Cards by service",
    "knowledge": "Cards by version of the knowledge",
}


@dataclass(frozen=True, slots=True)
class Table:
    """One table. `plot` is how it is drawn: `days`, `bars`, `times` or
    `none`; the first column names."""

    id: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    plot: str
    note: str = ""

    def as_csv(self, mark: str | None = None) -> str:
        """The table for a spreadsheet, which must not take a name for a formula. `mark` stands
        first in every line, the heading too: lines are copied without the name of the file."""
        first = () if mark is None else (mark,)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow((*first, *self.columns))
        writer.writerows([*first, *map(_harmless, row)] for row in self.rows)
        return text.getvalue()


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def tables(
    figures: Figures,
    days: Mapping[date, Tally],
    displays: Mapping[Reason, str],
    measured: Iterable[Latency],
) -> list[Table]:
    """All tables, in the order in which they are shown."""
    found = [_days(days)]
    found += [_tallies(name, title, figures.by[name]) for name, title in _BY.items()]
    found.insert(3, _reasons(figures, displays))
    found.append(_unread(figures))
    found.append(times(measured))
    return found


def _days(days: Mapping[date, Tally]) -> Table:
    rows = tuple((str(day), *_cells(tally)) for day, tally in days.items())
    return Table("day", "Cards by day", ("day (UTC)", *_OUTCOMES), rows, "days")


def _tallies(id_: str, title: str, values: Mapping[str, Tally]) -> Table:
    ordered = sorted(values.items(), key=lambda item: (-item[1].issued, item[0]))
    rows = tuple((value or "none", *_cells(tally)) for value, tally in ordered[:MOST_ROWS])
    note = {
        "rule": "A card with several rules counts once for each.",
        "tier": "Cards about genetic ossification and about unread charts have no tier.",
    }.get(id_, "")
    return Table(id_, title, (id_, *_OUTCOMES), rows, "bars", note)


def _cells(tally: Tally) -> tuple[int, int, int, int, int]:
    return tally.issued, tally.accepted, tally.overridden, tally.ignored, tally.unanswered


def _reasons(figures: Figures, displays: Mapping[Reason, str]) -> Table:
    counted = sorted(figures.reasons.items(), key=lambda item: (-item[1], str(item[0])))
    rows = tuple((_words(reason, displays), count) for reason, count in counted[:MOST_ROWS])
    return Table("reason", "Why cards were overridden", ("reason", "overridden"), rows, "bars")


def _words(reason: Reason, displays: Mapping[Reason, str]) -> str:
    plain = " ".join(part for part in reason if part)
    return displays.get(reason, plain or "no coded reason")


def _unread(figures: Figures) -> Table:
    """Which code systems come in vain."""
    rows = tuple(
        (f"{one.client or 'none'}: {one.system}", one.input, one.entries, one.calls)
        for one in figures.unread[:MOST_ROWS]
    )
    columns = ("client and code system", "input", "entries", "calls")
    note = (
        "Entries of which no code is in a system that is read here. Systems that are not widely "
        "known are shown without what could name a patient; numbers of five digits and more are #."
    )
    return Table("unread", "Code systems that are not read", columns, rows, "none", note)


def times(measured: Iterable[Latency]) -> Table:
    """How long answers took."""
    rows = tuple(
        (one.name, one.count, round(one.p50, 2), round(one.p95, 2), round(one.p99, 2))
        for one in measured
    )
    columns = ("service or stage", "calls", "median ms", "95 % below ms", "99 % below ms")
    note = "Since this process started, estimated from a histogram; not part of the database."
    return Table("time", "Time to answer", columns, rows, "times", note)


def tiles(figures: Figures) -> Iterator[tuple[str, str, str]]:
    """The few numbers on top: name, value, explanation."""
    total = figures.total
    yield "Calls", f"{figures.calls:,}", f"{figures.considered:,} with an order that was looked at"
    share = _share(figures.with_cards, figures.considered)
    yield "Calls with a card", f"{figures.with_cards:,}", f"{share} of those looked at"
    yield "Cards", f"{total.issued:,}", "shown to clinicians"
    yield "Accepted", f"{total.accepted:,}", f"{_share(total.accepted, total.issued)} of cards"
    yield (
        "Overridden",
        f"{total.overridden:,}",
        f"{_share(total.overridden, total.issued)} of cards",
    )
    yield "Ignored", f"{total.ignored:,}", f"{_share(total.ignored, total.issued)} of cards"
    yield (
        "No feedback",
        f"{total.unanswered:,}",
        f"{_share(total.unanswered, total.issued)} of cards",
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "none"
