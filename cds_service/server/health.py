"""Endpoints for operators: health, figures, and the description of the interface."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from cds_service.errors import UnknownService
from cds_service.hooks import Runtime
from cds_service.knowledge.services import served
from cds_service.ops import log, metrics
from cds_service.server import openapi
from cds_service.server.responses import json_response
from cds_service.server.routes import runtime_of
from cds_service.trust.replay import SeenInDatabase

router = APIRouter()


@router.api_route("/health/live", methods=["GET", "HEAD"])
async def live() -> Response:
    """Liveness: the process answers."""
    return json_response(b'{"status":"ok"}')


@router.api_route("/health/ready", methods=["GET", "HEAD"])
async def ready(request: Request) -> Response:
    """Readiness: clinical content, database, registered clients and their keys.

    Without its database the service is `degraded` but ready: calls are answered, feedback is not.
    So it is while its log cannot be written.
    """
    runtime = runtime_of(request)
    database = "none" if not runtime.store.is_kept else "down"
    if await runtime.store.is_reachable():
        database = "ok"
    problems = _problems(runtime)
    if database == "down" and runtime.store.problem:
        problems.insert(0, f"database: {runtime.store.problem}")
    state: dict[str, object] = {
        "status": "degraded" if problems or database == "down" else "ok",
        "knowledge": runtime.knowledge.version,
        "database": database,
        "clients": len(runtime.trust.clients.registry.clients),
        "registry": runtime.trust.clients.registry.version,
        "anonymous": runtime.trust.gate.anonymous,
        "switch": "off" if runtime.switch.is_off else "on",
    }
    if problems:
        state["problems"] = problems
    return json_response(msgspec.json.encode(state))


def _problems(runtime: Runtime) -> list[str]:
    trust, switch = runtime.trust, runtime.switch
    found = [said for said in (switch.said, switch.problem) if said is not None]
    found += [
        f"keys of {client} cannot be fetched"
        for client in trust.ring.problems(trust.clients.registry)
    ]
    if trust.clients.problem:
        found.append("the file of clients is broken; the registry before it is in force")
    if isinstance(trust.seen, SeenInDatabase) and trust.seen.problem:
        found.append(trust.seen.problem)
    return [*found, *log.problems()]


@router.api_route("/metrics", methods=["GET", "HEAD"])
async def show_metrics(request: Request) -> Response:
    """Figures for Prometheus, where settings allow it."""
    runtime = runtime_of(request)
    if not runtime.settings.shows_metrics:
        raise UnknownService("set CDS_METRICS to serve figures")
    text = await run_in_threadpool(metrics.exposition)
    return Response(text, headers={"Cache-Control": "no-store"}, media_type=metrics.CONTENT_TYPE)


@router.api_route("/openapi.json", methods=["GET", "HEAD"])
async def describe_interface(request: Request) -> Response:
    """The OpenAPI document, where settings allow it."""
    runtime = runtime_of(request)
    if not runtime.settings.shows_openapi:
        raise UnknownService("set CDS_OPENAPI to serve the description of the interface")
    return json_response(openapi.document(served(runtime.knowledge)), cache="max-age=60")
