"""The commands `fixtures ...`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cds_service.cards.terminal import counted, plain
from cds_service.cli import population as populations
from cds_service.cli.examples import DAY, DAY_FORMAT, examples
from cds_service.cli.progress import shown

if TYPE_CHECKING:
    from cds_service.tools.synthetic.catalogue import Habits
    from cds_service.tools.synthetic.generate import Patient, Wish

app = typer.Typer(
    help="Synthetic patients with known truth, and cards to try a client on.", no_args_is_help=True
)

_MOST = 10_000
_UNUSABLE = 2


class ReleaseWish(StrEnum):
    """FHIR releases to write."""

    R4 = "R4"
    R5 = "R5"
    STU3 = "STU3"
    MIXED = "mixed"


class HabitsWish(StrEnum):
    """Coding habits."""

    US = "us"
    UK = "uk"
    MIXED = "mixed"


class What(StrEnum):
    """What to write."""

    BOTH = "both"
    CALLS = "calls"
    RECORDS = "records"


@app.callback()
def _root() -> None:
    pass


@app.command(
    epilog=examples("fixtures generate out", "fixtures generate out --count 1 --release R5")
)
def generate(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder to write into; made where it is not.")],
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="Patients.")] = 150,
    seed: Annotated[int, typer.Option(help="Same seed and day: same bytes.")] = 1,
    release: Annotated[ReleaseWish, typer.Option(help="FHIR release.")] = ReleaseWish.R4,
    habits: Annotated[HabitsWish, typer.Option(help="Coding habits.")] = HabitsWish.MIXED,
    resources: Annotated[
        str, typer.Option(metavar="N|LEAST-MOST", help="Resources of a chart, 5 to 10000.")
    ] = "5-40",
    what: Annotated[What, typer.Option(help="Calls, whole records, or both.")] = What.BOTH,
    today: Annotated[
        datetime | None,
        typer.Option(
            metavar=DAY,
            formats=[DAY_FORMAT],
            help="Day on which the truth holds (default: today, UTC).",
        ),
    ] = None,
    population: populations.PopulationOption = None,
    years: populations.YearsOption = 3,
    population_kind: populations.KindOption = populations.PopulationKindWish.HOSPITAL,
    hips: populations.HipsOption = 2.0,
    naming: populations.NamingOption = populations.NamingWish.PLAIN,
    gzip: populations.GzipOption = False,
    lacks: populations.LacksOption = None,
    jobs: populations.JobsOption = 1,
) -> None:
    """Write synthetic patients, and truth.json and truth.csv with what must come for each.

    Every rule leads a patient in turn: 150 patients show all of them at least once. The files of
    an earlier run in the same folder are replaced. Exit code: 2 when the folder cannot be used.

    With --population a Bulk FHIR export of whole patients comes instead, in export/, and
    truth.ndjson with what each past order must have met.
    """
    populations.refuse_mixture(context, population)
    if population is not None:
        from cds_service.tools.synthetic.population.export import ExportForm
        from cds_service.tools.synthetic.population.wish import (
            FileNaming,
            PopulationKind,
            PopulationWish,
        )

        wished = PopulationWish(
            population, years, (today or datetime.now(UTC)).date(), seed,
            PopulationKind(population_kind.value), hips / 100, _habits(habits),
            populations.checked_types(lacks or []),
        )  # fmt: skip
        form = ExportForm(FileNaming(naming.value), gzip, jobs)
        populations.write(wished, form, folder)
        return
    from cds_service.tools.synthetic.fhir_releases import RELEASES
    from cds_service.tools.synthetic.generate import Wish
    from cds_service.tools.synthetic.generate import generate as make

    mixed = release is ReleaseWish.MIXED
    wish = Wish(
        today=(today or datetime.now(UTC)).date(),
        count=count,
        seed=seed,
        releases=RELEASES if mixed else (release.value,),
        habits=_habits(habits),
        size=_size(resources),
    )
    written = _write(shown(make(wish), "patients", count), wish, folder, what)
    typer.echo(f"{counted(written, 'patient')} in {folder}; the truth holds on {wish.today}")


def _habits(wish: HabitsWish) -> tuple[Habits, ...]:
    from cds_service.tools.synthetic.catalogue import Habits

    return tuple(Habits) if wish is HabitsWish.MIXED else (Habits(wish.value),)


@app.command(epilog=examples("fixtures cards out"))
def cards(
    folder: Annotated[Path, typer.Argument(help="Folder to write into; made where it is not.")],
) -> None:
    """Write answers to try a CDS client on: valid ones that are tricky, and wrong ones.

    cards.json says what each is about, and what a client does with it. `cds-service sandbox` serves
    the same. Exit code: 2 when the folder cannot be used.
    """
    from cds_service.tools.synthetic.client_cards import write
    from cds_service.tools.synthetic.write import FolderError

    try:
        written = write(folder)
    except FolderError as error:
        typer.echo(plain(str(error)), err=True)
    except OSError as error:
        told = f"{error.filename or folder}: cannot be written: {error.strerror}"
        typer.echo(plain(told), err=True)
    else:
        typer.echo(f"{written} answers in {folder}; cards.json says what each is about")
        return
    raise typer.Exit(_UNUSABLE)


def _write(patients: Iterable[Patient], wish: Wish, folder: Path, what: What) -> int:
    from cds_service.tools.synthetic.write import FolderError, write

    calls, records = what is not What.RECORDS, what is not What.CALLS
    try:
        return write(patients, wish, folder, calls=calls, records=records)
    except FolderError as error:
        typer.echo(plain(str(error)), err=True)
    except OSError as error:
        typer.echo(
            plain(f"{error.filename or folder}: cannot be written: {error.strerror}"), err=True
        )
    raise typer.Exit(_UNUSABLE)


def _size(text: str) -> tuple[int, int]:
    least, _, most = text.partition("-")
    try:
        bounds = int(least), int(most or least)
    except ValueError:
        raise typer.BadParameter("a number, or two with a hyphen between") from None
    if not 5 <= bounds[0] <= bounds[1] <= _MOST:
        raise typer.BadParameter(f"between 5 and {_MOST}")
    return bounds
