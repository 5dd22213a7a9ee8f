"""The command `repeats rotate`: a new key by which earlier answers to warnings are found."""

from __future__ import annotations

import typer

from cds_service.cli.examples import examples
from cds_service.errors import SettingsError
from cds_service.ops.repeat_key import rotate as new_key
from cds_service.ops.settings import from_environment

app = typer.Typer(help="Earlier answers to a warning (`repeat_days`).", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command(epilog=examples("repeats rotate"))
def rotate() -> None:
    """Put a new key into CDS_REPEAT_KEY_FILE, and throw the old one away.

    The service takes it at the next call. Nothing in the database can be linked to a patient any
    more by who knows the new key, and each warning comes once more. Several machines need the same
    file.
    """
    path = from_environment().repeat_key_file
    if path is None:
        raise SettingsError("set CDS_REPEAT_KEY_FILE: the file of the key")
    try:
        new_key(path)
    except OSError as error:
        raise SettingsError(
            f"cannot write {path}: {error.strerror}; run this as the user of the service"
        ) from None
    typer.echo(f"A new key is in {path}. Warnings that were answered before come again.")
