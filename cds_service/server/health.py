"""Endpoints for operators: health, figures, and the description of the interface."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from cds_service.errors import UnknownService
from cds_service.hooks import Runtime
from cds_service.knowledge.services import served
from cds_service.ops import build, descriptors, log, metrics, repeat_key
from cds_service.ops.descriptors import Descriptors
from cds_service.server import ending
from cds_service.server.responses import json_response
from cds_service.server.routes import in_force_of, runtime_of
from cds_service.trust.jwks import KeyState
from cds_service.trust.replay import SeenInDatabase

router = APIRouter()


@router.api_route("/health/live", methods=["GET", "HEAD"])
async def live() -> Response:
    """Liveness: the process answers."""
    return json_response(b'{"status":"ok"}')


@router.api_route("/health/ready", methods=["GET", "HEAD"])
async def ready(request: Request) -> Response:
    """Readiness: clinical content, a write to the database, registered clients and the age of
    their keys, the log, file descriptors.

    Without its database the service is `degraded` but ready: calls are answered, feedback is not.
    So it is while its log cannot be written. 503 says that this process is about to end: it still
    answers, and nobody should send it further calls.
    """
    if ending.has_begun():
        return json_response(b'{"status":"ending"}', HTTPStatus.SERVICE_UNAVAILABLE)
    return json_response(msgspec.json.encode(await _state(request)))


async def _state(request: Request) -> dict[str, object]:
    """What readiness tells; `problems` only where there are any."""
    runtime = runtime_of(request)
    keys = runtime.trust.ring.states(runtime.trust.clients.registry)
    files = descriptors.count()
    database, problems = "none", _problems(runtime, keys, files)
    problems += in_force_of(request).problems()
    if runtime.store.is_kept:
        why = await runtime.store.problem()
        database = "down" if why else "ok"
        if why:
            problems.insert(0, f"database: {why}")
    state: dict[str, object] = {
        "status": "degraded" if problems else "ok",
        "version": build.VERSION,
        "commit": build.commit(),
        "knowledge": runtime.knowledge.version,
        "database": database,
        "clients": len(runtime.trust.clients.registry.clients),
        "registry": runtime.trust.clients.registry.version,
        "anonymous": runtime.trust.gate.anonymous,
        "switch": runtime.switch.state,
    }
    if versions := in_force_of(request).versions:
        state["knowledge_of"] = versions
    if keys:
        state["keys"] = {client: _told(known) for client, known in keys.items()}
    if files:
        state["files"] = {"open": files.used, "limit": files.limit}
    if problems:
        state["problems"] = problems
    return state


def _told(known: KeyState) -> dict[str, object]:
    age = {} if known.age is None else {"age": round(known.age)}
    return {"state": known.word, **age}


def _problems(
    runtime: Runtime, keys: Mapping[str, KeyState], files: Descriptors | None
) -> list[str]:
    trust, switch = runtime.trust, runtime.switch
    found = [said for said in (switch.said, switch.problem) if said is not None]
    found += [f"keys of {client} {k.problem}" for client, k in keys.items() if k.problem]
    if trust.clients.problem:
        found.append("the file of clients is broken; the registry before it is in force")
    if isinstance(trust.seen, SeenInDatabase) and trust.seen.problem:
        found.append(trust.seen.problem)
    if any(client.repeat_days for client in trust.clients.registry.clients):
        found += filter(None, [repeat_key.problem(runtime.settings)])
    if files and files.problem:
        found.append(files.problem)
    return [*found, *log.problems()]


@router.api_route("/metrics", methods=["GET", "HEAD"])
async def show_metrics(request: Request) -> Response:
    """Figures for Prometheus, where settings allow it."""
    runtime = runtime_of(request)
    if not runtime.settings.shows_metrics:
        raise UnknownService("set CDS_METRICS to serve figures")
    metrics.degraded.set("problems" in await _state(request))
    text = await run_in_threadpool(metrics.exposition)
    return Response(text, headers={"Cache-Control": "no-store"}, media_type=metrics.CONTENT_TYPE)


@router.api_route("/openapi.json", methods=["GET", "HEAD"])
async def describe_interface(request: Request) -> Response:
    """The OpenAPI document, where settings allow it."""
    runtime = runtime_of(request)
    if not runtime.settings.shows_openapi:
        raise UnknownService("set CDS_OPENAPI to serve the description of the interface")
    from cds_service.server import call_examples, openapi  # not for a process that answers calls

    described = openapi.document(served(runtime.knowledge), await call_examples.of(runtime))
    return json_response(described, cache="max-age=60")
