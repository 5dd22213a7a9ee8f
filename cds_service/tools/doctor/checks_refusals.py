"""What a service does with calls that are none: bad JSON, missing members, another hook."""

from __future__ import annotations

from typing import Any

from cds_service.cdshooks.conformance.statements import Level
from cds_service.cdshooks.published_hooks import PUBLISHED
from cds_service.tools.doctor import patients
from cds_service.tools.doctor.client import Seen
from cds_service.tools.doctor.session import ExaminationRun

Json = dict[str, Any]
_COMMON = ("patient-view", "order-sign", *(hook for hook in PUBLISHED), "doctor-hook")


def check(session: ExaminationRun, service: Json, base: Json) -> None:
    """Send what must be refused, and see that it is refused with 4xx and not with an accident."""
    path, id_ = f"cds-services/{service['id']}", str(service["id"])
    for words, body in (("cut JSON", b'{"hook": '), ("an array", b"[]"), ("nothing", b"")):
        seen = session.post(path, body)
        _refused(session, "JS-09", seen, f"POST {id_}: {words}")
    for name in ("hook", "hookInstance", "context"):
        seen = session.post(path, patients.without(base, name))
        _refused(session, "RQ-01", seen, f"POST {id_} without {name}")
    other = next(hook for hook in _COMMON if hook not in session.hooks.get(id_, ()))
    seen = session.post(path, base | {"hook": other})
    good = 400 <= seen.status < 500
    said = f"another hook ({other}) gets {seen.got}"
    session.tell("RQ-07", good, said, f"POST {id_} with hook {other}", seen.told)
    seen = session.get(path)
    said = f"GET on a service gets {seen.got}"
    session.tell("RQ-07", seen.status in {404, 405}, said, f"GET {id_}", seen.told)


def _refused(session: ExaminationRun, rule: str, seen: Seen, what: str) -> None:
    good = 400 <= seen.status < 500
    said = f"it is {'refused' if good else 'not refused'} ({seen.got})"
    session.tell(rule, good, said, what, seen.told, Level.ADVICE)
    if 400 <= seen.status < 600:
        session.tell_outcome(seen, what)
    session.tell_redirect(seen, what)
