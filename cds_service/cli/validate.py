"""The command `validate`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from cds_service.cli.examples import DAY, DAY_FORMAT

if TYPE_CHECKING:
    from cds_service.tools.validate.counts import Totals
    from cds_service.tools.validate.engine import Options
    from cds_service.tools.validate.findings import Report

_UNUSABLE = 2


class Release(StrEnum):
    """FHIR releases that can be named."""

    R4 = "R4"
    R4B = "R4B"
    R5 = "R5"
    STU3 = "STU3"
    DSTU2 = "DSTU2"


class FindingsFormat(StrEnum):
    """Forms of the output."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"


class _Writer(Protocol):
    def report(self, report: Report) -> None: ...
    def end(self, totals: Totals) -> None: ...


def validate(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Files, folders, NDJSON; - for stdin."),
    ],
    release: Annotated[
        Release | None, typer.Option(help="FHIR release, instead of telling it by the content.")
    ] = None,
    format_: Annotated[
        FindingsFormat, typer.Option("--format", help="Form of the output.")
    ] = FindingsFormat.TEXT,
    fix_suggestions: Annotated[
        bool, typer.Option("--fix-suggestions", help="Print only JSON Patches of certain mends.")
    ] = False,
    order: Annotated[
        str | None,
        typer.Option(metavar="hip|CODE", help="Add this draft order to records that have none."),
    ] = None,
    today: Annotated[
        datetime | None,
        typer.Option(
            metavar=DAY,
            formats=[DAY_FORMAT],
            help="Decide as of this day, by what was known then (default: today).",
        ),
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(help="Site overlay (CDS_KNOWLEDGE_OVERLAY).")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes (default: all cores).")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also what is fine.")] = False,
) -> None:
    """Tell whether FHIR and CDS Hooks JSON is right, is understood here, and what would come.

    Exit code: 0 clean (notes do not count), 1 findings, 2 a document is unusable.
    """
    from cds_service.ops.settings import from_environment
    from cds_service.tools.validate.engine import Options

    options = Options(
        release=release.value if release else None,
        today=(today or datetime.now(UTC)).date(),
        then=today is not None,
        order=order,
        overlay=overlay or from_environment().knowledge_overlay,
    )
    _utf8()
    detailed = len(paths) == 1 and not Path(paths[0]).is_dir()
    writer = _Patches() if fix_suggestions else _writer(format_, detailed, verbose)
    raise typer.Exit(_validate(paths, options, jobs, writer))


def _validate(paths: list[str], options: Options, jobs: int | None, writer: _Writer) -> int:
    from cds_service.cards.terminal import plain
    from cds_service.cli.progress import watched
    from cds_service.errors import BadRequest
    from cds_service.fhir.record_to_call import check_order
    from cds_service.knowledge.loader import load
    from cds_service.tools.validate.counts import Totals
    from cds_service.tools.validate.files import files, tasks
    from cds_service.tools.validate.run import run

    try:
        if options.order is not None:  # before all files, and not only for records
            check_order(options.order, load(options.overlay).index)
        found = files(paths)
    except BadRequest as error:
        typer.echo(str(error), err=True)
        return _UNUSABLE
    except FileNotFoundError as error:
        typer.echo(plain(f"there is no {error}"), err=True)
        return _UNUSABLE
    totals = Totals()
    for report in watched(run(tasks(found), options, jobs), len(found)):
        totals.add(report)
        writer.report(report)
    writer.end(totals)
    return totals.exit_code


def _utf8() -> None:
    """Reports name what stands in files, whatever the terminal's encoding is."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _writer(format_: FindingsFormat, detailed: bool, verbose: bool) -> _Writer:
    from cds_service.cards.terminal import for_output
    from cds_service.tools.validate import render_machine
    from cds_service.tools.validate.render_text import TextWriter

    if format_ is FindingsFormat.TEXT:
        return TextWriter(for_output(), detailed=detailed, verbose=verbose)
    if format_ is FindingsFormat.JSON:
        return render_machine.JsonWriter(sys.stdout)
    if format_ is FindingsFormat.SARIF:
        return render_machine.SarifWriter(sys.stdout)
    return render_machine.JunitWriter(sys.stdout)


class _Patches:
    """Prints the JSON Patch of a single document; of several, one line for each that has one."""

    def __init__(self) -> None:
        self._held: tuple[str, list[Mapping[str, Any]]] | None = None
        self._several = False

    def report(self, report: Report) -> None:
        from cds_service.tools.validate.patches import patch_of

        patch = patch_of(report)
        line = json.dumps({"file": report.name, "line": report.line, "patch": patch})
        if self._held is None and not self._several:
            self._held = line, patch  # until it is known whether there are more
            return
        self._several = True
        for text, operations in (self._held or ("", []), (line, patch)):
            if operations:
                typer.echo(text)
        self._held = None

    def end(self, totals: Totals) -> None:
        if self._held is not None:
            typer.echo(json.dumps(self._held[1], indent=2))
