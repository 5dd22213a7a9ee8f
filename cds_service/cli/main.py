"""The command line: one command a file, and what an error of the set-up looks like."""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from cds_service.cli.examples import OF_COMMANDS, examples
from cds_service.errors import CdsError, RequestError
from cds_service.ops import build

BAD_SETUP, BAD_INPUT = 1, 2
_CANNOT_WRITE: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_COMMANDS: Final = {
    "clients": "clients", "feedback": "feedback", "repeats": "repeats", "knowledge": "knowledge",
    "fixtures": "fixtures", "serve": "serve", "check": "check", "doctor": "doctor",
    "rehearse": "rehearse",
    "sandbox": "sandbox", "off": "switch", "on": "switch", "validate": "validate",
}  # fmt: skip
"""By command, the file that has it: as `app` where it has commands of its own, else as a function.
It is imported when it is called: the kill switch waits for none of the others."""


class _Commands(TyperGroup):
    def list_commands(self, ctx: object) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: object, cmd_name: str) -> Any:  # the type of commands is typer's own
        wanted = [cmd_name] if cmd_name in _COMMANDS else list(_COMMANDS)  # "did you mean"
        for name in wanted:
            if name not in self.commands:
                self.add_command(_made(name), name)
        return self.commands.get(cmd_name)


def _made(name: str) -> Any:
    module = import_module(f"cds_service.cli.{_COMMANDS[name]}")
    if hasattr(module, "app"):
        group = get_group(module.app)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False)
    lines = OF_COMMANDS.get(name)
    alone.command(name, epilog=examples(*lines) if lines else None)(getattr(module, name))
    return get_command(alone)


app = typer.Typer(
    name="cds-service",
    cls=_Commands,
    help="CDS Hooks service for heterotopic ossification around hip arthroplasty.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print local variables, and those hold charts
    context_settings={"help_option_names": ["-h", "--help"]},  # of all commands below, too
    epilog=examples("serve", "check request.json --explain", "COMMAND -h"),
)


def main() -> None:
    """Entry point of the console script. Errors of the set-up exit with 1 and one clear text."""
    try:
        app()
    except CdsError as error:
        typer.echo(f"cds-service: {error}", err=True)
        sys.exit(BAD_INPUT if isinstance(error, RequestError) else BAD_SETUP)
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        typer.echo(f"cds-service: the output cannot be written: {error.strerror}", err=True)
        os._exit(BAD_SETUP)  # Python would try to write the rest once more, and fail once more


def _show_version(wanted: bool) -> None:
    if wanted:
        from cds_service.knowledge import (  # other commands load it where they need it
            loader,
            reading,
        )

        told = f"commit {build.commit()}, knowledge {reading.shipped_version(loader.CONTENT)}"
        typer.echo(f"cds-service {build.VERSION} ({told})")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Show version, commit and knowledge.",
        ),
    ] = False,
) -> None:
    pass
