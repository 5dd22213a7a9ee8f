"""The feedback endpoint as the specification has it and as real clients use it (section P)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.cdshooks import feedback
from cds_service.errors import BadRequest
from cds_service.knowledge.loader import Knowledge
from cds_service.store import report
from cds_service.store.tables import issued
from tests.support.builders import request as build
from tests.support.constants import NOW
from tests.support.ehr_calls import HIGH, SIGN
from tests.support.live import Live, Service
from tests.support.wire_rules import check_answer

pytestmark = pytest.mark.anyio

CARD = "4e0a3a1e-3283-4575-ab82-028d55fe2719"
SUGGESTION = "e56e1945-20b3-4393-8503-a1a20fd73152"
ACCEPTED = {  # the three examples of CDS Hooks 2.0, "Feedback"
    "card": CARD,
    "outcome": "accepted",
    "acceptedSuggestions": [{"id": SUGGESTION}],
    "outcomeTimestamp": "2021-12-11T10:05:31Z",
}
OVERRIDDEN = {
    "card": "f6b95768-b1c8-40dc-8385-bf3504b82ffb",
    "outcome": "overridden",
    "outcomeTimestamp": "2020-12-11T00:00:00Z",
}
REASONED = {
    "card": "9368d37b-283f-44a0-93ea-547cebab93ed",
    "outcome": "overridden",
    "overrideReason": {
        "reason": {
            "code": "d7ecf885",
            "system": "https://example.com/cds-hooks/override-reason-system",
        },
        "userComment": "A comment entered by the clinician.",
    },
    "outcomeTimestamp": "2020-12-11T00:00:00Z",
}
EPIC = "com.epic.cdshooks.feedback.overrideReason"


# --- as the specification has it ---


@pytest.mark.statement("FB-01", "FB-02", "FB-03")
async def test_the_three_examples(live: Live, database_url: str) -> None:
    """FB-01, FB-03."""
    async with live(database_url) as service:
        answer = await service.send(ACCEPTED, OVERRIDDEN, REASONED)
        rows = {row["card"]: row for row in await service.rows()}

    assert answer["feedback"] == 3
    assert answer["notes"] == [f"feedback[2]: {feedback.WORDS[feedback.Note.REASON_NOT_OURS]}"]
    accepted = rows[CARD]
    assert (accepted["outcome"], accepted["suggestions"]) == ("accepted", feedback.NOT_OURS)
    assert accepted["outcome_at"] == datetime(2021, 12, 11, 10, 5, 31, tzinfo=UTC)
    assert (accepted["received_at"], accepted["service"]) == (NOW, "ho-order-sign")
    assert rows[OVERRIDDEN["card"]]["outcome"] == "overridden"
    reasoned = rows[str(REASONED["card"])]
    assert (reasoned["reason_system"], reasoned["reason_code"]) == (None, feedback.NOT_OURS)
    assert [accepted["notes"], rows[OVERRIDDEN["card"]]["notes"]] == ["", ""]
    assert reasoned["notes"] == "reason-not-ours"


@pytest.mark.statement("JS-01")
async def test_the_answer_is_json_and_not_cached(service: Service) -> None:
    """JS-01, JS-03."""
    response = await service.post({"feedback": [ACCEPTED]})

    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.content == b'{"feedback":1}'


async def test_an_empty_array_is_nothing(service: Service) -> None:
    assert (await service.post({"feedback": []})).json() == {"feedback": 0}


@pytest.mark.statement("FB-04")
async def test_a_repeated_call_is_stored_once(live: Live, database_url: str) -> None:
    """FB-04: idempotent, also when the time is written otherwise."""
    otherwise = ACCEPTED | {"outcomeTimestamp": "2021-12-11T11:05:31.000+01:00"}
    async with live(database_url) as service:
        for _ in range(3):
            assert await service.send(ACCEPTED, OVERRIDDEN) == {"feedback": 2}
        await service.send(otherwise, ACCEPTED)

        assert len(await service.rows()) == 2


@pytest.mark.statement("FB-04")
@pytest.mark.parametrize(
    "change",
    [
        {"outcomeTimestamp": "2021-12-11T10:05:32Z"},
        {"outcome": "overridden"},
        {"acceptedSuggestions": [{"id": "another"}]},
        {"acceptedSuggestions": [{"id": SUGGESTION}, {"id": "another"}]},
        {"overrideReason": {"reason": {"code": "x", "system": "urn:x"}}},
        {"card": str(uuid4())},
    ],
)
async def test_distinct_events_are_all_kept(service: Service, change: dict[str, Any]) -> None:
    """FB-04."""
    await service.send(ACCEPTED, ACCEPTED | change)

    assert len(await service.rows()) == 2


@pytest.mark.statement("FB-04")
async def test_a_batch_of_fifty_over_several_cards(service: Service) -> None:
    """FB-04."""
    batch = [ACCEPTED | {"card": str(uuid4())} for _ in range(50)]
    await service.send(*batch)
    await service.send(*reversed(batch))

    assert {row["card"] for row in await service.rows()} == {item["card"] for item in batch}


# --- as real clients send it (FB-06, section 4) ---


@pytest.mark.statement("FB-06")
async def test_epic_writes_the_reason_in_the_plural(service: Service) -> None:
    row = await service.stored(
        {
            "card": "123456",
            "outcome": "overridden",
            "outcomeTimestamp": "2022-05-19T19:44:04Z",
            "overrideReasons": {
                "reason": {
                    "code": "contraindicated",
                    "display": "bad",
                    "system": "http://example.org/cds-services/fhir/CodeSystem/override-reasons",
                },
                "userComment": "User Entered Free Text",
            },
        }
    )

    assert (row["card"], row["reason_code"]) == (feedback.NOT_OURS, feedback.NOT_OURS)
    assert row["notes"] == "card-not-ours override-reasons-plural reason-not-ours"


async def test_epic_writes_the_reason_into_an_extension(service: Service) -> None:
    row = await service.stored(
        {
            "card": "123456",
            "outcome": "overridden",
            "outcomeTimestamp": "2022-05-19T19:44:04Z",
            "overrideReasons": {
                "extension": {
                    f"{EPIC}.reasonCategory": "45",
                    f"{EPIC}.reasonDisplay": "Does not meet criteria",
                    f"{EPIC}.reasonTitle": "Does not meet criteria",
                },
                "userComment": "User Entered Free Text",
            },
        }
    )

    assert row["reason_system"] == f"{EPIC}.reasonCategory"
    assert row["reason_code"] == feedback.NOT_OURS
    assert "criteria" not in json.dumps(row, default=str)


@pytest.mark.statement("FB-06")
async def test_the_sandbox_sends_a_reason_without_system_and_null_members(
    service: Service, knowledge: Knowledge
) -> None:
    ours = knowledge.override_reasons["planned-otherwise"]
    reason = {"reason": {"code": ours.code, "system": None}, "userComment": None}
    row = await service.stored(
        OVERRIDDEN
        | {"overrideReason": reason, "acceptedSuggestions": None, "extension": {"a.b": 1}}
    )

    assert (row["reason_system"], row["reason_code"]) == (ours.system, ours.code)
    assert (row["comment_length"], row["notes"]) == (None, "")


@pytest.mark.statement("FB-02")
@pytest.mark.parametrize("body", [{"feedback": ACCEPTED}, ACCEPTED])
async def test_a_single_object(service: Service, body: Any) -> None:
    """FB-02."""
    response = await service.post(body)

    assert response.json() == {
        "feedback": 1,
        "notes": ["feedback[0]: feedback should be an array"],
    }
    assert len(await service.rows()) == 1


@pytest.mark.statement("FB-06")
@pytest.mark.parametrize(
    ("change", "notes"),
    [
        ({"acceptedSuggestions": None}, "no-accepted-suggestions"),
        ({"acceptedSuggestions": []}, "no-accepted-suggestions"),
        ({"acceptedSuggestions": {"id": "a"}}, "odd-accepted-suggestions"),
        ({"acceptedSuggestions": "a"}, "odd-accepted-suggestions"),
        ({"acceptedSuggestions": [{"id": "a"}, {}]}, "odd-accepted-suggestions"),
        ({"acceptedSuggestions": [{"id": str(n)} for n in range(51)]}, "odd-accepted-suggestions"),
        ({"outcomeTimestamp": None}, "no-timestamp"),
        ({"outcomeTimestamp": ""}, "no-timestamp"),
        ({"outcomeTimestamp": "yesterday"}, "odd-timestamp"),
        ({"outcomeTimestamp": 1639217131}, "odd-timestamp"),
        ({"outcomeTimestamp": "0001-01-01T00:00:00+14:00"}, "odd-timestamp"),
        ({"outcomeTimestamp": "2021-12-11T10:05:61Z"}, "odd-timestamp"),
        ({"outcomeTimestamp": "2021-12-11T10:60:00Z"}, "odd-timestamp"),
        ({"outcomeTimestamp": "2026-11-25T00:00:00Z"}, "odd-timestamp"),
        ({"outcomeTimestamp": "2021-12-11T10:05:31"}, "timestamp-without-offset"),
        ({"overrideReason": "declined"}, "reason-not-kept"),
        ({"overrideReason": {"reason": {"display": "x"}}}, "reason-not-kept"),
        ({"overrideReason": {"reason": {"code": "free text here"}}}, "reason-not-ours"),
        ({"overrideReason": [{"reason": {"code": "x"}}]}, "reason-not-ours"),
        ({"card": 123456}, "card-not-ours"),
        ({"card": f"urn:uuid:{CARD.upper()}"}, ""),
        ({"card": "Jane Doe, born 1960-01-01"}, "card-not-ours"),
        ({"card": "x" * 5000}, "card-not-ours"),
    ],
)
async def test_what_is_odd_is_kept_and_noted(
    service: Service, change: dict[str, Any], notes: str
) -> None:
    row = await service.stored(ACCEPTED | change)

    assert row["notes"] == notes
    if "timestamp" in notes and notes != "timestamp-without-offset":
        assert row["outcome_at"] == NOW


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("2021-12-11t10:05:31z", "2021-12-11T10:05:31+00:00"),
        ("2021-12-11t11:05:31.250+01:00", "2021-12-11T10:05:31.250+00:00"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59+00:00"),
        ("2017-01-01t00:59:60.5+01:00", "2016-12-31T23:59:59.5+00:00"),
    ],
)
async def test_times_of_rfc_3339_are_read(service: Service, said: str, kept: str) -> None:
    """Letters in lower case (section 5.6) and leap seconds (section 5.7)."""
    row = await service.stored(ACCEPTED | {"outcomeTimestamp": said})

    assert row["outcome_at"] == datetime.fromisoformat(kept)
    assert row["notes"] == ""


async def test_a_repeat_without_a_time_is_the_same_event(service: Service) -> None:
    """Its time of receipt differs, and is no part of what makes it the same."""
    timeless = {name: value for name, value in ACCEPTED.items() if name != "outcomeTimestamp"}
    await service.send(timeless)
    await service.send(timeless)

    assert len(await service.rows()) == 1


# --- no patient data ---


@pytest.mark.statement("FB-08")
async def test_free_text_never_reaches_the_database(live: Live, tmp_path: Path) -> None:
    """FB-08."""
    marked = "Marked <b>text</b> of Jane Doe"
    item = {
        "card": marked,
        "outcome": "overridden",
        "acceptedSuggestions": [{"id": marked, "label": marked}],
        "overrideReason": {
            "reason": {"code": marked, "system": f"http://x/{marked}", "display": marked},
            "userComment": marked,
            "extension": {f"{EPIC}.reasonCategory": marked, f"{EPIC}.reasonTitle": marked},
        },
        "outcomeTimestamp": marked,
        "extension": {"com.example": marked},
    }
    async with live() as service:
        row = await service.stored(item)

    assert row["comment_length"] == len(marked)
    assert row["notes"] == "card-not-ours reason-not-ours odd-timestamp"
    for file in tmp_path.iterdir():
        assert b"Jane" not in file.read_bytes()
        assert b"Marked" not in file.read_bytes()


async def test_our_own_reason_is_kept_without_its_display(
    service: Service, knowledge: Knowledge
) -> None:
    reason = knowledge.override_reasons["planned-otherwise"]
    coding = {"system": reason.system, "code": reason.code, "display": reason.display}

    row = await service.stored(OVERRIDDEN | {"overrideReason": {"reason": coding}})

    assert (row["reason_system"], row["reason_code"]) == (reason.system, reason.code)
    assert reason.display not in row.values()


@pytest.mark.statement("FB-06")
@pytest.mark.parametrize("comment", [None, "she may take it"])
async def test_the_flat_reason_of_earlier_drafts(
    service: Service, comment: str | None, knowledge: Knowledge
) -> None:
    """cds-hooks/docs#519, cds-hooks/sandbox#135: code and system stood in overrideReason itself."""
    reason = knowledge.override_reasons["planned-otherwise"]
    flat = {"code": reason.code, "system": reason.system}
    said = flat | ({"userComment": comment} if comment else {})
    row = await service.stored(OVERRIDDEN | {"overrideReason": said})

    assert (row["reason_system"], row["reason_code"]) == (flat["system"], flat["code"])
    assert row["comment_length"] == (len(comment) if comment else None)
    assert row["notes"] == "override-reason-flat"


