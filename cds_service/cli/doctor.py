"""The command `doctor`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

if TYPE_CHECKING:
    from cds_service.tools.doctor.results import Examination
    from cds_service.tools.doctor.tokens import Signer

_FAILED, _UNUSABLE = 1, 2


class ReportFormat(StrEnum):
    """Forms of the report."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    MARKDOWN = "markdown"


class LevelWish(StrEnum):
    """From which level on a failure decides the exit code."""

    SHALL = "SHALL"
    SHOULD = "SHOULD"
    ADVICE = "ADVICE"


class Spec(StrEnum):
    """Versions of CDS Hooks."""

    V1 = "1.0"
    V2 = "2.0"
    V3 = "3.0-ballot"


def doctor(
    url: Annotated[str, typer.Argument(help="Base URL of the service, or its /cds-services.")],
    level: Annotated[
        LevelWish, typer.Option(help="Failures of this level or above give exit code 1.")
    ] = LevelWish.SHALL,
    format_: Annotated[
        ReportFormat, typer.Option("--format", help="Form of the report.")
    ] = ReportFormat.TEXT,
    spec: Annotated[
        Spec, typer.Option(help="Rules, where the service names no version.")
    ] = Spec.V2,
    service: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this service; may be repeated.")
    ] = None,
    discovery: Annotated[
        str | None, typer.Option(metavar="PATH", help="Where discovery is, if not cds-services.")
    ] = None,
    jwk: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Private JWK: signs ES384 or RS384 tokens.")
    ] = None,
    issuer: Annotated[
        str, typer.Option("--iss", help="Issuer of the tokens.")
    ] = "https://doctor.example.org",
    jku: Annotated[str | None, typer.Option(help="URL of the key set, put into tokens.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Tenant, put into tokens.")] = None,
    max_calls: Annotated[int, typer.Option(min=5, max=1000, help="Calls at most.")] = 200,
    timeout: Annotated[float, typer.Option(min=0.1, max=120, help="Seconds for each call.")] = 15.0,
    idle: Annotated[
        float,
        typer.Option(min=0, max=3600, help="Seconds for which an idle connection must stay open."),
    ] = 0.0,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also what is right.")] = False,
) -> None:
    """Examine a CDS Hooks service against the conformance checklist, with synthetic patients.

    At most 200 calls for five services. Exit code: 0 nothing failed at the level, 1 something
    did, 2 the service cannot be examined.
    """
    from cds_service.cdshooks.conformance.statements import Level, Version
    from cds_service.tools.doctor.examine import Plan, examine

    _check_url(url)
    plan = Plan(
        version=Version(spec.value),
        signer=_signer(jwk, issuer, jku, tenant),
        only=tuple(service or ()),
        discovery=discovery,
        idle=idle,
        calls=max_calls,
        timeout=timeout,
    )
    report = examine(url, plan)
    _write(report, format_, verbose)
    if not report.services:
        raise typer.Exit(_UNUSABLE)
    raise typer.Exit(_FAILED if report.fails(Level(level.value)) else 0)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        typer.echo("the URL must begin with http:// or https:// and a host", err=True)
        raise typer.Exit(_UNUSABLE)


def _signer(jwk: Path | None, issuer: str, jku: str | None, tenant: str | None) -> Signer | None:
    from cds_service.tools.doctor.tokens import KeyFileError, read_signer

    if jwk is None:
        return None
    try:
        return read_signer(jwk, issuer, jku, tenant)
    except KeyFileError as error:
        typer.echo(f"{jwk}: {error}", err=True)
        raise typer.Exit(_UNUSABLE) from None


def _write(report: Examination, format_: ReportFormat, verbose: bool) -> None:
    from rich.console import Console

    from cds_service.tools.doctor import render

    if format_ is ReportFormat.TEXT:
        render.as_text(report, Console(), verbose=verbose)
    else:
        typer.echo(render.WRITERS[format_.value](report))
