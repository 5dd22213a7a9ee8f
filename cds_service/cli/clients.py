"""The commands `clients check` and `clients hash`: the file of registered EHRs."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cds_service.cli.examples import examples
from cds_service.errors import KnowledgeError, Mistake, SettingsError
from cds_service.ops.settings import Settings, from_environment

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge
    from cds_service.trust.clients import Client

app = typer.Typer(help="The file of registered EHR clients.", no_args_is_help=True)


@app.command(epilog=examples("clients check clients.toml"))
def check(
    file: Annotated[Path | None, typer.Argument(help="The file; else CDS_CLIENTS.")] = None,
) -> None:
    """Read the file as the service would, before SIGHUP makes it: every mistake with its line.

    The overlays that clients name are read, too, and the version of a client that is pinned.
    """
    from cds_service.ops.repeat_key import lacking, problem
    from cds_service.trust import clients  # keys are needed here only

    settings = from_environment()
    path = file or settings.clients
    if path is None:
        raise SettingsError("name the file, or set CDS_CLIENTS")
    knowledge = _content(settings.knowledge_overlay, settings)
    keyed, lack = settings.user_key is not None, lacking(settings)
    names = clients.Names.of(
        knowledge, keyed=keyed, speaks_3=settings.spoken >= 3, repeats_lack=lack
    )
    found = clients.load(path, names).clients
    for client in found:
        said = {"mode": client.mode, **client.said()}
        if client.repeat_days is not None:
            said["repeat_days"] = client.repeat_days
        typer.echo(f"{client.id}: " + ", ".join(f"{name} {value}" for name, value in said.items()))
    _check_content(found, knowledge, settings)
    if any(client.repeat_days for client in found) and (why := problem(settings)):
        raise SettingsError(why)


def _content(overlay: Path | None, settings: Settings) -> Knowledge:
    """What calls would be answered from. Raises KnowledgeError."""
    from cds_service.cards.suggested_orders import load_checked
    from cds_service.server.in_force import check_key

    knowledge = load_checked(overlay)
    check_key(knowledge, settings)
    return knowledge


def _check_content(found: Iterable[Client], default: Knowledge, settings: Settings) -> None:
    """Raises KnowledgeError with the mistakes of all overlays; a pin to another version than that
    on disk may be meant, until a restart."""
    versions: dict[Path | None, str | None] = {None: default.version}
    mistakes: list[Mistake] = []
    for client in found:
        overlay = client.overlay
        if overlay not in versions:
            try:
                versions[overlay] = _content(overlay, settings).version
            except KnowledgeError as error:
                versions[overlay] = None
                mistakes += (
                    replace(m, file=f"overlay {overlay}: {m.file}") for m in error.mistakes
                )
        version = versions[overlay]
        if version is not None and client.knowledge not in (None, version):
            typer.echo(
                f"warning: {client.id} is pinned to knowledge {client.knowledge}, and {version} is "
                "on disk: its calls get 503 unless the service has the former in force already",
                err=True,
            )
    if mistakes:
        raise KnowledgeError(mistakes)


@app.command("hash", epilog=examples("clients hash --client hospital Practitioner/123"))
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
