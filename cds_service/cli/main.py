"""The command line: one command a file, and what an error of the set-up looks like."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cds_service import __version__
from cds_service.cli import check as check_command
from cds_service.cli import clients, feedback, repeats, switch
from cds_service.cli import doctor as doctor_command
from cds_service.cli import fixtures as fixtures_command
from cds_service.cli import knowledge as knowledge_cli
from cds_service.cli import sandbox as sandbox_command
from cds_service.cli import serve as serve_command
from cds_service.cli import validate as validate_command
from cds_service.cli.examples import examples
from cds_service.errors import CdsError, RequestError

BAD_SETUP = 1

app = typer.Typer(
    name="cds-service",
    help="CDS Hooks service for heterotopic ossification around hip arthroplasty.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print local variables, and those hold charts
    context_settings={"help_option_names": ["-h", "--help"]},  # of all commands below, too
    epilog=examples("serve", "check request.json --explain", "COMMAND -h"),
)


app.add_typer(clients.app, name="clients")
app.add_typer(feedback.app, name="feedback")
app.add_typer(repeats.app, name="repeats")
app.add_typer(knowledge_cli.app, name="knowledge")
app.add_typer(fixtures_command.app, name="fixtures")
app.command("serve", epilog=examples("serve", "serve --port 8080 --workers 2"))(serve_command.serve)
app.command(
    "check",
    epilog=examples(
        "check request.json",
        "check record.json --order hip --explain",
        "check - --json < request.json",
        "knowledge list rows    (the table that `row 7` is a row of)",
    ),
)(check_command.check)
app.command(
    "doctor",
    epilog=examples(
        "doctor http://127.0.0.1:8000",
        "doctor https://cds.example.org --format markdown > report.md",
    ),
)(doctor_command.doctor)
app.command("sandbox", epilog=examples("sandbox", "sandbox --port 8080 --fhir-port 0"))(
    sandbox_command.sandbox
)
app.command("off", epilog=examples('off --reason "wrong cards in theatre 3"'))(switch.off)
app.command("on", epilog=examples("on"))(switch.on)
app.command(
    "validate",
    epilog=examples(
        "validate request.json",
        "validate records/ --order hip --format sarif > findings.sarif",
        "validate record.json --fix-suggestions",
    ),
)(validate_command.validate)


def main() -> None:
    """Entry point of the console script. Errors of the set-up exit with 1 and one clear text."""
    try:
        app()
    except CdsError as error:
        typer.echo(f"cds-service: {error}", err=True)
        sys.exit(check_command.BAD_INPUT if isinstance(error, RequestError) else BAD_SETUP)


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
