"""Cards and what is in them, over the answers to all request fixtures: sections I to O, S and T.

Also the checks of Inferno's test kit that apply to every CDS Hooks service (IN-...).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.app_client import AppClient, ClientFactory
from tests.support.builders import request as build
from tests.support.constants import FIXTURES
from tests.support.ehr_calls import SIGN

statement = pytest.mark.statement
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
ORDER_TYPES = {"MedicationRequest", "ServiceRequest", "ProcedureRequest"}
HIGH = {"orders": ["right hip replacement"], "chart": {"conditions": ["sct 444748003 HO"]}}
Card = dict[str, Any]


class Corpus:
    """Answers, and the pieces of all cards in them."""

    def __init__(self, answers: list[tuple[Any, dict[str, Any]]]) -> None:
        self.answers = answers
        self.cards: list[Card] = [card for _, answer in answers for card in answer["cards"]]

    def suggestions(self) -> Iterator[tuple[Card, dict[str, Any]]]:
        """Every suggestion with its card."""
        return ((card, s) for card in self.cards for s in card.get("suggestions", []))

    def actions(self) -> Iterator[dict[str, Any]]:
        """Every action of every suggestion."""
        return (action for _, s in self.suggestions() for action in s["actions"])

    def links(self) -> Iterator[dict[str, Any]]:
        """Every link."""
        return (link for card in self.cards for link in card.get("links", []))

    def reasons(self) -> Iterator[dict[str, Any]]:
        """Every override reason."""
        return (reason for card in self.cards for reason in card.get("overrideReasons", []))


@pytest.fixture(scope="module")
def corpus(make_client: ClientFactory) -> Corpus:
    client = make_client()
    answers = []
    for path in sorted(FIXTURES.glob("*.json")):
        body = json.loads(path.read_bytes())
        response = client.post(SIGN, json=body)
        if response.status_code == 200:
            answers.append((body, response.json()))
    assert len({card["source"]["topic"]["code"] for _, a in answers for card in a["cards"]}) > 1
    return Corpus(answers)


# --- cards ---


@statement("CD-01")
def test_uuids_are_unique(client: AppClient) -> None:
    body = build(HIGH)
    uuids = [
        card["uuid"] for _ in range(30) for card in client.post(SIGN, json=body).json()["cards"]
    ]

    assert all(map(UUID.fullmatch, uuids))
    assert len(set(uuids)) == len(uuids)


@statement("CD-02", "CD-04", "CD-05", "MD-01", "MD-06", "IN-11")
def test_summary_indicator_and_source(corpus: Corpus) -> None:
    for card in corpus.cards:
        summary = card["summary"]
        assert 0 < len(summary) < 140
        assert len(summary.encode("utf-16-le")) // 2 < 140
        assert summary.isprintable()
        assert not re.search(r"\*\*|`|^#|\]\(", summary)
        assert card["indicator"] in {"info", "warning", "critical"}
        assert isinstance(card["source"], dict)


@statement("MD-06", "LK-04", "SG-07")
def test_summary_alone_names_finding_and_order(corpus: Corpus) -> None:
    for card in corpus.cards:
        assert re.search(
            r"hip|biopsy|excision|intramuscular|surgery|order|prophylaxis|vaccin",
            card["summary"],
            re.I,
        ), card["summary"]
        assert len(card["detail"]) > 100  # nobody needs a link to act


@statement("CD-06", "CD-07", "IN-15")
def test_selection_behavior_goes_with_suggestions(corpus: Corpus) -> None:
    for card in corpus.cards:
        assert ("suggestions" in card) == ("selectionBehavior" in card)
        assert card.get("selectionBehavior", "any") in {"any", "at-most-one"}
        assert "actionSelectionBehavior" not in json.dumps(card)


@statement("CD-08", "CO-01", "IN-16")
def test_override_reasons_are_whole_codings(corpus: Corpus) -> None:
    reasons = list(corpus.reasons())

    assert reasons
    for reason in reasons:
        assert all(reason[name].strip() for name in ("code", "system", "display"))


@statement("CD-03", "CD-09", "CD-10", "JS-04", "IN-14")
def test_cards_have_no_other_members_and_none_is_empty(corpus: Corpus) -> None:
    kinds: dict[str, type] = {
        "uuid": str, "summary": str, "detail": str, "indicator": str, "source": dict,
        "suggestions": list, "selectionBehavior": str, "overrideReasons": list, "links": list,
        "extension": dict,
    }  # fmt: skip
    for card in corpus.cards:
        assert all(isinstance(value, kinds[name]) and value for name, value in card.items())


@statement("SO-01", "SO-02", "SO-03", "SO-04")
def test_sources_have_a_label_a_topic_and_no_icon(corpus: Corpus) -> None:
    for card in corpus.cards:
        source = card["source"]
        assert source["label"].strip()
        assert "icon" not in source
        assert re.fullmatch(r"[A-Za-z0-9]{1,100}", source["topic"]["code"])
        assert source["topic"]["system"].startswith("https://")
        assert "url" not in source or urlsplit(source["url"]).netloc


@statement("SO-02")
def test_the_source_links_to_the_evidence_page_by_setting(make_client: ClientFactory) -> None:
    url = "https://hospital.example.org/evidence"
    body = build(HIGH)
    [card] = make_client(evidence_url=url).post(SIGN, json=body).json()["cards"]

    assert card["source"]["url"] == f"{url}/cards/high-risk"


# --- suggestions and actions ---


@statement("SG-01", "SG-02", "SG-03", "SG-04", "SG-06", "IN-18")
def test_suggestions_are_whole(corpus: Corpus) -> None:
    for card, suggestion in corpus.suggestions():
        assert suggestion["label"].strip()
        assert UUID.fullmatch(suggestion["uuid"])
        assert suggestion.keys() <= {"label", "uuid", "isRecommended", "actions", "extension"}
        assert suggestion["actions"]
        recommended = [s for s in card["suggestions"] if s.get("isRecommended")]
        assert len(recommended) <= 1 or card["selectionBehavior"] == "any"


@statement("SG-07", "AC-02")
def test_label_and_description_each_say_what_happens(corpus: Corpus) -> None:
    for _, suggestion in corpus.suggestions():
        assert len(suggestion["label"].split()) > 1
        for action in suggestion["actions"]:
            assert len(action["description"].split()) > 1


@statement("AC-01", "AC-03", "AC-05", "AC-06", "SY-01", "IN-13", "IN-26")
def test_actions_create_or_delete(corpus: Corpus) -> None:
    kinds = set()
    for action in corpus.actions():
        kinds.add(action["type"])
        if action["type"] == "create":
            assert action["resource"]["resourceType"] in ORDER_TYPES
            assert "resourceId" not in action
        else:
            assert action["type"] == "delete"
            assert re.fullmatch(r"[A-Z]\w+/[^/]+", action["resourceId"])
            assert "resource" not in action
    assert kinds == {"create", "delete"}


@statement("AC-07", "AC-04", "SG-05", "IN-25")
def test_only_drafts_of_the_call_are_deleted_and_none_is_updated(corpus: Corpus) -> None:
    for body, answer in corpus.answers:
        entries = body["context"]["draftOrders"]["entry"]
        drafts = {f"{e['resource']['resourceType']}/{e['resource'].get('id')}" for e in entries}
        for card in answer["cards"]:
            for suggestion in card.get("suggestions", []):
                targets = [a["resourceId"] for a in suggestion["actions"] if a["type"] == "delete"]
                assert set(targets) <= drafts
                assert len(targets) == len(set(targets))
                assert not any(a["type"] == "update" for a in suggestion["actions"])


@statement("AC-08")
def test_created_resources_refer_to_the_context_only(corpus: Corpus) -> None:
    for body, answer in corpus.answers:
        context = body["context"]
        known = {
            f"Patient/{context['patientId'].removeprefix('Patient/')}",
            f"Encounter/{str(context.get('encounterId')).removeprefix('Encounter/')}",
            context.get("userId"),
        }
        for reference in references({"cards": answer["cards"]}):
            assert reference in known


def references(value: Any) -> Iterator[str]:
    """`reference` members of created resources, which have no id."""
    if isinstance(value, dict):
        if value.get("type") == "create":
            assert "id" not in value["resource"]
            yield from re.findall(r'"reference": "([^"]+)"', json.dumps(value["resource"]))
        for member in value.values():
            yield from references(member)
    elif isinstance(value, list):
        for member in value:
            yield from references(member)


@statement("SY-02", "SY-01", "RS-03")
def test_there_are_no_system_actions(corpus: Corpus) -> None:
    assert not any("systemActions" in answer for _, answer in corpus.answers)


# --- links and extensions ---


@statement("LK-01", "LK-02", "LK-03", "IN-17")
def test_links_are_absolute_and_never_launch(corpus: Corpus) -> None:
    links = list(corpus.links())

    assert links
    for link in links:
        assert link.keys() == {"label", "url", "type"}
        assert link["type"] == "absolute"
        parts = urlsplit(link["url"])
        assert parts.netloc
        assert parts.scheme == "https" or parts.hostname == "127.0.0.1"  # a page of our own


@statement("EX-01", "EX-02")
def test_extensions_are_objects_with_global_names(corpus: Corpus) -> None:
    def extensions(value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            if "extension" in value and "resourceType" not in value:
                yield value["extension"]
            for member in value.values():
                yield from extensions(member)
        elif isinstance(value, list):
            for member in value:
                yield from extensions(member)

    found = [e for _, answer in corpus.answers for e in extensions(answer)]
    assert found
    for extension in found:
        assert isinstance(extension, dict)
        assert all(re.fullmatch(r"[a-z]+(\.[A-Za-z0-9-]+)+", name) for name in extension)


@statement("MD-02", "MD-05")
def test_detail_reads_well_as_plain_text(corpus: Corpus) -> None:
    for card in corpus.cards:
        assert not re.search(r"<[A-Za-z/!]|!\[|^\s*\|.*\|\s*$|- \[[ x]\]", card["detail"], re.M)


# --- Inferno ---


@statement("IN-06", "IN-02", "IN-09", "JS-07", "AU-02")
def test_a_call_as_inferno_makes_it(client: AppClient) -> None:
    headers = {"Content-type": "application/json", "Authorization": "Bearer a.b.c", "Accept": ""}
    body = build(HIGH)
    response = client.post(SIGN, json=body, headers=headers)

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert isinstance(response.json()["cards"], list)
    assert client.get("/cds-services", headers=headers).status_code == 200
