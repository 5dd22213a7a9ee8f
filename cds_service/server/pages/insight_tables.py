"""The tables of the insights page; each is shown, drawn as a plot, and given as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING

from cds_service.server.pages.latency import Latency
from cds_service.store import rollout_tables
from cds_service.store.figure_table import MOST_ROWS, FigureTable, words
from cds_service.store.rates import ENOUGH, Rate

if TYPE_CHECKING:
    from cds_service.store.report import Figures, OutcomeTally, Reason

_OUTCOMES = ("issued", "accepted", "overridden", "ignored", "no feedback")

_BY = {
    "tier": "Cards by tier",
    "card": "Cards by kind",
    "rule": "Cards by rule",
    "client": "Cards by client",
    "service": "Cards by service",
    "knowledge": "Cards by version of the knowledge",
}


def tables(
    figures: Figures,
    days: Mapping[date, OutcomeTally],
    displays: Mapping[Reason, str],
    measured: Iterable[Latency],
) -> list[FigureTable]:
    """All tables, in the order in which they are shown."""
    found = [_days(days)]
    found += [_tallies(name, title, figures.by[name]) for name, title in _BY.items()]
    found.insert(3, _reasons(figures, displays))
    found += rollout_tables.tables(figures, displays)
    found.append(_unread(figures))
    found.append(times(measured))
    return found


def _days(days: Mapping[date, OutcomeTally]) -> FigureTable:
    rows = tuple((str(day), *_cells(tally)) for day, tally in days.items())
    return FigureTable("day", "Cards by day", ("day (UTC)", *_OUTCOMES), rows, "days")


def _tallies(id_: str, title: str, values: Mapping[str, OutcomeTally]) -> FigureTable:
    ordered = sorted(values.items(), key=lambda item: (-item[1].issued, item[0]))
    rows = tuple((value or "none", *_cells(tally)) for value, tally in ordered[:MOST_ROWS])
    note = {
        "rule": "A card with several rules counts once for each.",
        "tier": "Cards about genetic ossification and about unread charts have no tier.",
    }.get(id_, "")
    return FigureTable(id_, title, (id_, *_OUTCOMES), rows, "bars", note)


def _cells(tally: OutcomeTally) -> tuple[int, int, int, int, int]:
    return tally.issued, tally.accepted, tally.overridden, tally.ignored, tally.unanswered


def _reasons(figures: Figures, displays: Mapping[Reason, str]) -> FigureTable:
    counted = sorted(figures.reasons.items(), key=lambda item: (-item[1], str(item[0])))
    rows = tuple((words(reason, displays), count) for reason, count in counted[:MOST_ROWS])
    return FigureTable(
        "reason", "Why cards were overridden", ("reason", "overridden"), rows, "bars"
    )


def _unread(figures: Figures) -> FigureTable:
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
    return FigureTable("unread", "Code systems that are not read", columns, rows, "none", note)


def times(measured: Iterable[Latency]) -> FigureTable:
    """How long answers took."""
    rows = tuple(
        (one.name, one.count, round(one.p50, 2), round(one.p95, 2), round(one.p99, 2))
        for one in measured
    )
    columns = ("service or stage", "calls", "median ms", "95 % below ms", "99 % below ms")
    note = (
        "Since this process started, estimated from a histogram; not part of the database. Stages "
        "are those of all calls, of the playground, too."
    )
    return FigureTable("time", "Time to answer", columns, rows, "times", note)


def tiles(figures: Figures) -> Iterator[tuple[str, str, str]]:
    """The few numbers on top: name, value, explanation."""
    total = figures.total
    yield "Calls", f"{figures.calls:,}", f"{figures.considered:,} with an order that was looked at"
    share = _share(figures.with_cards, figures.considered, "calls")
    yield "Calls with a card", f"{figures.with_cards:,}", f"{share} looked at"
    yield "Cards", f"{total.issued:,}", "shown to clinicians"
    for name, count in (
        ("Accepted", total.accepted),
        ("Overridden", total.overridden),
        ("Ignored", total.ignored),
        ("No feedback", total.unanswered),
    ):
        cards = "card" if total.issued == 1 else "cards"
        yield name, f"{count:,}", f"{_share(count, total.issued, 'overrides')} {cards}"


def _share(part: int, whole: int, of: str) -> str:
    """The rate with its interval and n, or that there are not enough."""
    rate = Rate(part, whole, ENOUGH[of])
    if rate.value is None or rate.interval is None:
        return f"not enough for a rate: {whole:,}"
    low, high = rate.interval
    return f"{100 * rate.value:.0f} % ({100 * low:.0f} to {100 * high:.0f} %) of {whole:,}"
