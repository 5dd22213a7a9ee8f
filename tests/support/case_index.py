"""What the pages show of the clinical cases: for each rule and card the cases, and its sentence."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cds_service import hooks
from cds_service.clinical.assessment import Guidance
from cds_service.errors import RequestError
from cds_service.knowledge.loader import Knowledge
from cds_service.trust.tokens import ANONYMOUS
from tests.support.builders import request
from tests.support.casebook import Case
from tests.support.constants import ROOT
from tests.support.shorthand import TODAY

FILE = ROOT / "cds_service" / "server" / "pages" / "content" / "cases.json"
SHOWN = 12
_LINE = re.compile(r"\*\*(?P<title>[^*]+):\*\* (?P<text>.*)", re.S)
_LINKED = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_VERSION = re.compile(r" ?Knowledge \S+$")
_FOUND = ("factor", "modifier", "genetic", "suspected", "family", "mention", "undecided")


def plain(markdown: str) -> str:
    """The words of a card's Markdown as people see them."""
    text = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown.replace("`", ""))
    return html.unescape(text)


def lines_of(detail: str) -> list[list[str]]:
    """The lines of a card as [title, words], without the version of the knowledge."""
    found = (_LINE.fullmatch(_LINKED.sub(r"\1", part)) for part in detail.split("\n\n"))
    return [[one["title"], _VERSION.sub("", plain(one["text"]))] for one in found if one]


def shown(case: Case, knowledge: Knowledge) -> Iterator[tuple[Guidance, dict[str, Any]]]:
    """Each guidance that became a card, with the card; nothing where the call is refused."""
    call = json.dumps(request(case.description)).encode()
    runtime = hooks.offline(knowledge, TODAY)
    try:
        told = asyncio.run(hooks.consult(None, call, ANONYMOUS, runtime))
    except RequestError:
        return
    yield from zip(told.assessment.spoken, told.answer["cards"], strict=True)


def sentences(guidance: Guidance, card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """For each rule that speaks on a card its sentence: that of the reason, or the line found."""
    for verdict in guidance.options:
        for reason in (*verdict.reasons, *(r for _, why in verdict.dropped for r in why)):
            yield reason.rule, reason.text
    for reason in guidance.conflicts:
        yield reason.rule, reason.text
    lines = {title: f"{title}: {text}" for title, text in lines_of(card["detail"])}
    for finding in guidance.findings:
        if finding.role in _FOUND and "Found" in lines:
            yield finding.rule, lines["Found"]
    for verdict in guidance.options:
        if verdict.drafted and "Advised" in lines:
            yield verdict.option, lines["Advised"]
            yield from ((regimen, lines["Advised"]) for regimen in (verdict.regimen,) if regimen)
    for missing in guidance.not_assessed:
        yield missing.check, missing.text


def build(
    cases: Iterable[Case], failing: Mapping[str, list[str]], expected: Mapping[str, str],
    knowledge: Knowledge,
) -> dict[str, Any]:  # fmt: skip
    """The whole index. `failing`: the cases that fail without a rule; `expected`: in words."""
    cards: dict[str, tuple[int, dict[str, Any]]] = {}
    said: dict[str, tuple[int, list[str]]] = {}
    by_id = {case.id: case for case in cases}
    for case in by_id.values():
        for guidance, card in shown(case, knowledge):
            size = len(guidance.findings) + sum(len(one.reasons) for one in guidance.options)
            example = {"case": case.id, "summary": card["summary"]}
            example["lines"] = lines_of(card["detail"])
            _keep(cards, guidance.card or "", size, example)
            for rule, text in sentences(guidance, card):
                _keep(said, rule, size, [case.id, text])
    rules = {
        rule: {"cases": found[:SHOWN], "more": max(len(found) - SHOWN, 0)}
        for rule, found in failing.items()
    }
    named = {one for found in failing.values() for one in found[:SHOWN]}
    named |= {one["case"] for _, one in cards.values()} | {one[0] for _, one in said.values()}
    return {
        "cases": {
            id_: [case.theme, case.title, expected[id_]]
            for id_, case in by_id.items()
            if id_ in named
        },
        "rules": rules,
        "sentences": {rule: text for rule, (_, text) in sorted(said.items()) if rule},
        "cards": {card: example for card, (_, example) in sorted(cards.items())},
    }


def _keep(kept: dict[str, tuple[int, Any]], key: str, size: int, value: Any) -> None:
    """The example with the fewest findings, of equals the first."""
    if key not in kept or size < kept[key][0]:
        kept[key] = size, value


def write(index: Mapping[str, Any], file: Path = FILE) -> None:
    """Write the file that the pages read; one line for each entry, so that changes can be read."""
    parts = []
    for name, entries in index.items():
        lines = ",\n".join(
            f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
            for key, value in entries.items()
        )
        parts.append(f" {json.dumps(name)}: {{\n{lines}\n }}")
    file.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
