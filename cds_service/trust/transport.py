"""Sends what `outgoing` allows: to the address that was checked, and to no other.

A room of its own, because httpx takes as long to import as FastAPI and is needed for calls to
other servers only.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address

import httpx

from cds_service.errors import NotSent
from cds_service.ops import calls, log
from cds_service.ops.urls import default_port
from cds_service.trust.outgoing import Address, Reach, is_allowed_address

USER_AGENT = "cds-service"
_ADDRESS_SECONDS = 30  # how long a checked address is used without asking again
_MAX_HOSTS = 64


class OutgoingRefused(NotSent, httpx.ConnectError):
    """A call that is not made: the URL is not registered, or its address is not allowed."""

    told = "its address is not allowed"
    outcome = "refused"


class CertificateRefused(NotSent, httpx.ConnectError):
    """A connection without a certificate that can be trusted for the host's name."""

    told = "its certificate was not accepted"
    outcome = "tls"


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends a request to a checked address, with the host's own name in Host, SNI and certificate.

    Each host has its own connections: one that was verified for a host never serves another host
    of the same address.
    """

    def __init__(self, reach: Reach, trust: ssl.SSLContext) -> None:
        self._reach = reach
        self._trust = trust
        self._hosts: dict[str, httpx.AsyncHTTPTransport] = {}
        self._addresses: dict[tuple[str, int], tuple[float, tuple[Address, ...]]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it. Raises OutgoingRefused before anything leaves this machine."""
        if not self._reach.covers(str(request.url)):
            raise OutgoingRefused("this URL is not registered", request=request)
        host = request.url.raw_host.decode("ascii")
        port = request.url.port or default_port(request.url.scheme)
        with calls.sending(host, port) as sent:
            request.headers["traceparent"] = sent.traceparent
            answer = await self._send(host, port, request)
            sent.answered(answer.status_code)
            return answer

    async def _send(self, host: str, port: int, request: httpx.Request) -> httpx.Response:
        addresses = await self._resolve(host, port, request)
        transport = self._transport_of(host)
        failure: httpx.ConnectError | None = None
        for address in addresses:
            aimed = httpx.Request(
                request.method,
                request.url.copy_with(host=str(address)),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                return await transport.handle_async_request(aimed)
            except httpx.ConnectError as error:
                failure = error
        if failure is not None and _is_about_tls(failure):
            raise CertificateRefused(CertificateRefused.told, request=request) from failure
        raise httpx.ConnectError("cannot be reached", request=request) from failure

    async def _resolve(self, host: str, port: int, request: httpx.Request) -> tuple[Address, ...]:
        found = self._addresses.get((host, port))
        if found and found[0] > time.monotonic():
            return found[1]
        try:
            answers = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
        except (OSError, UnicodeError):
            raise httpx.ConnectError("the host has no address", request=request) from None
        addresses = tuple(dict.fromkeys(ip_address(str(a[4][0]).split("%")[0]) for a in answers))
        private = self._reach.is_private(host)
        if not addresses or not all(is_allowed_address(a, private=private) for a in addresses):
            log.audit("address refused", host=host)  # registered, and leads where nobody may go
            raise OutgoingRefused("the host's address is not allowed", request=request)
        if len(self._addresses) >= _MAX_HOSTS:
            self._addresses.clear()
        self._addresses[host, port] = (time.monotonic() + _ADDRESS_SECONDS, addresses)
        return addresses

    def _transport_of(self, host: str) -> httpx.AsyncHTTPTransport:
        if host not in self._hosts:
            self._hosts[host] = httpx.AsyncHTTPTransport(
                verify=self._trust,
                trust_env=False,
                limits=httpx.Limits(max_connections=50, max_keepalive_connections=10),
            )
        return self._hosts[host]

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._hosts.values():
            await transport.aclose()
        self._hosts.clear()


def _is_about_tls(error: BaseException) -> bool:
    """Whether TLS is at the bottom of an error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def open_client(reach: Reach, trust: ssl.SSLContext) -> httpx.AsyncClient:
    """An HTTP client that reaches this and nothing else."""
    return httpx.AsyncClient(
        transport=GuardedTransport(reach, trust),
        headers={"User-Agent": USER_AGENT},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # a session is a secret
        follow_redirects=False,
        trust_env=False,
    )
