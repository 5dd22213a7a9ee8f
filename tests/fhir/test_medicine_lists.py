"""Both lists of medicines, read from a FHIR server over HTTP: which are asked for, and what comes
of servers that have one, both, or want to be asked in their own way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cds_service import hooks
from cds_service.fhir.capabilities import MOST_SERVERS, UNKNOWN_SECONDS, Servers, read_capabilities
from cds_service.knowledge.loader import Knowledge
from cds_service.ops.settings import Settings
from cds_service.trust import access
from cds_service.trust.clients import Client
from cds_service.trust.tokens import Caller
from tests.support import faulty_proxy as faults
from tests.support.builders import request as build
from tests.support.builders import statement
from tests.support.constants import NOW
from tests.support.ehr_calls import (
    ALL,
    HIGH,
    SIGN,
    EhrClient,
    cards_of,
    client_of,
    serving,
    with_access,
    without,
)
from tests.support.faulty_proxy import Exchange, FaultyProxy
from tests.support.small_ehr import STATEMENTS, TOKEN, SmallEhr, resources_of

WARFARIN = statement("rxnorm 11289 warfarin", 7)
METFORMIN = "rxnorm 6809 metformin"
ONLY = "Medicines: orders only."
LIMIT = "Medicines:"
ASKS = "ome medicines not read"
EXCLUDED = "no NSAID (vitamin K"
PARTLY = "Medicines read only in part"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def knowledge_client(knowledge: Knowledge) -> EhrClient:
    return client_of(knowledge)


def call(**chart: Any) -> Json:
    """A call that gives one warning, with everything in prefetch but the statements."""
    known: Json = HIGH["chart"]  # type: ignore[assignment]
    return build(HIGH | {"chart": known | chart})


def serve(ehr: SmallEhr) -> Any:
    return serving(ehr).running()


def told(response: httpx.Response) -> str:
    [card] = cards_of(response)
    return f"{card['summary']}\n{card['detail']}"


def drafts_an_nsaid(response: httpx.Response) -> bool:
    [card] = cards_of(response)
    return any("celecoxib" in s["label"].lower() for s in card.get("suggestions", []))


def lists_of(response: httpx.Response) -> dict[str, str]:
    found: Json = response.json()["extension"]["org.example.ho-cds"]
    states: dict[str, str] = found["lists"]["medications"]
    return states


# --- which lists are read ---


@pytest.mark.parametrize("missing", [(), ("medications",), tuple(sorted(ALL))])
def test_warfarin_among_the_statements_takes_the_nsaid_away(
    knowledge_client: EhrClient, missing: tuple[str, ...]
) -> None:
    body = call()
    ehr = SmallEhr([*resources_of(body["prefetch"]), WARFARIN], without=())
    with serve(ehr) as proxy:
        response = knowledge_client.post(
            SIGN, json=with_access(without(body, *missing), proxy.base)
        )

    assert EXCLUDED in told(response)
    assert not drafts_an_nsaid(response)
    assert lists_of(response) == {"orders": "empty", "statements": "read"}


def test_statements_that_hold_nothing_end_the_question(knowledge_client: EhrClient) -> None:
    body = call()
    with serve(SmallEhr(resources_of(body["prefetch"]), without=())) as proxy:
        response = knowledge_client.post(SIGN, json=with_access(body, proxy.base))

    assert LIMIT not in told(response)
    assert lists_of(response) == {"orders": "empty", "statements": "empty"}


def test_what_was_sent_is_not_read_again(knowledge_client: EhrClient) -> None:
    body = call(statements=[])
    with serve(SmallEhr(without=())) as proxy:
        response = knowledge_client.post(SIGN, json=with_access(body, proxy.base))

        assert proxy.seen == []
    assert LIMIT not in told(response)


def test_a_server_without_statements_is_not_asked_for_them(knowledge_client: EhrClient) -> None:
    with serve(SmallEhr()) as proxy:
        body = with_access(call(medications=[METFORMIN]), proxy.base)
        first, second = (knowledge_client.post(SIGN, json=body) for _ in range(2))

        assert proxy.kinds() == ["metadata"]  # once, and kept
    assert ONLY in told(first)
    assert told(first) == told(second)
    assert lists_of(first) == {"orders": "read"}


@pytest.mark.parametrize("code", [401, 403])
def test_orders_that_this_token_may_not_see_are_not_none(
    knowledge_client: EhrClient, code: int
) -> None:
    body = call()
    ehr = SmallEhr([*resources_of(body["prefetch"]), statement(METFORMIN, 7)], without=())
    with serve(ehr) as proxy:
        proxy.faults["MedicationRequest"] = faults.status(code)
        missing = with_access(without(body, "medications"), proxy.base)
        response = knowledge_client.post(SIGN, json=missing)

    assert PARTLY in told(response)


@pytest.mark.parametrize("code", [401, 403])
@pytest.mark.parametrize(
    ("orders", "words"),
    [
        ([METFORMIN], "home medicines may not be read"),
        ([], "none ordered; home medicines may not be read"),
    ],
)
def test_statements_that_this_token_may_not_see_are_told(
    knowledge_client: EhrClient, code: int, orders: list[str], words: str
) -> None:
    """There is a second list, and it may hold warfarin; the orders stand for themselves."""
    ehr = SmallEhr([WARFARIN], without=())
    with serve(ehr) as proxy:
        proxy.faults["MedicationStatement"] = faults.status(code)
        body = with_access(call(medications=orders), proxy.base)
        response = knowledge_client.post(SIGN, json=body)

    assert f"Medicines ({words})." in told(response)
    assert lists_of(response)["statements"] == "withheld"
    assert PARTLY not in told(response)


@pytest.mark.parametrize("code", [400, 404, 405, 410, 501])
def test_a_server_that_does_not_say_is_asked_for_both(
    knowledge_client: EhrClient, code: int
) -> None:
    """No CapabilityStatement is no error, and a list that is not offered is none either."""
    with serve(SmallEhr(declares=False)) as proxy:
        proxy.faults["MedicationStatement"] = faults.status(code)
        body = with_access(call(medications=[METFORMIN]), proxy.base)
        response = knowledge_client.post(SIGN, json=body)

        assert "MedicationStatement" in proxy.kinds()
    assert ONLY in told(response)
    assert PARTLY not in told(response)


@pytest.mark.parametrize(
    "fault",
    [
        faults.html,
        faults.hung_up,
        faults.no_http,
        faults.status(500),
        faults.answers(b"[]"),
        faults.answers(b'{"resourceType": "CapabilityStatement", "rest": [{}]}'),
        faults.answers(b'{"resourceType": "CapabilityStatement", "rest": 7}'),
        faults.redirect("https://elsewhere.example/metadata"),
        faults.silent,
    ],
    ids=["html", "hung-up", "no-http", "500", "list", "no-types", "number", "moved", "silent"],
)
def test_what_a_server_has_may_be_unreadable(
    knowledge_client: EhrClient, fault: faults.Fault
) -> None:
    body = call()
    ehr = SmallEhr([*resources_of(body["prefetch"]), WARFARIN], without=())
    with serve(ehr) as proxy:
        proxy.faults["metadata"] = fault
        response = knowledge_client.post(SIGN, json=with_access(body, proxy.base))

    assert EXCLUDED in told(response)


@pytest.mark.parametrize(
    "fault",
    [faults.status(500), faults.status(502), faults.html, faults.cut, faults.dropped_filter()],
    ids=["500", "502", "html", "cut", "others"],
)
def test_an_error_of_the_statements_is_told(
    knowledge_client: EhrClient, fault: faults.Fault
) -> None:
    body = call(medications=[METFORMIN])
    ehr = SmallEhr([stranger()], without=())
    with serve(ehr) as proxy:
        proxy.faults["MedicationStatement"] = fault
        response = knowledge_client.post(SIGN, json=with_access(body, proxy.base))

    assert PARTLY in told(response)


def stranger() -> Json:
    return WARFARIN | {"id": "s", "subject": {"reference": "Patient/somebody-else"}}


def test_statements_come_in_pages(knowledge_client: EhrClient) -> None:
    body = call()
    many = [statement(METFORMIN, number) for number in range(20, 25)]
    ehr = SmallEhr([*many, WARFARIN], page_size=2, without=())
    with serve(ehr) as proxy:
        response = knowledge_client.post(SIGN, json=with_access(body, proxy.base))

        assert proxy.kinds().count("MedicationStatement") == 3
    assert EXCLUDED in told(response)


def test_a_list_by_its_other_name(knowledge_client: EhrClient) -> None:
    usage = WARFARIN | {"resourceType": "MedicationUsage"}
    with serve(SmallEhr([usage], without=["MedicationStatement"])) as proxy:
        response = knowledge_client.post(SIGN, json=with_access(call(), proxy.base))

        assert "MedicationUsage" in proxy.kinds()
    assert EXCLUDED in told(response)


def test_a_server_without_orders(knowledge_client: EhrClient) -> None:
    body = call()
    statements = [statement(METFORMIN)]
    ehr = SmallEhr([*resources_of(body["prefetch"]), *statements], without=["MedicationRequest"])
    with serve(ehr) as proxy:
        response = knowledge_client.post(
            SIGN, json=with_access(without(body, "medications"), proxy.base)
        )

    assert "Medicines: statements only." in told(response)


def test_a_server_without_any_list(knowledge_client: EhrClient) -> None:
    body = call()
    ehr = SmallEhr(resources_of(body["prefetch"]), without=["MedicationRequest", *STATEMENTS])
    with serve(ehr) as proxy:
        response = knowledge_client.post(
            SIGN, json=with_access(without(body, "medications"), proxy.base)
        )

    assert "Medicines could not be read" in told(response)


def test_nothing_is_read_for_an_order_that_does_not_matter(knowledge_client: EhrClient) -> None:
    body = build({"orders": ["loinc 24762-7 XR Hip Views"]})
    with serve(SmallEhr(without=())) as proxy:
        knowledge_client.post(SIGN, json=with_access(body, proxy.base))

        assert proxy.seen == []


# --- intent ---


def orders_asked(proxy: FaultyProxy) -> list[bool]:
    """For each search for MedicationRequest, whether it went with intent."""
    asked = [seen.query for seen in proxy.seen if seen.kind == "MedicationRequest"]
    return ["intent=order,plan" in query for query in asked]


@pytest.mark.parametrize("declares", [True, False])
def test_intent_goes_where_it_is_demanded(knowledge_client: EhrClient, declares: bool) -> None:
    body = call(medications=["rxnorm 11289 warfarin"])
    ehr = SmallEhr(resources_of(body["prefetch"]), intent="needs", declares=declares)
    with serve(ehr) as proxy:
        bare = with_access(without(body, "medications"), proxy.base)
        responses = [knowledge_client.post(SIGN, json=bare) for _ in range(2)]

        assert orders_asked(proxy)[-1] is True
        assert orders_asked(proxy).count(True) == 2  # the second call knew
        assert orders_asked(proxy).count(False) <= 1
    assert all(EXCLUDED in told(response) for response in responses)


@pytest.mark.parametrize("intent", ["refuses", "may"])
def test_a_server_that_refuses_intent_is_not_broken(
    knowledge_client: EhrClient, intent: str
) -> None:
    body = call(medications=["rxnorm 11289 warfarin"])
    with serve(SmallEhr(resources_of(body["prefetch"]), intent=intent)) as proxy:
        bare = with_access(without(body, "medications"), proxy.base)
        response = knowledge_client.post(SIGN, json=bare)

        assert orders_asked(proxy) == [False]
    assert EXCLUDED in told(response)


def test_intent_and_paging_may_both_be_refused(knowledge_client: EhrClient) -> None:
    body = call(medications=["rxnorm 11289 warfarin"])
    ehr = SmallEhr(resources_of(body["prefetch"]), intent="needs", declares=False)
    with serve(ehr) as proxy:
        proxy.faults["MedicationRequest"] = faults.refuses_paging
        bare = with_access(without(body, "medications"), proxy.base)
        response = knowledge_client.post(SIGN, json=bare)

        assert len(orders_asked(proxy)) == 4
    assert EXCLUDED in told(response)


# --- profiles ---


def consulted(knowledge: Knowledge, body: Json, proxy: FaultyProxy, profile: str | None) -> Json:
    """The card for a registered client."""
    reach: Json = {"fhir_servers": (proxy.base,), "private_hosts": ("127.0.0.1",)}
    who = Client(
        id="north", iss="https://n", jku="https://n.example/jwks", profile=profile, **reach
    )
    settings = Settings(deadline_ms=4000, budget_ms=5000)
    trust = access.trust_nobody(lambda: NOW)
    runtime = hooks.build_runtime(settings, knowledge, lambda: NOW, trust=trust)

    async def run() -> hooks.Consultation:
        try:
            return await hooks.consult(None, json.dumps(body).encode(), Caller(who), runtime)
        finally:
            await runtime.trust.outgoing.aclose()

    [card] = asyncio.run(run()).answer["cards"]
    made: Json = card
    return made


@pytest.fixture
def proxy() -> Iterator[FaultyProxy]:
    body = call()
    with serve(SmallEhr(resources_of(body["prefetch"]), without=())) as proxy:
        yield proxy


def test_where_orders_hold_all_medicines_nothing_else_is_read(
    knowledge: Knowledge, proxy: FaultyProxy
) -> None:
    body = with_access(call(medications=[METFORMIN]), proxy.base)
    card = consulted(knowledge, body, proxy, "oracle")

    assert proxy.seen == []
    assert "Medicines: orders, reported ones included." in card["detail"]


def test_an_empty_list_of_orders_may_be_all(knowledge: Knowledge, proxy: FaultyProxy) -> None:
    body = with_access(call(), proxy.base)

    assert ASKS not in consulted(knowledge, body, proxy, "us-core")["detail"]


def test_an_empty_list_of_allergies_may_say_that_nobody_asked(
    knowledge: Knowledge, proxy: FaultyProxy
) -> None:
    body = with_access(call(), proxy.base)

    assert "Allergies not asked about" in consulted(knowledge, body, proxy, "oracle")["detail"]
    assert "Allergies not asked about" not in consulted(knowledge, body, proxy, None)["detail"]


def test_a_profile_sends_intent_at_once(knowledge: Knowledge, proxy: FaultyProxy) -> None:
    body = with_access(without(call(), "medications"), proxy.base)
    consulted(knowledge, body, proxy, "athena")

    assert orders_asked(proxy) == [True]


def test_a_profile_that_is_wrong_about_intent_does_no_harm(knowledge: Knowledge) -> None:
    body = call(medications=["rxnorm 11289 warfarin"])
    with serve(SmallEhr(resources_of(body["prefetch"]), intent="refuses")) as proxy:
        bare = with_access(without(body, "medications"), proxy.base)
        card = consulted(knowledge, bare, proxy, "athena")

        assert orders_asked(proxy) == [True, False]
    assert EXCLUDED in card["summary"]


def test_every_profile_is_read_and_says_where_it_has_it_from(
    knowledge: Knowledge, proxy: FaultyProxy
) -> None:
    body = with_access(call(), proxy.base)
    for profile in knowledge.profiles.values():
        assert profile.facts
        assert all(fact.source.startswith("https://") for fact in profile.facts)
        assert consulted(knowledge, body, proxy, profile.id)["indicator"] == "warning"


# --- what is remembered of servers ---


def capabilities(*types: str) -> bytes:
    resources = [{"type": kind} for kind in types]
    return json.dumps({"rest": [{"mode": "server", "resource": resources}]}).encode()


def test_what_a_server_says_is_kept_for_a_while_and_within_bounds() -> None:
    now = [0.0]
    servers = Servers(lambda: now[0])
    servers.keep("https://a", None)
    now[0] = UNKNOWN_SECONDS - 1

    assert servers.known("https://a") is not None
    now[0] = UNKNOWN_SECONDS

    assert servers.known("https://a") is None
    for number in range(MOST_SERVERS + 1):
        servers.keep(f"https://{number}", capabilities("Patient"))
        servers.learn_intent(f"https://{number}", wanted=True)

    assert servers.known("https://0") is None
    assert servers.wants_intent("https://0") is None
    assert servers.wants_intent(f"https://{MOST_SERVERS}") is True


@pytest.mark.parametrize(
    ("content", "statements"),
    [
        (capabilities("Patient", "MedicationStatement"), "MedicationStatement"),
        (capabilities("Patient", "MedicationUsage"), "MedicationUsage"),
        (capabilities("Patient"), None),
        (capabilities(), "MedicationStatement"),  # says nothing, so it is asked
        (b"{}", "MedicationStatement"),
        (b"\xff", "MedicationStatement"),
        (
            b'{"rest": [{"mode": "client", "resource": [{"type": "Patient"}]}]}',
            "MedicationStatement",
        ),
        (
            b'{"rest": [{"resource": [{"type": "Patient"}, {"type": "MedicationStatement",'
            b' "interaction": [{"code": "read"}]}]}]}',
            None,
        ),
    ],
)
def test_what_a_capability_statement_says(content: bytes, statements: str | None) -> None:
    assert read_capabilities(content).statements == statements


def test_the_token_goes_with_every_read(knowledge_client: EhrClient) -> None:
    async def seen(x: Exchange) -> None:
        await faults.passed_on(x)

    with serve(SmallEhr(without=())) as proxy:
        proxy.faults["*"] = seen
        knowledge_client.post(SIGN, json=with_access(call(), proxy.base))

        assert {s.headers["authorization"] for s in proxy.seen} == {f"Bearer {TOKEN}"}
        assert sorted(proxy.kinds()) == ["MedicationStatement", "metadata"]
