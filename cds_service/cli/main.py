"""The command line: serve, check one request or record, look at the clinical content."""

from __future__ import annotations

import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cds_service import __version__, hooks
from cds_service.cards import terminal, trace
from cds_service.cards.suggested_orders import load_checked
from cds_service.cdshooks import request as envelope
from cds_service.cdshooks.encoding import to_utf8
from cds_service.cdshooks.models import CDSRequest
from cds_service.cli import doctor as doctor_command
from cds_service.cli import feedback
from cds_service.cli import fixtures as fixtures_command
from cds_service.cli import knowledge as knowledge_cli
from cds_service.cli import validate as validate_command
from cds_service.errors import BadRequest, CdsError, RequestError
from cds_service.fhir import record_to_call
from cds_service.knowledge.loader import Knowledge
from cds_service.ops.settings import from_environment
from cds_service.server.app import utc_now

BAD_INPUT = 2
BAD_SETUP = 1

app = typer.Typer(
    name="cds-service",
    help="CDS Hooks service for heterotopic ossification around hip arthroplasty.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print local variables, and those hold charts
    add_completion=False,
)


app.add_typer(feedback.app, name="feedback")
app.add_typer(knowledge_cli.app, name="knowledge")
app.add_typer(fixtures_command.app, name="fixtures")
app.command("doctor")(doctor_command.doctor)
app.command("validate")(validate_command.validate)


def main() -> None:
    """Entry point of the console script. Errors of the set-up exit with 1 and one clear text."""
    try:
        app()
    except CdsError as error:
        typer.echo(f"cds-service: {error}", err=True)
        sys.exit(BAD_INPUT if isinstance(error, RequestError) else BAD_SETUP)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cds-service {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    pass


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (CDS_HOST).")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on (CDS_PORT).", min=0, max=65535)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Worker processes (CDS_WORKERS).", min=1, max=64)
    ] = None,
    allow_anonymous: Annotated[
        bool | None,
        typer.Option("--allow-anonymous", help="Answer anybody: for demos (CDS_ALLOW_ANONYMOUS)."),
    ] = None,
    example: Annotated[
        Path | None, typer.Option(help="A request file to print a curl line for.", hidden=True)
    ] = None,
) -> None:
    """Start the service. What is not given here comes from CDS_* variables."""
    from cds_service.server import run  # uvicorn is needed here only

    given = {
        "host": host,
        "port": port,
        "workers": workers,
        "allow_anonymous": allow_anonymous or None,
    }
    options = {name: value for name, value in given.items() if value is not None}
    run.run(from_environment(options=options), example)


@app.command()
def check(
    file: Annotated[str, typer.Argument(help="A CDS Hooks request or a FHIR Bundle; - for stdin.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the raw answer.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print what was read, matched and left out, too.")
    ] = False,
    today: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Decide as of this day.")
    ] = None,
    order: Annotated[
        str | None,
        typer.Option(
            metavar="hip|CODE",
            help="Add this draft order to a Bundle that has none: a total hip replacement, "
            "a code, or 'system|code'.",
        ),
    ] = None,
) -> None:
    """Show the cards for one request, or for a whole record.

    Exit code: 0 cards or silence, 2 bad input with the place named, or nothing to check.
    """
    settings = from_environment()
    knowledge = load_checked(settings.knowledge_overlay)
    day = today.date() if today else utc_now().date()
    try:
        request = _read_request(_input(file), knowledge, order)
        _show(request, knowledge, day, as_json=as_json, explain=explain)
    except RequestError as error:
        typer.echo(terminal.plain(f"{file}: {error}"), err=True)
        raise typer.Exit(BAD_INPUT) from None


def _input(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        typer.echo(f"{file}: {error.strerror}", err=True)
        raise typer.Exit(BAD_INPUT) from None


def _read_request(data: bytes, knowledge: Knowledge, order: str | None) -> CDSRequest:
    """A request as it is, or a Bundle wrapped into one. Raises RequestError, also for a Bundle in
    which nothing could be checked."""
    plain = to_utf8(data, None)
    call = record_to_call.as_call(plain, knowledge.index, order)
    if call is plain and order is not None:
        typer.echo(
            "note: --order is not used: this is a call, with draft orders of its own", err=True
        )
    elif call is not plain and not record_to_call.has_drafts(call):
        raise BadRequest("no draft order (a record may be given one with --order)", "Bundle.entry")
    request = envelope.parse(call)
    hooks.check_hook(request, hooks.SERVICES)
    return request


def _show(
    request: CDSRequest, knowledge: Knowledge, day: date, *, as_json: bool, explain: bool
) -> None:
    chart, assessment = hooks.decide(request, knowledge, day)
    if explain:
        text = trace.as_text(trace.explain(assessment, chart, knowledge))
        typer.echo(terminal.plain(text), err=as_json)  # with --json, stdout holds JSON only
    for note in request.notes:
        typer.echo(f"note: {note}", err=True)
    response = hooks.respond(request, chart, assessment, knowledge)
    if as_json:
        typer.echo(terminal.json_text(response))
    else:
        terminal.draw(response, Console())
