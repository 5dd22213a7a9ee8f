"""Why a connection is closed before any application is asked, and how that is answered."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from http import HTTPStatus

from msgspec.json import encode

from cds_service.errors import operation_outcome

MAX_HEADER_BYTES = 64 * 1024
MAX_HEADERS = 100
MAX_PIPELINED = 100
"""Requests of one connection that wait behind the one that is being answered."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a connection is closed, as it is answered."""

    status: HTTPStatus
    code: str
    message: str


NO_HTTP = Refusal(HTTPStatus.BAD_REQUEST, "structure", "this is no HTTP request")
TOO_LARGE = Refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "too-long",
    f"more than {MAX_HEADER_BYTES} bytes or {MAX_HEADERS} lines of header",
)
TOO_SLOW = Refusal(HTTPStatus.REQUEST_TIMEOUT, "timeout", "the request did not arrive in time")
NO_HOST = Refusal(HTTPStatus.BAD_REQUEST, "structure", "one Host is needed (RFC 9112 section 3.2)")
NO_VERSION = Refusal(
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "not-supported", "HTTP/1.1 or HTTP/1.0 is spoken here"
)
TOO_MANY_AHEAD = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "throttled", "too many requests before the first answer"
)
TOO_MANY = Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "throttled", "too many connections")


@cache
def answer_of(refusal: Refusal) -> bytes:
    """The whole answer, after which the connection is closed."""
    body = encode(operation_outcome(refusal.code, refusal.message, None))
    head = f"HTTP/1.1 {refusal.status.value} {refusal.status.phrase}\r\n"
    retry = "Retry-After: 1\r\n" * (refusal is TOO_MANY)
    return (
        f"{head}{retry}Content-Type: application/json\r\nCache-Control: no-store\r\n"
        f"X-Content-Type-Options: nosniff\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    ).encode() + body
