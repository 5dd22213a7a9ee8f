"""`cds-service check`: the cards for one request or record, as the service would answer it."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cds_service import hooks
from cds_service.cards import explain as explained
from cds_service.cards import terminal
from cds_service.cards.silence import why_silent
from cds_service.cards.suggested_orders import load_checked
from cds_service.cdshooks.encoding import to_utf8
from cds_service.cdshooks.models import CDSResponse, encode
from cds_service.cli.examples import DAY, DAY_FORMAT
from cds_service.errors import BadRequest, RequestError
from cds_service.fhir import record_to_call
from cds_service.ops.settings import from_environment
from cds_service.server.app import utc_now
from cds_service.trust.tokens import ANONYMOUS

_BAD_INPUT = 2


def check(
    file: Annotated[str, typer.Argument(help="A CDS Hooks request or a FHIR Bundle; - for stdin.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the raw answer.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print what was read, matched and left out, too.")
    ] = False,
    today: Annotated[
        datetime | None,
        typer.Option(
            metavar=DAY,
            formats=[DAY_FORMAT],
            help="Decide as of this day, by what was known then (default: today).",
        ),
    ] = None,
    order: Annotated[
        str | None,
        typer.Option(
            metavar="hip|CODE",
            help="Add this draft order to a Bundle that has none: a total hip replacement, "
            "a code, or 'system|code'.",
        ),
    ] = None,
) -> None:
    """Show the cards for one request, or for a whole record.

    Exit code: 0 cards or silence, 2 bad input with the place named, or nothing to check.
    """
    settings = from_environment()
    knowledge = load_checked(settings.knowledge_overlay)
    runtime = hooks.offline(knowledge, today.date() if today else utc_now(), settings)
    try:
        data = _input(file)
        if today is not None:
            data, later = record_to_call.as_of(to_utf8(data, None), today.date(), settings.timezone)
            if later:
                typer.echo(f"note: {later} entries after {today.date()} are left out", err=True)
        call, own = _call(data, runtime, order)
        consultation = asyncio.run(hooks.consult(None, call, ANONYMOUS, runtime))
    except RequestError as error:
        typer.echo(terminal.plain(f"{file}: {error}"), err=True)
        raise typer.Exit(_BAD_INPUT) from None
    for note in consultation.request.notes if own else ():
        typer.echo(f"note: {note}", err=True)
    _show(consultation, as_json=as_json, explain=explain)


def _input(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        typer.echo(f"{file}: {error.strerror}", err=True)
        raise typer.Exit(_BAD_INPUT) from None


def _call(data: bytes, runtime: hooks.Runtime, order: str | None) -> tuple[bytes, bool]:
    """A call as it is, or a Bundle wrapped into one; and whether it is the user's own call.

    Raises RequestError, also for a Bundle in which nothing could be checked.
    """
    plain = to_utf8(data, None)
    call = record_to_call.as_call(plain, runtime.knowledge.index, order)
    if call is not plain:
        if not record_to_call.has_drafts(call):
            why = "no draft order (a record may be given one with --order)"
            raise BadRequest(why, "Bundle.entry")
    elif order is not None:
        typer.echo(
            "note: --order is not used: this is a call, with draft orders of its own", err=True
        )
    return call, call is plain


def _show(consultation: hooks.Consultation, *, as_json: bool, explain: bool) -> None:
    if explain:
        chart, assessment = consultation.explained()
        text = explained.as_text(explained.explain(assessment, chart, consultation.knowledge))
        typer.echo(terminal.plain(text), err=as_json)  # with --json, stdout holds JSON only
    response = CDSResponse.model_validate_json(encode(consultation.answer))
    if as_json:
        typer.echo(terminal.json_text(response))
    else:
        terminal.draw(response, terminal.for_output(), why_silent(consultation.assessment))
