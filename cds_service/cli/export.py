"""The command `knowledge export`: the content as a FHIR package."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from cds_service.cards.terminal import counted, plain
from cds_service.knowledge.loader import load
from cds_service.knowledge.published import archive
from cds_service.knowledge.published.cql.libraries import cql
from cds_service.ops.settings import from_environment

_NOT_WRITTEN = 2


def export(
    package: Annotated[Path, typer.Option("--package", help="The file to write (.tgz).")],
    overlay: Annotated[
        Path | None,
        typer.Option("--overlay", help="Directory of a site overlay (CDS_KNOWLEDGE_OVERLAY)."),
    ] = None,
) -> None:
    """Write the content as a FHIR R4 package: value sets, CQL, PlanDefinition, drafts.

    The same content gives the same bytes. What CQL cannot say is listed in the package, in
    other/not-exported.md.
    """
    knowledge = load(overlay or from_environment().knowledge_overlay)
    content = archive.package(knowledge)
    try:
        package.write_bytes(content)
    except OSError as error:
        typer.echo(f"{plain(str(package))}: {error.strerror}", err=True)
        raise typer.Exit(_NOT_WRITTEN) from None
    resources = counted(len(list(archive.resources(knowledge))), "resource")
    typer.echo(f"{archive.NAME} {archive.npm_version(knowledge.version)}: {resources}")
    rules = {(one.part, one.rule) for one in knowledge.once(cql).lost}
    typer.echo(f"{counted(len(rules), 'rule')} not exported in full: other/not-exported.md")
    typer.echo(f"SHA-256 {hashlib.sha256(content).hexdigest()}")
