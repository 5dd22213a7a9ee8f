"""What `fixtures generate --population` does: its options, and the writing with a bar."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cds_service.cards.terminal import plain

if TYPE_CHECKING:
    from cds_service.tools.synthetic.population.export import ExportForm
    from cds_service.tools.synthetic.population.wish import PopulationWish

_UNUSABLE = 2
_PANEL = "With --population"
_OF_CALLS = ("count", "release", "resources", "what")
_OF_POPULATIONS = ("years", "population_kind", "hips", "naming", "gzip", "lacks", "jobs")


class PopulationKindWish(StrEnum):
    """Whose patients."""

    HOSPITAL = "hospital"
    ELECTIVE_HIP = "elective-hip"


class NamingWish(StrEnum):
    """Habits of naming files of an export."""

    PLAIN = "Type.ndjson"
    NUMBERED = "Type.N.ndjson"
    NUMBER_FIRST = "N.Type.ndjson"
    PADDED = "Type.000.ndjson"
    EPOCH = "Type.EPOCH.ndjson"


PopulationOption = Annotated[
    int | None,
    typer.Option(min=1, max=100_000_000, help="Write a Bulk FHIR export of so many patients.",
                 rich_help_panel=_PANEL),
]  # fmt: skip
YearsOption = Annotated[
    int, typer.Option(min=1, max=20, help="Years of hip orders.", rich_help_panel=_PANEL)
]
KindOption = Annotated[
    PopulationKindWish,
    typer.Option(help="A hospital's patients, or the simulated elective hip list.",
                 rich_help_panel=_PANEL),
]  # fmt: skip
HipsOption = Annotated[
    float,
    typer.Option(min=0, max=100, help="Percent of a hospital's patients with a hip order.",
                 rich_help_panel=_PANEL),
]  # fmt: skip
NamingOption = Annotated[
    NamingWish, typer.Option(help="How files are named.", rich_help_panel=_PANEL)
]
GzipOption = Annotated[bool, typer.Option("--gzip", help="Pack the files.", rich_help_panel=_PANEL)]
LacksOption = Annotated[
    list[str] | None,
    typer.Option(metavar="TYPE", help="A resource type that the export lacks; repeatable.",
                 rich_help_panel=_PANEL),
]  # fmt: skip
JobsOption = Annotated[
    int, typer.Option(min=1, max=256, help="Processes that write.", rich_help_panel=_PANEL)
]


def refuse_mixture(context: typer.Context, population: int | None) -> None:
    """Raises BadParameter for options of single patients beside those of a population."""
    unfit = _OF_POPULATIONS if population is None else _OF_CALLS
    sources = ((name, context.get_parameter_source(name)) for name in unfit)
    given = [
        f"--{name.replace('_', '-')}"
        for name, source in sources
        if source is not None and source.name == "COMMANDLINE"
    ]
    if given:
        beside = "needs" if population is None else "cannot stand beside"
        raise typer.BadParameter(f"{', '.join(given)} {beside} --population")


def checked_types(lacks: list[str]) -> frozenset[str]:
    """The types that an export lacks. Raises BadParameter for one that cannot be left out."""
    from cds_service.tools.synthetic.population.wish import LEAVABLE

    if unknown := sorted(set(lacks) - set(LEAVABLE)):
        raise typer.BadParameter(
            f"{unknown[0]}: one of {', '.join(LEAVABLE)}", param_hint="--lacks"
        )
    return frozenset(lacks)


def write(wish: PopulationWish, form: ExportForm, folder: Path) -> None:
    """Write the population, with a bar where a person looks on. Exits with 2 on an unfit folder."""
    from cds_service.tools.synthetic.population.export import write_population
    from cds_service.tools.synthetic.write import FolderError

    try:
        _with_bar(write_population(wish, form, folder), wish.count)
    except FolderError as error:
        typer.echo(plain(str(error)), err=True)
    except OSError as error:
        typer.echo(
            plain(f"{error.filename or folder}: cannot be written: {error.strerror}"), err=True
        )
    else:
        typer.echo(f"{wish.count} patients in {folder}; hip orders {_span(wish.since, wish.until)}")
        return
    raise typer.Exit(_UNUSABLE)


def _with_bar(written: Iterator[int], count: int) -> None:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(
        console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    ) as bar:
        task = bar.add_task("patients", total=count)
        for done in written:
            bar.update(task, completed=done)


def _span(since: date, until: date) -> str:
    return f"from {since} to {until}"
