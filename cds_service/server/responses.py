"""Errors as HTTP answers: each an OperationOutcome that says what is wrong and where."""

from __future__ import annotations

from fastapi import Response
from msgspec.json import encode

from cds_service.errors import (
    Overloaded,
    RequestError,
    TooLarge,
    TooSlow,
    Unauthorized,
    Unavailable,
    operation_outcome,
)
from cds_service.hooks import json_response
from cds_service.server import limits

_RETRY_SECONDS = 5


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
    return error_response(error.status, error.code, error.message, error.place, **headers)


def error_response(
    status: int, code: str, message: str, place: str | None = None, **headers: str
) -> Response:
    """An OperationOutcome as HTTP answer (ER-05)."""
    response = json_response(encode(operation_outcome(code, message, place)), status)
    response.headers.update(headers)
    return response
