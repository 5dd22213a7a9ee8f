"""The call of one service: its answer, repeated, decorated, soiled, and how long it takes."""

from __future__ import annotations

from typing import Any

from cds_service.cdshooks.conformance import answers, elements
from cds_service.cdshooks.conformance.statements import Version
from cds_service.cdshooks.published_hooks import PUBLISHED
from cds_service.tools.doctor import patients
from cds_service.tools.doctor.client import Seen
from cds_service.tools.doctor.markup import active_parts
from cds_service.tools.doctor.requests import is_whole
from cds_service.tools.doctor.session import ExaminationRun, decoded, plain_cards
from cds_service.tools.validate import structure
from cds_service.tools.validate.documents import Located

Json = dict[str, Any]
_ENVELOPE = ("RS-01", "RS-04", "JS-03")
_OF_CARDS = ("CD-01", "CD-02", "CD-04", "CD-05", "CD-06", "CD-08", "CD-10", "SO-01", "SO-02",
             "EX-01", "MD-01", "MD-02", "LK-01", "AC-01", "AC-02", "SG-01")  # fmt: skip
SLOW = 0.5
"""Seconds that an answer may take (PE-01)."""


def check(
    session: ExaminationRun, service: Json, base: Json, about: str = "", *, given: bool = False
) -> bool:
    """Call the service and judge the answer; False when it cannot be examined further by this call.
    `about` says which request it is, where there are several; `given` that it was not made here."""
    path = f"cds-services/{service['id']}"
    what = f"POST {service['id']} ({service['hook']}){about}"
    seen = _first(session, path, base, what)
    if seen is None:
        return False
    there = seen.status not in {404, 405}
    if seen.status:
        said = f"the advertised service answers {seen.status}"
        session.tell("DS-06", there, said, what, seen.told)
    session.tell_redirect(seen, what)
    why = _own_fault(session, service, base, given=given)
    if there and why and 400 <= seen.status < 500:
        session.skip("RS-01", f"{why} gets {seen.told}", what)
        return False
    if seen.status != 200:
        said = f"a call with every template answered gets {seen.got}"
        session.tell("RS-01", False, said, what, seen.told)
        return there
    session.answered.add(base["hookInstance"])
    _answer(session, seen, base, service, what)
    return True


def _own_fault(session: ExaminationRun, service: Json, base: Json, *, given: bool) -> str:
    """Why a service may well refuse a call; empty where it has no reason."""
    if given and not is_whole(base, service, session.version):
        return "the request that was given (with a mistake, or without a template's answer)"
    if not given and service["hook"] not in PUBLISHED:
        return "a call of a hook whose context is not known here (give one with --request FILE)"
    return ""


def _first(session: ExaminationRun, path: str, base: Json, what: str) -> Seen | None:
    """The first call, without a token: is one wanted? Then with one."""
    seen = session.caller.send("POST", path, json=base)
    session.let_in = session.let_in or not session.denied(seen)
    if session.denied(seen):
        session.closed = True
        session.tell("AU-01", True, f"a call without a token gets {seen.status}", what)
        if session.signer is None:
            session.skip("AU-02", "a token is wanted: give a key with --jwk", what)
            return None
        seen = session.post(path, base)
        good = not session.denied(seen)
        session.let_in = session.let_in or good
        algorithm = session.signer.algorithm
        session.tell("AU-02", good, f"a good token gets {seen.status}", what, seen.told)
        session.tell("AU-08", good, f"a token of {algorithm} gets {seen.status}", what, seen.told)
        return seen if good else None
    if seen.status == 200:
        why = "calls are answered without a token: right for test data only"
        session.skip("AU-01", why, what)
    return seen


def _answer(session: ExaminationRun, seen: Seen, base: Json, service: Json, what: str) -> None:
    kind = seen.headers.get("content-type", "")
    good = kind.partition(";")[0].strip() == "application/json"
    session.tell("JS-07", good, f"media type {kind or 'missing'}", what, kind)
    cached = seen.headers.get("cache-control", "")
    private = any(word in cached for word in ("no-store", "no-cache", "private"))
    session.tell("PE-02", private, f"Cache-Control: {cached or 'missing'}", what, cached)
    body, why = decoded(seen)
    session.tell("JS-01", why is None, why or "strict JSON", what, seen.body[:200])
    if why is not None:
        return
    cards = body.get("cards") if isinstance(body, dict) else None
    looked_at = [*_ENVELOPE, *(_OF_CARDS if cards else ())]
    session.violations(answers.check(body, session.version, base), looked_at, what)
    if session.version is Version.V3:
        session.violations(elements.check(elements.ANSWER, body), ("LM-01", "LM-02"), what)
    session.saw_cards(service, len(_dicts(cards)))
    if not cards:
        why = "no card came: give a request that brings one with --request FILE"
        session.skip("CD-02", why, what)
    _resources(session, body, what)
    session.feedback[service["id"]] = _uuids(cards) or session.feedback.get(service["id"], [])


