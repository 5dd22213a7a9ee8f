"""The command `rehearse`: what the service would have said to the orders of the past."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cds_service.cards.terminal import plain
from cds_service.cli.examples import DAY, DAY_FORMAT
from cds_service.errors import BadRequest

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from cds_service.rehearsal.options import AsOf, EventKind
    from cds_service.rehearsal.run import ProgressWatch, RehearsalPlan

UNUSABLE = 2
STOPPED = 130
_USUAL = 11  # numbers below it are not shown
_SIZES = {"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
_EVERY = 10.0  # seconds between two lines where there is no terminal


def rehearse(
    exports: Annotated[
        list[str],
        typer.Argument(
            metavar="EXPORT...",
            help="A Bulk FHIR export (NDJSON, gzip, Parquet, Delta): files, folders, globs, a "
            "bulk manifest, s3://, gs://, abfs://.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the report; made where it is not.")],
    since: Annotated[
        datetime | None,
        typer.Option(metavar=DAY, formats=[DAY_FORMAT], help="First day of events."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(metavar=DAY, formats=[DAY_FORMAT], help="Last day of events.")
    ] = None,
    events: Annotated[
        str, typer.Option(metavar="order,procedure", help="What is replayed.")
    ] = "order,procedure",
    as_of: Annotated[
        str,
        typer.Option(metavar="event|today", help="Facts known at the event, or all of today."),
    ] = "event",
    overlay: Annotated[
        Path | None, typer.Option(help="Site overlay (CDS_KNOWLEDGE_OVERLAY).")
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(help="Another overlay, or the folder of an earlier rehearsal."),
    ] = None,
    by: Annotated[
        Path | None,
        typer.Option(help="CSV of reference,group: rates by group (Practitioner/1,North)."),
    ] = None,
    min_cell: Annotated[
        int, typer.Option(min=1, max=1000, help="Smaller numbers are not shown.")
    ] = _USUAL,
    jobs: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes (default: all cores).")
    ] = None,
    memory: Annotated[str, typer.Option(help="For each process, at least 128MB.")] = "512MB",
    restart: Annotated[
        bool, typer.Option("--restart", help="Go on where a run was stopped or killed.")
    ] = False,
) -> None:
    """Replay past hip orders of a Bulk FHIR export, and write how often a card would have come.

    The report holds no patient, no day and no number under --min-cell. Exit code: 0 done, 1 a
    folder or content cannot be used, 2 the export or an option cannot be used, 130 stopped with
    Ctrl-C (go on with --restart).
    """
    from cds_service.rehearsal.run import RehearsalPlan
    from cds_service.rehearsal.run import rehearse as run

    try:
        plan = RehearsalPlan(
            tuple(exports),
            out,
            _options(events, as_of, since, until, by),
            overlay or _site(),
            compare,
            min_cell,
            jobs,
            _bytes(memory),
            restart,
        )
        with _watched() as watch:
            summary = run(plan, watch)
    except BadRequest as error:
        typer.echo(plain(str(error)), err=True)
        raise typer.Exit(UNUSABLE) from None
    except KeyboardInterrupt:
        typer.echo("stopped; the same command with --restart goes on from here", err=True)
        typer.echo(f"lines of patients lie in {out / '.rehearsal-work'} until then", err=True)
        raise typer.Exit(STOPPED) from None
    _tell(plan, summary)


def _site() -> Path | None:
    from cds_service.ops.settings import from_environment

    return from_environment().knowledge_overlay


def _options(
    events: str, as_of: str, since: datetime | None, until: datetime | None, by: Path | None
) -> Any:
    from cds_service.ops.settings import from_environment
    from cds_service.rehearsal.options import AsOf, EventKind, ReplayOptions

    if since and until and since > until:
        raise BadRequest("lies after --until", "--since")
    kinds: set[EventKind] = {_one_of(EventKind, one, "--events") for one in events.split(",")}
    moment: AsOf = _one_of(AsOf, as_of, "--as-of")
    return ReplayOptions(
        events=frozenset(kinds),
        as_of=moment,
        since=since.date() if since else None,
        until=until.date() if until else None,
        zone=from_environment().timezone,
        groups=_groups(by) if by else {},
    )


def _one_of(kind: Any, said: str, option: str) -> Any:
    try:
        return kind(said.strip())
    except ValueError:
        allowed = " or ".join(str(one.value) for one in kind)
        raise BadRequest(f"wants {allowed}", option) from None


def _bytes(said: str) -> int:
    """A size such as 512MB in bytes."""
    number, unit = said.strip()[:-2], said.strip()[-2:].upper()
    if unit not in _SIZES or not number.strip().isdecimal():
        raise BadRequest("wants a number with KB, MB or GB, such as 512MB", "--memory")
    return int(number) * _SIZES[unit]


def _groups(path: Path) -> dict[str, str]:
    """The groups of a CSV file with the columns reference and group."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if set(rows.fieldnames or ()) != {"reference", "group"}:
                raise BadRequest("wants the header reference,group", str(path))
            return {row["reference"].strip(): row["group"].strip() for row in rows}
    except OSError as error:
        raise BadRequest(f"cannot be read: {error.strerror}", str(path)) from None


