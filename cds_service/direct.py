"""Leads calls of services straight to their handler: routing and request objects cost more than
a small call itself. Everything else goes on to the routes of the application."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from cds_service import hooks
from cds_service.access import ROOT
from cds_service.errors import RequestError

_START = f"{ROOT}/"
_HEADERS = [(b"content-type", b"application/json"), *hooks.ANSWER_HEADERS]


class Direct:
    """Innermost of the middleware: whoever gets here was let in. `answer` makes the HTTP answer
    of an error, the same as for all routes."""

    def __init__(
        self,
        app: ASGIApp,
        runtime: hooks.Runtime,
        answer: Callable[[RequestError], ASGIApp],
    ) -> None:
        self.app = app
        self._runtime = runtime
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        service_id = _service_id(scope)
        if service_id is None:
            await self.app(scope, receive, send)
            return
        try:
            content = await hooks.answer_call(service_id, scope, receive, self._runtime)
        except RequestError as error:
            await self._answer(error)(scope, receive, send)
            return
        headers = [*_HEADERS, (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def _service_id(scope: Scope) -> str | None:
    """`x` of `POST /cds-services/x`; None for everything that is not a call."""
    if scope["type"] != "http" or scope["method"] != "POST" or scope.get("root_path"):
        return None
    path: str = scope["path"]
    service_id = path[len(_START) :] if path.startswith(_START) else ""
    return service_id if service_id and "/" not in service_id else None
