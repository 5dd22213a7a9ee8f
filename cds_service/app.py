"""The application factory: routes, error answers, CORS, and a last resort for our own bugs."""

from __future__ import annotations

import asyncio
import signal
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send

from cds_service import (
    __version__,
    access,
    feedback,
    hooks,
    limits,
    memory,
    metrics,
    operations,
    publication,
    telemetry,
    wire,
)
from cds_service.cards import Composer
from cds_service.direct import Direct
from cds_service.errors import (
    Overloaded,
    RequestError,
    TooLarge,
    TooSlow,
    Unauthorized,
    Unavailable,
    operation_outcome,
)
from cds_service.knowledge.loader import Knowledge, load
from cds_service.observe import Observe
from cds_service.queries import Queries
from cds_service.replay import SeenInDatabase, SeenInMemory, SeenTokens
from cds_service.services import describe
from cds_service.settings import Settings, from_environment
from cds_service.store import Store

_RETRY_SECONDS = 5
_ISSUE_CODES = {404: "not-found", 405: "not-supported"}


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
    settings = settings or from_environment()
    knowledge = knowledge or load(settings.knowledge_overlay)
    store = Store(settings.store_url, on_drop=metrics.issued_dropped.inc)
    trust = access.build_trust(settings, clock, _seen(settings, store, clock))
    app = FastAPI(
        title="cds-service",
        version=__version__,
        openapi_url=None,
        lifespan=_lifespan(store, trust, settings),
        redirect_slashes=False,  # a redirect loses POST bodies and CORS preflights (DS-18)
    )
    _handle_errors(app)
    queries = Queries(knowledge.value_sets)
    discovery = describe(queries, settings.spec_version)
    composer = Composer(
        knowledge,
        evidence_url=settings.evidence_page,
        standard_reasons=settings.spec_version is not None,
    )
    composer.prepare()
    runtime = app.state.runtime = hooks.Runtime(
        settings, knowledge, clock, wire.to_bytes(discovery), store, trust, queries, composer
    )
    for router in (hooks.router, feedback.router, operations.router, publication.router):
        app.include_router(router)
    if settings.shows_pages:
        from cds_service.web import pages  # templates and files are read where they are served

        app.include_router(pages.router)
    _stand_before(app, runtime)
    return app


def _seen(settings: Settings, store: Store, clock: Callable[[], datetime]) -> SeenTokens:
    """Where used tokens are remembered."""
    if settings.remembers_in_database and store.is_kept:
        return SeenInDatabase(store, clock, strict=settings.replay == "database")
    return SeenInMemory(clock)


def _lifespan(store: Store, trust: access.Trust, settings: Settings) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if threading.current_thread() is threading.main_thread():
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, access.reload, trust)
        access.load_libraries(settings)
        await store.start()
        memory.settle()
        try:
            yield
        finally:
            await store.stop()
            await trust.outgoing.aclose()

    return lifespan


def _stand_before(app: FastAPI, runtime: hooks.Runtime) -> None:
    """Put the middleware before the routes; the last one added is the outermost."""
    settings, trust = runtime.settings, runtime.trust
    app.add_middleware(Direct, runtime=runtime, answer=refusal)
    app.add_middleware(access.Access, trust=trust, settings=settings, answer=refusal)
    app.add_middleware(limits.Capacity, most=settings.max_concurrent, answer=refusal)
    app.add_middleware(LastResort)
    # Outside of all that answers, so that errors carry its headers, too (CR-02).
    app.add_middleware(RegisteredOrigins, trust=trust, settings=settings)
    app.add_middleware(Observe, server_timing=settings.server_timing)


class RegisteredOrigins(CORSMiddleware):
    """CORS for the origins of the settings, and for those of the registry in force."""

    def __init__(self, app: ASGIApp, trust: access.Trust, settings: Settings) -> None:
        super().__init__(
            app,
            allow_origins=settings.allowed_origins,
            allow_methods=("GET", "HEAD", "POST", "OPTIONS"),
            allow_headers=("*",),
            allow_private_network=settings.listens_locally,
        )
        self._trust = trust

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """EHRs call without `Origin`, as no browser does: then only `Vary` is to be said."""
        if scope["type"] != "http" or any(name == b"origin" for name, _ in scope["headers"]):
            await super().__call__(scope, receive, send)
            return

        async def with_vary(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _vary(message.get("headers", ()))
            await send(message)

        await self.app(scope, receive, with_vary)

    def is_allowed_origin(self, origin: str) -> bool:
        """Whether a browser may show our answers to pages of this origin."""
        return super().is_allowed_origin(origin) or origin in self._trust.clients.registry.origins


def _vary(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers with `Origin` added to what the answer varies by."""
    kept = [(name, value) for name, value in headers if name != b"vary"]
    said = [value for name, value in headers if name == b"vary"]
    return [*kept, (b"vary", b", ".join([*said, b"Origin"]))]


def refusal(error: RequestError) -> Response:
    """The HTTP answer for an error of the request."""
    headers: dict[str, str] = {}
    if isinstance(error, TooLarge | TooSlow | Unauthorized):
        # What is left of a body that was not read must not be taken for the next request.
        headers["Connection"] = "close"
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(_RETRY_SECONDS)
    if isinstance(error, Overloaded):
        headers["Retry-After"] = str(limits.RETRY_AFTER_SECONDS)
    return error_response(error.status, error.code, error.message, error.place, **headers)


def error_response(
    status: int, code: str, message: str, place: str | None = None, **headers: str
) -> Response:
    """An OperationOutcome as HTTP answer (ER-05)."""
    outcome = operation_outcome(code, message, place)
    response = hooks.json_response(msgspec.json.encode(outcome), status)
    response.headers.update(headers)
    return response


def _handle_errors(app: FastAPI) -> None:
    """Every error answer is an OperationOutcome; FastAPI's 422 never appears (JS-09)."""

    @app.exception_handler(RequestError)
    async def request_error(_: Request, error: RequestError) -> Response:
        return refusal(error)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            methods = {"OPTIONS", *headers.get("Allow", "OPTIONS").split(", ")}
            headers["Allow"] = ", ".join(sorted(methods))
            if request.method == "OPTIONS":
                return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
        code = _ISSUE_CODES.get(error.status_code, "processing")
        message = HTTPStatus(error.status_code).phrase
        return error_response(error.status_code, code, message, **headers)

    @app.exception_handler(RequestValidationError)
    async def validation_error(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return error_response(HTTPStatus.BAD_REQUEST, "invalid", str(first["msg"]), place)


class LastResort:
    """Turns a bug of ours into a 500 with an OperationOutcome that gives nothing away.

    Logs the type of the error and the lines it went through, never its message: the message may
    quote the chart.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except ClientDisconnect:  # nobody is left to answer
            return
        except Exception as error:
            telemetry.failed(error, _path_of(error))
            if scope["type"] != "http" or started:
                raise
            message = "the service failed; the order was not checked"
            await error_response(500, "exception", message)(scope, receive, send)


def _path_of(error: Exception) -> str:
    """The lines an error went through, innermost first; outside of this package only the first."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames[:-1] if Path(f.filename).parent == Path(__file__).parent]
    names = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in [*ours, *frames[-1:]]]
    return " < ".join(reversed(names))
