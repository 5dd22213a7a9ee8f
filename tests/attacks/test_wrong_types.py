"""What strangers send in the wrong type, everywhere in it: the tools that look for faults tell them
and do not fall over them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

import pytest

from cds_service.cdshooks import feedback
from cds_service.cdshooks.conformance import answers, calls, discovery
from cds_service.cdshooks.conformance.statements import Level, Path, Version
from cds_service.errors import RequestError
from cds_service.knowledge.loader import Knowledge
from cds_service.tools.doctor import patients
from cds_service.tools.doctor.examine import examine
from cds_service.tools.doctor.results import Examination, Status
from cds_service.tools.validate.engine import Options, Validator
from cds_service.tools.validate.findings import json_path
from tests.support.doctoring import failed
from tests.support.small_services import CARD, SERVICE, small_service

Json = dict[str, Any]
TODAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
UUID = "7f4f5bb4-9d6b-4f3e-8c3f-6b8d0f6c1a1"
WRONG: tuple[Any, ...] = (
    None, "", " ", "x", "http://[", "\ud800", "\x1b[2J\u202e", 0, 5, -1.5, 10**400, True, False, [],
    {}, [None], [[]], [5], ["info"], ["x"], [{}], [{"a": None}], {"a": None}, {"info": []},
    {"resourceType": []}, {"resourceType": "Bundle", "entry": 5},
)  # fmt: skip

CODING: Json = {"system": "https://example.org/codes", "code": "x", "display": "X"}
DRAFT: Json = {"resourceType": "ServiceRequest", "id": "o1", "status": "draft", "intent": "order",
               "subject": {"reference": "Patient/p1"}}  # fmt: skip
ACTIONS: list[Json] = [
    {"type": "create", "description": "a", "resource": DRAFT},
    {"type": "update", "description": "b", "resource": DRAFT},
    {"type": "delete", "description": "c", "resourceId": "ServiceRequest/o1"},
]
ANSWER: Json = {
    "cards": [
        CARD
        | {
            "detail": "Text",
            "source": {"label": "S", "url": "https://example.org/", "topic": CODING},
            "suggestions": [
                {"label": "Do", "uuid": f"{UUID}1", "isRecommended": True, "actions": ACTIONS},
                {"label": "Do not", "uuid": f"{UUID}2"},
            ],
            "selectionBehavior": "any",
            "overrideReasons": [CODING],
            "links": [
                {"label": "L", "url": "https://example.org/", "type": "smart", "appContext": "c"}
            ],
            "extension": {"org.example.x": {"a": [1]}},
        }
    ],
    "systemActions": [ACTIONS[2]],
    "extension": {"org.example.y": 1},
}
DISCOVERY: Json = {
    "services": [
        SERVICE | {"version": "3.0.0", "usageRequirements": "none", "extension": {"org.example": 1}}
    ]
}
FEEDBACK: Json = {
    "feedback": [
        {
            "card": f"{UUID}3",
            "outcome": "accepted",
            "acceptedSuggestions": [{"id": f"{UUID}4"}],
            "overrideReason": {"reason": CODING, "userComment": "c"},
            "outcomeTimestamp": "2026-11-23T10:00:00Z",
            "extension": {"org.example": 1},
        }
    ]
}


def call() -> Json:
    made = patients.call(SERVICE)
    grant = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "s",
             "subject": "b"}  # fmt: skip
    return made | {"fhirServer": "https://fhir.example.org", "fhirAuthorization": grant}


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """The way to every value inside a value."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, step))


def put(value: Any, path: Path, wrong: Any) -> Any:
    changed = deepcopy(value)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = wrong
    return changed


def soiled(value: Any, every: int = 1) -> Iterator[tuple[str, Any]]:
    """The value with one thing in it wrong, for every place and every wrong thing, or for each of
    so many."""
    return islice(_soiled(value), 0, None, every)


def _soiled(value: Any) -> Iterator[tuple[str, Any]]:
    for path in places(value):
        for wrong in WRONG:
            yield f"{json_path(path)} = {wrong!r:.40}", put(value, path, wrong)


# --- the rules of conformance ---


def test_what_is_soiled_here_was_right() -> None:
    draft = {"context": {"draftOrders": {"entry": [{"resource": DRAFT}]}}}

    assert list(answers.check(ANSWER, Version.V2, draft)) == []
    assert list(discovery.check(DISCOVERY)) == []


def test_answers_of_wrong_types_break_rules_and_nothing_else() -> None:
    orders = call()
    for _, answer in soiled(ANSWER):
        for version in Version:
            list(answers.check(answer, version, orders))


@pytest.mark.parametrize(
    ("path", "wrong", "statement"),
    [
        (("cards", 0, "indicator"), ["info"], "CD-04"),
        (("cards", 0, "links", 0, "type"), {}, "LK-01"),
        (("cards", 0, "suggestions", 0, "actions", 0, "type"), [], "AC-01"),
        (("cards", 0, "suggestions", 0, "actions", 2, "resourceId"), [], "AC-05"),
        (("cards", 0, "selectionBehavior"), [], "CD-07"),
        (("cards", 0, "suggestions"), 5, "SG-01"),
    ],
)
def test_what_cannot_be_looked_up_breaks_its_own_rule(
    path: Path, wrong: Any, statement: str
) -> None:
    found = answers.check(put(ANSWER, path, wrong), Version.V2, call())

    assert (statement, path) in {(v.statement, v.path) for v in found}


