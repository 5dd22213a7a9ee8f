"""The link to a further page: what cannot be followed leaves the list partial, never complete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cds_service.knowledge.loader import Knowledge
from tests.support.ehr_calls import (
    SIGN,
    VIEW,
    EhrClient,
    client_of,
    ehr_of,
    inputs_of,
    record,
    serving,
    with_access,
    without,
)
from tests.support.faulty_proxy import Exchange, FaultyProxy
from tests.support.signals import as_bytes

NAME = "conditions"
KIND = "Condition"
ODD: dict[str, Any] = {
    "null": {"relation": "next", "url": None},
    "a number": {"relation": "next", "url": 5},
    "empty": {"relation": "next", "url": ""},
    "blank": {"relation": "next", "url": " \t"},
    "a list": {"relation": "next", "url": ["Condition?page=2"]},
    "an object": {"relation": "next", "url": {"value": "Condition?page=2"}},
    "true": {"relation": "next", "url": True},
    "no url": {"relation": "next"},
    "href": {"relation": "next", "href": "Condition?page=2"},
    "in capitals": {"relation": "Next", "url": 7},
    "rel": {"rel": "next", "url": "Condition?page=2"},
    "relation an object": {"relation": {"value": "next"}, "url": "Condition?page=2"},
    "text": "Condition?page=2",
    "a list of lists": ["next", "Condition?page=2"],
}
HARMLESS: dict[str, Any] = {
    "self": [{"relation": "self", "url": "Condition?patient=1"}],
    "self without url": [{"relation": "self", "url": None}],
    "previous": [{"relation": "previous", "url": 5}],
    "none": [],
    "null": None,
}


@pytest.fixture(scope="module")
def client(knowledge: Knowledge) -> EhrClient:
    return client_of(knowledge)


@pytest.fixture
def proxy() -> Iterator[FaultyProxy]:
    with serving(ehr_of(record())).running() as proxy:
        yield proxy


def page(link: Any, *entries: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "link": link, "entry": list(entries)}


def ask(client: EhrClient, link: Any) -> str:
    """State of the input whose Bundle in prefetch has this link."""
    call = record()
    call["prefetch"][NAME] = page(link, *call["prefetch"][NAME]["entry"])
    state: str = inputs_of(client.post(SIGN, json=call))[NAME]
    return state


def pages(proxy: FaultyProxy, *bodies: Any) -> None:
    """Let the server answer whatever page is asked for with these, one after the other."""
    left = iter(bodies)

    async def answer(x: Exchange) -> None:
        await x.send(as_bytes(next(left)), 200)

    proxy.faults |= {KIND: answer, "page": answer, "Patient": answer}


def read(client: EhrClient, proxy: FaultyProxy) -> str:
    """State of the input that the service reads itself."""
    call = with_access(without(record(), NAME), proxy.base)
    state: str = inputs_of(client.post(SIGN, json=call))[NAME]
    return state


@pytest.mark.parametrize("link", ODD.values(), ids=ODD)
def test_a_page_that_nobody_can_ask_for(client: EhrClient, proxy: FaultyProxy, link: Any) -> None:
    entries = record()["prefetch"][NAME]["entry"]
    assert ask(client, [link]) == "partial"

    pages(proxy, page([link], *entries))
    assert read(client, proxy) == "partial"


@pytest.mark.parametrize("links", ["Condition?page=2", 5, True, {"relation": "next", "url": 0}])
def test_links_that_are_no_list(client: EhrClient, links: Any) -> None:
    assert ask(client, links) == "partial"


@pytest.mark.parametrize("links", HARMLESS.values(), ids=HARMLESS)
def test_links_that_announce_nothing(client: EhrClient, links: Any) -> None:
    assert ask(client, links) == "read"


# --- where a link leads ---


@pytest.mark.parametrize(
    "links",
    [
        ("Condition?page=2", "Condition?page=3"),
        ("?page=2", "?page=3"),
        ("?_getpages=a", "Condition?page=3"),
        ("?_getpages=a", "?_getpages=b"),
        ("{base}/Patient/1/Condition?page=2", "Condition?page=3"),
        ("/fhir/Condition?page=2", "/fhir?_getpages=b"),
        ("{base}?_getpages=a", "{base}/Condition?page=3#x"),
    ],
    ids=" then ".join,
)
def test_relative_links_are_meant_from_the_base(
    client: EhrClient, proxy: FaultyProxy, links: tuple[str, str]
) -> None:
    first, second = ([{"relation": "next", "url": x.format(base=proxy.base)}] for x in links)
    pages(proxy, page(first), page(second), page([], *record()["prefetch"][NAME]["entry"]))

    assert read(client, proxy) == "read"
    assert len(proxy.searched()) == 3
    assert {seen.path.partition("/fhir")[0] for seen in proxy.seen} == {""}


@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/fhir/Condition?page=2",
        "//elsewhere.example/fhir/Condition?page=2",
        "http://[::1",
        "ftp://127.0.0.1/fhir/Condition",
        "Condition/%2e%2e/%2e%2e/x",
    ],
)
def test_links_that_lead_away(client: EhrClient, proxy: FaultyProxy, link: str) -> None:
    """Nothing is known of what stands there: without a problem list the call is refused."""
    pages(proxy, page([{"relation": "next", "url": link}]))
    call = with_access(without(record(), NAME), proxy.base) | {"hook": "patient-view"}
    refused = client.post(VIEW, json=call)

    assert refused.status_code == 412
    assert len(proxy.searched()) == 1
    assert "a further page is at an address that is not registered" in refused.text
