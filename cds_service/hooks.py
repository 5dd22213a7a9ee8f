"""The CDS Hooks services: discovery, the call, and the way from a request to its cards.

A call goes: bytes -> `envelope.parse` -> `answer` -> bytes. `answer` is the whole line without
HTTP; the command line uses it too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from fastapi import APIRouter, Request, Response

from cds_service import access, body, cards, envelope, limits, telemetry, wire
from cds_service.assessment import Assessment
from cds_service.chart import Chart, InputName
from cds_service.errors import BadRequest, Forbidden, MissingData, UnknownService, WrongHook
from cds_service.fhir_map import ChartReader, read_orders
from cds_service.guidance import assess
from cds_service.knowledge.loader import Knowledge
from cds_service.rows import Origin
from cds_service.settings import Settings
from cds_service.store import Store

PREFETCH = {
    InputName.PATIENT: "Patient/{{context.patientId}}",
    InputName.CONDITIONS: "Condition?patient={{context.patientId}}",
    InputName.PROCEDURES: "Procedure?patient={{context.patientId}}",
    InputName.MEDICATIONS: "MedicationRequest?patient={{context.patientId}}&status=active",
    InputName.ALLERGIES: "AllergyIntolerance?patient={{context.patientId}}",
    InputName.OBSERVATIONS: (
        "Observation?patient={{context.patientId}}&code=LABORATORY&_sort=-date&_count=50"
    ),
    InputName.FAMILY_HISTORY: "FamilyMemberHistory?patient={{context.patientId}}",
    InputName.SERVICE_REQUESTS: "ServiceRequest?patient={{context.patientId}}&status=active",
}
"""What the service asks for, in the subset of FHIR search that every EHR supports (PF-05).

LABORATORY stands for the LOINC codes of the value sets `lab-*`.
"""

_LOINC = "http://loinc.org"


@dataclass(frozen=True, slots=True)
class HookService:
    """One entry of discovery that this service can answer. `needs_orders`: draftOrders required."""

    id: str
    hook: str
    title: str
    description: str
    usage: str
    needs_orders: bool = True


SERVICES = (
    HookService(
        id="ho-order-sign",
        hook="order-sign",
        title="Heterotopic ossification: check before hip surgery",
        description=(
            "Looks at draft orders for hip arthroplasty, biopsy, excision and intramuscular "
            "injection. Warns when the chart holds fibrodysplasia ossificans progressiva or "
            "progressive osseous heteroplasia, and advises prophylaxis of heterotopic "
            "ossification when the risk is raised. No card means that no rule fired."
        ),
        usage=(
            "Reads FHIR R4, R4B, R5 and STU3. Needs the problem list (conditions) in prefetch or "
            "a FHIR server to read it from; every other input that is missing is named on the "
            "card."
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Runtime:
    """What every call needs: settings, clinical content, the clock (UTC), the store, and trust."""

    settings: Settings
    knowledge: Knowledge
    clock: Callable[[], datetime]
    discovery: bytes
    store: Store
    trust: access.Trust

    @property
    def today(self) -> date:
        return self.clock().astimezone(UTC).date()


# --- from a request to its cards ---


def answer(
    request: wire.CDSRequest, knowledge: Knowledge, today: date, evidence_url: str | None = None
) -> wire.CDSResponse:
    """Answer one call. `evidence_url` is the page that cards name as their source.

    Raises MissingData when nothing can be said without the problem list, BadRequest when no
    draft order can be read.
    """
    chart, assessment = decide(request, knowledge, today)
    return respond(request, chart, assessment, knowledge, evidence_url)


def decide(request: wire.CDSRequest, knowledge: Knowledge, today: date) -> tuple[Chart, Assessment]:
    """Read the chart and the draft orders, and assess them. Raises BadRequest."""
    context = request.context
    reader = ChartReader(knowledge.index, context.patient_id, today, mentions(knowledge))
    with telemetry.stage("read"):
        reader.read_prefetch(request.prefetch)
        read = read_orders(context.draft_orders, knowledge.index, context.patient_id, today, reader)
    if read.problems and not read.orders and not read.foreign:
        first = read.problems[0]
        raise BadRequest(f"no order can be read: {first.why}", first.place)
    chart = reader.chart()
    chart = replace(
        chart,
        problems=chart.problems + read.problems,
        foreign=chart.foreign + read.foreign,
        release=read.release,
    )
    with telemetry.stage("assess"):
        assessment = assess(chart, read.orders, knowledge, today, request.hook, context.selections)
    telemetry.current().decided(assessment)
    return chart, assessment


def respond(
    request: wire.CDSRequest,
    chart: Chart,
    assessment: Assessment,
    knowledge: Knowledge,
    evidence_url: str | None = None,
) -> wire.CDSResponse:
    """The cards for what was decided. Raises MissingData (PD-01)."""
    if assessment.unassessable:
        keys = ", ".join(assessment.unassessable)
        raise MissingData(
            f"send prefetch {keys}, or fhirServer and fhirAuthorization to read it", "prefetch"
        )
    with telemetry.stage("cards"):
        return cards.build(
            assessment,
            chart,
            knowledge,
            evidence_url=evidence_url,
            encounter=request.context.encounter_id,
            requester=request.context.user_id,
        )


def mentions(knowledge: Knowledge) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Patterns of uncoded text that names a genetic disease, with the disease."""
    return tuple(
        (rule.disease, re.compile(pattern, re.IGNORECASE))
        for rule in knowledge.genetic.values()
        for pattern in rule.mentions
    )


