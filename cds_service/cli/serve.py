"""`cds-service serve`: start the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cds_service.ops.settings import from_environment


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
    opens: Annotated[
        bool, typer.Option("--open", help="Show the playground in a browser.")
    ] = False,
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
    run.run(from_environment(options=options), example, opens=opens)
