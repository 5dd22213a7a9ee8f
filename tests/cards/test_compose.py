"""From an assessment to the answer: which cards, their summary, source, reasons and trace."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.cards.compose import Composer
from cds_service.cards.summary import summary
from cds_service.cdshooks import models
from cds_service.clinical.assessment import Assessment, Finding, Tier
from cds_service.clinical.chart import Chart, CodeSeen, Provenance, SetAside
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import Side
from cds_service.knowledge.namespaces import CARD_TOPICS
from tests.cards.test_markdown import HOSTILE
from tests.support.assessments import (
    ALLERGY,
    HO,
    NSAID,
    PREVIOUS_HO,
    UNREAD,
    VERSION,
    assessment,
    chart,
    day,
    genetic,
    guidance,
    hostile,
    inputs,
    order,
    silence,
)
from tests.support.wire_rules import check_answer

TRACE = "org.example.ho-cds"


def answered(
    given_: Assessment, knowledge: Knowledge, of: Chart | None = None, **options: Any
) -> dict[str, Any]:
    """The answer as JSON, after the models and the wire rules have been put on its bytes."""
    who = {name: options.pop(name) for name in ("encounter", "requester") if name in options}
    made = Composer(knowledge, **options).compose(given_, of or chart(), **who)
    body = models.encode(made)
    whole = models.CDSResponse.model_validate_json(body)
    assert json.loads(models.to_bytes(whole)) == json.loads(body)
    check_answer(200, body)
    answer: dict[str, Any] = json.loads(body)
    return answer


def card_of(given_: Any, knowledge: Knowledge, **options: Any) -> dict[str, Any]:
    (card,) = answered(assessment([given_]), knowledge, **options)["cards"]
    assert isinstance(card, dict)
    return card


def test_nothing_looked_at_gives_exactly_no_cards(knowledge: Knowledge) -> None:
    body = models.encode(Composer(knowledge).compose(assessment(), chart()))
    assert body == b'{"cards":[]}'


def test_every_card_text_of_the_knowledge_makes_a_valid_card(knowledge: Knowledge) -> None:
    for text in knowledge.cards.values():
        card = card_of(guidance(text.id, indicator=text.indicator), knowledge)
        topic = card["source"]["topic"]
        assert topic["system"] == CARD_TOPICS
        assert re.fullmatch(r"[A-Za-z0-9]{1,100}", topic["code"])  # Epic takes nothing else
        assert topic["code"].lower() == text.topic.replace("-", "")
        assert len(card.get("overrideReasons", ())) == len(text.override)


def test_every_uuid_is_new(knowledge: Knowledge) -> None:
    seen = [
        holder["uuid"]
        for _ in range(20)
        for card in [card_of(guidance(), knowledge)]
        for holder in (card, *card["suggestions"])
    ]
    assert len(set(seen)) == len(seen)
    assert all(uuid == uuid.lower() and uuid[14] == "4" for uuid in seen)


def test_two_orders_get_two_cards_and_silence_gets_none(knowledge: Knowledge) -> None:
    answer = answered(
        assessment([genetic(), silence(), genetic("fop-biopsy", orders=(order(1),))]), knowledge
    )
    assert [card["indicator"] for card in answer["cards"]] == ["critical", "critical"]


# --- summary ---


def test_the_summary_names_finding_and_order(knowledge: Knowledge) -> None:
    card = card_of(guidance(), knowledge)
    assert card["summary"] == (
        "High risk of heterotopic ossification after right hip arthroplasty: previous HO (2019)."
    )


def test_a_long_order_name_gives_way_before_the_finding(knowledge: Knowledge) -> None:
    long = guidance(params=(("order", "hip " * 40), ("finding", "previous HO of the hip (2019)")))
    said = summary(long, knowledge.cards["high-risk"])
    assert said.endswith(" after this order: previous HO of the hip (2019).")


def test_of_many_findings_the_first_are_named_and_the_rest_counted(knowledge: Knowledge) -> None:
    names = [f"finding number {n} (2019)" for n in range(6)]
    params = (
        ("order", "right hip arthroplasty"),
        ("finding", ", ".join(names)),
        ("short", "\n".join(names)),
    )
    said = summary(guidance(params=params), knowledge.cards["high-risk"])
    assert said.endswith(": finding number 0 (2019), finding number 1 (2019) and 4 more.")


def test_a_conflict_that_is_too_long_is_named_by_its_rule(knowledge: Knowledge) -> None:
    params = (
        ("order", "right hip arthroplasty"),
        ("ordered", "celecoxib 200 MG Oral Capsule of a maker with a long name"),
        ("finding", "word " * 30),
        ("short", "eGFR below 30"),
    )
    said = summary(
        guidance("prophylaxis-conflict", params=params), knowledge.cards["prophylaxis-conflict"]
    )
    assert said.endswith(" conflicts with the chart before right hip arthroplasty: eGFR below 30.")


def test_a_long_finding_is_cut_at_a_word(knowledge: Knowledge) -> None:
    long = guidance(params=(("order", "hip arthroplasty"), ("finding", "abcdefg " * 30)))
    said = summary(long, knowledge.cards["high-risk"])
    assert said.endswith("abcdefg…")
    assert 120 < models.utf16_length(said) < models.SUMMARY_LIMIT


@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=300),
    st.text(alphabet=st.characters(codec="utf-8"), max_size=300),
)
def test_any_summary_is_a_valid_one(knowledge: Knowledge, order_: str, finding: str) -> None:
    given_ = guidance(params=(("order", order_), ("finding", finding)))
    card_of(given_, knowledge)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_whatever_a_chart_says_the_answer_is_valid(knowledge: Knowledge, text: str) -> None:
    for card in ("prophylaxis-conflict", "fop-surgery"):
        card_of(hostile(text, card), knowledge)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_charts_give_valid_answers(knowledge: Knowledge, text: str) -> None:
    for card in ("prophylaxis-conflict", "fop-surgery"):
        card_of(hostile(text, card), knowledge)


# --- source, reasons, links ---


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://ho.example.org/evidence", True),
        ("http://127.0.0.1:8000/evidence", True),
        ("http://localhost:8000/evidence", True),
        ("http://ho.example.org/evidence", False),
        ("ftp://ho.example.org/evidence", False),
        ("/evidence", False),
        ("https:///evidence", False),
        (None, False),
    ],
)
def test_the_source_links_only_to_an_address_that_may_be_sent(
    knowledge: Knowledge, url: str | None, sent: bool
) -> None:
    source = card_of(guidance(), knowledge, evidence_url=url)["source"]
    assert source.get("url") == (f"{url}/cards/high-risk" if sent else None)
    assert VERSION in source["label"] or knowledge.version in source["label"]


def test_override_reasons_are_those_of_the_card(knowledge: Knowledge) -> None:
    codes = {reason["code"] for reason in card_of(genetic(), knowledge)["overrideReasons"]}
    assert {"coded-in-error", "life-or-limb"} <= codes
    assert 4 <= len(codes) <= 6


def test_links_go_with_their_cards_only(knowledge: Knowledge) -> None:
    assert card_of(genetic(), knowledge)["links"][0]["type"] == "absolute"
    assert "links" not in card_of(guidance(), knowledge)


# --- trace in `extension` ---


def test_a_card_carries_what_it_rests_on(knowledge: Knowledge) -> None:
    trace = card_of(guidance(not_assessed=(UNREAD,)), knowledge)["extension"][TRACE]
    assert trace["row"] == "7"
    assert trace["tier"] == "high"
    assert trace["card"] == "high-risk"
    assert trace["orders"] == ["ServiceRequest/sr0"]
    assert trace["knowledge"] == VERSION
    assert trace["findings"][0] == {
        "rule": "previous-ho-hip",
        "role": "factor",
        "facts": [
            {
                "reference": "Condition/c12",
                "code": "http://snomed.info/sct|444748003",
                "date": "2019-06-02",
            }
        ],
        "evidence": ["biz2015"],
    }
    assert trace["options"][0] == {
        "option": "nsaid",
        "standing": "offered",
        "regimen": "celecoxib",
    }
    assert trace["notAssessed"] == [{"input": "allergies", "state": "could not be read"}]


def test_silence_carries_why(knowledge: Knowledge) -> None:
    osteoporosis = Finding("osteoporosis", "non-factor", "osteoporosis", (HO,))
    answer = answered(
        assessment(
            [silence(orders=(order(resource_id=None),), findings=(PREVIOUS_HO,))],
            findings=(osteoporosis,),
            inputs=inputs(allergies="failed"),
            set_aside=(SetAside(frozenset(), HO, "refuted"),) * 22,
            foreign=2,
            skipped=1,
        ),
        knowledge,
    )
    assert answer["cards"] == []
    trace = answer["extension"][TRACE]
    (silent,) = trace["silent"]
    assert [finding["rule"] for finding in silent.pop("findings")] == ["previous-ho-hip"]
    assert silent.pop("wouldChange")[0] == "previous-ho-hip not holding"
    assert silent == {
        "row": "10",
        "tier": "none",
        "orders": ["ServiceRequest#0"],
        "because": "no risk factor that counts",
    }
    assert trace["findings"][0]["rule"] == "osteoporosis"
    assert trace["inputs"]["allergies"] == "failed"
    assert len(trace["setAside"]) == 20
    assert trace["moreSetAside"] == 2
    assert trace["setAside"][0]["why"] == "refuted"
    assert (trace["foreign"], trace["skipped"]) == (2, 1)


def test_the_trace_counts_what_it_does_not_list(knowledge: Knowledge) -> None:
    sources = tuple(Provenance(f"Condition/{n}", None, "x", day("2020-01-01")) for n in range(23))
    many = Finding("previous-ho-hip", "factor", "previous HO", sources, Tier.HIGH)
    trace = card_of(guidance(findings=(many,)), knowledge)["extension"][TRACE]
    assert len(trace["findings"][0]["facts"]) == 20
    assert trace["findings"][0]["moreFacts"] == 3


def test_the_trace_holds_no_text_of_the_chart(knowledge: Knowledge) -> None:
    secret = Provenance(
        "Condition/c1",
        CodeSeen("urn:x", "c0", "DISPLAY"),
        "LABEL",
        recorder="RECORDER",
        status="S9",
    )
    found = Finding("previous-ho-hip", "factor", "previous HO", (secret,), Tier.HIGH, note="NOTE")
    given_ = guidance(
        findings=(found,),
        orders=(order(label="ORDERNAME"),),
        conflicts=(ALLERGY,),
        options=(NSAID,),
    )
    answer = answered(
        assessment([given_, silence(orders=(order(1, label="ORDERNAME"),))]), knowledge
    )
    traces = json.dumps([answer["extension"], answer["cards"][0]["extension"]])
    for text in ("DISPLAY", "LABEL", "RECORDER", "S9", "NOTE", "ORDERNAME", "Ibuprofen"):
        assert text not in traces


def test_one_side_unknown_is_no_side(knowledge: Knowledge) -> None:
    card = card_of(guidance(orders=(order(side=Side.UNKNOWN),)), knowledge)
    referral = card["suggestions"][-1]["actions"][0]["resource"]
    assert "bodySite" not in referral
