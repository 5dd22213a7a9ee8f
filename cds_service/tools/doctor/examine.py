"""Runs the whole examination of a service: the library call behind the command `doctor`."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import uuid4

from cds_service.cdshooks.conformance.statements import Level, Version
from cds_service.tools.doctor import (
    checks_browser,
    checks_calls,
    checks_connections,
    checks_discovery,
    checks_feedback,
    checks_prefetch,
    checks_refusals,
    checks_signals,
    checks_tokens,
    patients,
)
from cds_service.tools.doctor.client import PATIENCE, DoctorClient, StoppedError
from cds_service.tools.doctor.results import Examination, Status
from cds_service.tools.doctor.session import ExaminationRun
from cds_service.tools.doctor.tokens import Signer

T = TypeVar("T")
CALLS = 200
"""Calls that an examination makes at most; about 36 for each service, 5 for discovery."""

_NAMED = 20
SERVICES = 5
"""Services that are examined at most."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to examine. `version`: the rules of CDS Hooks to go by; None for those that the service
    names, else 2.0. `only`: ids of the services to look at, all (up to `SERVICES`) when empty;
    `discovery` where it is when it is not at /cds-services; `requests` are calls of one's own, sent
    in place of the synthetic one to services of their hook."""

    version: Version | None = None
    signer: Signer | None = None
    only: Sequence[str] = ()
    discovery: str | None = None
    requests: Sequence[Mapping[str, Any]] = ()
    idle: float = 0.0  # seconds to leave a connection idle
    calls: int = CALLS
    timeout: float = 15.0
    patience: float = PATIENCE  # seconds in which a service that fell over may come back


def examine(url: str, plan: Plan | None = None) -> Examination:
    """Examine the service at a base URL (or at its discovery URL). Sends synthetic data, and the
    requests of the plan."""
    plan = plan or Plan()
    base = url.rstrip("/").removesuffix("/cds-services").rstrip("/")
    report = Examination(_shown(base), plan.version or Version.V2, limit=plan.calls)
    with DoctorClient(base, plan.calls, plan.timeout, plan.patience) as caller:
        session = ExaminationRun(caller, report, plan.signer, asked=plan.version)
        try:
            _all(session, plan)
        except StoppedError as stopped:
            report.unusable = str(stopped)
        report.calls = caller.calls
        report.notes += [f"no answer, sent once more: {told}" for told in caller.again]
    return report


def _shown(base: str) -> str:
    """The URL without what stands before an @: a report is handed on."""
    scheme, sign, rest = base.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{sign}{host.rpartition('@')[2]}{slash}{path}"


def _all(session: ExaminationRun, plan: Plan) -> None:
    services = _guarded(session, "DS-01", lambda: checks_discovery.check(session, plan.discovery))
    services = services or []
    chosen = [s for s in services if not plan.only or s["id"] in plan.only]
    if not chosen:
        session.report.unusable = "no service to examine: " + _why(session, services)
        return
    first = f"cds-services/{chosen[0]['id']}"
    _guarded(session, "RQ-07", lambda: checks_discovery.unknown_service(session))
    _guarded(session, "CR-01", lambda: checks_browser.check(session, first))
    for service in services:
        session.hooks.setdefault(service["id"], set()).add(service["hook"])
    if others := chosen[SERVICES:]:
        told = f"not looked at, as {SERVICES} services at most are: name them with --service: "
        session.report.notes.append(told + ", ".join(s["id"] for s in others[:_NAMED]))
    for service in chosen[:SERVICES]:
        session.report.services.append(f"{service['id']} ({service['hook']})")
        session.report.hooks.add(service["hook"])
        _service(session, service, plan.requests)
    if session.closed and not session.let_in and session.signer is None:
        session.report.unusable = "every call wants a token: give a key with --jwk FILE"
    checks_calls.speed(session)
    _guarded(session, "PE-05", lambda: checks_connections.idle(session, plan.idle))


def _why(session: ExaminationRun, services: list[dict[str, Any]]) -> str:
    if services:
        return "none has the id that was asked for"
    failed = [r for r in session.report.results if r.status is Status.FAIL]
    return failed[-1].message if failed else "discovery lists none"


def _own(service: Mapping[str, Any], requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The calls of one's own that are of the hook of a service, each with a hookInstance anew."""
    own = [one for one in requests if one["hook"] == service["hook"]]
    return [dict(one) | {"hookInstance": str(uuid4())} for one in own]


def _service(
    session: ExaminationRun, service: dict[str, Any], requests: Sequence[Mapping[str, Any]]
) -> None:
    about = f"POST {service['id']}"

    def is_good(call: dict[str, Any], words: str = "", *, given: bool = False) -> bool:
        look_at = partial(checks_calls.check, session, service, call, words, given=given)
        # A look that broke down (None) says nothing against looking further.
        return _guarded(session, "RS-01", look_at, about) is not False

    own, base = _own(service, requests), patients.call(service)
    session.report.requests += len(own)
    good = [
        one
        for number, one in enumerate(own, 1)
        if is_good(one, f", request {number}" if number > 1 else "", given=True)
    ]
    if good or is_good(base):
        base = good[0] if good else base
        for statement, look in _FURTHER.items():
            _guarded(session, statement, partial(look, session, service, base), about)
        if not checks_calls.is_old(session):
            _guarded(session, "FB-03", lambda: checks_feedback.check(session, service), about)
    if session.closed and not session.forged:
        session.forged = True
        _guarded(session, "AU-01", lambda: checks_tokens.check(session, service, base), about)


# Looks at a service that answers, by the statement under which each tells that it broke down.
_FURTHER: Final[Mapping[str, Callable[[ExaminationRun, dict[str, Any], dict[str, Any]], None]]] = {
    "RQ-03": checks_calls.variants,
    "PD-10": checks_prefetch.check,
    "PD-02": checks_signals.check,
    "RQ-01": checks_refusals.check,
}


def _guarded(
    session: ExaminationRun, statement: str, look: Callable[[], T], about: str = ""
) -> T | None:
    """What a look returns. Where it breaks down on something that nobody thought of, a failure
    says so in its place (what was not looked at has not passed), and the run goes on."""
    try:
        return look()
    except StoppedError:
        raise
    except Exception as error:  # a stranger's answer may break any look; the result says so
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        said = f"this check broke down ({type(error).__name__} in {where}); please report it"
        session.tell(statement, False, said, about, level=Level.SHALL)
        return None
