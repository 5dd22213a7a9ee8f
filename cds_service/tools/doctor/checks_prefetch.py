"""What a service does with prefetch that is missing, null, empty, failed or odd."""

from __future__ import annotations

from typing import Any

from cds_service.cdshooks.conformance.statements import Level
from cds_service.tools.doctor import patients
from cds_service.tools.doctor.client import Seen
from cds_service.tools.doctor.session import ExaminationRun

Json = dict[str, Any]
_FINE = frozenset({200, 412})


def check(session: ExaminationRun, service: Json, base: Json) -> None:
    """Every prefetch case of the decision table that can be made from outside."""
    path = f"cds-services/{service['id']}"
    _missing(session, path, base)
    if not base.get("prefetch"):
        session.skip("PD-04", "the service asks for no prefetch", f"POST {service['id']}")
        return
    for rule, words, value in (
        ("PD-04", "every key null", None),
        ("PD-05", "every key an empty Bundle", patients.EMPTY),
        ("PD-02", "every key an OperationOutcome", patients.OUTCOME),
        ("PD-10", "every key a string", "123"),
    ):
        seen = _post(session, path, patients.with_prefetch(base, value))
        good = seen.status in _FINE if rule != "PD-10" else 0 < seen.status < 500
        said = f"{words}: {seen.got}"
        session.tell(rule, good, said, _what(path, words), seen.told, Level.ADVICE)
    more = base | {"prefetch": base["prefetch"] | {"doctorUnasked": {"resourceType": "Basic"}}}
    seen = _post(session, path, more)
    said = f"a key that nobody asked for: {seen.got}"
    session.tell("PD-08", seen.status == 200, said, _what(path, "a further key"), seen.told)


def _missing(session: ExaminationRun, path: str, base: Json) -> None:
    """Without prefetch and without FHIR access: an answer if it needs none, else 412 (PD-01)."""
    seen = _post(session, path, patients.without(base, "prefetch"))
    what = _what(path, "no prefetch")
    session.tell("RQ-06", seen.status in _FINE, f"no prefetch: {seen.got}", what, seen.told)
    if not base.get("prefetch"):
        return
    if seen.status == 412:
        session.tell("PD-01", True, "412 without data and without access", what)
    elif seen.status == 200:
        session.skip("PD-01", "200 without data: whether it needed any cannot be seen", what)
    else:
        said = f"{seen.got} instead of 412 where no data can be had"
        session.tell("PD-01", False, said, what, seen.told)
    if seen.status >= 400:
        session.tell_outcome(seen, what)


def _post(session: ExaminationRun, path: str, body: Json) -> Seen:
    seen = session.post(path, body)
    if seen.status == 200:
        session.seconds.append(seen.seconds)
    return seen


def _what(path: str, words: str) -> str:
    return f"POST {path.removeprefix('cds-services/')}, {words}"
