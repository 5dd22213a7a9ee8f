"""Whether a closed service refuses the tokens that it must refuse."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from cds_service.tools.doctor.client import Seen
from cds_service.tools.doctor.session import ExaminationRun
from cds_service.tools.doctor.tokens import symmetric, unsigned

Json = dict[str, Any]
_HOUR = 3600


def check(session: ExaminationRun, service: Json, base: Json) -> None:
    """Send tokens without signature, with a guessable secret, for others, stale and repeated."""
    path, id_ = f"cds-services/{service['id']}", str(service["id"])
    url = session.caller.url(path)
    issuer = session.signer.issuer if session.signer else "https://doctor.example.org"
    told: list[Seen] = []

    def refused(rule: str, token: str, words: str) -> None:
        seen = _send(session, path, base, token)
        told.append(seen)
        good = session.denied(seen)
        session.tell(rule, good, f"{words} gets {seen.status}", f"POST {id_}, {words}", seen.told)

    refused("AU-06", unsigned(url, issuer), "a token of algorithm none")
    refused("AU-07", symmetric(url, issuer), "a token of HS256")
    signer = session.signer
    if signer is not None:
        refused("AU-05", signer.token("https://elsewhere.example.org/"), "a token for another URL")
        refused("AU-10", signer.token(url, age=2 * _HOUR), "an expired token")
        once = str(uuid4())
        first = _send(session, path, base, signer.token(url, id_=once))
        if not session.denied(first):
            refused("AU-10", signer.token(url, id_=once), "a token that was used before")
    bodies = {seen.body for seen in told if session.denied(seen) and seen.status == 401}
    same = len(bodies) <= 1
    said = "all refusals read the same" if same else "refusals tell why they refuse"
    session.tell("ER-03", same, said, f"POST {id_}", " / ".join(map(repr, sorted(bodies)[:2])))


def _send(session: ExaminationRun, path: str, base: Json, token: str) -> Seen:
    return session.caller.send(
        "POST", path, json=base, headers={"Authorization": f"Bearer {token}"}
    )
