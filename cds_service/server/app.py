"""The application factory: what is built once, the routes, and their error answers."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Lifespan

from cds_service import __version__, hooks
from cds_service.cards.suggested_orders import load_checked
from cds_service.errors import SettingsError
from cds_service.knowledge.loader import Knowledge
from cds_service.ops import log, metrics, repeat_key
from cds_service.ops.settings import Settings, from_environment
from cds_service.ops.switch import HELD, TURNS, Switch
from cds_service.server import fhir_content, health, retention, routes
from cds_service.server.at_once import AtOnce
from cds_service.server.feedback import Feedback
from cds_service.server.in_force import InForce
from cds_service.server.middleware import Front
from cds_service.server.reports import Reports
from cds_service.server.responses import error_response, failure, not_allowed
from cds_service.store.writer import Store
from cds_service.trust import access
from cds_service.trust.clients import Names
from cds_service.trust.replay import SeenInDatabase, SeenInMemory, SeenTokens

if TYPE_CHECKING:
    from cds_service.ops.otel import Traces

_THRESHOLDS = (20_000, 20, 20)  # of the garbage collector
_WATCH_SECONDS = 0.25  # between two looks at the switch
_DRAIN_SECONDS = 2.0  # for the last lines of the log, and the last traces
_ISSUE_CODES = {404: "not-found"}


def utc_now() -> datetime:
    """The clock of production."""
    return datetime.now(UTC)


def create_app(
    settings: Settings | None = None,
    knowledge: Knowledge | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> FastAPI:
    """Build the application.

    Without arguments the settings come from the environment and the clinical content from its
    files. Raises SettingsError, ClientsError or KnowledgeError: the service does not start half.
    """
    log.configure()
    settings = settings or from_environment()
    knowledge = knowledge or load_checked(settings.knowledge_overlay)
    store = Store(settings.store_url, on_drop=metrics.issued_dropped.inc)
    lack, keyed = repeat_key.lacking(settings), settings.user_key is not None
    names = Names.of(knowledge, keyed=keyed, speaks_3=settings.spoken >= 3, repeats_lack=lack)
    trust = access.build_trust(settings, clock, _seen(settings, store, clock), names)
    switch = Switch(settings.data_dir)
    runtime = hooks.build_runtime(settings, knowledge, clock, store, trust, switch)
    runtime.composer.prepare()
    in_force, traces = InForce(runtime), _traces(settings)
    app = FastAPI(
        title="cds-service",
        version=__version__,
        openapi_url=None,
        # Figures and logs are our own; FastAPI would ask at each call whether others want its own.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=_lifespan(in_force, traces),
        redirect_slashes=False,  # a redirect loses POST bodies and CORS preflights (DS-18)
    )
    _handle_errors(app)
    app.state.in_force = in_force
    app.state.feedback = Feedback(in_force)
    for room in (routes, health, fhir_content):
        app.include_router(room.router)
    if settings.shows_pages:
        # Templates and files are read where they are served.
        from cds_service.server.pages import routes as pages

        app.state.operators = pages.Operators(runtime)
        app.include_router(pages.router)
    at_once = app.state.at_once = AtOnce(in_force, Reports(traces))
    app.add_middleware(Front, in_force=in_force, at_once=at_once)
    return app


def grow_memory() -> None:
    """Let no garbage be collected until `settle_memory`: what a start builds stays for good, and to
    look through it again and again took a seventh of the start."""
    gc.disable()


def settle_memory() -> None:
    """Spare the garbage collector what has been built by now: code and knowledge are some 300,000
    objects that stay for good. Afterwards it runs seldom, because a call leaves hardly any cycles.

    Small calls were not seen to gain by it; a large chart makes enough objects to set the
    collector off.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    gc.enable()


def _seen(settings: Settings, store: Store, clock: Callable[[], datetime]) -> SeenTokens:
    """Where used tokens are remembered."""
    if settings.remembers_in_database and store.is_kept:
        return SeenInDatabase(store, clock, strict=settings.replay == "database")
    return SeenInMemory(clock)


def _traces(settings: Settings) -> Traces | None:
    """What makes traces of calls. Raises SettingsError where its libraries are not there."""
    if settings.traces_url is None:
        return None
    try:
        from cds_service.ops.otel import Traces  # loads much, for who wants traces
    except ImportError:
        raise SettingsError("CDS_TRACES_URL needs the extra `otel`: cds-service[otel]") from None
    return Traces(settings.traces_url, settings.traces_share, settings.ca_file)


def _lifespan(in_force: InForce, traces: Traces | None) -> Lifespan[FastAPI]:
    runtime = in_force.runtime
    settings, trust, store = runtime.settings, runtime.trust, runtime.store
    switch = runtime.switch
    reloads: set[asyncio.Task[None]] = set()

    def hang_up() -> None:
        """Read the registry again, and then the content that it and the settings name."""
        access.reload(trust)
        task = asyncio.create_task(in_force.reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if threading.current_thread() is threading.main_thread():
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, hang_up)
            for number, state in TURNS.items():
                loop.add_signal_handler(number, switch.turn, state, number.name)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)  # `run` holds them back
        access.load_libraries(settings)
        await store.start()
        await in_force.begin()
        if traces is not None:
            traces.start()
        settle_memory()
        watching = asyncio.create_task(_watch(switch))
        try:
            async with retention.in_force(store, settings.retention_days, runtime.clock):
                yield
        finally:
            watching.cancel()
            await in_force.end()
            await store.stop()
            await trust.outgoing.aclose()
            if traces is not None:
                await asyncio.to_thread(traces.stop, _DRAIN_SECONDS)
            await asyncio.to_thread(log.drain, _DRAIN_SECONDS)

    return lifespan


async def _watch(switch: Switch) -> None:
    """Look at the switch also where nobody calls, so that the audit line comes at once."""
    while True:
        _ = switch.state
        await asyncio.sleep(_WATCH_SECONDS)


def _handle_errors(app: FastAPI) -> None:
    """Every error answer is an OperationOutcome; FastAPI's 422 never appears (JS-09)."""

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return not_allowed(request.method, set(headers.get("Allow", "OPTIONS").split(", ")))
        code = _ISSUE_CODES.get(error.status_code, "processing")
        message = HTTPStatus(error.status_code).phrase
        return error_response(error.status_code, code, message, **headers)

    @app.exception_handler(Exception)
    async def bug(_: Request, error: Exception) -> Response:
        """What went past `Front`: starlette's own answer would be plain text."""
        return failure()

    @app.exception_handler(RequestValidationError)
    async def validation_error(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return error_response(HTTPStatus.BAD_REQUEST, "invalid", str(first["msg"]), place)
