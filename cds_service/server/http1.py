"""HTTP/1.1 on a socket, with bounds on the header: its size, and the time it may take. Offers to
change to another protocol are passed over."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from cds_service.ops.settings import from_environment
from cds_service.server.gone import GONE

MAX_HEADER_BYTES = 64 * 1024
MAX_HEADERS = 100
_OFFER = frozenset({b"upgrade", b"connection", b"http2-settings"})


@cache
def _header_seconds() -> float:
    """The same for all connections of this process; `server.run` hands options down by variable."""
    return from_environment().read_seconds


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections whose request header is too large or does not arrive in time.

    uvicorn limits neither with httptools. Its own timer covers only the pause after an answer.
    """

    _timer: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _in_header = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser = _Parser(self)

    # uvicorn narrows the type of the transport, too, and so breaks asyncio's signature.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: the first request has to come."""
        super().connection_made(transport)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock, and tell whoever works on an answer that nobody waits for it."""
        self._stop_clock()
        scope: Any = self.scope  # None before the first request
        if scope and GONE in scope:
            scope[GONE]()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before the header is complete, and time it unless it came at once."""
        super().data_received(data)
        if self._in_header:
            if self._timer is None:
                self._start_clock()
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_header = True
        self._stop_clock()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of the header. An error here becomes 400 with the connection closed."""
        if len(self.headers) >= MAX_HEADERS or len(name) + len(value) > MAX_HEADER_BYTES:
            raise ValueError("the header is too large")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The header is complete; the body has its own clock."""
        if self.parser.should_upgrade():  # read again without the offer, see `pass_over`
            return
        self._in_header, self._header_bytes = False, 0
        self._stop_clock()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is complete."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

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

    def _start_clock(self) -> None:
        self._timer = self.loop.call_later(_header_seconds(), self._too_slow)

    def _stop_clock(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None until the first request
        return cycle is not None and not cycle.response_complete

    def _too_slow(self) -> None:
        self._timer = None
        if self._is_answering():
            self._start_clock()  # a second request waits behind one that is being answered
            return
        self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        if self.transport.is_closing():
            return
        head = b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        self.transport.write(head)
        self.transport.close()


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