async def test_the_nested_reason_wins_over_a_flat_one(
    service: Service, knowledge: Knowledge
) -> None:
    inner = knowledge.override_reasons["planned-otherwise"]
    said = {"code": "outer", "reason": {"code": inner.code, "system": inner.system}}
    row = await service.stored(OVERRIDDEN | {"overrideReason": said})

    assert (row["reason_system"], row["reason_code"]) == (inner.system, inner.code)
    assert row["notes"] == ""


# --- cards that were neither accepted nor overridden ---


@pytest.mark.statement("FB-06")
@pytest.mark.parametrize(
    ("outcome", "kept"),
    [("ignored", "ignored"), ("dismissed", "dismissed"), ("dismiss", "dismissed")],
)
async def test_ignored_and_dismissed_are_kept_and_counted(
    live: Live, database_url: str, outcome: str, kept: str
) -> None:
    """cds-hooks/docs#21, #48."""
    async with live(database_url) as service:
        card = (await service.post(build(HIGH), SIGN)).json()["cards"][0]["uuid"]
        answer = await service.send(OVERRIDDEN | {"card": card, "outcome": outcome})
    async with live(database_url) as service:
        [row] = await service.rows()
        found = await service.figures()

    assert answer == {"feedback": 1}
    assert row["outcome"] == kept
    assert found.total == report.OutcomeTally(issued=1, ignored=1)
    assert found.total.unanswered == 0
    assert found.reasons == {}


