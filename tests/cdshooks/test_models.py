"""The wire models refuse whatever breaks a rule of the checklist (sections G and I to O)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cds_service.cdshooks import models
from cds_service.cdshooks.models import (
    Action,
    Card,
    CDSResponse,
    Coding,
    Link,
    Service,
    Source,
    Suggestion,
)
from tests.support.wire_rules import check_answer, violations

UUID = "6f7c2d5e-0b1a-4c3d-9e8f-001122334455"
RESOURCE = {
    "resourceType": "ServiceRequest",
    "status": "draft",
    "intent": "proposal",
    "subject": {"reference": "Patient/1"},
}


def card(**changes: Any) -> Card:
    given_: dict[str, Any] = {
        "summary": "Previous HO of the hip.",
        "indicator": "warning",
        "source": Source(label="HO guidance"),
    }
    return Card(**(given_ | changes))


def suggestion(**changes: Any) -> Suggestion:
    given_: dict[str, Any] = {"label": "Refer to radiation oncology"}
    return Suggestion(**(given_ | changes))


def full_card() -> Card:
    create = Action(type="create", description="Create a referral", resource=RESOURCE)
    delete = Action(type="delete", description="Remove", resource_id="ServiceRequest/a.b-1")
    return card(
        uuid=UUID,
        detail="**Found** something\n\n- [PMID 1](https://pubmed.ncbi.nlm.nih.gov/1/)",
        suggestions=[
            suggestion(actions=[create], is_recommended=True),
            suggestion(label="Remove the draft", actions=[delete]),
        ],
        selection_behavior="at-most-one",
        override_reasons=[models.OverrideReason(code="a", system="https://x.example", display="A")],
        links=[
            Link(label="Evidence", url="https://ho.example.org/e", type="absolute"),
            Link(label="App", url="http://localhost:8000/a", type="smart", app_context="{}"),
        ],
        source=Source(
            label="HO",
            url="https://ho.example.org",
            icon="https://ho.example.org/icon.png",
            topic=Coding(code="ho", system="https://ho.example.org/topics"),
        ),
        extension={"org.example.ho-cds": {"rule": 7}},
    )


def test_a_full_card_passes_the_independent_checker() -> None:
    body = models.to_bytes(CDSResponse(cards=(full_card(), card())))

    check_answer(
        200,
        body,
        {
            "context": {
                "draftOrders": {
                    "entry": [{"resource": {"resourceType": "ServiceRequest", "id": "a.b-1"}}]
                }
            }
        },
    )
    assert b"null" not in body


@pytest.mark.statement("RS-02", "RS-03")
def test_no_cards_is_exactly_an_empty_list() -> None:
    assert models.to_bytes(CDSResponse()) == b'{"cards":[]}'


def test_wire_names_are_camel_case() -> None:
    answer = models.to_json(full_card())

    assert answer["suggestions"][0]["isRecommended"] is True
    assert answer["suggestions"][1]["actions"][0]["resourceId"] == "ServiceRequest/a.b-1"
    assert answer["selectionBehavior"] == "at-most-one"
    assert answer["overrideReasons"][0]["display"] == "A"
    assert answer["links"][1]["appContext"] == "{}"


@pytest.mark.statement("CD-02")
@pytest.mark.parametrize(
    ("summary", "valid"),
    [
        ("x" * 139, True),
        ("x" * 140, False),
        ("𝐱" * 69, True),  # CD-02: 138 UTF-16 units
        ("𝐱" * 70, False),  # 140 UTF-16 units in 70 code points
        ("", False),
        ("  ", False),
        ("two\nlines", False),
        ("two\u2028lines", False),
        ("half \ud800 pair", False),
        ("escape \x1b[31m", False),
    ],
)
def test_summary(summary: str, valid: bool) -> None:
    if valid:
        assert card(summary=summary).summary == summary
    else:
        with pytest.raises(ValidationError):
            card(summary=summary)


@pytest.mark.statement("CD-04")
@pytest.mark.parametrize("indicator", ["hard-stop", "success", "Warning", "", None])
def test_indicator_is_one_of_three(indicator: str | None) -> None:
    with pytest.raises(ValidationError):
        card(indicator=indicator)


@pytest.mark.statement("CD-05", "CD-06", "CD-07", "CD-10", "SG-03")
@pytest.mark.parametrize(
    "changes",
    [
        {"suggestions": [suggestion()]},  # CD-06: selectionBehavior is missing
        {"selection_behavior": "any"},  # CD-07: without suggestions
        {"suggestions": [], "selection_behavior": "any"},
        {"suggestions": [suggestion()], "selection_behavior": "all"},
        {"links": []},
        {"override_reasons": []},
        {"override_reasons": [{"code": "a", "system": "s"}]},  # CD-08: display
        {"detail": ""},
        {"detail": "bell \x07"},
        {"uuid": UUID.upper()},
        {"uuid": f"urn:uuid:{UUID}"},
        {"source": None},
        {"source": {}},
        {"extension": {"trace": {"a": 1}}},  # EX-02
        {"extension": [{"url": "x"}]},  # EX-01: not FHIR's array
        {"card": "unknown member"},
        {
            "suggestions": [suggestion(is_recommended=True), suggestion(is_recommended=True)],
            "selection_behavior": "at-most-one",
        },
    ],
)
def test_card_that_breaks_a_rule(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        card(**changes)


def test_several_recommended_under_any() -> None:
    both = [suggestion(is_recommended=True), suggestion(is_recommended=True)]

    assert card(suggestions=both, selection_behavior="any").suggestions


@pytest.mark.statement("AC-01", "AC-03", "AC-04", "AC-05", "AC-06")
@pytest.mark.parametrize(
    "action",
    [
        {"type": "CREATE", "description": "d", "resource": RESOURCE},
        {"type": "create", "resource": RESOURCE},
        {"type": "create", "description": " ", "resource": RESOURCE},
        {"type": "create", "description": "d"},
        {"type": "create", "description": "d", "resource": {"id": "x"}},
        {"type": "create", "description": "d", "resource": RESOURCE, "resource_id": "A/1"},
        {"type": "create", "description": "d", "resource": RESOURCE | {"note": []}},
        {"type": "create", "description": "d", "resource": RESOURCE | {"note": [None]}},
        {"type": "create", "description": "d", "resource": RESOURCE | {"code": {"text": " "}}},
        {"type": "update", "description": "d", "resource": RESOURCE},  # no id: which one?
        {"type": "delete", "description": "d"},
        {"type": "delete", "description": "d", "resource": RESOURCE},
        {"type": "delete", "description": "d", "resource_id": "ServiceRequest"},
        {"type": "delete", "description": "d", "resource_id": "ServiceRequest/1/_history/2"},
        {"type": "delete", "description": "d", "resource_id": "https://ehr/ServiceRequest/1"},
    ],
)
def test_action_that_breaks_a_rule(action: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Action(**action)


def test_delete_takes_the_long_ids_of_epic() -> None:
    target = "MedicationRequest/" + "e.G-" * 48 + "ab"

    assert Action(type="delete", description="d", resource_id=target).resource_id == target


@pytest.mark.statement("SO-02", "LK-01")
@pytest.mark.parametrize(
    "url",
    [
        "http://ho.example.org/",
        "ho.example.org",
        "/evidence",
        "https://",
        "https:///path",
        "javascript:alert(1)",
        "https://user:word@ho.example.org/",
        "https://ho.example.org/a b",
        "https://ho.example.org/\n",
        "ftp://localhost/",
        "",
    ],
)
def test_urls_are_absolute_and_https(url: str) -> None:
    with pytest.raises(ValidationError):
        Link(label="l", url=url, type="absolute")
    with pytest.raises(ValidationError):
        Source(label="l", url=url)


@pytest.mark.statement("LK-01", "LK-02")
@pytest.mark.parametrize(
    "link",
    [
        {"type": "relative"},
        {"type": "absolute", "app_context": "x"},
        {"type": "smart", "app_context": ""},
        {"type": "smart", "app_context": {"a": 1}},
        {"type": "smart", "autolaunchable": True},
        {"type": "absolute", "label": ""},
    ],
)
def test_link_that_breaks_a_rule(link: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Link(**({"label": "l", "url": "https://ho.example.org/"} | link))


@pytest.mark.statement("CD-01")
def test_uuids_are_unique_in_an_answer() -> None:
    with pytest.raises(ValidationError, match="unique"):
        CDSResponse(cards=(card(uuid=UUID), card(uuid=UUID)))


def test_uuids_are_made_when_not_given() -> None:
    uuids = {card().uuid for _ in range(1000)}

    assert len(uuids) == 1000


def test_cards_cannot_be_changed_once_built() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        card().summary = "x" * 200


def test_extension_is_pruned_and_left_out_when_nothing_is_left() -> None:
    trace = {"org.example.ho-cds": {"a": None, "b": [], "c": [{"d": ""}], "e": 0, "f": False}}

    assert card(extension=trace).extension == {"org.example.ho-cds": {"e": 0, "f": False}}
    assert card(extension={"org.example.ho-cds": {"a": None}}).extension is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1), children, max_size=3)
    ),
    max_leaves=12,
)


@pytest.mark.statement("JS-03", "JS-04")
@given(json_values)
def test_nothing_empty_is_left_after_pruning(value: Any) -> None:
    answer = models.to_bytes(CDSResponse(extension={"org.example.x": value}))

    assert violations(200, answer) == []


@pytest.mark.statement("PF-01", "PF-02", "PF-03", "PF-04", "PF-05", "PF-07")
@pytest.mark.parametrize(
    "template",
    [
        "/Patient/{{context.patientId}}",
        "https://ehr/Patient/{{context.patientId}}",
        "Condition?patient={{patientId}}",
        "Condition?patient={{context.draftOrders.entry}}",
        "Condition?patient={{context.patientId}",
        "Condition?patient={{today() - 3 weeks}}",
    ],
)
def test_prefetch_template_outside_the_subset(template: str) -> None:
    with pytest.raises(ValidationError):
        Service(hook="order-sign", title="t", description="d", id="x", prefetch={"a": template})


@pytest.mark.statement("PF-08")
def test_prefetch_key_is_usable_as_a_variable() -> None:
    with pytest.raises(ValidationError):
        Service(
            hook="order-sign", title="t", description="d", id="x", prefetch={"a-b": "Patient/1"}
        )


def test_checker_finds_what_the_models_refuse() -> None:
    """The checker must be able to fail: break a good answer in every place."""
    good = json.loads(models.to_bytes(CDSResponse(cards=(full_card(),))))
    breaks: list[tuple[str, Any]] = [
        ("summary", "x" * 140),
        ("summary", "𝐱" * 70),
        ("summary", "a\tb"),
        ("indicator", "hard-stop"),
        ("source", {"label": ""}),
        ("source", {"label": "l", "url": "http://ho.example.org"}),
        ("selectionBehavior", "all"),
        ("uuid", UUID.upper()),
        ("suggestions", []),
        ("suggestions", [{"label": "x", "uuid": UUID, "actions": [{"type": "create"}]}]),
        (
            "suggestions",
            [
                {
                    "label": "x",
                    "uuid": "1",
                    "actions": [{"type": "delete", "description": "d", "resource": RESOURCE}],
                }
            ],
        ),
        (
            "suggestions",
            [
                {
                    "label": "x",
                    "uuid": "1",
                    "actions": [
                        {"type": "create", "description": "d", "resource": RESOURCE | {"status": 1}}
                    ],
                }
            ],
        ),
        ("overrideReasons", [{"code": "a", "system": "s"}]),
        ("links", [{"label": "l", "type": "absolute", "url": "http://ho.example.org"}]),
        ("links", [{"label": "l", "type": "absolute", "url": "https://a.org", "appContext": "x"}]),
        ("extension", {"trace": {"a": 1}}),
        ("extension", [{"url": "x"}]),
        ("detail", "<b>bold</b>"),
        ("detail", "<script>x</script>"),
        ("detail", "see www.evil.example"),
        ("detail", "[x](javascript:alert(1))"),
        ("detail", "[x](https://evil.example/)"),
        ("detail", "![x](https://pubmed.ncbi.nlm.nih.gov/x.png)"),
        ("detail", "turned \u202e round"),
        ("detail", None),
        ("other", "x"),
    ]
    for name, value in breaks:
        broken = json.dumps({"cards": [good["cards"][0] | {name: value}]}).encode()
        assert violations(200, broken), name
    assert violations(200, b'{"cards": [], "systemActions": []}')
    assert violations(200, b'{"cards": [], "cards": []}')
    assert violations(200, b'{"cards": [NaN]}')
    assert violations(200, b"\xef\xbb\xbf{}")
    assert violations(200, b"[]")
    assert violations(200, b"{}")
    assert violations(400, b'{"detail": "x"}')
    assert violations(400, b'{"resourceType": "OperationOutcome"}')
