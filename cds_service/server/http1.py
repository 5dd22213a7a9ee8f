"""HTTP/1.1 on a socket, with bounds: the number of connections, the size of a header, and the time
for every byte. Offers to change to another protocol are passed over."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from cds_service.ops import metrics
from cds_service.ops.settings import from_environment
from cds_service.server import ending
from cds_service.server.at_once import URL, AtOnce
from cds_service.server.connections import Place, Places, who_is
from cds_service.server.gone import GONE
from cds_service.server.http_refusals import (
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    MAX_PIPELINED,
    NO_HOST,
    NO_HTTP,
    NO_VERSION,
    TOO_LARGE,
    TOO_MANY,
    TOO_MANY_AHEAD,
    TOO_SLOW,
    Refusal,
    answer_of,
)

_OK = b"HTTP/1.1 200 OK\r\n"
_OFFER = frozenset({b"upgrade", b"connection", b"http2-settings"})
_SOON = 0.1  # seconds
_VERSIONS = frozenset({"1.0", "1.1"})
_ON_RESERVE = (b"/health/", b"/metrics")
_PASSING_SECONDS = 2.0
_MOST_PASSED_BY = 64 * 1024 * 1024


@cache
def _read_seconds() -> float:
    """The same for all connections of this process; `server.run` hands options down by variable."""
    return from_environment().read_seconds


@cache
def _places() -> Places:
    settings = from_environment()
    return Places(settings.max_connections, settings.max_connections_per_address)


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections that are too many, too slow, too large, or speak no proper HTTP.

    uvicorn bounds none of these with httptools. Its own timer covers only the pause after an
    answer, and any byte stops it.
    """

    _timer: asyncio.TimerHandle | None = None  # for what is to arrive, header or body
    _sending: asyncio.TimerHandle | None = None  # for what the other side is to take
    _header_bytes = 0  # of a header, or of what belongs to no body: trailers, chunk extensions
    _in_header, _in_body = True, False
    _late = False
    _refusal: Refusal | None = None
    _place = Place.NONE
    _who = ""
    _passed_by: int | None = None  # bytes of a body that nobody reads, after its answer
    _is_done = False  # all that came is answered
    _idle_since = 0.0
    _keeps_alive = False  # the client, after this request
    _held: list[bytes] | None = None  # the body of a call that may be answered at once

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser = _Parser(self)
        self._at_once: AtOnce = self.config.loaded_app.state.at_once

    def connection_made(  # type: ignore[override]  # uvicorn narrows the type of asyncio, too
        self, transport: asyncio.Transport
    ) -> None:
        """Take a place, and start the clock: the first request has to come."""
        super().connection_made(transport)
        self._who = who_is(self.client[0] if self.client else None)
        self._place = _places().take(self._who)
        if self._place is Place.NONE:
            metrics.connections_refused.labels(TOO_MANY.message).inc()
            transport.abort()
        else:
            self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back, stop the clocks, and tell whoever works on an answer that nobody
        waits for it."""
        _places().leave(self._who, self._place)
        self._place = Place.NONE
        self._stop_clock()
        self.resume_writing()
        scope: Any = self.scope  # None before the first request
        if scope and GONE in scope:
            scope[GONE]()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes outside of bodies, and time it unless it came at once."""
        if self._passed_by is not None:
            self._pass_by(len(data))
            return
        self._header_bytes += len(data)  # a piece of a body sets it back
        try:
            self.parser.feed_data(data)
            if self._held is not None:  # more of it is to come
                self._lead_on()
        except httptools.HttpParserError:
            self._refuse(self._refusal or NO_HTTP)
            return
        is_arriving = self._in_header or self._in_body or not self._is_answering()
        if self._timer is None and is_arriving and not self._is_done:
            self._start_clock()
        if self._header_bytes > MAX_HEADER_BYTES:
            self._refuse(TOO_LARGE)

    def on_message_begin(self) -> None:
        """A request begins; what an application wants to know of it is put together later."""
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self._in_header, self._is_done = True, False
        self._stop_clock()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of the header. Those after a body (trailers) are passed over: what stands there
        was not seen when the caller was let in (RFC 9110 section 6.5.1)."""
        if self._in_header:
            if len(self.headers) >= MAX_HEADERS:
                self._give_up(TOO_LARGE)
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The header is complete; the body has a clock of its own."""
        if self.parser.should_upgrade():  # read again without the offer, see `pass_over`
            return
        self._check_head()
        self._in_header, self._in_body, self._header_bytes = False, True, 0
        self._stop_clock()
        if self._stays_idle():
            self._held = []
        else:
            self._to_application()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._header_bytes = 0
        if self._held is not None:
            self._held.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is complete."""
        if self.parser.should_upgrade():
            return
        self._in_body, self._header_bytes = False, 0
        self._stop_clock()
        if self._held is not None:
            found = self._at_once.answer(self.url, self.headers, b"".join(self._held))
            if isinstance(found, bytes):
                self._answer(found)
                return
            self._lead_on()
            self.scope.update(found)  # type: ignore[typeddict-item]  # as scopes are used
        super().on_message_complete()

    def _to_application(self) -> None:
        self._unset_keepalive_if_required()
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expects
        self.scope["headers"] = headers
        super().on_headers_complete()
        self.cycle.transport = _Ending(self)  # type: ignore[assignment]  # all that a cycle asks of one
        if self._place is Place.RESERVED or ending.has_begun():
            self.cycle.keep_alive = False
        if len(self.pipeline) > MAX_PIPELINED:
            self._give_up(TOO_MANY_AHEAD)

    def _stays_idle(self) -> bool:
        """Whether this is a call on a connection that does nothing else and stays open."""
        return (
            self.url.startswith(URL)
            and self.parser.get_method() == b"POST"
            and self._keeps_alive
            and not (self._is_answering() or self._place is Place.RESERVED or ending.has_begun())
        )

    def _answer(self, found: bytes) -> None:
        """Send what was found at once, and wait for the next request."""
        self._held, self._is_done = None, True
        named = [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        self.transport.write(b"".join([_OK, *named, found]))
        self.server_state.total_requests += 1
        self._idle_since = self.loop.time()  # a timer that runs is left alone: it looks here
        if self.timeout_keep_alive_task is None:
            self._time_idling(self.timeout_keep_alive)

    def _lead_on(self) -> None:
        """Give to the application what was held back."""
        self._to_application()
        held, self._held = self._held, None
        for body in held or ():
            super().on_body(body)

    def end_with_answer(self) -> None:
        """Close the connection with the answer that is being worked on, if there is one."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not (cycle.response_started or self.pipeline):
            cycle.keep_alive = False

    def end_in_stages(self) -> None:
        """Close the connection after an answer (RFC 9112 section 9.6). Where the body is still on
        its way, what comes of it is let in and thrown away for a while: a socket that is closed
        with unread bytes is reset, and the other side may lose the answer with it."""
        if not self._in_body or self.pipeline or self.transport.is_closing():
            self.transport.close()
            return
        self._passed_by = 0
        self._stop_clock()
        self.transport.write_eof()
        self.flow.resume_reading()
        self._timer = self.loop.call_later(_PASSING_SECONDS, self.transport.abort)

    def _pass_by(self, size: int) -> None:
        self._passed_by = (self._passed_by or 0) + size
        if self._passed_by > _MOST_PASSED_BY:
            self.transport.abort()

    def on_response_complete(self) -> None:
        """The answer is written; where the connection ends with it, it has to be taken in time."""
        if self._passed_by is not None:  # nothing else comes on this connection
            return
        self._idle_since = self.loop.time()
        super().on_response_complete()
        if self.transport.is_closing():
            self._time_sending()

    def _time_idling(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came for a long time, unless something is arriving or was answered at once."""
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if self._timer is not None or left > _SOON:
            self._time_idling(max(left, _SOON))
            return
        super().timeout_keep_alive_handler()
        self._time_sending()

    def pause_writing(self) -> None:
        """The other side does not take the answer: it has as long as it has for sending."""
        super().pause_writing()
        self._time_sending()

    def resume_writing(self) -> None:
        """The other side has taken what was sent."""
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None
        super().resume_writing()

    def pass_over(self, rest: bytes) -> None:
        """Answer an offer of another protocol as if it had not been made (RFC 9110 section 7.8):
        Java's HttpClient offers HTTP/2 with every first call and sends the body right after.

        The parser takes what follows such a header for the other protocol, so a new one reads the
        header again without the offer. Raises HttpParserError.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if method == b"CONNECT":
            raise httptools.HttpParserError("this is no proxy")
        lines = [b"%b %b HTTP/%b" % (method, self.url, version.encode())]
        lines += [b"%b: %b" % (k, v) for k, v in self.headers if k not in _OFFER]
        lines += [b"connection: close"] * any(
            k == b"connection" and b"close" in v.lower() for k, v in self.headers
        )
        self.parser = _Parser(self)
        self.parser.feed_data(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _check_head(self) -> None:
        """Raise where the header is none that is answered here."""
        version = self.parser.get_http_version()
        if version not in _VERSIONS:
            self._give_up(NO_VERSION)
        self._keeps_alive = version == "1.1" and self.parser.should_keep_alive()
        hosts = size = 0
        for name, value in self.headers:
            size += len(name) + len(value)
            hosts += name == b"host"
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
        if size > MAX_HEADER_BYTES:
            self._give_up(TOO_LARGE)
        if hosts > 1 or (hosts == 0 and version == "1.1"):
            self._give_up(NO_HOST)
        if self._place is Place.RESERVED and not self.url.startswith(_ON_RESERVE):
            self._give_up(TOO_MANY)

    def _give_up(self, refusal: Refusal) -> None:
        """Leave the parser, which makes an error of its own from any error of ours."""
        self._refusal = refusal
        raise ValueError(refusal.message)

    def _time_sending(self) -> None:
        if self._sending is None:
            self._sending = self.loop.call_later(_read_seconds(), self.transport.abort)

    def _start_clock(self) -> None:
        self._stop_clock()
        self._timer = self.loop.call_later(_read_seconds(), self._too_slow)

    def _stop_clock(self) -> None:
        self._late = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None until the first request
        return cycle is not None and not cycle.response_complete

    def _too_slow(self) -> None:
        self._timer = None
        waits = self._is_answering() and (self._in_header or self.pipeline)
        if waits or (self._is_answering() and not self._late):
            # A second request waits behind one that is being answered. And whoever reads a body
            # has a clock of his own and says more; it started later than this one.
            self._timer = self.loop.call_later(_read_seconds(), self._too_slow)
            self._late = True
            return
        self._refuse(TOO_SLOW)

    def _refuse(self, refusal: Refusal) -> None:
        if self.transport.is_closing():
            return
        metrics.connections_refused.labels(refusal.message).inc()
        if self._may_answer():
            self.transport.write(answer_of(refusal))
        self.transport.close()
        self._time_sending()

    def _may_answer(self) -> bool:
        """Whether the other side would take an answer for that to what is refused."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or self._held is not None:
            return True
        if self._in_body:
            return not (cycle.response_started or self.pipeline)
        return self._in_header and cycle.response_complete


class _Ending:
    """The transport as an answer sees it, which ends the connection in stages."""

    __slots__ = ("_protocol", "is_closing", "write")

    def __init__(self, protocol: BoundedProtocol) -> None:
        self._protocol = protocol
        self.write, self.is_closing = protocol.transport.write, protocol.transport.is_closing

    def close(self) -> None:
        """See `BoundedProtocol.end_in_stages`."""
        self._protocol.end_in_stages()


class _Parser(httptools.HttpRequestParser):
    """Reads requests for one connection, and goes on after an offer of another protocol."""

    def __init__(self, protocol: BoundedProtocol) -> None:
        super().__init__(protocol)
        self._protocol = protocol
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does

    def feed_data(self, data: Any) -> None:
        """See the base class."""
        try:
            super().feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._protocol.pass_over(data[offer.args[0] :])
