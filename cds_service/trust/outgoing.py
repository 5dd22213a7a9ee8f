"""Guards every call this service makes: only registered URLs, checked addresses, no redirects.

What is called comes from a request (`fhirServer`) or from a page of a FHIR server (`next`), so it
is hostile. A call goes to the very address that was checked: a name that changes its address
between check and call gains nothing.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cds_service.errors import SettingsError
from cds_service.ops.urls import default_port
from cds_service.trust.clients import Client

if TYPE_CHECKING:
    import httpx

_NEVER = (ip_network("168.63.129.16/32"), ip_network("192.88.99.0/24"))
"""The virtual host of a cloud's machines, and the anycast relay of 6to4 (RFC 7526)."""

_GLOBAL_V6 = ip_network("2000::/3")
_UNIQUE_LOCAL = ip_network("fc00::/7")
_SPECIAL_V6 = tuple(
    map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"))
)
_ISATAP, _ISATAP_MASK = 0x5EFE, 0xFDFFFFFF  # RFC 5214 section 6.1, with and without its u bit
_ODD_PATH = re.compile(
    r"%2e|%2f|%3b|%5c|[\\\x00-\x20\x7f]|(?:^|/)\.{1,2}(?:;[^/]*)?(?:/|$)", re.IGNORECASE
)

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be called for one client: everything below `bases`, and exactly `urls`.

    `private_hosts` may have addresses of private networks and of this machine.
    """

    bases: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    private_hosts: frozenset[str] = frozenset()

    def covers(self, url: str) -> bool:
        """Whether this URL may be called, by its text alone."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return False
        if not parts.hostname or "@" in parts.netloc or _ODD_PATH.search(parts.path):
            return False
        if url in self.urls:
            return True
        here = (parts.scheme, parts.hostname, port or default_port(parts.scheme))
        return any(_below(base, here, parts.path) for base in self.bases)

    def is_private(self, host: str) -> bool:
        """Whether this host may have a private or loopback address."""
        return host in self.private_hosts


def _below(base: str, here: tuple[str, str, int], path: str) -> bool:
    parts = urlsplit(base)
    origin = (parts.scheme, parts.hostname, parts.port or default_port(parts.scheme))
    root = parts.path.rstrip("/")
    return origin == here and (path == root or path.startswith(root + "/"))


def is_allowed_address(address: Address, *, private: bool) -> bool:
    """Whether an address may be called. `private`: its host is registered as private.

    Link-local (where clouds keep their metadata), the host of a cloud's virtual network,
    multicast and unspecified never. Public IPv6 is 2000::/3 without what IANA's registry of
    special-purpose addresses (RFC 6890) lists there, and without forms that hold an IPv4 address:
    where those lead is decided elsewhere.
    """
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return _is_allowed_v6(address, private=private)
        address = address.ipv4_mapped
    if any(address in network for network in _NEVER):
        return False
    if address.is_multicast or address.is_unspecified or address.is_link_local:
        return False
    if address.is_global:
        return True
    return private and not address.is_reserved


def _is_allowed_v6(address: IPv6Address, *, private: bool) -> bool:
    if address in _GLOBAL_V6:
        is_isatap = int(address) >> 32 & _ISATAP_MASK == _ISATAP
        return not is_isatap and not any(address in network for network in _SPECIAL_V6)
    return private and (address.is_loopback or address in _UNIQUE_LOCAL)


class Outgoing:
    """Gives HTTP clients that reach what is registered for an EHR client, and nothing else.

    `None` as client reaches `anonymous_servers`, also of this machine only those that are named.
    Raises SettingsError for a `ca_file` that cannot be used: else every read of a FHIR server would
    fail later.
    """

    def __init__(
        self,
        *,
        ca_file: Path | None = None,
        anonymous_servers: Sequence[str] = (),
    ) -> None:
        self._ca_file = ca_file
        if ca_file is not None:
            try:
                _ = self._trust
            except (OSError, ssl.SSLError) as error:
                why = error.strerror or type(error).__name__
                raise SettingsError(
                    f"CDS_CA_FILE: {ca_file} cannot be used ({why}); it must be a PEM file of "
                    "certificates"
                ) from None
        servers = tuple(server.rstrip("/") for server in anonymous_servers)
        self._anonymous = Reach(servers, (), frozenset(filter(None, map(_host, servers))))
        self._open: dict[Reach, tuple[asyncio.AbstractEventLoop, httpx.AsyncClient]] = {}

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.hostname_checks_common_name = False  # names stand in the SAN (RFC 9525)
        if self._ca_file is not None:
            context.load_verify_locations(self._ca_file)
        return context

    def reach_of(self, client: Client | None) -> Reach:
        """FHIR servers that may be read for this client."""
        if client is None:
            return self._anonymous
        return Reach(client.fhir_servers, (), frozenset(client.private_hosts))

    def allowed(self, client: Client | None, url: str) -> bool:
        """Whether this URL of a FHIR server may be called for this client."""
        return self.reach_of(client).covers(url)

    def client_for(self, client: Client | None) -> httpx.AsyncClient:
        """An HTTP client for the FHIR servers of this EHR client, with connections kept open.

        It is shared by all calls: hand tokens over with each request, and do not close it.
        Refused calls raise OutgoingRefused, an httpx.ConnectError.
        """
        return self._client(self.reach_of(client))

    def client_for_keys(self, client: Client) -> httpx.AsyncClient:
        """An HTTP client that can fetch the JWK Set of this EHR client, and nothing else."""
        urls = (client.jku,) if client.jku else ()
        return self._client(Reach((), urls, frozenset(client.private_hosts)))

    def _client(self, reach: Reach) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        found = self._open.get(reach)
        if found and found[0] is loop and not found[1].is_closed:
            return found[1]
        from cds_service.trust.transport import open_client

        client = open_client(reach, self._trust)
        self._open[reach] = (loop, client)
        return client

    async def aclose(self) -> None:
        """Close all connections of this event loop."""
        loop = asyncio.get_running_loop()
        for owner, client in self._open.values():
            if owner is loop:
                await client.aclose()
        self._open.clear()


def _host(url: str) -> str | None:
    return urlsplit(url).hostname
