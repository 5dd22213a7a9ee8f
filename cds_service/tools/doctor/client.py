"""Makes the calls of an examination: counted, limited in number, time and size."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, Final, Self

import httpx
import msgspec

from cds_service import __version__
from cds_service.ops.calls import EXAMINATION_HEADER
from cds_service.tools.doctor.results import piece_of

MOST_BYTES = 5_000_000
"""Longest answer that is read."""

PATIENCE: Final = 5.0
"""Seconds in which a service that fell over may come back."""

_LOOK_SECONDS = 0.2
_GRACE = 1.0
"""Seconds after which a call is given up that has not given up itself: an answer that comes byte by
byte, or news without end (1xx), never runs into a timeout of reading."""

_OF_ALL: Final = {
    "Accept": "application/json",
    "User-Agent": f"cds-service-doctor/{__version__}",
    EXAMINATION_HEADER: "doctor",  # a service of ours counts the call apart; others ignore it
}


class StoppedError(Exception):
    """The examination cannot go on; the message says why."""


class LimitReached(StoppedError):
    """No further call is allowed."""


class ServiceGone(StoppedError):
    """Nothing listens any more where the service answered before."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer. `status` 0 means that there was none; `why` then says what happened, `is_late`
    that it was waited for in vain."""

    status: int
    headers: httpx.Headers
    body: bytes
    seconds: float
    why: str = ""
    is_late: bool = False
    is_cut: bool = False  # there was more than is read

    @property
    def got(self) -> str:
        """The status, in words where there is none."""
        return str(self.status) if self.status else "no answer"

    @property
    def told(self) -> str:
        """Status and the beginning of the body, for a report."""
        if not self.status:
            return self.why
        text = piece_of(self.body[:600].decode("utf-8", "replace"), 160)
        return f"{self.status} {text}".strip()


@dataclass(frozen=True, slots=True)
class Pause:
    """Two requests over one connection, and a pause between them. Where the other side closed it
    after so many seconds there is no second one."""

    first: Seen
    closed: float | None = None
    second: Seen | None = None


class DoctorClient:
    """Sends requests to one service. Raises LimitReached when `limit` calls were made, and
    ServiceGone when it answered before and nothing listens there any more: what would be found
    then would say nothing about the calls."""

    def __init__(self, base: str, limit: int, timeout: float, patience: float = PATIENCE) -> None:
        self.base = base
        self.limit = limit
        self.calls = 0
        self._patience = patience
        self._timeout = timeout
        self.again: list[str] = []  # requests that got no answer, and were sent once more
        self._has_answered = False
        self._client = self._open()

    def _open(self) -> httpx.Client:
        return httpx.Client(timeout=self._timeout, follow_redirects=False, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def url(self, path: str) -> str:
        """The full URL of a path below the base."""
        return f"{self.base}/{path}"

    def pause(self, path: str, headers: Mapping[str, str], seconds: float) -> Pause:
        """GET, leave the connection idle, and GET again. Never raises for what a service does."""
        streams: list[Any] = []
        # By itself httpx would open another connection without a word.
        limits = httpx.Limits(max_connections=1, keepalive_expiry=None)
        with httpx.Client(timeout=self._client.timeout, trust_env=False, limits=limits) as client:
            client.event_hooks["response"] = [
                lambda response: streams.append(response.extensions["network_stream"])
            ]
            first = self.send("GET", path, headers=headers, over=client)
            begun = time.monotonic()
            while streams and (passed := time.monotonic() - begun) < seconds:
                if streams[0].get_extra_info("is_readable"):  # nothing but its end can be read
                    return Pause(first, closed=passed)
                time.sleep(_LOOK_SECONDS)
            return Pause(first, None, self.send("GET", path, headers=headers, over=client))

    def send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        over: httpx.Client | None = None,
    ) -> Seen:
        """Send one request. A service that answered before and does not now gets the time to come
        back, and the request once more: an earlier one may have felled it. Raises LimitReached, and
        ServiceGone where it does not come back; never for anything else that a service does."""
        sent = _OF_ALL | dict(headers or {})
        if content is not None or json is not None:
            sent.setdefault("Content-Type", "application/json")
        try:
            body = content if content is not None else None if json is None else _encode(json)
        except UnicodeEncodeError:
            why = "what discovery asks for cannot be sent: half a character (a lone surrogate)"
            return Seen(0, httpx.Headers(), b"", 0.0, why)
        seen = self._once(method, path, body, sent, over)
        if not seen.status and self._has_answered and not seen.is_late:
            self._wait_for_return(f"{method} /{path}")
            self.again.append(f"{method} /{path}: {seen.why}")
            seen = self._once(method, path, body, sent, over)
        return seen

    def _once(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        over: httpx.Client | None,
    ) -> Seen:
        if self.calls >= self.limit:
            raise LimitReached(f"stopped: the limit of {self.limit} calls was reached")
        self.calls += 1
        seen = self._within(method, self.url(path), body, headers, over)
        self._has_answered = self._has_answered or seen.status > 0
        return seen

    def _within(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str],
        over: httpx.Client | None = None,
    ) -> Seen:
        """One request, over when its time is, whatever drips in."""
        answers: SimpleQueue[Seen | Exception] = SimpleQueue()
        client, seconds = over or self._client, self._timeout + _GRACE

        def ask() -> None:
            try:
                answers.put(_ask(client, method, url, body, headers, seconds))
            except Exception as error:  # raised where it is waited for
                answers.put(error)

        Thread(target=ask, daemon=True).start()
        try:
            seen = answers.get(timeout=seconds)
        except Empty:
            if over is None:
                self._client = self._open()  # the other one still hangs on what drips
            why = f"no whole answer in {seconds:g} seconds"
            return Seen(0, httpx.Headers(), b"", seconds, why, is_late=True)
        if isinstance(seen, Exception):
            raise seen
        return seen

    def _wait_for_return(self, call: str) -> None:
        """Give a service that fell over the time to be started again. Raises ServiceGone."""
        until = time.monotonic() + self._patience
        while time.monotonic() < until:
            time.sleep(min(_LOOK_SECONDS, self._patience))
            if self._within("GET", self.base, None, _OF_ALL).status:
                return
        raise ServiceGone(f"stopped: nothing answers there any more, since {call}")


def _encode(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _ask(
    client: httpx.Client,
    method: str,
    url: str,
    body: bytes | None,
    headers: Mapping[str, str],
    seconds: float,
) -> Seen:
    started, is_late = time.monotonic(), False
    try:
        with client.stream(method, url, content=body, headers=headers) as response:
            if len(response.headers.get_list("content-encoding", split_commas=True)) > 1:
                # Each layer may hold a thousand times what it takes.
                why = "an answer that is packed more than once (Content-Encoding)"
                return Seen(0, response.headers, b"", 0.0, why, is_late=True)
            data, is_cut = _read(response, started + seconds)
            took = time.monotonic() - started
            return Seen(response.status_code, response.headers, data, took, is_cut=is_cut)
    except httpx.HTTPError as error:
        is_late = isinstance(error, httpx.TimeoutException)
        why = f"no answer ({type(error).__name__})"
    except (httpx.InvalidURL, UnicodeEncodeError):  # the latter: half a surrogate pair
        why, is_late = "not a URL", True
    return Seen(0, httpx.Headers(), b"", time.monotonic() - started, why, is_late)


def _read(response: httpx.Response, until: float) -> tuple[bytes, bool]:
    """The body, and whether there is more than is read. Raises httpx.ReadTimeout after `until`."""
    data = bytearray()
    for chunk in response.iter_bytes():
        data += chunk
        if len(data) > MOST_BYTES:
            return bytes(data), True
        if time.monotonic() > until:
            raise httpx.ReadTimeout("a body that drips", request=response.request)
    return bytes(data), False