@pytest.mark.statement("FB-06")
async def test_one_odd_item_does_not_refuse_the_good_ones(service: Service) -> None:
    odd = [{"card": "x"}, ACCEPTED, 7, OVERRIDDEN | {"overrideReason": {"code": "c"}}]
    response = await service.post({"feedback": odd})

    assert response.status_code == 200
    assert response.json() == {
        "feedback": 2,
        "refused": [
            {"place": "feedback[0].outcome", "problem": "is required"},
            {"place": "feedback[2]", "problem": "must be a JSON object"},
        ],
        "notes": [
            "feedback[3]: overrideReason has code and system of its own: they belong into reason",
            "feedback[3]: overrideReason is none that the card offered: its code is not kept",
        ],
    }
    assert {row["card"] for row in await service.rows()} == {CARD, OVERRIDDEN["card"]}


# --- together with calls ---


async def test_a_card_that_was_issued_and_overridden(live: Live, database_url: str) -> None:
    async with live(database_url) as service:
        card = (await service.post(build(HIGH), SIGN)).json()["cards"][0]
        reason = card["overrideReasons"][0]
        await service.send(
            OVERRIDDEN | {"card": card["uuid"], "overrideReason": {"reason": reason}}
        )
    async with live(database_url) as service:
        [row] = await service.rows(issued)
        found = await service.figures()

    trace = card["extension"]["org.example.ho-cds"]
    assert (row["card"], row["tier"], row["row"]) == (card["uuid"], "high", trace["row"])
    assert row["rules"].split() == sorted({finding["rule"] for finding in trace["findings"]})
    assert row["suggestions"].split() == [s["uuid"] for s in card["suggestions"]]
    assert (row["client"], row["hook"], row["issued_at"]) == ("anonymous", "order-sign", NOW)
    assert found.total == report.OutcomeTally(1, 0, 1)
    assert found.reasons == {(reason["system"], reason["code"]): 1}
    assert (found.calls, found.considered, found.with_cards) == (1, 1, 1)


