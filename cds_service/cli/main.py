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
from cds_service.cli import rehearse as rehearse_command
from cds_service.cli import sandbox as sandbox_command
from cds_service.cli import serve as serve_command
from cds_service.cli import validate as validate_command
from cds_service.errors import CdsError, RequestError

BAD_SETUP = 1

app = typer.Typer(
    name="cds-service",
    help="CDS Hooks service for heterotopic ossification around hip arthroplasty.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print local variables, and those hold charts
    add_completion=False,
)


app.add_typer(clients.app, name="clients")
app.add_typer(feedback.app, name="feedback")
app.add_typer(repeats.app, name="repeats")
app.add_typer(knowledge_cli.app, name="knowledge")
app.add_typer(fixtures_command.app, name="fixtures")
app.command("serve")(serve_command.serve)
app.command("check")(check_command.check)
app.command("doctor")(doctor_command.doctor)
app.command("rehearse")(rehearse_command.rehearse)
app.command("sandbox")(sandbox_command.sandbox)
app.command("off")(switch.off)
app.command("on")(switch.on)
app.command("validate")(validate_command.validate)


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