# --- discovery ---


def discovery(knowledge: Knowledge) -> wire.Discovery:
    """Describe every service with its prefetch templates (CDS Hooks 2.0 "Discovery")."""
    laboratory = ",".join(f"{_LOINC}|{code}" for code in laboratory_codes(knowledge))
    prefetch = {
        str(name): template.replace("LABORATORY", laboratory) for name, template in PREFETCH.items()
    }
    return wire.Discovery(
        services=tuple(
            wire.Service(
                hook=service.hook,
                title=service.title,
                description=service.description,
                id=service.id,
                prefetch=prefetch,
                usage_requirements=service.usage,
            )
            for service in SERVICES
        )
    )


def laboratory_codes(knowledge: Knowledge) -> tuple[str, ...]:
    """LOINC codes of all laboratory value sets, sorted, each once."""
    return tuple(
        sorted(
            {
                concept["code"]
                for name, value_set in knowledge.value_sets.items()
                if name.startswith("lab-")
                for include in value_set["compose"]["include"]
                if include.get("system") == _LOINC
                for concept in include.get("concept", ())
            }
        )
    )


# --- HTTP ---

router = APIRouter()


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
async def call(service_id: str, request: Request) -> Response:
    """Call of one service (RQ-01, RS-01)."""
    runtime = runtime_of(request)
    services = [service for service in SERVICES if service.id == service_id]
    if not services:
        raise UnknownService("there is no service of this id; see /cds-services", "id")
    trace = telemetry.current()
    trace.service = service_id
    text = await read_body(request, runtime.settings)
    with telemetry.stage("parse"):
        parsed = envelope.parse(text)
        limits.check_orders(parsed.context.draft_orders, runtime.settings)
    check_hook(parsed, services)
    trace.hook = parsed.hook
    check_client(request, parsed.hook)
    response = answer(parsed, runtime.knowledge, runtime.today, runtime.settings.evidence_url)
    origin = Origin(service_id, parsed.hook, client_of(request))
    runtime.store.record_issued(response, origin, runtime.clock(), runtime.knowledge.version)
    return json_response(wire.to_bytes(response))


async def read_body(request: Request, settings: Settings) -> bytes:
    """The body as plain UTF-8, within the limits. Raises a RequestError."""
    headers, limit = request.headers, settings.max_body_bytes
    with telemetry.stage("body"):
        collected = body.collect(request.stream(), headers.get("content-length"), limit)
        packed = await limits.in_time(collected, settings.read_seconds)
        plain = body.unpack(packed, headers.get("content-encoding"), limit)
        text = body.to_utf8(plain, headers.get("content-type"))
        limits.check_body(text, settings)
        return text


def check_client(request: Request, hook: str) -> None:
    """Raise Forbidden when the client is not registered for this hook."""
    client = access.client_of(request.scope)
    if client is not None and not client.may_call(hook):
        raise Forbidden("this client is not registered for this hook", "hook")


def check_hook(request: wire.CDSRequest, services: Sequence[HookService]) -> None:
    """Raise WrongHook or BadRequest when the call does not fit the service (RQ-07, HK-01)."""
    service = next((s for s in services if s.hook == request.hook), None)
    if service is None:
        served = ", ".join(s.hook for s in services)
        raise WrongHook(f"this service answers {served} only", "hook")
    if service.needs_orders and request.context.draft_orders is None:
        raise BadRequest("is required: a Bundle of the draft orders", "context.draftOrders")
