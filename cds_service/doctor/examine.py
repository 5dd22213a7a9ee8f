"""Runs the whole examination of a service: the library call behind the command `doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cds_service.conformance.statements import Version
from cds_service.doctor import (
    checks_browser,
    checks_calls,
    checks_discovery,
    checks_feedback,
    checks_prefetch,
    checks_refusals,
    checks_tokens,
    patients,
)
from cds_service.doctor.client import Caller, LimitReached
from cds_service.doctor.results import Examination
from cds_service.doctor.session import Session
from cds_service.doctor.tokens import Signer

CALLS = 200
"""Calls that an examination makes at most; about 30 for each service, 5 for discovery."""

SERVICES = 5
"""Services that are examined at most."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to examine. `version`: the rules of CDS Hooks to go by where the service names none;
    `only`: ids of the services to look at, all (up to `SERVICES`) when empty;
    `discovery` where it is when it is not at /cds-services."""

    version: Version = Version.V2
    signer: Signer | None = None
    only: Sequence[str] = ()
    discovery: str | None = None
    calls: int = CALLS
    timeout: float = 15.0


def examine(url: str, plan: Plan | None = None) -> Examination:
    """Examine the service at a base URL (or at its discovery URL). Sends synthetic data only."""
    plan = plan or Plan()
    base = url.rstrip("/").removesuffix("/cds-services").rstrip("/")
    report = Examination(base, plan.version, limit=plan.calls)
    with Caller(base, plan.calls, plan.timeout) as caller:
        session = Session(caller, report, plan.signer)
        try:
            _all(session, plan)
        except LimitReached:
            report.unusable = f"stopped: the limit of {plan.calls} calls was reached"
        report.calls = caller.calls
    return report


def _all(session: Session, plan: Plan) -> None:
    services = checks_discovery.check(session, plan.discovery)
    chosen = [s for s in services if not plan.only or s["id"] in plan.only]
    if not chosen:
        session.report.unusable = "no service to examine: " + _why(session, services)
        return
    checks_discovery.unknown_service(session)
    checks_browser.check(session, f"cds-services/{chosen[0]['id']}")
    for number, service in enumerate(chosen[:SERVICES]):
        session.report.services.append(f"{service['id']} ({service['hook']})")
        _service(session, service, first=number == 0)
    checks_calls.speed(session)


def _why(session: Session, services: list[dict[str, Any]]) -> str:
    if services:
        return "none has the id that was asked for"
    failed = session.report.results[-1] if session.report.results else None
    return failed.message if failed else "discovery lists none"


def _service(session: Session, service: dict[str, Any], *, first: bool) -> None:
    base = patients.call(service)
    if checks_calls.check(session, service, base):
        checks_calls.variants(session, service, base)
        checks_prefetch.check(session, service, base)
        checks_refusals.check(session, service, base)
        if not checks_calls.is_old(session):
            checks_feedback.check(session, service)
    if session.closed and first:
        checks_tokens.check(session, service, base)