def _resources(session: ExaminationRun, body: Any, what: str) -> None:
    """Resources in actions, by the structure of R4, which the synthetic calls speak (JS-06)."""
    found = list(_in_actions(body))
    for place, resource in found:
        wrong = list(structure.check(Located((), resource, "suggested"), "R4"))
        said = wrong[0].message if wrong else "valid FHIR R4"
        session.tell("JS-06", not wrong, f"{place}: {said}", what, resource)


def _in_actions(body: Any) -> list[tuple[str, Json]]:
    actions = list(_dicts(body.get("systemActions"))) if isinstance(body, dict) else []
    for card in _dicts(body.get("cards") if isinstance(body, dict) else None):
        for suggestion in _dicts(card.get("suggestions")):
            actions += _dicts(suggestion.get("actions"))
    resources = [a["resource"] for a in actions if isinstance(a.get("resource"), dict)]
    return [(f"resource of action {n}", r) for n, r in enumerate(resources, start=1)]


def _dicts(value: Any) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _uuids(cards: Any) -> list[tuple[str, str | None]]:
    """Pairs of a card's uuid and that of its first suggestion."""
    found = []
    for card in _dicts(cards):
        if isinstance(card.get("uuid"), str):
            first = next(iter(_dicts(card.get("suggestions"))), {})
            uuid = first.get("uuid")
            found.append((card["uuid"], uuid if isinstance(uuid, str) else None))
    return found


# --- variants ---


def variants(session: ExaminationRun, service: Json, base: Json) -> None:
    """The same call again, with strange members, and with markup in its texts."""
    path, id_ = f"cds-services/{service['id']}", service["id"]
    first = session.post(path, base)
    if first.status != 200:
        if base["hookInstance"] in session.answered:
            said = f"the same hookInstance again gets {first.got}"
            session.tell("RQ-03", False, said, f"POST {id_} again", first.told)
        return
    session.seconds.append(first.seconds)
    expected = plain_cards(decoded(first)[0])
    session.tell("RQ-03", True, "the same hookInstance again gets 200", f"POST {id_} again")
    for rule, words, body in (
        ("JS-08", "unknown members", patients.with_strangers(base)),
        ("EX-03", "an extension", patients.with_extension(base)),
    ):
        seen = session.post(path, body)
        same = seen.status == 200 and plain_cards(decoded(seen)[0]) == expected
        said = "the same answer" if same else f"another answer ({seen.status})"
        session.tell(rule, same, said, f"POST {id_} with {words}", seen.told)
    _soiled(session, session.post(path, patients.hostile(base)), id_)


def _soiled(session: ExaminationRun, seen: Seen, id_: str) -> None:
    what = f"POST {id_} with markup in displays"
    body = decoded(seen)[0]
    if seen.status != 200:
        session.tell("MD-04", False, f"markup in texts gets {seen.status}", what, seen.told)
        return
    cards = body.get("cards") if isinstance(body, dict) else None
    details = [str(card.get("detail", "")) for card in _dicts(cards)]
    echoed = [d for d in details if "onerror" in d or "javascript" in d]
    if not echoed:
        session.skip("MD-04", "no card repeats text of the call", what)
        return
    live = [part for detail in echoed for part in active_parts(detail)]
    said = "markup of the call comes back active" if live else "markup comes back as text"
    session.tell("MD-04", not live, said, what, live[0] if live else None)


def speed(session: ExaminationRun) -> None:
    """The time that nine of ten calls stay under (PE-01). The first call of each service is left
    out: it may start things up."""
    if not session.seconds:
        session.skip("PE-01", "no call was answered")
        return
    ordered = sorted(session.seconds)
    slow = ordered[min(len(ordered) - 1, (len(ordered) * 9) // 10)]
    said = f"{len(ordered)} calls, slowest tenth at {slow * 1000:.0f} ms"
    session.tell("PE-01", slow <= SLOW, said, "all calls answered with 200", f"{slow:.3f} s")


def is_old(session: ExaminationRun) -> bool:
    """Whether the examination is by CDS Hooks 1.0."""
    return session.version is Version.V1
