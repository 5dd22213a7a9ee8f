"""The command `doctor`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from cds_service.cards.terminal import plain

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
    HTML = "html"


class LevelWish(StrEnum):
    """From which level on a failure decides the exit code."""

    SHALL = "SHALL"
    SHOULD = "SHOULD"
    ADVICE = "ADVICE"


class Spec(StrEnum):
    """Versions of CDS Hooks."""

    V1 = "1.0"
    V2 = "2.0"
    V3 = "3.0"


def doctor(
    url: Annotated[
        str | None, typer.Argument(help="Base URL of the service, or its /cds-services.")
    ] = None,
    level: Annotated[
        LevelWish, typer.Option(help="Failures of this level or above give exit code 1.")
    ] = LevelWish.SHALL,
    format_: Annotated[
        ReportFormat, typer.Option("--format", help="Form of the report.")
    ] = ReportFormat.TEXT,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report there, not to the screen.")
    ] = None,
    spec: Annotated[
        Spec | None,
        typer.Option(help="Rules to go by; else those that the service names, else 2.0."),
    ] = None,
    service: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this service; may be repeated.")
    ] = None,
    request: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A call of your own, of invented data, for services of its hook; may be repeated.",
        ),
    ] = None,
    discovery: Annotated[
        str | None, typer.Option(metavar="PATH", help="Where discovery is, if not cds-services.")
    ] = None,
    jwk: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Private JWK: signs ES384 or RS384 tokens.")
    ] = None,
    make_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a new private JWK there, print what to register, and end."
        ),
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
    did, 2 the service cannot be examined, or not to the end.
    """
    from cds_service.cdshooks.conformance.statements import Level, Version
    from cds_service.tools.doctor.examine import Plan, examine

    if make_key is not None:
        _make_key(make_key)
        return
    version = Version(spec.value) if spec else None
    given = {file: _request(file) for file in request or ()}
    plan = Plan(
        version=version,
        signer=_signer(jwk, issuer, jku, tenant),
        only=tuple(service or ()),
        discovery=discovery,
        requests=tuple(given.values()),
        idle=idle,
        calls=max_calls,
        timeout=timeout,
    )
    report = examine(_checked(url), plan)
    report.notes += [note for file in given for note in _notes(file, given[file], report)]
    _write(report, format_, out, verbose)
    if report.services and report.fails(Level(level.value)):
        raise typer.Exit(_FAILED)
    raise typer.Exit(_UNUSABLE if report.unusable else 0)


def _end(words: str) -> typer.Exit:
    typer.echo(plain(words), err=True)
    return typer.Exit(_UNUSABLE)


def _checked(url: str | None) -> str:
    try:
        parts = urlsplit(url or "")
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        good = good and not (parts.query or parts.fragment)
    except ValueError:
        good = False
    if not good or url is None:
        raise _end("the URL must begin with http:// or https:// and a host, and have no query")
    return url


def _request(file: Path) -> dict[str, Any]:
    from cds_service.tools.doctor.requests import RequestFileError, read_request

    try:
        return read_request(file)
    except RequestFileError as error:
        raise _end(f"{file}: {error}") from None


def _notes(file: Path, request: dict[str, Any], report: Examination) -> Iterable[str]:
    """What was sent, and what is wrong in it: a service cannot be blamed for that."""
    from cds_service.tools.doctor.requests import mistakes
    from cds_service.tools.validate.findings import json_path

    sent = request["hook"] in report.hooks
    lacking = "" if sent else ": not sent, no service that was examined has this hook"
    yield f"request of {file.name}, hook {request['hook']}{lacking}"
    for found in mistakes(request, report.version):
        place = json_path(found.path)
        yield f"in the request of {file.name}, {found.statement}: {place}: {found.message}"


def _signer(jwk: Path | None, issuer: str, jku: str | None, tenant: str | None) -> Signer | None:
    from cds_service.tools.doctor.tokens import KeyFileError, read_signer

    if jwk is None:
        return None
    try:
        return read_signer(jwk, issuer, jku, tenant)
    except KeyFileError as error:
        raise _end(f"{jwk}: {error}") from None


def _make_key(file: Path) -> None:
    """Write a private key that only its owner may read, never over a file that is there."""
    from uuid import uuid4

    from cds_service.tools.doctor.tokens import make_key

    private, public = make_key(f"doctor-{uuid4().hex[:8]}")
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as opened:
            opened.write(json.dumps(private, indent=2) + "\n")
    except OSError as error:
        raise _end(f"{file}: cannot be written: {error.strerror}") from None
    typer.echo(json.dumps(public, indent=2))


def _write(report: Examination, format_: ReportFormat, out: Path | None, verbose: bool) -> None:
    from rich.console import Console

    from cds_service.tools.doctor import render

    if out is None and format_ is ReportFormat.TEXT:
        render.as_text(report, Console(), verbose=verbose)
        return
    if format_ is ReportFormat.TEXT:
        written = StringIO()
        render.as_text(report, Console(file=written, width=100), verbose=verbose)
        content = written.getvalue()
    else:
        content = render.WRITERS[format_.value](report)
    if out is None:
        typer.echo(content)
        return
    try:
        out.write_text(content, encoding="utf-8")
    except OSError as error:
        raise _end(f"{out}: cannot be written: {error.strerror}") from None
