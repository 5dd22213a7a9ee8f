"""Answers a call that came whole and needs no look at its patient, before ASGI is asked.

Most calls are about a laboratory test, an image or a tablet that was ordered before. To know such
an order again takes less than the layers around a handler, so `http1` asks here first. What is not
as usual is not answered here but goes the full way: a header that changes an answer, a caller with
a token, an order that is not known, and whatever has to be refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from cds_service import hooks
from cds_service.cdshooks.encoding import to_utf8
from cds_service.errors import RequestError
from cds_service.ops import calls, log
from cds_service.server.in_force import InForce
from cds_service.server.limits import SMALL_BODY, Capacity
from cds_service.server.origins import OpenDoor
from cds_service.server.reports import Reports
from cds_service.server.responses import CALL_HEADERS, VARY, server_timing
from cds_service.trust import access
from cds_service.trust.tokens import ANONYMOUS

CALLS = f"{access.ROOT}/"
URL = CALLS.encode()
NEW = "cds_service.new"
"""Member of the `scope` of a request that was looked at here and is not known."""

# Headers by which a call is let in, read or answered in another way.
_TELLING = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"expect",
        b"origin",
        b"transfer-encoding",
        calls.EXAMINATION_HEADER.lower().encode(),
    }
)
_HEAD = b"".join(b"%b: %b\r\n" % header for header in CALL_HEADERS)
_VARY = b"%b: %b\r\n" % VARY

Headers = Sequence[tuple[bytes, bytes]]


class AtOnce:
    """The way past ASGI, for callers who are not asked for a token: to check one may take a
    database. It is closed until there is a `door`, which lets such callers in."""

    def __init__(self, in_force: InForce, reports: Reports) -> None:
        settings = in_force.runtime.settings
        self.reports = reports
        self.capacity = Capacity(settings.max_concurrent)
        self.door: OpenDoor | None = None
        self._in_force = in_force
        self._timed = settings.server_timing

    def answer(self, url: bytes, headers: Headers, body: bytes) -> bytes | None:
        """The header lines of an answer with status 200, and its content. Nothing (no bytes) where
        the orders are not known, None where they were not looked at."""
        told = dict(headers)
        if len(told) != len(headers) or not _TELLING.isdisjoint(told) or len(body) > SMALL_BODY:
            return None
        is_known = self.door is not None and self.door.knows(told.get(b"host", b""))
        if not is_known or self.capacity.is_full:
            return None
        self.reports.begin(told.get(b"traceparent", b"").decode("latin-1"))
        try:
            return self._found(url, told.get(b"content-type"), body)
        except RequestError:
            return None  # the full way refuses it
        except Exception as error:  # a bug of ours: told, and the full way answers
            log.failed(error)
            return None
        finally:
            calls.leave()

    def _found(self, url: bytes, content_type: bytes | None, body: bytes) -> bytes:
        call = calls.current()
        media_type = content_type.decode("latin-1") if content_type is not None else None
        plain = to_utf8(body, media_type)
        call.service = url[len(URL) :].decode("latin-1")
        call.client = access.client_id(ANONYMOUS)
        runtime = self._in_force.of(None)
        content = hooks.answer_at_once(call.service, plain, ANONYMOUS, runtime)
        if content is None:
            return b""
        call.status = 200
        self.reports.end(call, "POST", CALLS)
        lines = [_HEAD, b"content-length: %d\r\n" % len(content), _VARY]
        if self._timed:
            lines.append(b"%b: %b\r\n" % server_timing(call))
        return b"".join([*lines, b"\r\n", content])
