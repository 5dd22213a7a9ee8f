"""The feedback endpoint: the three documented forms, repeats, and what is no feedback."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from cds_service.tools.doctor.session import ExaminationRun

Json = dict[str, Any]


def check(session: ExaminationRun, service: Json) -> None:
    """Send feedback on a card that came, or on one that the service does not know."""
    path, what = f"cds-services/{service['id']}/feedback", f"POST {service['id']}/feedback"
    known = session.feedback.get(service["id"]) or [(str(uuid4()), str(uuid4()))]
    card, suggestion = known[0]
    first, *others = _forms(card, suggestion)
    seen = session.post(path, first)
    if seen.status in {404, 405, 501}:
        session.tell("FB-01", True, f"feedback is not offered ({seen.status})", what)
        return
    session.tell("FB-01", seen.status < 500, f"feedback gets {seen.status}", what, seen.told)
    if seen.status >= 500:
        session.skip("FB-03", "the endpoint fails: whether it is offered cannot be told", what)
        return
    answers = [seen, *(session.post(path, form) for form in others)]
    if not session.feedback.get(service["id"]) and any(400 <= a.status < 500 for a in answers):
        why = "no card came, and feedback on one that the service never sent is refused"
        session.skip("FB-03", why, what)
    else:
        for form, got in zip((first, *others), answers, strict=True):
            outcome = form["feedback"][0]["outcome"]
            words, good = f"{what}, {outcome}", 200 <= got.status < 300
            session.tell("FB-03", good, f"{outcome}: {got.got}", words, got.told)
        again = session.post(path, first)
        good = 200 <= again.status < 300
        session.tell("FB-04", good, f"again: {again.got}", what, again.told)
    junk = session.post(path, {"feedback": 1})
    good = 400 <= junk.status < 500
    words = f"{what}, no list"
    session.tell("FB-06", good, f"no feedback at all: {junk.got}", words, junk.told)


def _forms(card: str, suggestion: str | None) -> list[Json]:
    """The three examples of the specification (2.0 "Feedback"), about one card."""
    stamp = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    reason = {
        "reason": {"code": "doctor", "system": "https://example.org/doctor", "display": "Test"},
        "userComment": "synthetic feedback of an examination",
    }
    overridden = {"card": card, "outcome": "overridden", "outcomeTimestamp": stamp}
    forms = [overridden, overridden | {"overrideReason": reason}]
    if suggestion is not None:
        accepted = {"card": card, "outcome": "accepted", "outcomeTimestamp": stamp}
        forms.insert(0, accepted | {"acceptedSuggestions": [{"id": suggestion}]})
    return [{"feedback": [form]} for form in forms]
