"""Compares an answer with what a clinical case expects, and runs cases without HTTP."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

from cds_service.errors import RequestError
from cds_service.knowledge.loader import Knowledge
from tests.support import offline
from tests.support.builders import request
from tests.support.casebook import Case
from tests.support.observed import TRACE, SeenAnswer, SeenCard, read_answer
from tests.support.shorthand import TODAY


def run(case: Case, knowledge: Knowledge, today: date = TODAY) -> tuple[int, dict[str, Any]]:
    """The answer to a case as (status, body), by the same line as over HTTP."""
    call = json.dumps(request(case.description)).encode()
    try:
        decoded: dict[str, Any] = json.loads(offline.answer(call, knowledge, today))
    except RequestError as error:
        return error.status, {"place": error.place, "message": error.message}
    return 200, decoded


def differences(case: Case, status: int, body: dict[str, Any]) -> list[str]:
    """What the answer says otherwise than the case expects, one sentence each."""
    if case.status is not None:
        said = json.dumps(body)
        wrong = [] if status == case.status["status"] else [f"status {status}"]
        return wrong + [f"does not say {w!r}" for w in case.status.get("says", []) if w not in said]
    if status != 200:
        return [f"status {status}: {body}"]
    seen = read_answer(body)
    if case.silence is not None:
        return _silence(case.silence, seen)
    return house_rules(body) + _cards(case.cards or (), seen)


def _silence(expected: dict[str, Any], seen: SeenAnswer) -> list[str]:
    if seen.cards:
        return [f"expected silence, got {[(c.indicator, c.card) for c in seen.cards]}"]
    rows = [item["row"] for item in seen.silent]
    wrong = []
    if expected["row"] == "none" and rows:
        wrong.append(f"expected no decision at all, got rows {rows}")
    elif expected["row"] != "none" and expected["row"] not in rows:
        wrong.append(f"expected silence by row {expected['row']}, got rows {rows}")
    return wrong + _missing_words(expected.get("trace", []), json.dumps(seen.trace), "trace")


SAME = (
    "indicator", "row", "tier", "suggestions", "recommended", "days", "protected", "replaces",
)  # fmt: skip
FORBIDDEN = re.compile(r"\b(AI|score|safe|safely)\b")  # design: words the service never says


def house_rules(body: dict[str, Any]) -> list[str]:
    """What decisions 4 and 5 ask of every card, whatever the case."""
    wrong = []
    for card in body.get("cards", []):
        reasons = card.get("overrideReasons", [])
        trace = card["extension"][TRACE]
        if trace.get("findings") and not 4 <= len(reasons) <= 6:
            wrong.append(f"{len(reasons)} override reasons, 4 to 6 are wanted")
        if card["indicator"] == "critical" and "life" not in json.dumps(reasons).lower():
            wrong.append("no override reason for saving life or limb")
        if any(item.get("isRecommended") for item in card.get("suggestions", [])):
            wrong.append("an option is pre-selected")
        if said := FORBIDDEN.search(card["summary"] + card.get("detail", "")):
            wrong.append(f"says {said.group(0)!r}")
        if "Limits" not in card.get("detail", ""):
            wrong.append("says nothing of its limits")
    return wrong


def _cards(expected: tuple[dict[str, Any], ...], seen: SeenAnswer) -> list[str]:
    got = [(card.indicator, card.row, card.card) for card in seen.cards]
    if len(got) != len(expected):
        silent = [(item["row"], item.get("because")) for item in seen.silent]
        return [f"expected {len(expected)} card(s), got {got}, silent {silent}"]
    wrong: list[str] = []
    for wanted in expected:
        match = [card for card in seen.cards if card.card == wanted.get("card", card.card)]
        if not match:
            wrong.append(f"no card {wanted['card']}, got {got}")
        else:
            wrong += _card(wanted, match[0], seen)
    return wrong


def _card(wanted: dict[str, Any], card: SeenCard, seen: SeenAnswer) -> list[str]:
    wrong = [
        f"{name}: expected {wanted[name]!r}, got {getattr(card, name)!r}"
        for name in SAME
        if name in wanted and getattr(card, name) != wanted[name]
    ]
    if "offers" in wanted and card.offers != set(wanted["offers"]):
        wrong.append(f"offers: expected {wanted['offers']}, got {sorted(card.offers)}")
    if card.drafted != card.offers:
        wrong.append(f"drafts {sorted(card.drafted)}, but offers {sorted(card.offers)}")
    trace = json.dumps([card.trace, seen.trace])
    wrong += _missing_words(wanted.get("says", []), card.words, "card")
    wrong += _missing_words(wanted.get("trace", []), trace, "trace")
    wrong += _missing_words(wanted.get("referral", []), card.referral, "referral")
    wrong += [
        f"says {words!r}" for words in wanted.get("never_says", []) if _said(words, card.words)
    ]
    return wrong + _options(wanted, card)


def _options(wanted: dict[str, Any], card: SeenCard) -> list[str]:
    wrong = [
        f"{option.regimen} is offered and ruled out at once"
        for option in card.options.values()
        if option.offer and option.regimen in option.dropped
    ]
    for name, words in wanted.get("excludes", {}).items():
        if not _excluded(name, card):
            wrong.append(f"{name} is not excluded")
        wrong += _missing_words(words, card.words, f"reason against {name}")
    for name, words in wanted.get("conditions", {}).items():
        standing = card.options[name].standing if name in card.options else "absent"
        expected = "offered" if words == "none" else "conditional"
        if standing != expected:
            rules = card.options[name].rules if name in card.options else ()
            wrong.append(f"{name}: expected {expected}, got {standing} by {rules}")
        if words != "none":
            wrong += _missing_words(words, card.words, f"condition of {name}")
    for name, words in wanted.get("decision", {}).items():
        if name not in card.options or not card.options[name].decision:
            wrong.append(f"{name} is not left to the clinician")
        wrong += _missing_words(words, card.words, f"reason to decide about {name}")
    for name in wanted.get("not_unconditional", []):
        if name not in card.options or card.options[name].standing == "offered":
            wrong.append(f"{name} is offered without a condition")
    return wrong


def _excluded(name: str, card: SeenCard) -> bool:
    """An option that is excluded, or a regimen that was passed over."""
    if name in card.options:
        return card.options[name].standing == "excluded"
    return any(name in option.dropped for option in card.options.values())


def _missing_words(words: list[str], text: str, where: str) -> list[str]:
    return [f"{where} does not say {word!r}" for word in words if not _said(word, text)]


def _said(word: str, text: str) -> bool:
    """Whether the text has the word, whatever its case, and whatever Markdown stands between."""
    plain = re.sub(r"\\([^\w\s])", r"\1", text).casefold()
    return word.casefold() in plain
