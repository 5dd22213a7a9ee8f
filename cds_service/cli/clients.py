"""The commands `clients check` and `clients hash`: the file of registered EHRs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cds_service.errors import SettingsError
from cds_service.ops.settings import from_environment

app = typer.Typer(help="The file of registered EHR clients.", no_args_is_help=True)


@app.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="The file; else CDS_CLIENTS.")] = None,
) -> None:
    """Read the file as the service would, before SIGHUP makes it: every mistake with its line."""
    from cds_service.knowledge.loader import load
    from cds_service.ops.repeat_key import lacking, problem
    from cds_service.trust import clients  # keys are needed here only

    settings = from_environment()
    path = file or settings.clients
    if path is None:
        raise SettingsError("name the file, or set CDS_CLIENTS")
    names = clients.Names.of(
        load(settings.knowledge_overlay),
        keyed=settings.user_key is not None,
        speaks_3=settings.speaks_3,
        repeats_lack=lacking(settings),
    )
    found = clients.load(path, names).clients
    for client in found:
        said = {"mode": client.mode, **client.said()}
        if client.repeat_days is not None:
            said["repeat_days"] = client.repeat_days
        typer.echo(f"{client.id}: " + ", ".join(f"{name} {value}" for name, value in said.items()))
    if any(client.repeat_days for client in found) and (why := problem(settings)):
        raise SettingsError(why)


@app.command("hash")
def hash_users(
    client: Annotated[str, typer.Option(help="The id of the client in the file.")],
    users: Annotated[
        list[str] | None,
        typer.Argument(help="`context.userId` of each, as Practitioner/123; else lines of input."),
    ] = None,
) -> None:
    """Print the hashes of users for `users` of a client, with the key CDS_USER_KEY."""
    from cds_service.trust.rollout import user_hash

    key = from_environment().user_key
    if key is None:
        raise SettingsError("set CDS_USER_KEY: the same key as the service's")
    given = users or [line.strip() for line in sys.stdin]
    for user in filter(None, given):
        if user.count("/") < 1:
            raise SettingsError("a user is written as in context.userId: Practitioner/123")
        typer.echo(user_hash(key.get_secret_value().encode(), client, user))
