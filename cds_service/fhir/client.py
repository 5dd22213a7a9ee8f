"""Reads from the EHR's FHIR server what prefetch lacks: all at once, in time, within bounds.

Whatever goes wrong becomes a stated reason of the input it was read for; nothing is kept. The token
lives as long as the call, and goes to the server that is registered for the client, nowhere else.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urldefrag, urljoin, urlsplit

import msgspec

from cds_service.cdshooks.models import CDSRequest
from cds_service.errors import NotSent, RequestError, TooLarge
from cds_service.fhir.bundle import counted
from cds_service.fhir.capabilities import Declared, Servers
from cds_service.fhir.context import UnfinishedChart
from cds_service.fhir.medicine_lists import LISTS
from cds_service.fhir.scopes import SOME_ONLY, shows_some_only
from cds_service.fhir.search import is_orders, other_forms, with_intent, without_intent
from cds_service.knowledge.names import InputName
from cds_service.ops import calls, metrics
from cds_service.ops.urls import default_port, is_loopback_host

if TYPE_CHECKING:
    import httpx

ACCEPT = "application/fhir+json, application/json+fhir;q=0.9, application/json;q=0.8"
ATTEMPTS = 3
METADATA_BYTES = 8 * 1024 * 1024
METADATA_SECONDS = 1.0
"""What the CapabilityStatement of a server may cost the first call that reads there."""
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")  # what can stand in a header, without blanks
_REFUSED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
_BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_WORDS = {
    400: "the FHIR server refused the search",
    401: "the FHIR server refused access",
    403: "the FHIR server refused access",
    404: "the FHIR server does not have it",
    410: "the FHIR server does not have it",
    429: "the FHIR server is too busy",
    503: "the FHIR server is too busy",
}

_OUTCOMES = {401: "refused", 403: "refused", 404: "gone", 410: "gone"}
_NO_SEARCH = frozenset({400, 404, 405, 410, 422, 501})
"""Statuses by which a server says that it has no such list. One that it does not show (401, 403)
is there, and withheld."""


class FetchBounds(Protocol):
    """The settings that this room reads."""

    @property
    def fetch_max_pages(self) -> int: ...
    @property
    def fetch_max_entries(self) -> int: ...
    @property
    def fetch_max_bytes(self) -> int: ...


class NoAccess(Exception):
    """The FHIR server of a request may not or cannot be read. The message says why, in words."""


class FetchFailed(Exception):
    """An input could not be read, or not to its end. `outcome` is a word for figures; `no_list`
    says that the server does not offer it, `is_refused` that it does not show it."""

    def __init__(
        self, why: str, outcome: str = "failed", *, no_list: bool = False, is_refused: bool = False
    ) -> None:
        super().__init__(why)
        self.why = why
        self.outcome = outcome
        self.no_list = no_list
        self.is_refused = is_refused


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to read one FHIR server. `until` is on the clock of `time.monotonic`, in seconds."""

    base: str
    authorization: str = field(repr=False)
    until: float
    covers: Callable[[str], bool]
    aliases: Mapping[str, str] = field(default_factory=dict)
    scope: str | None = None


def grant(
    request: CDSRequest,
    covers: Callable[[str], bool],
    until: float,
    aliases: Mapping[str, str] | None = None,
) -> Grant | None:
    """Leave to read the FHIR server of a request; None when it names none or gives no token.

    `covers` says whether a URL is registered for the client; `aliases` are base URLs in its `next`
    links, with the registered ones that are meant. Raises NoAccess when the token must
    not be used: the server is not registered or not reached by https (FA-08, RQ-05), the token is
    bound to another patient (FA-04), is over (FA-05), or is no bearer token (FA-03).
    """
    server, token = request.fhir_server, request.fhir_authorization
    if server is None or token is None:
        return None
    parts = urlsplit(server)
    if parts.scheme != "https" and not is_loopback_host(parts.hostname):
        raise NoAccess("fhirServer does not use https")
    if not covers(server):
        raise NoAccess("fhirServer is not registered for this client")
    patient = (token.patient or request.context.patient_id).rpartition("/")[2]
    if patient != request.context.patient_id:
        raise NoAccess("fhirAuthorization.patient is another patient")
    if token.token_type.lower() != "bearer" or not _TOKEN.fullmatch(token.access_token):
        raise NoAccess("fhirAuthorization holds no bearer token")
    if token.expires_in is not None:
        if token.expires_in <= 0:
            raise NoAccess("fhirAuthorization has expired")
        until = min(until, time.monotonic() + token.expires_in)
    return Grant(server, f"Bearer {token.access_token}", until, covers, aliases or {}, token.scope)


class _Page(msgspec.Struct):
    """What a page of a search tells of itself."""

    total: Any = None
    entry: list[msgspec.Raw] = []


