"""The command `knowledge expand`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn
from urllib.parse import urlsplit

import typer

from cds_service.cards.terminal import counted, plain
from cds_service.errors import KnowledgeError
from cds_service.ops.settings import from_environment
from cds_service.ops.urls import is_loopback_host

if TYPE_CHECKING:
    from cds_service.tools.expand.run import ExpansionReport

_UNANSWERED, _UNUSABLE = 1, 2


def expand(
    server: Annotated[str, typer.Option(help="Base URL of a FHIR R4 terminology server.")],
    overlay: Annotated[
        Path | None,
        typer.Option(help="Directory of the site overlay to write (CDS_KNOWLEDGE_OVERLAY)."),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with a bearer token for the server.")
    ] = None,
    value_set: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this one; may be repeated.")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget the answers of a run that broke off.")
    ] = False,
    ecl: Annotated[
        bool, typer.Option("--ecl", help="Ask with SNOMED CT's ECL instead of is-a (untested).")
    ] = False,
    no_lookup: Annotated[
        bool,
        typer.Option("--no-lookup", help="Do not ask which codes are inactive, one by one."),
    ] = False,
    page_size: Annotated[int, typer.Option(min=1, max=100_000, help="Codes for each page.")] = 1000,
    most: Annotated[
        int, typer.Option(min=1, max=100_000, help="Codes that one row may gain.")
    ] = 10_000,
    timeout: Annotated[float, typer.Option(min=0.1, max=600, help="Seconds for a call.")] = 60.0,
) -> None:
    """Add what is below the codes of the value sets, as a FHIR terminology server knows it.

    Writes a site overlay; `knowledge diff base DIR` then shows what it added. A run that broke off
    goes on where it was. Exit code: 0 every row was answered, 1 some were not (the value sets that
    need them stay as they were), 2 the server, the overlay or an option cannot be used.
    """
    from cds_service.tools.expand.errors import CannotGoOn
    from cds_service.tools.expand.progress import Progress
    from cds_service.tools.expand.run import ExpansionWish
    from cds_service.tools.expand.run import expand as run

    directory = overlay or from_environment().knowledge_overlay
    if directory is None:
        _unusable("name the overlay to write with --overlay, or set CDS_KNOWLEDGE_OVERLAY")
    _check_url(server, token_file is not None)
    wish = ExpansionWish(
        server, directory, tuple(value_set or ()), _token(token_file), ecl, restart,
        not no_lookup, page_size, most, timeout,
    )  # fmt: skip
    try:
        report = run(wish, Progress(sys.stderr))
    except (CannotGoOn, KnowledgeError) as error:
        _unusable(str(error))
    except OSError as error:
        _unusable(f"{error.filename or directory}: cannot be written: {error.strerror}")
    _tell(report, directory)
    raise typer.Exit(0 if report.whole else _UNANSWERED)


def _unusable(text: str) -> NoReturn:
    typer.echo(plain(f"knowledge expand: {text}"), err=True)
    raise typer.Exit(_UNUSABLE)


def _check_url(url: str, with_token: bool) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        good = good and "@" not in parts.netloc and not parts.query and not parts.fragment
    except ValueError:
        good = False
    if not good:
        _unusable("--server must begin with http:// or https:// and a host, without user or query")
    if with_token and parts.scheme == "http" and not is_loopback_host(parts.hostname):
        _unusable("the token would travel unencrypted; use an https URL")


def _token(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        token = file.read_text(encoding="ascii").strip()
    except OSError as error:
        _unusable(f"{file}: {error.strerror}")
    except UnicodeDecodeError:
        token = ""
    if not token or not token.isprintable() or " " in token:
        _unusable(f"{file}: must hold one bearer token on one line, nothing else")
    return token


def _tell(report: ExpansionReport, directory: Path) -> None:
    lines = [
        f"{report.software}, release {', '.join(report.releases) or 'not stated'}: "
        f"{report.rows - len(report.unanswered)} of {counted(report.rows, 'row')} answered"
        + (f", {report.kept} of them in an earlier run" if report.kept else "")
    ]
    for one in report.plans:
        if one.lacking:
            lines.append(f"{one.value_set}: left as it was, no answer for {', '.join(one.lacking)}")
            continue
        inactive = f" ({one.inactive} inactive)" if one.inactive else ""
        lines.append(f"{one.value_set}: {counted(len(one.gains), 'code')}{inactive}")
        lines += [f"  {count} left out: {why}" for why, count in sorted(one.left_out.items())]
    typer.echo(plain("\n".join(lines)))
    if report.activity_unknown:
        text = f"of {report.activity_unknown} codes the server does not say whether they are active"
        typer.echo(f"warning: {text}", err=True)
    for row, why in report.unanswered:
        typer.echo(plain(f"no answer: {row}: {why}"), err=True)
    if report.unanswered:
        typer.echo("the same command asks only these rows again", err=True)
    typer.echo(plain(f"see what it adds: cds-service knowledge diff base {directory}"))
