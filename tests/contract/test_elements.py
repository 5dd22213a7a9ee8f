"""CDS Hooks 3.0 element by element: what is sent keeps to the logical models, what is said to be
read changes something, and a breach of each element and invariant is found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest
from pydantic import SecretStr

from cds_service.cdshooks.conformance import elements
from cds_service.cdshooks.conformance.elements import ANSWER, CALL, CONTEXTS, FEEDBACK, SERVICES
from cds_service.knowledge.loader import Knowledge
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from tests.support.app_client import AppClient
from tests.support.builders import request as build
from tests.support.constants import FIXTURES, NOW
from tests.support.ehr_calls import (
    HIGH,
    SELECT,
    SIGN,
    VIEW,
    EhrClient,
    client_of,
    ehr_of,
    inputs_of,
    plain,
    record,
    serving,
    with_access,
    without,
)
from tests.support.faulty_proxy import FaultyProxy
from tests.support.rollouts import ORDERS, settings, signed
from tests.support.statements import DOCUMENT, elements_here, load

statement = pytest.mark.statement
Json = dict[str, Any]
HERE = elements_here()
BY_ID = {element.id: element for element in elements.elements()}


def ids(*models: str, here: str = "") -> list[str]:
    return [
        id_
        for id_, row in HERE.items()
        if id_.partition(".")[0] in models and here in ("", row["here"])
    ]


def test_both_tables_have_the_same_elements() -> None:
    assert list(HERE) == list(BY_ID)
    assert {row["here"] for row in HERE.values()} == {"sent", "never", "read", "taken"}
    assert {row["statement"] for row in HERE.values()} <= {row.id for row in load()}


def test_the_page_has_every_element() -> None:
    page = DOCUMENT.read_text(encoding="utf-8")
    for element in elements.elements():
        cells = f"| `{element.id}` | {element.card} | "
        [line] = [line for line in page.splitlines() if line.startswith(cells)]
        assert f"| {HERE[element.id]['here']} |" in line
        assert "test_a_breach_of_the_type_is_found" in line, "run scripts/conformance"
    assert all(f"| `{id_}` |" in page for id_ in elements.INVARIANTS)


# --- what is sent ---


@pytest.fixture(scope="module")
def sent(knowledge: Knowledge, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Json]]:
    """Discovery and answers of a service that speaks 3.0 to a client that knows all of it."""
    members = settings(tmp_path_factory.mktemp("sent"), features=["actionSelectionBehavior"])
    given = Settings(
        spec_version="3.0.0",
        evidence_url="https://hospital.example.org/evidence",
        database_url=SecretStr("none"),
        **members,
    )
    client = AppClient(create_app(given, knowledge, clock=lambda: NOW))
    bodies = [build(HIGH), *map(fixture, ("fop-hip-replacement", "fop-biopsy"))]
    answers = [client.post(ORDERS, json=body, headers=signed()).json() for body in bodies]
    return {SERVICES: [client.get("/cds-services").json()], ANSWER: answers}


def fixture(name: str) -> Json:
    found: Json = json.loads((FIXTURES / f"{name}.json").read_bytes())
    return found


def values(document: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """Where an element stands; `key` and `value` are those of an object of keys."""
    if isinstance(document, list):
        for item in document:
            yield from values(item, path)
    elif not path:
        yield document
    elif isinstance(document, dict):
        if path[0] in document:
            yield from values(document[path[0]], path[1:])
        elif path in {("key",), ("value",)}:
            yield from document if path == ("key",) else document.values()


@statement("LM-01", "DS-11", "SG-06")
@pytest.mark.parametrize("id_", ids(SERVICES, ANSWER))
def test_what_is_said_to_be_sent_is_sent_and_nothing_else(
    sent: dict[str, list[Json]], id_: str
) -> None:
    model, *path = id_.split(".")
    found = [v for document in sent[model] for v in values(document, tuple(path))]

    assert bool(found) == (HERE[id_]["here"] == "sent")


@statement("LM-01", "LM-02")
@pytest.mark.parametrize("model", [SERVICES, ANSWER])
def test_what_is_sent_breaks_nothing(sent: dict[str, list[Json]], model: str) -> None:
    assert [list(elements.check(model, document)) for document in sent[model]] == [
        [] for _ in sent[model]
    ]


@statement("SG-06")
def test_actions_go_together_where_a_client_knows_how_to_say_so(
    sent: dict[str, list[Json]],
) -> None:
    suggestions = [s for a in sent[ANSWER] for c in a["cards"] for s in c.get("suggestions", ())]
    said = {len(s["actions"]) > 1: s.get("actionSelectionBehavior") for s in suggestions}

    assert said == {True: "all", False: None}


# --- a breach is found ---

WHOLE: dict[str, Json] = {
    SERVICES: {
        "services": [
            {
                "hook": "order-sign",
                "title": "x",
                "description": "x",
                "id": "x",
                "prefetch": {"patient": "Patient/{{context.patientId}}"},
                "usageRequirements": "x",
                "version": "3.0.0",
                "hookVersion": "1.0",
                "extension": {"org.example.a": 1},
            }
        ]
    },
    ANSWER: {
        "cards": [
            {
                "uuid": "4e0a3a1e-3283-4575-ab82-028d55fe2719",
                "summary": "x",
                "detail": "x",
                "indicator": "info",
                "source": {
                    "label": "x",
                    "url": "https://x.example",
                    "icon": "https://x.example/i.png",
                    "topic": {"code": "x", "system": "https://x.example"},
                },
                "suggestions": [
                    {
                        "label": "x",
                        "uuid": "e56e1945-20b3-4393-8503-a1a20fd73152",
                        "isRecommended": True,
                        "actionSelectionBehavior": "all",
                        "actions": [
                            {
                                "type": "create",
                                "description": "x",
                                "resource": {"resourceType": "Basic"},
                            },
                            {"type": "delete", "description": "x", "resourceId": "Basic/1"},
                        ],
                    }
                ],
                "selectionBehavior": "at-most-one",
                "overrideReasons": [{"code": "x", "system": "https://x.example", "display": "x"}],
                "links": [
                    {
                        "label": "x",
                        "url": "https://x.example",
                        "type": "smart",
                        "appContext": "x",
                        "autolaunchable": False,
                    }
                ],
                "extension": {"org.example.a": 1},
            }
        ],
        "systemActions": [
            {"type": "create", "description": "x", "resource": {"resourceType": "Basic"}},
            {"type": "delete", "resourceId": "Basic/1"},
        ],
        "extension": {"org.example.a": 1},
    },
    CALL: {
        "hook": "order-select",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "fhirServer": "https://ehr.example.org",
        "fhirAuthorization": {
            "access_token": "x",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "patient/Observation.rs",
            "subject": "x",
            "patient": "1",
        },
        "context": {
            "userId": "Practitioner/1",
            "patientId": "1",
            "encounterId": "1",
            "selections": ["Basic/1"],
            "draftOrders": {"resourceType": "Bundle"},
        },
        "prefetch": {"patient": {"resourceType": "Patient"}, "conditions": None},
        "extension": {"org.example.a": 1},
    },
    FEEDBACK: {
        "feedback": [
            {
                "card": "4e0a3a1e-3283-4575-ab82-028d55fe2719",
                "outcome": "accepted",
                "acceptedSuggestions": [{"id": "e56e1945-20b3-4393-8503-a1a20fd73152"}],
                "overrideReason": {
                    "reason": {"code": "x", "system": "https://x.example"},
                    "userComment": "x",
                },
                "outcomeTimestamp": "2021-12-11T10:05:31Z",
            }
        ]
    },
}


def place(id_: str) -> tuple[str, Json, list[str]]:
    """Model, a sound document of it, and the way to the element there."""
    model, *path = id_.split(".")
    hook = next((hook for hook, context in CONTEXTS.items() if context == model), None)
    document = deepcopy(WHOLE[CALL if hook else model])
    if hook is not None:
        document["hook"] = hook
        return CALL, document, ["context", *path]
    return model, document, path


def holder_of(document: Json, path: list[str]) -> Any:
    """The object in which the last name of a path stands."""
    found: Any = document
    for name, wanted in pairwise(path):
        found = found[name]
        if isinstance(found, list):
            found = next(item for item in found if wanted in item)
    return found


def told(model: str, document: Json) -> set[str]:
    return {found.message.split(" ")[0].rstrip(":") for found in elements.check(model, document)}


@statement("LM-01")
@pytest.mark.parametrize("model", list(WHOLE))
def test_a_sound_document_breaks_nothing(model: str) -> None:
    assert told(model, WHOLE[model]) == set()


@statement("LM-01")
@pytest.mark.parametrize("id_", list(HERE))
def test_a_breach_of_the_cardinality_is_found(id_: str) -> None:
    element = BY_ID[id_]
    model, document, path = place(id_)
    if path[-1] in {"key", "value"}:  # of an object that has some
        holder_of(document, path[:-1])[path[-2]] = {}
        assert told(model, document) == {element.parent}
        return
    holder = holder_of(document, path)
    if element.is_required:
        del holder[path[-1]]
        assert id_ in told(model, document)
        return
    holder[path[-1]] = [] if element.many else [holder[path[-1]]]
    assert id_ in told(model, document)


@statement("LM-01")
@pytest.mark.parametrize("id_", list(HERE))
def test_a_breach_of_the_type_is_found(id_: str) -> None:
    element = BY_ID[id_]
    model, document, path = place(id_)
    if path[-1] in {"key", "value"}:
        keyed = holder_of(document, path[:-1])[path[-2]]
        name, value = next(iter(keyed.items()))
        keyed.clear()
        keyed |= {" x": value} if path[-1] == "key" else {name: 7}
    else:
        wrong = "no" if element.kind in {"boolean", "integer"} else 7.5
        holder_of(document, path)[path[-1]] = [wrong] if element.many else wrong
    assert id_ in told(model, document)


BROKEN: dict[str, Callable[[Json], Any]] = {
    "cds-r-1": lambda d: d.pop("fhirServer"),
    "cds-r-2": lambda d: d["fhirAuthorization"].pop("patient"),
    "cds-resp-1": lambda d: d["cards"][0]["suggestions"].append(
        {"label": "y", "isRecommended": True}
    ),
    "cds-resp-2": lambda d: d["cards"][0]["suggestions"][0]["actions"][1].pop("resourceId"),
    "cds-resp-3": lambda d: d["cards"][0]["links"][0].update(type="absolute"),
    "cds-resp-4": lambda d: d["cards"][0]["overrideReasons"][0].pop("display"),
    "cds-resp-5": lambda d: d["cards"][0]["suggestions"][0]["actions"][0].pop("description"),
    "cds-resp-6": lambda d: d["cards"][0].pop("selectionBehavior"),
    "cds-resp-7": lambda d: d["cards"][0]["suggestions"][0].update(actionSelectionBehavior="each"),
    "cds-fb-1": lambda d: d["feedback"][0].update(outcome="ignored"),
    "cds-fb-2": lambda d: d["feedback"][0].pop("acceptedSuggestions"),
    "cds-fb-3": lambda d: d["feedback"][0].update(overrideReason={"extension": {"org.x": 1}}),
    "ord-1": lambda d: d["context"].update(selections=["no reference"]),
}


@statement("LM-02")
@pytest.mark.parametrize("id_", list(elements.INVARIANTS))
def test_a_breach_of_the_invariant_is_found(id_: str) -> None:
    model = elements.INVARIANTS[id_].model
    document = deepcopy(WHOLE[model])
    BROKEN[id_](document)

    assert id_ in told(model, document)


@statement("LM-01")
@pytest.mark.parametrize("document", [None, [], 7, {"cards": 7}, {"cards": [7]}, {"cards": {}}])
def test_what_is_no_such_message_is_told(document: Any) -> None:
    assert "CDSHooksResponse" in " ".join(f.message for f in elements.check(ANSWER, document))


# --- what is read ---


@pytest.fixture(scope="module")
def client(knowledge: Knowledge) -> EhrClient:
    return client_of(knowledge)


@pytest.fixture(scope="module")
def ehr() -> Iterator[FaultyProxy]:
    with serving(ehr_of(record())).running() as proxy:
        yield proxy


def status(client: EhrClient, body: Json, url: str = SIGN) -> int:
    return client.post(url, json=body).status_code


# How each element of a call shows: the change, and what becomes of the answer.
LACKING = {
    "hook": lambda d: d.pop("hook"),
    "hookInstance": lambda d: d.pop("hookInstance"),
    "context": lambda d: d.pop("context"),
    "prefetch": lambda d: d.pop("prefetch"),
    "prefetch.key": lambda d: d.update(prefetch={"nothing": {"resourceType": "Basic"}}),
    "prefetch.value": lambda d: d.update(prefetch=dict.fromkeys(d["prefetch"], 7)),
}
NO_ACCESS = {
    "fhirServer": lambda d: d.pop("fhirServer"),
    "fhirAuthorization": lambda d: d.pop("fhirAuthorization"),
    "fhirAuthorization.access_token": lambda d: d["fhirAuthorization"].update(access_token="a b"),
    "fhirAuthorization.token_type": lambda d: d["fhirAuthorization"].update(token_type="mac"),
    "fhirAuthorization.expires_in": lambda d: d["fhirAuthorization"].update(expires_in=0),
    "fhirAuthorization.patient": lambda d: d["fhirAuthorization"].update(patient="other"),
}
SCOPE = "fhirAuthorization.scope"


def test_every_element_of_a_call_that_is_read_has_its_change() -> None:
    named = {f"{CALL}.{name}" for name in (*LACKING, *NO_ACCESS, SCOPE)}
    assert named == set(ids(CALL, here="read"))


@statement("LM-01", "RQ-01", "RQ-06")
@pytest.mark.parametrize("name", list(LACKING))
def test_an_element_of_a_call_is_read(client: EhrClient, name: str) -> None:
    body = record()
    whole = client.post(SIGN, json=body)
    LACKING[name](body)
    changed = client.post(SIGN, json=body)

    assert changed.status_code in {400, 412} or plain(changed) != plain(whole)


@statement("LM-01", "FA-01", "FA-03", "FA-04", "FA-05", "RQ-04")
@pytest.mark.parametrize("name", list(NO_ACCESS))
def test_an_element_of_access_is_read(client: EhrClient, ehr: FaultyProxy, name: str) -> None:
    ehr.faults.clear()
    body = with_access(without(record(), *record()["prefetch"]), ehr.base)
    assert status(client, body) == 200
    NO_ACCESS[name](body)

    assert status(client, body) == 412


V1, ALL_OF_IT = "user/*.read", "patient/*.rs launch"
SOME = "patient/Condition.rs?category=problem-list-item patient/*.cruds?_tag=x user/Patient.rs"
BOTH = f"{SOME} patient/Condition.s"
NEITHER = "openid patient/Condition.c system/Observation.rs?x=y unknown:form"


@statement("LM-01", "FA-07")
@pytest.mark.parametrize(
    ("scope", "state"),
    [(V1, "read"), (ALL_OF_IT, "read"), (SOME, "partial"), (BOTH, "read"), (NEITHER, "read")],
)
def test_a_scope_that_shows_a_part_is_never_taken_for_the_whole(
    client: EhrClient, ehr: FaultyProxy, scope: str, state: str
) -> None:
    """SMART App Launch 2.0: `?` narrows what a token shows, and no answer says so."""
    ehr.faults.clear()
    body = with_access(without(record(), "conditions"), ehr.base, scope=scope, patient="pat-1")
    body["fhirAuthorization"]["patient"] = body["context"]["patientId"]
    response = client.post(SIGN, json=body)

    assert inputs_of(response)["conditions"] == state


@statement("LM-01", "FA-03", "EX-03")
@pytest.mark.parametrize("id_", ids(CALL, here="taken"))
def test_an_element_of_a_call_that_is_not_needed_changes_nothing(
    client: EhrClient, ehr: FaultyProxy, id_: str
) -> None:
    ehr.faults.clear()
    body = with_access(without(record(), "conditions"), ehr.base)
    body["extension"] = {"org.example.a": 1}
    whole = client.post(SIGN, json=body)
    _, *path = id_.split(".")
    del holder_of(body, path)[path[-1]]

    assert plain(client.post(SIGN, json=body)) == plain(whole)


CONTEXT_URLS = {"order-sign": SIGN, "order-select": SELECT, "patient-view": VIEW}
FOP = {"chart": {"conditions": ["sct 82725007 Fibrodysplasia ossificans progressiva"]}}


@statement("LM-01", "HK-01", "HK-04", "RQ-12")
@pytest.mark.parametrize("id_", ids(*CONTEXTS.values()))
def test_an_element_of_a_context_is_read(client: EhrClient, id_: str) -> None:
    """Without it the call is refused, or the answer is another one; not where it is only taken."""
    hook = next(hook for hook, model in CONTEXTS.items() if id_.startswith(model))
    body = build(FOP | {"orders": ["right hip replacement", "cpt 20206 Muscle biopsy"]})
    body["hook"], context = hook, body["context"]
    context |= {"userId": "Practitioner/1", "encounterId": "e1"}
    if hook == "order-select":
        first = context["draftOrders"]["entry"][0]["resource"]
        context["selections"] = [f"{first['resourceType']}/{first['id']}"]
    whole = client.post(CONTEXT_URLS[hook], json=body)
    assert whole.status_code == 200
    del context[id_.rpartition(".")[2]]
    changed = client.post(CONTEXT_URLS[hook], json=body)

    matters = changed.status_code == 400 or plain(changed) != plain(whole)
    assert matters == (HERE[id_]["here"] == "read")
