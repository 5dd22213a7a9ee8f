"""Small CDS Hooks services on loopback, sound or broken in one way, for the doctor to examine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]

CARD: Json = {
    "uuid": "6f4f5bb4-9d6b-4f3e-8c3f-6b8d0f6c1a11",
    "summary": "A card",
    "indicator": "info",
    "source": {"label": "Small service"},
}
SERVICE: Json = {
    "hook": "order-sign",
    "title": "Small",
    "description": "A small service",
    "id": "small",
    "prefetch": {"conditions": "Condition?patient={{context.patientId}}"},
}


@dataclass
class Small:
    """A sound service; `flaws` change what it does. `seen` are the bodies that were sent to it."""

    flaws: Mapping[str, Any]
    seen: list[tuple[str, bytes]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    base: str = ""
    stop: Callable[[], None] = lambda: None

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.seen.append((f"{method} {path}", body))
        self.headers.append(headers)
        if method == "OPTIONS":
            return self._preflight()
        if path == "/cds-services" and method == "GET":
            return self._json(200, {"services": self.flaws.get("services", [SERVICE])})
        if path == "/cds-services/small/feedback":
            status = self.flaws.get("feedback", 404)
            junk = status == 200 and not isinstance(json.loads(body).get("feedback"), list)
            return self._json(400 if junk else status, _outcome())
        if path != "/cds-services/small":
            return self._json(404, _outcome())
        if method != "POST":
            return self._json(405, _outcome())
        return self._call(headers, body)

    def _call(self, headers: Mapping[str, str], body: bytes) -> Answer:
        if "redirect" in self.flaws:
            return 307, {"Location": "/elsewhere"}, b""
        if self.flaws.get("closed") and not self._good(headers.get("authorization", "")):
            return self._json(401, _outcome())
        try:
            call = json.loads(body)
            context, hook, _ = call["context"], call["hook"], call["hookInstance"]
            assert context["patientId"]
        except (ValueError, KeyError, TypeError, AssertionError):
            return self._json(self.flaws.get("bad", 400), _outcome())
        if hook != "order-sign":
            return self._json(400, _outcome())
        if self.flaws.get("no-extension") and "extension" in call:
            return self._json(422, {"detail": []})
        if "falls" in self.flaws and "prefetch" not in call:
            self.flaws["falls"](self)
        if self.flaws.get("shows-if") and self.flaws["shows-if"] not in body:
            return self._json(200, {"cards": []})
        if "conditions" not in (call.get("prefetch") or {}):
            return self._json(self.flaws.get("missing", 412), _outcome())
        if "text" in self.flaws:  # an answer that json.dumps does not write
            return 200, {"Content-Type": "application/json"}, self.flaws["text"]
        return self._json(200, self._cards(call))

    def _good(self, header: str) -> bool:
        """A service that believes every token that looks like one, unless it checks nothing."""
        return bool(self.flaws["closed"](header))

    def _cards(self, call: Json) -> Json:
        if "answer" in self.flaws:
            return deepcopy(self.flaws["answer"])
        card = deepcopy(CARD)
        if "echo" in self.flaws:
            name = call["context"]["draftOrders"]["entry"][0]["resource"]["code"]["text"]
            card["detail"] = self.flaws["echo"](name)
        return {"cards": [card]}

    def _preflight(self) -> Answer:
        if "no-cors" in self.flaws:
            return 405, {}, b""
        allowed = {"Access-Control-Allow-Headers": "authorization, content-type"}
        return 204, self._cors() | allowed, b""

    def _cors(self) -> dict[str, str]:
        return {} if "no-cors" in self.flaws else {"Access-Control-Allow-Origin": "*"}

    def _json(self, status: int, value: Any) -> Answer:
        body = self.flaws.get("raw", json.dumps(value).encode()) if status == 200 else b""
        if "outcome" in self.flaws and status >= 400:
            value = self.flaws["outcome"]
        kind = self.flaws.get("media", "application/json")
        headers = {"Content-Type": kind, "Cache-Control": "no-store"} | self._cors()
        return status, headers, body or json.dumps(value).encode()


class FellOver(Exception):
    """The service gives no answer to this call."""


def _outcome() -> Json:
    issue = {"severity": "error", "code": "invalid"}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


@contextmanager
def small_service(**flaws: Any) -> Iterator[Small]:
    """Run a small service while the block runs; names of flaws have _ for -."""
    small = Small({name.replace("_", "-"): flaw for name, flaw in flaws.items()})

    class Handler(BaseHTTPRequestHandler):
        def _all(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = {name.lower(): value for name, value in self.headers.items()}
            try:
                status, headers, body = small.answer(
                    self.command, self.path, sent, self.rfile.read(length)
                )
            except FellOver:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_OPTIONS = _all

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    small.base = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    small.stop = stop
    try:
        yield small
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
