"""`cds-service sandbox`: show the service in the CDS Hooks Sandbox, with patients of its own."""

from __future__ import annotations

from threading import Thread
from typing import Annotated
from urllib.parse import urlsplit

import typer

from cds_service.errors import SettingsError
from cds_service.ops.settings import SANDBOX, Settings, from_environment
from cds_service.ops.urls import check_url, is_loopback_origin

_DISCOVERY = "/cds-services"


def sandbox(
    port: Annotated[
        int | None,
        typer.Option(help="Port of the service, on 127.0.0.1 (CDS_PORT).", min=1, max=65535),
    ] = None,
    fhir_port: Annotated[
        int,
        typer.Option(help="Port of the FHIR server, on 127.0.0.1; 0 picks one.", min=0, max=65535),
    ] = 8001,
    service: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Start no service: one runs at this base URL already."),
    ] = None,
    page: Annotated[
        str, typer.Option("--sandbox", metavar="URL", help="Another Sandbox than the public one.")
    ] = SANDBOX,
) -> None:
    """Start the service, and a FHIR server with synthetic patients, for the CDS Hooks Sandbox.

    Prints the link that opens the Sandbox with both, and where the hip card is. They listen on
    this machine only. Exit code: 1 for a port that is taken or a URL that cannot be used.
    """
    from cds_service.tools.sandbox.run import HOST, listen, prepare

    given = {"host": HOST, "port": port, "workers": 1}
    settings = from_environment(options={k: v for k, v in given.items() if v is not None})
    own = f"http://{HOST}:{settings.port}"
    base = _checked(service, "--service") if service else own
    if service is None:
        running = f"when the service runs there already, add --service {own}, else choose --port"
        listen(settings.port, running).close()  # told before the guide is
    stand_in = prepare(
        fhir_port, base.removesuffix(_DISCOVERY) + _DISCOVERY, _checked(page, "--sandbox")
    )
    if service is not None:
        typer.echo(stand_in.guide)
        stand_in.run()
        return
    from cds_service.server import run  # as for serve

    Thread(target=stand_in.run, daemon=True).start()
    run.run(_reaching(settings, stand_in.fhir, page), more=stand_in.guide)


def _reaching(settings: Settings, fhir: str, page: str) -> Settings:
    """The settings with the FHIR server that may be read, and the Sandbox that may call."""
    more: dict[str, object] = {"fhir_servers": (*settings.fhir_servers, fhir)}
    parts = urlsplit(page)
    origin = f"{parts.scheme}://{parts.netloc}".lower()
    if not (settings.admits_local_pages and (origin == SANDBOX or is_loopback_origin(origin))):
        more["cors_origins"] = (*settings.allowed_origins, origin)
    return settings.model_copy(update=more)


def _checked(url: str, option: str) -> str:
    try:
        return check_url(url)
    except ValueError as error:
        raise SettingsError(f"{option}: {error}") from None
