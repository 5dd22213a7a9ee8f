"""Lets operators in to the figures: by token, or without one where just this machine can ask."""

from __future__ import annotations

import hmac
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from fastapi import Request, Response

from cds_service.errors import Forbidden, UnknownService
from cds_service.ops.urls import host_of, is_loopback_host
from cds_service.server.origins import is_own_page

if TYPE_CHECKING:
    from cds_service.ops.settings import Settings

COOKIE = "cds-operator"
PATH = "/insights"
_SECONDS = 8 * 60 * 60
_BEARER = "bearer "


def is_admitted(request: Request, settings: Settings, now: datetime) -> bool:
    """Whether the figures may be shown.

    Raises UnknownService where no token is set and others could ask, Forbidden for a page of
    another origin.
    """
    refuse_other_origins(request, settings)
    if settings.operator_token is None:
        _only_this_machine(request, settings)
        return True
    given = request.headers.get("authorization", "")
    if given.lower().startswith(_BEARER):
        return is_token(given[len(_BEARER) :].strip(), settings)
    return _is_cookie(request.cookies.get(COOKIE, ""), settings, now)


def refuse_other_origins(request: Request, settings: Settings) -> None:
    """Raise Forbidden for what a page of another origin asks or posts, though it were one that may
    call the services: figures are for operators."""
    if "origin" in request.headers and not is_own_page(request.headers, settings.public_url):
        raise Forbidden("figures are not for pages of other origins (see CDS_PUBLIC_URL)", "origin")


def _only_this_machine(request: Request, settings: Settings) -> None:
    if not settings.is_alone:
        raise UnknownService("set CDS_OPERATOR_TOKEN to see figures here")
    # A name of somebody else's that leads to this machine (DNS rebinding), or a page of another
    # origin that reads across: the answers on loopback carry CORS headers for all.
    host = host_of(request.headers.get("host", ""))
    foreign = request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
    reads = request.headers.get("sec-fetch-mode", "navigate") != "navigate"
    if not is_loopback_host(host) or (foreign and reads):
        raise Forbidden("figures are shown to this machine only", "host")


def is_token(given: str, settings: Settings) -> bool:
    """Whether this is the operator's token, compared in constant time."""
    wanted = sha256(_secret(settings)).digest()
    same = hmac.compare_digest(sha256(given.encode()).digest(), wanted)
    return same and settings.operator_token is not None


def admit(response: Response, settings: Settings, now: datetime) -> None:
    """Set the cookie that lets in for some hours. It does not hold the token."""
    expires = int(now.timestamp()) + _SECONDS
    response.set_cookie(
        COOKIE,
        f"{expires}.{_signature(expires, settings)}",
        max_age=_SECONDS,
        path=PATH,
        secure=(settings.public_url or "").startswith("https:"),
        httponly=True,
        samesite="strict",
    )


def dismiss(response: Response) -> None:
    """Take the cookie away."""
    response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")


def _is_cookie(value: str, settings: Settings, now: datetime) -> bool:
    expires, _, signature = value.partition(".")
    if not (expires.isascii() and expires.isdecimal()) or len(expires) > 12:
        return False
    right = hmac.compare_digest(signature.encode(), _signature(int(expires), settings).encode())
    return right and int(expires) > now.timestamp()


def _signature(expires: int, settings: Settings) -> str:
    return hmac.new(_secret(settings), f"insights {expires}".encode(), sha256).hexdigest()


def _secret(settings: Settings) -> bytes:
    token = settings.operator_token
    return token.get_secret_value().encode() if token else b""
