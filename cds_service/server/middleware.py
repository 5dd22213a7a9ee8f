"""Stands before all routes: watches every request, bounds their number, lets in or not, and leads
calls of services straight to their handler."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cds_service import hooks
from cds_service.errors import Overloaded, RequestError, TooMany, Unavailable
from cds_service.knowledge import services
from cds_service.ops import calls, log
from cds_service.ops.settings import Settings
from cds_service.ops.urls import is_loopback_origin
from cds_service.server import body
from cds_service.server.at_once import CALLS, NEW, AtOnce
from cds_service.server.gone import WhileConnected
from cds_service.server.in_force import InForce
from cds_service.server.limits import ROOM, BytesInFlight, ClientPlaces
from cds_service.server.origins import OpenDoor
from cds_service.server.responses import (
    CALL_HEADERS,
    VARY,
    failure,
    not_allowed,
    refusal,
    server_timing,
)
from cds_service.trust import access

_EXAMINATION = calls.EXAMINATION_HEADER.lower().encode()


class Front:
    """The way of every request, in the order in which it is gone; outermost of all, so that
    nothing goes past it.

    One class, not a middleware for each step: the steps of a small call would cost less than the
    layers around them. Calls that `at_once` answers do not come here.
    """

    def __init__(self, app: ASGIApp, in_force: InForce, at_once: AtOnce) -> None:
        settings, trust = in_force.runtime.settings, in_force.runtime.trust
        self.app = app
        self._in_force = in_force
        self._reports, self._capacity = at_once.reports, at_once.capacity
        self._access = access.Access(trust, settings)
        self._places = ClientPlaces(settings)
        self._bytes = BytesInFlight(settings)
        # Around all that answers, so that errors carry its headers, too (CR-02).
        self._cors = RegisteredOrigins(self._guarded, trust, settings)
        is_named = self._cors.is_allowed_origin
        self._door = OpenDoor(settings, is_named) if trust.gate.anonymous else None
        at_once.open(self._access, self._places, self._door)
        self._timed = settings.server_timing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        trace = self._reports.begin(_header(scope, b"traceparent"))
        sent = {name for name, _ in scope["headers"]}
        trace.examined, from_browser = _EXAMINATION in sent, b"origin" in sent

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                trace.status = message["status"]
                if not from_browser:
                    # EHRs call without `Origin`: then only `Vary` is to be said.
                    message["headers"] = _vary(message.get("headers", ()))
                if self._timed:
                    message["headers"] = [*message["headers"], server_timing(trace)]
            await send(message)

        try:
            await (self._cors if from_browser else self._guarded)(scope, receive, watch)
        finally:
            self._reports.end(trace, scope["method"], scope["path"])

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and every error with what it is."""
        try:
            if scope["method"] == "POST":  # health and figures answer also when the service is full
                with self._capacity:
                    await self._admitted(scope, receive, send)
            else:
                await self._admitted(scope, receive, send)
        except ClientDisconnect:  # nobody is left to answer
            return
        except RequestError as error:
            await refusal(error)(scope, receive, send)
        except MemoryError as error:  # of this call: what it held is free again
            log.failed(error)
            await refusal(Overloaded("no memory is left for this call"))(scope, receive, send)
        except Exception as error:  # a bug of ours: told, counted, and never an empty answer
            log.failed(error)
            if calls.current().status is not None:
                raise
            await failure()(scope, receive, send)

    async def _admitted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask who calls, and give the call its place and room."""
        if self._door is not None:
            self._door.check(scope, _header(scope, b"origin") is not None)
        try:
            client = await self._access.admit(scope)
            self._places.enter(client)
            room = scope[ROOM] = self._bytes.of(client)
            try:
                await self._led_on(scope, receive, send)
            finally:
                self._places.leave(client)
                await room.release()
        except (Overloaded, TooMany, Unavailable, MemoryError):  # not looked at: it may come again
            await self._access.send_away(scope)
            raise

    async def _led_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """To a service, or to the routes of the application."""
        service_id = _service_id(scope)
        if service_id is None:
            await self.app(scope, receive, send)
            return
        if scope["method"] != "POST":
            await not_allowed(scope["method"], {"POST"})(scope, receive, send)
            return
        caller = access.caller_of(scope)
        runtime = self._in_force.of(caller.client)
        services.find(service_id, runtime.knowledge)
        calls.current().service = service_id
        content = await body.read(scope, receive, runtime.settings)
        with WhileConnected(scope):
            is_new = NEW in scope
            answer = await hooks.answer(service_id, content, caller, runtime, is_new=is_new)
        headers = [*CALL_HEADERS, (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def _service_id(scope: Scope) -> str | None:
    """`x` of `/cds-services/x`; None for every other path."""
    path: str = scope["path"]
    if not path.startswith(CALLS):
        return None
    service_id = path[len(CALLS) :]
    return service_id if service_id and "/" not in service_id else None


def _header(scope: Scope, name: bytes) -> str | None:
    """The header of this name where it stands exactly once."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0].decode("latin-1") if len(found) == 1 else None


def _vary(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers with `Origin` added to what the answer varies by."""
    if b"vary" not in [name for name, _ in headers]:  # nearly always
        return [*headers, VARY]
    kept = [(name, value) for name, value in headers if name != b"vary"]
    said = [value for name, value in headers if name == b"vary"]
    return [*kept, (b"vary", b", ".join([*said, b"Origin"]))]


class RegisteredOrigins(CORSMiddleware):
    """CORS for the origins of the settings, and for those of the registry in force."""

    def __init__(self, app: ASGIApp, trust: access.Trust, settings: Settings) -> None:
        super().__init__(
            app,
            allow_origins=settings.allowed_origins,
            allow_methods=("GET", "HEAD", "POST", "OPTIONS"),
            allow_headers=("*",),
            allow_private_network=settings.listens_locally,
        )
        self._trust = trust
        self._local_pages = settings.admits_local_pages

    def is_allowed_origin(self, origin: str) -> bool:
        """Whether a browser may show our answers to pages of this origin."""
        return (
            super().is_allowed_origin(origin)
            or origin in self._trust.clients.registry.origins
            or (self._local_pages and is_loopback_origin(origin))
        )
