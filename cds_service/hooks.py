"""The CDS Hooks services: discovery, the call, and the way from a request to its cards.

A call goes: bytes -> `envelope.parse` -> `answer` -> bytes. `answer` is the whole line without
HTTP; the command line uses it too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from cds_service.cards import compose, vendors
from cds_service.cdshooks import models
from cds_service.cdshooks import request as envelope
from cds_service.cdshooks.encoding import to_utf8
from cds_service.clinical.assessment import Assessment
from cds_service.clinical.chart import Chart, InputName
from cds_service.consultation import Consultation
from cds_service.errors import BadRequest, Forbidden, MissingData, UnknownService, WrongHook
from cds_service.fhir import client as ehr
from cds_service.fhir.search import Queries
from cds_service.knowledge.loader import Knowledge
from cds_service.ops import telemetry
from cds_service.ops.settings import Settings
from cds_service.server import body, limits
from cds_service.services import SERVICES as SERVICES
from cds_service.services import HookService, describe
from cds_service.store.records import Origin
from cds_service.store.writer import Store
from cds_service.trust import access
from cds_service.trust.clients import Client


@dataclass(frozen=True, slots=True)
class Runtime:
    """What every call needs: settings, clinical content, the clock (UTC), the store, trust, and
    what is asked of an EHR."""

    settings: Settings
    knowledge: Knowledge
    clock: Callable[[], datetime]
    discovery: bytes
    store: Store
    trust: access.Trust
    queries: Queries
    composer: compose.Composer

    @property
    def today(self) -> date:
        return self.clock().astimezone(UTC).date()


# --- from a request to its cards ---


def answer(
    request: models.CDSRequest, knowledge: Knowledge, today: date, evidence_url: str | None = None
) -> models.CDSResponse:
    """Answer one call from what it brings. `evidence_url` is the page that cards name as source.

    Raises MissingData when nothing can be said without the problem list, BadRequest when no
    draft order can be read.
    """
    chart, assessment = decide(request, knowledge, today)
    return respond(request, chart, assessment, knowledge, evidence_url)


def decide(
    request: models.CDSRequest, knowledge: Knowledge, today: date
) -> tuple[Chart, Assessment]:
    """Read the chart and the draft orders, and assess them. Raises BadRequest."""
    consultation = Consultation(request, knowledge, today, whole=True)
    with telemetry.stage("read"):
        for _ in consultation.read():
            pass
    return consultation.decide()


def respond(
    request: models.CDSRequest,
    chart: Chart,
    assessment: Assessment,
    knowledge: Knowledge,
    evidence_url: str | None = None,
    *,
    standard_reasons: bool = False,
    no_access: str | None = None,
) -> models.CDSResponse:
    """The cards for what was decided. Raises MissingData (PD-01)."""
    refuse_unread(request, chart, assessment, no_access)
    return compose.build(
        assessment,
        chart,
        knowledge,
        evidence_url=evidence_url,
        encounter=request.context.encounter_id,
        requester=request.context.user_id,
        standard_reasons=standard_reasons,
    )


def refuse_unread(
    request: models.CDSRequest, chart: Chart, assessment: Assessment, no_access: str | None
) -> None:
    """Raise MissingData when nothing can be said (PD-01).

    At patient-view an unread problem list gives no card, so it is told as 412, never as silence.
    """
    conditions = chart.input(InputName.CONDITIONS)
    unread = assessment.unassessable
    if request.hook == "patient-view" and not conditions.known and not assessment.guidances:
        unread = (str(InputName.CONDITIONS),)
    if unread:
        why = no_access or conditions.why
        raise MissingData(
            f"send prefetch {', '.join(unread)}, or fhirServer and fhirAuthorization to read it"
            + (f" ({why})" if why else ""),
            "prefetch",
        )


def discovery(knowledge: Knowledge) -> models.Discovery:
    """What `GET /cds-services` answers with default settings."""
    return describe(Queries(knowledge.value_sets))


# --- HTTP ---

# Handlers take ids from `request.path_params`: for a parameter of its own FastAPI would load
# pydantic.v1 at the start, a tenth of the import.
router = APIRouter()
LARGE = 256 * 1024
"""Bytes of a body above which a chart is read in turns with other calls."""
ANSWER_HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
"""Of an answer to a call: it is about one patient and is not cached (PE-02)."""


def runtime_of(request: Request) -> Runtime:
    """The Runtime that `create_app` put into the application."""
    runtime: Runtime = request.app.state.runtime
    return runtime


def client_of(request: Request) -> str:
    """Name of the registered client behind a call, `anonymous` without one."""
    return access.client_id(access.caller_of(request.scope))


def json_response(content: bytes, status: int = 200, cache: str = "no-store") -> Response:
    """A JSON answer. Answers to calls are about one patient and are not cached (PE-02)."""
    return Response(
        content,
        status,
        headers={"Cache-Control": cache, "X-Content-Type-Options": "nosniff"},
        media_type="application/json",
    )


@router.api_route("/cds-services", methods=["GET", "HEAD"])
async def discover(request: Request) -> Response:
    """Discovery (DS-01)."""
    return json_response(runtime_of(request).discovery, cache="max-age=60")


@router.post("/cds-services/{service_id}")
async def call(request: Request) -> Response:
    """Call of one service (RQ-01, RS-01). `front` takes calls before they get to this route."""
    runtime = runtime_of(request)
    service_id: str = request.path_params["service_id"]
    return json_response(await answer_call(service_id, request.scope, request.receive, runtime))


async def answer_call(service_id: str, scope: Scope, receive: Receive, runtime: Runtime) -> bytes:
    """The JSON that answers a call. Raises a RequestError."""
    services = [service for service in SERVICES if service.id == service_id]
    if not services:
        raise UnknownService("there is no service of this id; see /cds-services", "id")
    trace = telemetry.current()
    trace.service = service_id
    text = await read_bytes(scope, receive, runtime.settings)
    arrived = time.monotonic()  # how long the client took to send is its own affair
    with telemetry.stage("parse"):
        parsed = envelope.parse(text)
        limits.check_orders(parsed.context.draft_orders, runtime.settings)
    check_hook(parsed, services)
    trace.hook = parsed.hook
    client = access.client_of(scope)
    check_client(client, parsed.hook)
    is_large = len(text) > LARGE
    answer = vendors.fit(await consult(parsed, runtime, client, arrived, is_large), client)
    origin = Origin(service_id, parsed.hook, access.client_id(access.caller_of(scope)))
    runtime.store.record_issued(answer, origin, runtime.clock(), runtime.knowledge.version)
    content = models.encode(answer)
    spent = round((time.monotonic() - arrived) * 1000)
    if spent > runtime.settings.budget_ms:  # PE-01
        telemetry.warn("over budget", ms=spent, budget_ms=runtime.settings.budget_ms)
    return content


async def consult(
    request: models.CDSRequest,
    runtime: Runtime,
    client: Client | None,
    arrived: float,
    is_large: bool = False,
) -> models.Json:
    """Answer one call, with what prefetch lacks from the client's FHIR server where that is given
    and allowed. `arrived` is the time of `time.monotonic` from which the deadline counts.

    A large chart is read in turns with other calls, so that they need not wait for it.
    """
    settings = runtime.settings
    consultation = Consultation(request, runtime.knowledge, runtime.today)
    with telemetry.stage("read"):
        for _ in consultation.read():
            if is_large:
                await asyncio.sleep(0)
    if consultation.lacks_orders:
        telemetry.warn("a call without draft orders: is the EHR set up to send them?")
    no_access: str | None = None
    if request.has_fhir_access:
        try:
            await _fetch(consultation, runtime, client, arrived + settings.deadline_ms / 1000)
        except ehr.NoAccess as error:
            no_access = str(error)
    chart, assessment = consultation.decide()
    refuse_unread(request, chart, assessment, no_access)
    context = request.context
    with telemetry.stage("cards"):
        return runtime.composer.compose(assessment, chart, context.encounter_id, context.user_id)


async def _fetch(
    consultation: Consultation, runtime: Runtime, client: Client | None, until: float
) -> None:
    """Read what is lacking (PD-03). Raises NoAccess."""
    try:
        urls = consultation.lacking(runtime.queries)
    except ValueError as error:
        raise ehr.NoAccess(f"context.patientId is {error}") from None
    outgoing = runtime.trust.outgoing
    granted = ehr.grant(consultation.request, partial(outgoing.allowed, client), until)
    if granted is not None and urls:
        with telemetry.stage("fetch"):
            session = ehr.FhirReads(granted, outgoing.client_for(client), runtime.settings)
            await session.read(consultation.reader, urls)


async def read_body(request: Request, settings: Settings) -> bytes:
    """The body as plain UTF-8, within the limits. Raises a RequestError."""
    return await read_bytes(request.scope, request.receive, settings)


async def read_bytes(scope: Scope, receive: Receive, settings: Settings) -> bytes:
    """As `read_body`, without a request object."""
    limit = settings.max_body_bytes
    with telemetry.stage("body"):
        collected = body.collect(_chunks(receive), _header(scope, b"content-length"), limit)
        packed = await limits.in_time(collected, settings.read_seconds)
        plain = body.unpack(packed, _header(scope, b"content-encoding"), limit)
        text = to_utf8(plain, _header(scope, b"content-type"))
        limits.check_body(text, settings)
        return text


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        yield message.get("body", b"")
        more = message.get("more_body", False)


def _header(scope: Scope, name: bytes) -> str | None:
    """The first header of this name, which is in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


def check_client(client: Client | None, hook: str) -> None:
    """Raise Forbidden when the client is not registered for this hook."""
    if client is not None and not client.may_call(hook):
        raise Forbidden("this client is not registered for this hook", "hook")


def check_hook(request: models.CDSRequest, services: Sequence[HookService]) -> None:
    """Raise WrongHook or BadRequest when the call does not fit the service (RQ-07, HK-01)."""
    service = next((s for s in services if s.hook == request.hook), None)
    if service is None:
        served = ", ".join(s.hook for s in services)
        raise WrongHook(f"this service answers {served} only", "hook")
    if service.needs_orders and request.context.draft_orders is None:
        raise BadRequest("is required: a Bundle of the draft orders", "context.draftOrders")
