"""completeness.yaml: mistakes that would turn an unknown into silence are refused at load, and the
table decides what cards say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cds_service.errors import KnowledgeError
from cds_service.fhir.completeness import signals_of
from cds_service.knowledge.loader import CONTENT, Knowledge, load
from tests.support import offline
from tests.support.builders import request
from tests.support.shorthand import TODAY
from tests.support.signals import SAID

FILE = "completeness.yaml"


@pytest.fixture
def content(tmp_path: Path) -> Path:
    copy = tmp_path / "content"
    shutil.copytree(CONTENT, copy)
    return copy


def _change(content: Path, after: str, old: str, new: str) -> None:
    """Replace the first `old` that follows `after`."""
    path = content / FILE
    head, found, tail = path.read_text(encoding="utf-8").partition(after)
    assert found
    assert old in tail
    path.write_text(head + found + tail.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("after", "old", "new", "said"),
    [
        ("input: conditions", "withheld: card", "withheld: silent", "never silence (row 11)"),
        ("input: conditions", "failed: card", "failed: question", "never silence (row 11)"),
        ("input: allergies", "      withheld: question\n", "", "say what withheld means too"),
        ("input: allergies", "absent: question", "absent: refuse", "only without the problem list"),
        (
            "input: medications",
            "empty: silent",
            "empty: clause",
            "no unknown check without options",
        ),
        ("input: medications", "failed: question", "failed: maybe", "is not one of"),
        ("- id: issue-withheld", "    codes: [", "    words: [", "codes: is missing"),
        (
            "signals:",
            "- id: unknown-warning",
            "- id: other-warning",
            "'unknown-warning' is missing",
        ),
        ("kind: answer", "state: partial", "vendor: epic", "vendor: has no meaning"),
        ("- id: words-partial", "      - ", "      - (", "not a regular expression"),
    ],
)
def test_a_mistake_is_refused(content: Path, after: str, old: str, new: str, said: str) -> None:
    _change(content, after, old, new)
    with pytest.raises(KnowledgeError) as raised:
        load(content=content)
    assert said in " ".join(str(mistake) for mistake in raised.value.mistakes)


# --- the table decides ---

HIGH: dict[str, Any] = {
    "patient": {"age": 60, "sex": "male"},
    "orders": ["right hip replacement"],
    "chart": {"conditions": ["sct 444748003 Postoperative heterotopic ossification"]},
    "signals": {"medications": "Epic 59204"},
}


def _card(knowledge: Knowledge, called: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps(request(called)).encode()
    [card] = json.loads(offline.answer(body, knowledge, TODAY))["cards"]
    found: dict[str, Any] = card
    return found


def _drafts(card: dict[str, Any]) -> str:
    return " ".join(suggestion["label"] for suggestion in card["suggestions"])


def test_an_input_can_withhold_the_draft(content: Path, knowledge: Knowledge) -> None:
    """A site may take the NSAID button away where the medicines are withheld."""
    assert "celecoxib" in _drafts(_card(knowledge, HIGH))
    _change(content, "input: medications", "withheld: question", "withheld: withhold")
    card = _card(load(content=content), HIGH)

    assert "celecoxib" not in _drafts(card)
    assert "Medicines withheld by the source" in card["detail"]


def test_silence_is_as_the_table_says(content: Path, knowledge: Knowledge) -> None:
    called = HIGH | {"signals": {"familyHistory": "Epic 59204"}}
    assert "amily history" in _card(knowledge, called)["detail"]
    _change(content, "input: familyHistory", "withheld: clause", "withheld: silent")
    assert "amily history" not in _card(load(content=content), called)["detail"]


def test_harmless_warnings_of_other_vendors_can_be_heard(knowledge: Knowledge) -> None:
    """A client's profile says whose warnings are noise; without one those of all vendors are."""
    everybody = knowledge.once(signals_of)
    outcome = SAID["Epic 4119"].of("Condition")["entry"][0]["resource"]

    assert everybody.of_outcome(outcome, alone=False) is None
    assert everybody.of_vendors({"epic"}).of_outcome(outcome, alone=False) is None
    told = everybody.of_vendors({"oracle"}).of_outcome(outcome, alone=False)
    assert told is not None
    assert told.state == "partial"
