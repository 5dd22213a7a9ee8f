"""Whether clients in a browser get through: preflights and CORS headers."""

from __future__ import annotations

from cds_service.tools.doctor.client import Seen
from cds_service.tools.doctor.session import ExaminationRun

ORIGIN = "https://sandbox.cds-hooks.org"
"""Origin of the official sandbox, the browser client that every integrator meets."""


def check(session: ExaminationRun, path: str) -> None:
    """Preflights for discovery and a service, and the headers on an answer and on an error."""
    for method, where in (("GET", "cds-services"), ("POST", path)):
        headers = {
            "Origin": ORIGIN,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        seen = session.caller.send("OPTIONS", where, headers=headers)
        good, why = _allowed(seen)
        session.tell("CR-01", good, why, f"OPTIONS /{where} for {method}", seen.told)
    seen = session.post(path, b"{", Origin=ORIGIN)
    there = bool(seen.headers.get("access-control-allow-origin"))
    words = "the error has CORS headers" if there else "the error has no CORS headers"
    session.tell("CR-02", there, words, f"POST /{path}: cut JSON from a browser", seen.told)
    open_to_all = (
        seen.headers.get("access-control-allow-origin") == "*"
        and seen.headers.get("access-control-allow-credentials") == "true"
    )
    if open_to_all:
        session.tell("CR-02", False, "any origin, with credentials", f"POST /{path}", "*")


def _allowed(seen: Seen) -> tuple[bool, str]:
    """Whether a browser would go on after this preflight."""
    origin = seen.headers.get("access-control-allow-origin")
    headers = seen.headers.get("access-control-allow-headers", "").lower()
    if not 200 <= seen.status < 300:
        return False, f"the preflight gets {seen.status}"
    if origin not in {ORIGIN, "*"}:
        return False, "no Access-Control-Allow-Origin for the sandbox"
    lacking = [n for n in ("authorization", "content-type") if n not in headers]
    if lacking and (headers != "*" or "authorization" in lacking):
        return False, f"header {' and '.join(lacking)} is not allowed"
    return True, "the preflight is answered"
