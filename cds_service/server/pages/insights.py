"""The insights page: what clinicians did with cards, for operators. No patient data is kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from math import ceil
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from cds_service.errors import (
    BadRequest,
    RequestError,
    TooMany,
    Unauthorized,
    Unavailable,
    UnknownService,
)
from cds_service.hooks import Runtime
from cds_service.knowledge.services import served
from cds_service.ops import metrics
from cds_service.server import body
from cds_service.server.pages import demo, latency, operator
from cds_service.server.pages.html import HEADERS, page, render
from cds_service.server.pages.insight_tables import tables, tiles, times
from cds_service.server.pages.latency import Latency
from cds_service.server.responses import refusal
from cds_service.server.routes import runtime_of
from cds_service.store import report
from cds_service.store.figure_table import FigureTable
from cds_service.store.report import Figures, OutcomeTally, Reason


class Private(APIRoute):
    """What is for operators carries the headers of a page, whatever it is, errors too, and is kept
    by nobody."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await handler(request)
            except RequestError as error:
                response = refusal(error)
            for name, value in (HEADERS | _PRIVATE).items():
                response.headers[name] = value
            return response

        return answer


router = APIRouter(prefix=operator.PATH, route_class=Private)

SPANS = (7, 30, 90, 365)
_DAYS = 30
Counted = tuple[Figures, dict[date, OutcomeTally]]
_UNREAD = "the database cannot be read now"
_PRIVATE = {"Cache-Control": "no-store"}
_NO_LOGIN = (
    "Several workers without a database (CDS_DATABASE_URL) cannot end a login. Send the token as "
    "Authorization: Bearer."
)


@dataclass(frozen=True, slots=True)
class View:
    """What is shown: the tables, the numbers on top, the days they cover, whether they are invented
    because a demonstration was asked for, and why there are none (None: there are)."""

    tables: list[FigureTable]
    tiles: list[tuple[str, str, str]]
    days: int
    invented: bool = False
    missing: str | None = None


@router.api_route("", methods=["GET", "HEAD"])
async def show(request: Request) -> Response:
    """The page; the login for who may not see it."""
    runtime = runtime_of(request)
    if not await operator.of(request).is_admitted(request):
        return _login(request, runtime)
    view = await _view(request, runtime)
    values = {"view": view, "spans": SPANS, "locked": runtime.settings.operator_token is not None}
    content = render("insights.html", runtime.knowledge, **values)
    return page(content, request)


@router.get("/{name}.csv")
async def as_csv(request: Request) -> Response:
    """One table as CSV."""
    runtime = runtime_of(request)
    if not await operator.of(request).is_admitted(request):
        raise Unauthorized("no operator's token")
    view = await _view(request, runtime)
    name = request.path_params["name"]
    found = next((table for table in view.tables if table.id == name), None)
    if found is None:
        raise _no_table(view)
    prefix = "demonstration-" if view.invented else ""
    headers = {"Content-Disposition": f'attachment; filename="{prefix}cards-by-{name}.csv"'}
    content = found.as_csv(mark="invented" if view.invented else None)
    return Response(content, headers=headers, media_type="text/csv")


def _no_table(view: View) -> Unavailable | UnknownService:
    """A table that cannot be read is no empty table."""
    if view.missing == _UNREAD:
        return Unavailable(_UNREAD)
    return UnknownService(view.missing or "there is no table of this name", "name")


@router.post("/login")
async def login(request: Request) -> Response:
    """Take the token of the form and let in with a cookie."""
    runtime, operators = runtime_of(request), operator.of(request)
    operators.refuse_other_origins(request)
    content = await body.read(request.scope, request.receive, runtime.settings)
    try:
        form = parse_qs(content.decode(), max_num_fields=10)
    except ValueError:
        raise BadRequest("must be the form of this page", "body") from None
    try:
        if not operators.is_token(request, form.get("token", [""])[0]):
            return _login(request, runtime, "This is not the token.")
    except TooMany as error:
        minutes = ceil(error.seconds / 60)
        said = f"Too many wrong tokens. None is looked at for {minutes} minutes."
        return _login(request, runtime, said, error.status, ceil(error.seconds))
    if not operators.have_login:
        return _login(request, runtime, _NO_LOGIN)
    response = Response(status_code=303, headers={"Location": operator.PATH})
    operators.let_in(request, response)
    return response


@router.post("/leave")
async def leave(request: Request) -> Response:
    """End the login and take the cookie away."""
    operators = operator.of(request)
    operators.refuse_other_origins(request)
    response = Response(status_code=303, headers={"Location": operator.PATH})
    await operators.leave(request, response)
    return response


def _login(
    request: Request, runtime: Runtime, problem: str = "", status: int = 401, seconds: int = 0
) -> Response:
    content = render("login.html", runtime.knowledge, problem=problem)
    return page(content, request, status, {"Retry-After": str(seconds)} if seconds else None)


# --- figures ---


async def _view(request: Request, runtime: Runtime) -> View:
    asked = request.query_params.get("days", "")
    days = int(asked) if asked in map(str, SPANS) else _DAYS
    since = runtime.today - timedelta(days=days - 1)
    if request.query_params.get("demo") == "1":
        told, by_day = demo.figures(runtime.knowledge, runtime.today, days)
        drawn = tables(told, by_day, _displays(runtime), demo.times(runtime.knowledge))
        return View(drawn, list(tiles(told)), days, invented=True)
    measured = _times(served(runtime.knowledge))
    found = await _kept(runtime, since)
    if isinstance(found, str):  # what this process measured is there all the same
        return View([times(measured)], [], days, missing=found)
    told, by_day = found
    drawn = tables(told, by_day, _displays(runtime), measured)
    return View(drawn, list(tiles(told)), days)


async def _kept(runtime: Runtime, since: date) -> Counted | str:
    """The figures of the store and cards by day; in words why they cannot be had."""
    if not runtime.store.is_kept:
        return "this service keeps no cards (CDS_DATABASE_URL is none)"
    try:
        found = await runtime.store.read(partial(report.read, since=since))
        by_day = await runtime.store.read(partial(report.by_day, since=since))
    except Unavailable:
        return _UNREAD
    return found, by_day


def _displays(runtime: Runtime) -> dict[Reason, str]:
    reasons = runtime.knowledge.override_reasons.values()
    return {(r.system, r.code): r.display for r in reasons}


def _times(services: Collection[str]) -> list[Latency]:
    families = list(metrics.registry().collect())
    calls = latency.read(families, "cds_request_seconds", "service")
    stages = latency.read(families, "cds_stage_seconds", "stage")
    named = [Latency(f"stage {s.name}", s.count, s.p50, s.p95, s.p99) for s in stages]
    return [call for call in calls if call.name in services] + named
