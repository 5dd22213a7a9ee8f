"""URLs of settings and of the wire: which host is this machine, what an origin is, which port."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator


def is_loopback_host(host: str | None) -> bool:
    """Whether a host as written in a URL is this machine, without asking a name server."""
    if host is None or host == "localhost":
        return host is not None
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::[0-9]{1,5})?")


def host_of(header: str) -> str | None:
    """The host in a Host header (RFC 9110 section 7.2), in lower case, without brackets and the dot
    at its end; None for a header that is none."""
    found = _HOST.fullmatch(header.strip())
    return (found[1] or found[2].removesuffix(".")).lower() if found else None


def is_address(host: str | None) -> bool:
    """Whether this is an IP address and no name."""
    try:
        return ip_address(host or "") is not None
    except ValueError:
        return False


def local_base(host: str, port: int) -> str:
    """Where a service that listens on this host and port answers on this machine."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared, not listened on
    name = here.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def is_loopback_origin(origin: str) -> bool:
    """Whether a page came from this machine."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and is_loopback_host(parts.hostname)


def default_port(scheme: str) -> int:
    """The port of a URL that names none (RFC 9110 section 4.2)."""
    return 443 if scheme == "https" else 80


def check_url(value: str) -> str:
    """An absolute http(s) URL without user, query and fragment; a slash at its end is dropped.

    Raises ValueError. http is for this machine only (CDS Hooks 2.0 "Security and Safety").
    """
    parts = urlsplit(value)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("must be an absolute https URL")
    if "@" in parts.netloc or parts.query or parts.fragment or re.search(r"[\s\\]", value):
        raise ValueError("must have no user, query, fragment, blank or backslash")
    if parts.scheme == "http" and not is_loopback_host(parts.hostname):
        raise ValueError("must use https; http is for this machine only, in development")
    parts.port  # noqa: B018  # raises ValueError for a port that is none
    return value.rstrip("/")


def check_origin(value: str) -> str:
    """An origin as browsers write it: scheme, host in lower case and port. Raises ValueError."""
    parts = urlsplit(value)
    whole = f"{parts.scheme}://{parts.netloc}"
    good = parts.scheme in {"https", "http"} and parts.hostname and "@" not in value
    if not good or value != whole.lower() or re.search(r"[\s\\*]", value):
        raise ValueError("must be an origin such as https://ehr.example.org, without a path")
    return value


Url = Annotated[str, AfterValidator(check_url)]
Origin = Annotated[str, AfterValidator(check_origin)]
