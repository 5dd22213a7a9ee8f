"""The reference of the HTTP interface: every operation, with examples that hold, and /fhir."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest

from cds_service.server.pages.api_reference import operations
from tests.server.test_pages import PageClient
from tests.support.app_client import ClientFactory


@pytest.fixture(scope="module")
def visitor(make_client: ClientFactory) -> PageClient:
    return PageClient(make_client(database_url="none").app)


@pytest.fixture(scope="module")
def described(visitor: PageClient) -> dict[str, Any]:
    document: dict[str, Any] = visitor.get("/openapi.json").json()
    return document


def test_every_operation_stands_on_the_page(visitor: PageClient, described: dict[str, Any]) -> None:
    page = visitor.get("/api").text

    for one in operations(described):
        assert f'id="{one.id}"' in page
        assert f"<code>{one.path}</code>" in page
        assert html.escape(one.summary) in page
    assert len(page.encode()) < 250_000


def test_examples_are_answered_as_they_say(visitor: PageClient, described: dict[str, Any]) -> None:
    tried = 0
    for one in operations(described):
        if one.method == "GET":
            assert visitor.get(one.address).status_code == 200, one.path
        elif one.answer:
            told = visitor.post(one.path, content=one.request.encode()).json()["cards"]
            said = json.loads(one.answer)["cards"]
            assert [card["summary"] for card in told] == [card["summary"] for card in said] != []
            tried += 1
    assert tried >= 3


def test_fhir_is_described_as_it_answers(visitor: PageClient, described: dict[str, Any]) -> None:
    named = [one for one in operations(described) if one.path.startswith("/fhir/")]

    assert [one.path for one in named] == [
        "/fhir/ValueSet", "/fhir/ValueSet/{id}", "/fhir/Library/ho-prophylaxis",
    ]  # fmt: skip
    for one in named:
        media = visitor.get(one.address).headers["content-type"]
        assert ("200", "OK", media) in one.answers


def test_it_is_there_where_the_description_is(make_client: ClientFactory) -> None:
    hidden = make_client(host="0.0.0.0", allow_anonymous=True, pages=True)  # noqa: S104 (asked for)

    assert hidden.get("/api").status_code == 404
    assert make_client(openapi=False).get("/api").status_code == 404
