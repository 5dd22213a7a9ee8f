"""Tells our own pages from those of others, and keeps them from a service that anybody may call.

Such a service stands on this machine or is a demo. A page of the internet must not use it through
the visitor's browser, neither across origins nor under a name of its own that leads here (DNS
rebinding).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from cds_service.errors import Forbidden, Misdirected
from cds_service.ops.settings import Settings
from cds_service.ops.urls import host_of, is_address, is_loopback_host

_MOST_HOSTS = 100  # spellings of Host that are remembered


def is_own_page(headers: Mapping[str, str], public_url: str | None) -> bool:
    """Whether a request with `Origin` comes from a page of ours: from the host that was called, or
    from that of CDS_PUBLIC_URL.

    `null` is what browsers say for our own forms, because our pages name no referrer (Fetch
    standard, "append a request `Origin` header"); that they are our own they say beside it.
    """
    origin = headers["origin"]
    if origin == "null":
        return headers.get("sec-fetch-site") == "same-origin"
    ours = {_place(public_url or ""), headers.get("host", "").lower()} - {""}
    return _place(origin) in ours


def _place(url: str) -> str:
    """Host and port of a URL; nothing where it has none. A proxy may have changed the scheme."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


class OpenDoor:
    """Stands where nobody is asked for a token. `is_named` tells the origins of the settings."""

    def __init__(self, settings: Settings, is_named: Callable[[str], bool]) -> None:
        self._public_url = settings.public_url
        self._hosts = {settings.host.lower(), urlsplit(settings.public_url or "").hostname}
        # On all addresses each of them is ours: which they are nobody can know behind a gateway.
        self._every_address = settings.host in {"0.0.0.0", "::"}  # noqa: S104  # compared
        self._is_named = is_named
        self._good: set[bytes] = set()

    def knows(self, host: bytes) -> bool:
        """Whether a value of Host was found to be ours before."""
        return host in self._good

    def check(self, scope: Scope, from_browser: bool) -> None:
        """Raise Misdirected for the name of another host, Forbidden for a page of others."""
        for name, value in scope["headers"]:
            if name == b"host" and value not in self._good:
                self._check_host(value)
        if from_browser:
            self._check_origin(Headers(scope=scope))

    def _check_host(self, header: bytes) -> None:
        host = host_of(header.decode("latin-1"))
        ours = is_loopback_host(host) or host in self._hosts
        if host is None or not (ours or (self._every_address and is_address(host))):
            raise Misdirected(
                "this service asks nobody for a token, and answers to its own names only: "
                "localhost, the address it listens on, and the host of CDS_PUBLIC_URL",
                "Host",
            )
        if len(self._good) < _MOST_HOSTS:
            self._good.add(header)

    def _check_origin(self, headers: Headers) -> None:
        if not (self._is_named(headers["origin"]) or is_own_page(headers, self._public_url)):
            raise Forbidden(
                "this service asks nobody for a token, and answers its own pages and those that "
                "CDS_CORS_ORIGINS names",
                "Origin",
            )