def test_discovery_of_wrong_types_breaks_rules_and_nothing_else() -> None:
    for _, body in soiled(DISCOVERY):
        for version in Version:
            list(discovery.check(body, version))


def test_calls_of_wrong_types_break_rules_and_nothing_else() -> None:
    orders = call()
    for _, made in soiled(orders):
        list(calls.check(made))
        list(answers.check(ANSWER, Version.V2, made))


# --- validate ---


@pytest.mark.parametrize(
    ("value", "every"), [(ANSWER, 1), (DISCOVERY, 1), (FEEDBACK, 1), (call(), 5)]
)
def test_validate_never_raises(value: Json, every: int, knowledge: Knowledge) -> None:
    validator = Validator(Options(today=TODAY), knowledge)
    fallen = []
    for where, document in soiled(value, every):
        try:
            report = validator.check(json.dumps(document).encode())
            "".join(finding.message for finding in report.findings)
        except Exception as error:  # every place that falls over, not the first one only
            fallen.append(f"{where}: {error!r}")

    assert fallen == []


@pytest.mark.parametrize("levels", [150, 300, 600, 900, 5_000])
def test_validate_says_that_something_is_nested_too_deeply(
    levels: int, knowledge: Knowledge
) -> None:
    text = json.dumps(ANSWER | {"extension": {"org.example": "deep"}})
    deep = text.replace('"deep"', "[" * levels + "]" * levels).encode()

    report = Validator(Options(today=TODAY), knowledge).check(deep)

    assert not report.unusable or "nested too deeply" in report.findings[0].message


# --- feedback ---


def test_feedback_of_wrong_types_is_taken_or_refused() -> None:
    refused = set()
    for _, body in soiled(FEEDBACK):
        try:
            feedback.read(json.dumps(body).encode(), "ho-order-sign", "test", NOW, ())
        except RequestError as error:
            refused.add(error.status)

    assert refused == {400}


# --- doctor ---

ODD = {
    "card": CARD | {"indicator": ["info"]},
    "links": CARD | {"links": [{"label": "l", "url": [], "type": {}}]},
    "suggestions": CARD | {"suggestions": 5},
    "actions": CARD
    | {
        "selectionBehavior": [],
        "suggestions": [{"label": [], "actions": [{"type": [], "resource": [], "resourceId": {}}]}],
    },
    "detail": CARD | {"detail": "onerror [x](javascript://[)"},
    "surrogate": CARD | {"uuid": "\ud800", "summary": "\ud800", "detail": "onerror \ud800"},
}


def broke_down(report: Examination) -> list[str]:
    return [r.message for r in report.results if "broke down" in r.message]


@pytest.mark.parametrize(
    "answer",
    [*({"cards": [card]} for card in ODD.values()), "x", 5, [], [None], {"cards": 5}, {"cards": {}},
     {"cards": [None, 5, "x"]}, {"systemActions": "x"},
     {"cards": [], "systemActions": [None, {"type": {}}]}],
)  # fmt: skip
def test_the_doctor_finds_the_fault_that_a_wrong_type_is(answer: Any) -> None:
    with small_service(answer=answer) as small:
        report = examine(small.base)

    assert broke_down(report) == []
    assert not report.unusable
    assert [r for r in report.results if r.status is Status.FAIL]
    assert any(r.call.endswith("no list") or r.statement == "FB-01" for r in report.results)


@pytest.mark.parametrize("services", [5, "x", {}, [5], [{"id": "small", "hook": "order-sign"}, 5]])
def test_the_doctor_finds_discovery_of_wrong_types(services: Any) -> None:
    with small_service(services=services) as small:
        report = examine(small.base)

    assert broke_down(report) == []
    assert any(r.status is Status.FAIL and r.statement.startswith("DS") for r in report.results)


def test_the_doctor_goes_on_beside_odd_names() -> None:
    odd = SERVICE | {
        "id": "a b c\u2028\ud800",
        "prefetch": {"\ud800": "Patient/{{context.\ud800}}"},
    }
    with small_service(services=[odd, SERVICE]) as small:
        report = examine(small.base)

    assert broke_down(report) == []
    assert "DS-06" in failed(report)  # an id that stands in no URL is told, and not followed
    assert len(report.services) == 1


def test_a_check_that_breaks_down_has_failed_and_the_others_go_on() -> None:
    whole = json.dumps({"cards": [CARD | {"detail": "deep"}]})
    with small_service(text=whole.replace('"deep"', "[" * 700 + "]" * 700).encode()) as small:
        report = examine(small.base)

    [first, *_] = broke_down(report)
    assert "RecursionError in " in first
    assert {"CD-03", "RQ-03"} <= {r.statement for r in report.fails(Level.SHALL)}
    assert {"RQ-01", "PD-04", "CR-01"} <= {r.statement for r in report.results}