async def test_calls_and_readiness_go_on_without_the_database(live: Live, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with live(f"sqlite:///{tmp_path / 'file' / 'db'}") as service:
        response = await service.post(build(HIGH), SIGN)
        ready = await service.request("GET", "/health/ready")
        refused = await service.post({"feedback": [ACCEPTED]})

    assert len(response.json()["cards"]) == 1
    assert (ready.status_code, ready.json()["database"]) == (200, "down")
    assert ready.json()["status"] == "degraded"
    assert refused.status_code == 503


async def test_readiness_with_the_database(service: Service) -> None:
    assert (await service.request("GET", "/health/ready")).json()["database"] == "ok"


# --- anything at all ---

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
_MEMBERS = ("card", "outcome", "acceptedSuggestions", "overrideReason", "outcomeTimestamp")
_ITEMS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys((*_MEMBERS, "overrideReasons"), _JSON)
).map(lambda odd: ACCEPTED | odd)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_ITEMS | _JSON, max_size=3))
def test_anything_is_read_or_refused_and_kept_plain(items: list[Any]) -> None:
    body = json.dumps({"feedback": items}).encode()
    try:
        read = feedback.read(body, "ho-order-sign", "anonymous", NOW, {("urn:x", "x")})
    except BadRequest:
        return
    for item in read.items:
        assert item.outcome in {"accepted", "overridden", "ignored", "dismissed"}
        assert item.outcome_at.tzinfo is not None
        for text in (item.card, *item.suggestions):
            assert text == feedback.NOT_OURS or UUID(text).version == 4
        assert item.reason_code in {None, "x", feedback.NOT_OURS}
        assert item.reason_system in {None, "urn:x", feedback.EPIC_REASON}
    check_answer(200, json.dumps(read.as_answer()).encode())