_PAGE = msgspec.json.Decoder(_Page)
_ABSOLUTE = ("http:", "https:")


class FhirReads:
    """The reads of one call."""

    def __init__(
        self, access: Grant, http: httpx.AsyncClient, bounds: FetchBounds, servers: Servers
    ) -> None:
        from cds_service.fhir.response_body import ByteBudget  # loads httpx

        self._access = access
        self._http = http
        self._bounds = bounds
        self._servers = servers
        self._bytes = ByteBudget(bounds.fetch_max_bytes)
        self._entries = 0
        self._flights: dict[str, asyncio.Task[bytes]] = {}
        self._headers = {
            "Accept": ACCEPT,
            "Accept-Encoding": "gzip",
            "Authorization": access.authorization,
        }

    async def read(self, reader: UnfinishedChart, urls: Mapping[InputName, str]) -> None:
        """Read all inputs at once into the reader. `urls` are relative to the FHIR server, or
        `next` links. Returns at the deadline at the latest; what was not read is noted there."""
        seconds = self._access.until - time.monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                for name, url in urls.items():
                    group.create_task(self._input(reader, name, url, seconds))
        finally:
            for flight in self._flights.values():
                flight.cancel()
            await asyncio.gather(*self._flights.values(), return_exceptions=True)
            self._flights.clear()

    async def _input(
        self, reader: UnfinishedChart, name: InputName, url: str, seconds: float
    ) -> None:
        outcome = "read"
        calls.reading.set(str(name))  # in the task of this input alone
        try:
            async with asyncio.timeout(seconds):
                if name is InputName.STATEMENTS:
                    url = await self._statements(url, seconds)
                await self._pages(reader, name, url)
            if shows_some_only(self._access.scope, url):
                reader.fail(name, SOME_ONLY)
        except TimeoutError:
            outcome = "late"
            reader.fail(name, "the FHIR server did not answer in time")
        except FetchFailed as error:
            outcome = error.outcome
            gone = error.no_list if name in LISTS else error.outcome == "gone"
            reader.fail(name, error.why, is_gone=gone, is_refused=error.is_refused)
        metrics.fetches.labels(str(name), outcome).inc()

    async def _pages(self, reader: UnfinishedChart, name: InputName, start: str) -> None:
        """Read a search from its first page to its last. Raises FetchFailed."""
        url = self._follow(f"{self._access.base}/", self._first(start))
        strangers = reader.strangers(name)
        seen: set[str] = set()
        found = 0
        while len(seen) < self._bounds.fetch_max_pages:
            seen.add(url)
            content = await self._shared(url)
            if not content.lstrip().startswith(b"{"):
                raise FetchFailed("the answer of the FHIR server cannot be read", "malformed")
            reader.read_input(name, content)
            if reader.strangers(name) > strangers:
                raise FetchFailed("the FHIR server sent data of another patient", "foreign")
            page = _glance(content)
            found += self._count(page)
            link = reader.next_links().get(name)
            if link is None:
                if not start.startswith(_ABSOLUTE) and (counted(page.total) or 0) > found:
                    raise FetchFailed("the FHIR server left out entries", "cut")
                return
            url = self._follow(url, link)
            if url in seen:
                raise FetchFailed("the pages of the FHIR server repeat", "endless")
        raise FetchFailed(f"more than {self._bounds.fetch_max_pages} pages", "endless")

    # --- what the server has ---

    async def _statements(self, url: str, seconds: float) -> str:
        """The search for what is taken, by the name that the server has for it. Raises FetchFailed
        where it says that it has none."""
        if url.startswith(_ABSOLUTE):
            return url  # a further page
        kind = (await self._declared(seconds)).statements
        if kind is None:
            raise FetchFailed("the FHIR server does not have it", "undeclared", no_list=True)
        return url.replace("MedicationStatement", kind, 1)

    async def _declared(self, seconds: float) -> Declared:
        """What the server says it has; what it does not say in time is not waited for."""
        base = self._access.base
        known = self._servers.known(base)
        if known is not None:
            return known
        try:
            async with asyncio.timeout(min(METADATA_SECONDS, seconds / 2)):
                content = await self._metadata(f"{base}/metadata")
        except TimeoutError:
            content = None
        return self._servers.keep(base, content)

    async def _metadata(self, url: str) -> bytes | None:
        import httpx

        from cds_service.fhir.response_body import ByteBudget, read_body

        try:
            async with self._http.stream("GET", url, headers=self._headers) as answer:
                if answer.status_code != HTTPStatus.OK:
                    return None
                return await read_body(answer, ByteBudget(METADATA_BYTES))
        except (httpx.HTTPError, httpx.InvalidURL, RequestError):
            return None

    def _first(self, url: str) -> str:
        """The search with `intent` or without, as the server is known to want it."""
        wants = self._servers.wants_intent(self._access.base)
        if wants is None:
            return url
        return with_intent(url) if wants else without_intent(url)

    def _count(self, page: _Page) -> int:
        self._entries += len(page.entry)
        if self._entries > self._bounds.fetch_max_entries:
            raise FetchFailed(f"more than {self._bounds.fetch_max_entries} entries", "endless")
        return len(page.entry)

    def _follow(self, here: str, link: str) -> str:
        """The absolute URL of a link: a relative one is meant from the base of the server, a query
        alone from the page that it stands on. Raises FetchFailed when it leads away from the
        registered server: the token must not go there."""
        start = here if link.startswith("?") else f"{self._access.base}/"
        try:
            url = self._registered(urldefrag(urljoin(start, link)).url)
            same = _origin(url) == _origin(self._access.base)
        except ValueError:
            same = False
        if not same or not self._access.covers(url):
            raise FetchFailed("a further page is at an address that is not registered", "refused")
        return url

    def _registered(self, url: str) -> str:
        """The URL as the client's registration has it: behind a proxy a server may name itself by
        an address that only it knows."""
        for alias, base in self._access.aliases.items():
            if url == alias or url.startswith((f"{alias}/", f"{alias}?")):
                return base + url[len(alias) :]
        return url

    # --- one answer ---

    async def _shared(self, url: str) -> bytes:
        """The answer to a GET; who asks for the same while it is under way shares it."""
        flight = self._flights.get(url)
        if flight is None:
            flight = self._flights[url] = asyncio.create_task(self._get(url))
        return await asyncio.shield(flight)

    async def _get(self, url: str) -> bytes:
        """The body of the answer as UTF-8. Raises FetchFailed."""
        import httpx  # costs too much to load where nothing is read

        failure = FetchFailed("the FHIR server cannot be reached", "unreachable")
        others = list(other_forms(url))
        attempts = ATTEMPTS + len(others)
        asked = url
        for _ in range(attempts):
            try:
                status, retry_after, content = await self._send(url)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                failure = FetchFailed("the answer of the FHIR server was cut off", "cut")
                continue  # a kept connection may have ended between two calls
            except httpx.DecodingError:
                raise FetchFailed(
                    "the answer of the FHIR server cannot be read", "malformed"
                ) from None
            except NotSent as error:
                why = f"the FHIR server was not read: {error.told}"
                raise FetchFailed(why, error.outcome) from None
            except (httpx.HTTPError, httpx.InvalidURL):
                raise FetchFailed("the FHIR server cannot be reached", "unreachable") from None
            except RequestError as error:
                raise _unreadable(error) from None
            if status == HTTPStatus.OK:
                if is_orders(url) and ("intent=" in url) != ("intent=" in asked):
                    self._servers.learn_intent(self._access.base, wanted="intent=" in url)
                return content
            failure = _refusal(status)
            if status in _REFUSED and others:
                url = others.pop(0)
            elif status in _BUSY and self._can_wait(retry_after):
                await asyncio.sleep(retry_after or 0)
            else:
                break
        raise failure

    async def _send(self, url: str) -> tuple[int, float | None, bytes]:
        from cds_service.fhir.response_body import read_body

        async with self._http.stream("GET", url, headers=self._headers) as answer:
            status = answer.status_code
            if status != HTTPStatus.OK:
                return status, _seconds(answer.headers.get("retry-after")), b""
            return status, None, await read_body(answer, self._bytes)

    def _can_wait(self, seconds: float | None) -> bool:
        return seconds is not None and time.monotonic() + seconds < self._access.until


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or default_port(parts.scheme)


def _glance(content: bytes) -> _Page:
    """Total and number of entries; nothing when that cannot be told, the reader judges it then."""
    try:
        return _PAGE.decode(content)
    except (msgspec.MsgspecError, RecursionError):
        return _Page()


def _refusal(status: int) -> FetchFailed:
    words = _WORDS.get(status, "the FHIR server answered with an error")
    if 300 <= status < 400:
        words = "the FHIR server sent the read elsewhere"
    outcome = _OUTCOMES.get(status, "failed")
    return FetchFailed(
        f"{words} (HTTP {status})",
        outcome,
        no_list=status in _NO_SEARCH,
        is_refused=outcome == "refused",
    )


def _unreadable(error: RequestError) -> FetchFailed:
    if isinstance(error, TooLarge):
        return FetchFailed("the FHIR server sent more than is read", "endless")
    return FetchFailed("the answer of the FHIR server cannot be read", "malformed")


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds from now (RFC 9110 section 10.2.3); None when it says nothing."""
    text = (retry_after or "").strip()
    if text.isdecimal() and len(text) < 10:
        return float(text)
    with suppress(ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    return None
