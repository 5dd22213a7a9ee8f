"""A small FHIR terminology server over one hierarchy of its own, with faults on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stdnum import verhoeff

SNOMED = "http://snomed.info/sct"
RELEASE = "http://snomed.info/sct/9999999/version/20261101"

Fault = Callable[[str, Any], tuple[int, Any] | None]
"""(path, body) to an answer in place of the right one; bytes are sent as they are."""


def made_up(number: int) -> str:
    """A SNOMED CT id of a namespace that nobody has, with a good check digit."""
    start = f"{number}999999910"
    return f"{start}{verhoeff.calc_check_digit(start)}"


def outcome(code: str, text: str) -> dict[str, Any]:
    """An OperationOutcome with one issue."""
    issue = {"severity": "error", "code": code, "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


@dataclass
class SmallTerminology:
    """`below`: code to all codes below it. `seen`: roots that were asked, in their order."""

    below: dict[str, list[str]]
    inactive: frozenset[str] = frozenset()
    total: bool = True
    release: str = RELEASE
    fault: Fault | None = None
    seen: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    base: str = ""

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        if self.fault is not None and (wrong := self.fault(path, body)) is not None:
            return wrong
        if path.endswith("/metadata"):
            software = {"name": "Small server", "version": "1.0"}
            return 200, {"resourceType": "CapabilityStatement", "software": software}
        said = {one["name"]: one for one in body["parameter"]}
        if path.endswith("$lookup"):
            return self._lookup(said["code"]["valueCode"])
        return self._expand(said)

    def _lookup(self, code: str) -> tuple[int, Any]:
        if code not in self.below and not any(code in many for many in self.below.values()):
            return 404, outcome("not-found", "no such code")
        value = {"name": "value", "valueBoolean": code in self.inactive}
        part = [{"name": "code", "valueCode": "inactive"}, value]
        return 200, {
            "resourceType": "Parameters",
            "parameter": [{"name": "property", "part": part}],
        }

    def _expand(self, said: Mapping[str, Any]) -> tuple[int, Any]:
        (asked,) = said["valueSet"]["resource"]["compose"]["include"][0]["filter"]
        code = asked["value"].removeprefix("<< ")
        self.seen.append(code)
        known = [code, *self.below[code]] if code in self.below else []
        first, count = said["offset"]["valueInteger"], said["count"]["valueInteger"]
        contains = [
            {"system": SNOMED, "code": one, "display": f"Concept {one}"}
            for one in known[first : first + count]
        ]
        stated = [{"name": "version", "valueUri": f"{SNOMED}|{self.release}"}]
        expansion: dict[str, Any] = {"parameter": stated, "contains": contains}
        if self.total:
            expansion["total"] = len(known)
        return 200, {"resourceType": "ValueSet", "status": "active", "expansion": expansion}

    @contextmanager
    def running(self) -> Iterator[SmallTerminology]:
        """Listen on a free port of this machine; `base` is then its URL."""
        here = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply(None)

            def do_POST(self) -> None:
                self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _reply(self, body: Any) -> None:
                here.headers.append(dict(self.headers))
                status, answer = here.answer(self.path, body)
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/fhir+json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a client that was killed

        server = Quiet(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        self.base = f"http://127.0.0.1:{server.server_port}/fhir"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
