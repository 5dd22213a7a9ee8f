"""Answers a call that came whole and needs no look at its patient, before ASGI is asked.

Most calls are about a laboratory test, an image or a tablet that was ordered before. To know such
an order again takes less than the layers around a handler, so `http1` asks here first. What is not
as usual is not answered here but goes the full way: a header that changes an answer, a token that
needs a database or a key that is not at hand, an order that is not known, and whatever has to be
refused. What was learned of it goes along, because a token is good for one look.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping, Sequence
from typing import TypeAlias

from cds_service import hooks
from cds_service.cdshooks.encoding import to_utf8
from cds_service.errors import RequestError
from cds_service.ops import calls, log
from cds_service.server.in_force import InForce
from cds_service.server.limits import SMALL_BODY, Capacity, ClientPlaces
from cds_service.server.origins import OpenDoor
from cds_service.server.reports import Reports
from cds_service.server.responses import CALL_HEADERS, VARY, server_timing
from cds_service.trust import access
from cds_service.trust.tokens import Caller

CALLS = f"{access.ROOT}/"
URL = CALLS.encode()
NEW = "cds_service.new"
"""Member of the `scope` of a request whose orders were looked at here and are not known."""

Learned: TypeAlias = MutableMapping[str, object]
"""Members of the `scope` of a request that goes the full way."""

# Headers by which a call is let in, read or answered in another way.
_TELLING = frozenset(
    {
        b"content-encoding",
        b"expect",
        b"origin",
        b"transfer-encoding",
        calls.EXAMINATION_HEADER.lower().encode(),
    }
)
_IS_PLAIN = re.compile(re.escape(URL) + rb"[\w.-]+").fullmatch
_HEAD = b"".join(b"%b: %b\r\n" % header for header in CALL_HEADERS)
_VARY = b"%b: %b\r\n" % VARY

Headers = Sequence[tuple[bytes, bytes]]


class AtOnce:
    """The way past ASGI, for calls of which nothing has to be waited for. It is closed until it is
    told how the application lets callers in."""

    def __init__(self, in_force: InForce, reports: Reports) -> None:
        settings = in_force.runtime.settings
        self.reports = reports
        self.capacity = Capacity(settings.max_concurrent)
        self._in_force = in_force
        self._most = min(SMALL_BODY, settings.max_body_bytes)
        self._timed = settings.server_timing
        self._access: access.Access | None = None

    def open(self, access_: access.Access, places: ClientPlaces, door: OpenDoor | None) -> None:
        """Let callers in as the application does; `door` is there where nobody needs a token."""
        self._access, self._places, self._door = access_, places, door

    def answer(self, url: bytes, headers: Headers, body: bytes) -> bytes | Learned:
        """The header lines of an answer with status 200, and its content. Else what was learned."""
        told, learned = dict(headers), dict[str, object]()
        if len(told) != len(headers) or not _TELLING.isdisjoint(told) or len(body) > self._most:
            return learned
        if self._access is None or self.capacity.is_full or not _IS_PLAIN(url):
            return learned
        if self._door is not None and not self._door.knows(told.get(b"host", b"")):
            return learned
        self.reports.begin(told.get(b"traceparent", b"").decode("latin-1"))
        try:
            return self._found(self._access, url.decode(), told, body, learned) or learned
        except RequestError:
            return learned  # the full way refuses it
        except Exception as error:  # a bug of ours: told, and the full way answers
            log.failed(error)
            return learned
        finally:
            calls.leave()

    def _found(
        self,
        access_: access.Access,
        path: str,
        headers: Mapping[bytes, bytes],
        body: bytes,
        learned: Learned,
    ) -> bytes | None:
        given, media_type = headers.get(b"authorization"), headers.get(b"content-type")
        tokens = () if given is None else (given.decode("latin-1"),)
        caller = learned[access.ADMITTED] = access_.admit_at_once(tokens, path)
        if not isinstance(caller, Caller) or not self._places.has_room(caller.client):
            return None
        plain = to_utf8(body, None if media_type is None else media_type.decode("latin-1"))
        call, runtime = calls.current(), self._in_force.of(caller.client)
        call.service = path[len(CALLS) :]
        content = hooks.answer_at_once(call.service, plain, caller, runtime)
        if content is None:
            learned[NEW] = True
            return None
        access_.let_in(caller)
        call.status = 200
        self.reports.end(call, "POST", path)
        lines = [_HEAD, b"content-length: %d\r\n" % len(content), _VARY]
        if self._timed:
            lines.append(b"%b: %b\r\n" % server_timing(call))
        return b"".join([*lines, b"\r\n", content])
