"""The application factory: routes, error answers, CORS, and a last resort for our own bugs."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cds_service import __version__, feedback, hooks, wire
from cds_service.errors import RequestError, TooLarge, Unavailable, operation_outcome
from cds_service.knowledge.loader import Knowledge, load
from cds_service.settings import Settings, from_environment
from cds_service.store import Store

log = logging.getLogger("cds_service")

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
    files. Raises SettingsError or KnowledgeError: the service does not start half.
    """
    settings = settings or from_environment()
    knowledge = knowledge or load(settings.knowledge_overlay)
    store = Store(settings.store_url)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await store.start()
        try:
            yield
        finally:
            await store.stop()

    app = FastAPI(
        title="cds-service",
        version=__version__,
        openapi_url=None,
        lifespan=lifespan,
        redirect_slashes=False,  # a redirect loses POST bodies and CORS preflights (DS-18)
    )
    _handle_errors(app)
    app.state.runtime = hooks.Runtime(
        settings, knowledge, clock, wire.to_bytes(hooks.discovery(knowledge)), store
    )
    app.include_router(hooks.router)
    app.include_router(feedback.router)
    app.add_middleware(LastResort)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,  # outermost, so that errors carry its headers too (CR-02)
            allow_origins=settings.allowed_origins,
            allow_methods=("GET", "HEAD", "POST", "OPTIONS"),
            allow_headers=("*",),
            allow_private_network=settings.listens_locally,
        )
    return app


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
        headers: dict[str, str] = {}
        if isinstance(error, TooLarge):
            # What is left of a body that was not read must not be taken for the next request.
            headers["Connection"] = "close"
        if isinstance(error, Unavailable):
            headers["Retry-After"] = str(_RETRY_SECONDS)
        return error_response(error.status, error.code, error.message, error.place, **headers)

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
            log.error("unexpected %s at %s", type(error).__name__, _path_of(error))
            if scope["type"] != "http" or started:
                raise
            message = "the service failed; the order was not checked"
            await error_response(500, "exception", message)(scope, receive, send)


def _path_of(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))
