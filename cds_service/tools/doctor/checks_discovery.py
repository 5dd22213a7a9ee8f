"""Discovery: is it there, what does it say, and how."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from cds_service.cdshooks.conformance import discovery, elements
from cds_service.cdshooks.conformance.statements import Version
from cds_service.ops.urls import is_loopback_host
from cds_service.tools.doctor.client import Seen
from cds_service.tools.doctor.session import ExaminationRun, decoded

PATH = "cds-services"
_LOOKED_AT = ("JS-03", "DS-02", "DS-04", "DS-05", "DS-06", "DS-07", "DS-12", "DS-15", "PF-01",
              "PF-02", "PF-04", "PF-05", "PF-07", "DS-10", "DS-11", "PF-12")  # fmt: skip
_WHAT = "GET /cds-services"


def check(session: ExaminationRun, elsewhere: str | None = None) -> list[dict[str, Any]]:
    """Look at discovery; the services that are usable, none when there is no discovery.

    `elsewhere`: where a service has its discovery that has none at the place of the specification.
    """
    parts = urlsplit(session.caller.base)
    if parts.scheme == "https":
        session.tell("JS-02", True, "the service is reached by https")
    elif is_loopback_host(parts.hostname):
        session.skip("JS-02", "http on this machine: no production traffic")
    else:
        session.tell("JS-02", False, "the service is reached by http", _WHAT, session.report.url)
    seen = _open(session)
    if seen.status != 200:
        session.tell("DS-01", False, f"discovery: {seen.told}", _WHAT, seen.told)
        seen = session.get(elsewhere.strip("/")) if elsewhere else seen
        if seen.status != 200:
            return []
    else:
        session.tell("DS-01", True, "discovery answers 200", _WHAT)
    _transport(session, seen)
    body, why = decoded(seen)
    session.tell("JS-01", why is None, why or "strict JSON", _WHAT, seen.body[:200])
    if why is not None:
        return []
    session.report.version = _version(session, body)
    looked_at = [s for s in _LOOKED_AT if s != "DS-10" or session.version is Version.V3]
    session.violations(discovery.check(body, session.version), looked_at, _WHAT)
    if session.version is Version.V3:
        found = elements.check(elements.SERVICES, body)
        session.violations(found, ("LM-01", "LM-02"), _WHAT)
    return _usable(body)


def _open(session: ExaminationRun) -> Seen:
    """Discovery without a token first: some services ask for one here, too."""
    seen = session.caller.send("GET", PATH)
    if session.denied(seen) and session.signer is not None:
        return session.get(PATH)
    return seen


def _transport(session: ExaminationRun, seen: Seen) -> None:
    kind = seen.headers.get("content-type", "")
    good = kind.partition(";")[0].strip() == "application/json"
    session.tell("JS-07", good, f"media type {kind or 'missing'}", _WHAT, kind)


def _version(session: ExaminationRun, body: Any) -> Version:
    """The version that was asked for, else the one that the service names, else 2.0."""
    if session.asked is not None:
        return session.asked
    stated = {str(service.get("version", "")) for service in _listed(body)}
    if any(text.startswith(("STU3", "3.")) for text in stated):
        return Version.V3
    return Version.V2


def _usable(body: Any) -> list[dict[str, Any]]:
    return [
        service
        for service in _listed(body)
        if isinstance(service.get("id"), str) and isinstance(service.get("hook"), str)
        # An id that leads elsewhere is told (DS-06) and not followed.
        if discovery.is_part_of_url(service["id"])
    ]


def _listed(body: Any) -> list[dict[str, Any]]:
    """The objects under `services`."""
    services = body.get("services") if isinstance(body, dict) else None
    listed = services if isinstance(services, list) else ()
    return [service for service in listed if isinstance(service, dict)]


def unknown_service(session: ExaminationRun) -> None:
    """A service that does not exist (RQ-07), and a redirect where none should be (DS-18)."""
    what = "POST /cds-services/{unknown id}"
    body = {"hook": "patient-view", "hookInstance": "x", "context": {}}
    seen = session.post(f"{PATH}/doctor-no-such-service", body)
    if not session.denied(seen):
        good = seen.status == 404
        session.tell("RQ-07", good, f"an unknown id gets {seen.got}", what, seen.told)
    slash = session.get(f"{PATH}/")
    session.tell_redirect(seen, what)
    if 300 <= slash.status < 400:
        session.skip("DS-18", "GET /cds-services/ with a slash at the end is redirected")
