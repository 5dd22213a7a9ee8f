"""HTTP answers: JSON, and errors as OperationOutcome that says what is wrong and where."""

from __future__ import annotations

import time
from http import HTTPStatus
from math import ceil

from fastapi import Response
from msgspec.json import encode

from cds_service.errors import (
    Overloaded,
    RequestError,
    TooLarge,
    TooMany,
    TooSlow,
    Unauthorized,
    Unavailable,
    operation_outcome,
)
from cds_service.ops.calls import CallLog
from cds_service.server import limits

_RETRY_SECONDS = 5
ANSWER_HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
"""Of an answer to a call: it is about one patient and is not cached (PE-02)."""

CALL_HEADERS = ((b"content-type", b"application/json"), *ANSWER_HEADERS)
VARY = (b"vary", b"Origin")


def json_response(content: bytes, status: int = 200, cache: str = "no-store") -> Response:
    """A JSON answer. Answers to calls are about one patient and are not cached (PE-02)."""
    return Response(
        content,
        status,
        headers={"Cache-Control": cache, "X-Content-Type-Options": "nosniff"},
        media_type="application/json",
    )


def refusal(error: RequestError) -> Response:
    """The answer for an error of the request."""
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
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(ceil(error.seconds))
    return error_response(error.status, error.code, error.message, error.place, **headers)


def failure() -> Response:
    """The answer where the service itself failed: never an empty one."""
    message = "the service failed; the order was not checked"
    return error_response(HTTPStatus.INTERNAL_SERVER_ERROR, "exception", message)


def server_timing(call: CallLog) -> tuple[bytes, bytes]:
    """https://www.w3.org/TR/server-timing/ : the stages of a call, in milliseconds."""
    total = time.perf_counter() - call.started
    parts = [f"{name};dur={spent * 1000:.2f}" for name, spent in call.stages.items()]
    return b"server-timing", ", ".join([*parts, f"total;dur={total * 1000:.2f}"]).encode()


def not_allowed(method: str, allowed: set[str]) -> Response:
    """405 with the methods of a path; 204 for OPTIONS, which asks for them (DS-18)."""
    allow = {"Allow": ", ".join(sorted({"OPTIONS", *allowed}))}
    if method == "OPTIONS":
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=allow)
    status = HTTPStatus.METHOD_NOT_ALLOWED
    return error_response(status, "not-supported", status.phrase, **allow)


def error_response(
    status: int, code: str, message: str, place: str | None = None, **headers: str
) -> Response:
    """An OperationOutcome as HTTP answer (ER-05)."""
    response = json_response(encode(operation_outcome(code, message, place)), status)
    response.headers.update(headers)
    return response
