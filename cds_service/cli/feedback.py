"""The commands `feedback report` (figures as table, CSV or JSON) and `feedback purge`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from cds_service.cards.terminal import counted, for_output
from cds_service.cli.database import run, settings_of
from cds_service.cli.examples import DAY, DAY_FORMAT, examples
from cds_service.ops.settings import Settings
from cds_service.store import rollout_tables
from cds_service.store.figure_table import words

if TYPE_CHECKING:
    from cds_service.store.figure_table import FigureTable
    from cds_service.store.report import Figures, OutcomeTally, Reason

    Displays = Mapping[Reason, str]

app = typer.Typer(help="What clinicians did with cards.", no_args_is_help=True)

_URL = typer.Option("--database", metavar="URL", help="Another database than CDS_DATABASE_URL.")
_COLUMNS = ("issued", "accepted", "overridden", "ignored", "no feedback")


@app.command(
    epilog=examples(
        "feedback report --since 2026-11-01",
        "feedback report --csv > cards.csv",
        "feedback report --table overrides",
    )
)
def report(
    since: Annotated[
        datetime | None,
        typer.Option(metavar=DAY, formats=[DAY_FORMAT], help="First day to count (UTC)."),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    table: Annotated[
        str | None,
        typer.Option(help=f"A table of the roll-out as CSV: {', '.join(rollout_tables.IDS)}."),
    ] = None,
    database: Annotated[str | None, _URL] = None,
) -> None:
    """Count cards issued, accepted and overridden, and the figures of the roll-out.

    Cards by rule, tier, reason, client and knowledge version; of the roll-out shadow next to live,
    overrides by arm, and rules that are overridden nearly always.
    """
    from cds_service.store.report import read  # SQLAlchemy is needed here only

    if table is not None and table not in rollout_tables.IDS:
        one_of = ", ".join(rollout_tables.IDS)
        raise typer.BadParameter(f"there is no table '{table}'; one of {one_of}")
    settings = settings_of(database)
    day = since.date() if since else None
    figures = run(settings, lambda opened: read(opened, day))
    displays = _displays(settings)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(_as_json(figures, displays))))
    elif table is not None:
        [wanted] = [one for one in rollout_tables.tables(figures, displays) if one.id == table]
        typer.echo(wanted.as_csv(), nl=False)
    elif as_csv:
        typer.echo(_as_csv(figures, displays), nl=False)
    else:
        _draw(figures, displays, for_output())


@app.command(epilog=examples("feedback purge --before 2026-01-01"))
def purge(
    before: Annotated[
        datetime,
        typer.Option(metavar=DAY, formats=[DAY_FORMAT], help="First day to keep (UTC)."),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    database: Annotated[str | None, _URL] = None,
) -> None:
    """Delete for good what came before a day that you name.

    Deleted are cards issued before that day (UTC); feedback on them, whenever it came, and all
    feedback received before that day; the marks by which `repeat_days` finds such cards; counts of
    calls and of unread code systems of the days before it. Figures since an earlier day are lower
    afterwards. Not touched are the history of the content, the marks of used tokens, which go by
    themselves, the log, and copies of the database: delete those yourself.

    The service does the same each hour with what is older than CDS_RETENTION_DAYS (400 unless set).
    """
    settings = settings_of(database)
    if not yes:
        typer.confirm(f"Delete everything before {before.date()} (UTC)?", abort=True)
    start = before.replace(tzinfo=UTC)
    cards, items = run(settings, lambda opened: opened.purge(start))
    typer.echo(f"Deleted: {counted(cards, 'card')}, {counted(items, 'item')} of feedback.")


# --- output ---


def _displays(settings: Settings) -> Displays:
    """The wording of the reasons that our cards offer; of others none is kept."""
    from cds_service.cards.override_reasons import offered
    from cds_service.knowledge.loader import load

    found = offered(load(settings.knowledge_overlay))
    return {(reason.system, reason.code): reason.display for reason in found}


def _tallies(figures: Figures) -> Iterator[tuple[str, str, OutcomeTally]]:
    yield "all", "", figures.total
    for dimension, values in figures.by.items():
        for value, tally in sorted(values.items(), key=lambda item: (-item[1].issued, item[0])):
            yield dimension, value, tally


def _reasons(figures: Figures, displays: Displays) -> Iterator[tuple[Reason, str, int]]:
    for reason, count in sorted(figures.reasons.items(), key=lambda item: (-item[1], str(item))):
        yield reason, words(reason, displays), count


def _as_json(figures: Figures, displays: Displays) -> dict[str, Any]:
    by: dict[str, dict[str, Any]] = {dimension: {} for dimension in figures.by}
    for dimension, value, tally in _tallies(figures):
        if dimension in by:
            by[dimension][value] = _plain(tally)
    return {
        "since": figures.since,
        "calls": {
            "all": figures.calls,
            "considered": figures.considered,
            "withCards": figures.with_cards,
        },
        "cards": _plain(figures.total),
        "by": by,
        "reasons": [
            {"system": system, "code": code, "display": display, "overridden": count}
            for (system, code), display, count in _reasons(figures, displays)
        ],
        "rollout": rollout_tables.as_json(figures, displays),
        "unmatched": figures.unmatched,
        "unreadSystems": [one._asdict() for one in figures.unread],
    }


def _plain(tally: OutcomeTally) -> dict[str, int]:
    names = ("issued", "accepted", "overridden", "ignored", "noFeedback")
    return dict(zip(names, _cells(tally), strict=True))


def _cells(tally: OutcomeTally) -> tuple[int, int, int, int, int]:
    return tally.issued, tally.accepted, tally.overridden, tally.ignored, tally.unanswered


def _as_csv(figures: Figures, displays: Displays) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("by", "value", *_COLUMNS))
    for dimension, value, tally in _tallies(figures):
        writer.writerow((dimension, value, *_cells(tally)))
    for _, display, count in _reasons(figures, displays):
        writer.writerow(("reason", display, "", "", count, "", ""))
    return text.getvalue()


def _number(name: str) -> Column:
    return Column(name, justify="right", no_wrap=True)


def _draw(figures: Figures, displays: Displays, console: Console) -> None:
    since = f"since {figures.since}" if figures.since else "so far"
    console.print(
        f"Calls {since}: {figures.calls}, of these {figures.considered} with an order that was "
        f"looked at, {figures.with_cards} with cards.",
        highlight=False,
    )
    names = Column("", overflow="fold")  # ids are copied: none is cut
    table = Table("by", names, *(_number(name) for name in _COLUMNS), title="Cards")
    last = ""
    for dimension, value, tally in _tallies(figures):
        if dimension != last and last:
            table.add_section()
        cells = (str(cell) for cell in _cells(tally))
        table.add_row("" if dimension == last else dimension, value, *cells)
        last = dimension
    console.print(table)
    if figures.reasons:
        table = Table("reason", _number("overridden"), title="Why cards were overridden")
        for _, display, count in _reasons(figures, displays):
            table.add_row(display, str(count))
        console.print(table)
    for drawn in rollout_tables.tables(figures, displays):
        if drawn.rows:
            _draw_table(drawn, console)
        elif drawn.id == "overridden" and figures.total.answered:
            console.print(f"{drawn.title}: none. {drawn.note}", highlight=False)
    _draw_rest(figures, console)


def _draw_table(drawn: FigureTable, console: Console) -> None:
    first, *rest = drawn.columns
    columns = (Column(name, justify="right") for name in rest)
    table = Table(Column(first, overflow="fold"), *columns, title=drawn.title, caption=drawn.note)
    for row in drawn.rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    console.print(table)


def _draw_rest(figures: Figures, console: Console) -> None:
    if figures.unread:
        table = Table("client", "input", Column("system", overflow="fold"), _number("entries"))
        table.title = "Code systems that are not read"
        for one in figures.unread:
            table.add_row(one.client, one.input, one.system, str(one.entries))
        console.print(table)
    if figures.unmatched:
        count = sum(figures.unmatched.values())
        said = "Feedback on cards that were not issued to its client"
        console.print(f"{said}: {count}.", highlight=False)