def _tell(plan: RehearsalPlan, summary: dict[str, Any]) -> None:
    told = summary["events"]
    events = "(not shown)" if told["events"] is None else told["events"]
    shown = "a rate that is not shown" if told["per_100"] is None else (
        f"{told['per_100']:.1f} of 100 ({told['low']:.1f} to {told['high']:.1f}) with a card"
    )  # fmt: skip
    found = f"{events} hip orders and operations"
    typer.echo(found if events == 0 else f"{found}, {shown}")
    for name, number in summary["export"]["findings"].items():
        typer.echo(f"note: {name}: {number or f'fewer than {plan.min_cell}'}", err=True)
    if plan.min_cell < _USUAL:
        typer.echo(f"note: numbers below {_USUAL} are shown: keep the report in house", err=True)
    typer.echo(f"report: {plan.out / 'report.html'}")


# --- progress ---


@contextmanager
def _watched() -> Iterator[ProgressWatch]:
    """A bar on a terminal, else a line now and then, both on stderr."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield _Bars(progress)


@dataclass(slots=True)
class _Pace:
    """How fast a stage goes."""

    stage: str = ""
    total: int = 0
    done: int = 0
    skipped: int = 0  # done by an earlier run
    begun: float = field(default_factory=time.monotonic)

    @property
    def per_second(self) -> float:
        return (self.done - self.skipped) / max(time.monotonic() - self.begun, 0.001)

    @property
    def said(self) -> str:
        if self.stage == "replay":
            return f"{self.done} of {self.total} parts"
        return f"{self.per_second / 1e6:,.0f} MB/s"


class _Bars:
    """Progress as bars."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bar: TaskID | None = None
        self._pace = _Pace()

    def begin(self, stage: str, total: int) -> None:
        self._pace = _Pace(stage, total)
        self._bar = self._progress.add_task(stage, total=total, rate="")

    def more(self, done: int) -> None:
        self._pace.done += done
        if self._bar is not None:
            self._progress.update(self._bar, advance=done, rate=self._pace.said)


class _Lines:
    """Progress as lines, for a log."""

    def __init__(self) -> None:
        self._pace = _Pace()
        self._told = time.monotonic()

    def begin(self, stage: str, total: int) -> None:
        self._pace = _Pace(stage, total)

    def more(self, done: int) -> None:
        pace = self._pace
        pace.done += done
        now = time.monotonic()
        if now - self._told < _EVERY or not pace.total:
            return
        self._told = now
        left = (pace.total - pace.done) / pace.per_second if pace.per_second else 0.0
        part = 100 * pace.done / pace.total
        print(f"{pace.stage}: {part:.0f} %, {pace.said}, about {left:.0f} s left", file=sys.stderr)  # noqa: T201  # progress is for who waits
