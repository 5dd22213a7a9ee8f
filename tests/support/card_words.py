"""Every card of the clinical cases and of generated charts, with the words of its detail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cds_service.cards import trace
from cds_service.errors import RequestError
from cds_service.knowledge.loader import Knowledge
from cds_service.tools.synthetic.generate import Wish, generate
from tests.support import offline
from tests.support.case_check import run
from tests.support.casebook import load_all
from tests.support.shorthand import TODAY

GENERATED = 150


@dataclass(frozen=True, slots=True)
class SeenDetail:
    """One card as it was sent; `case` says where it comes from."""

    case: str
    card: dict[str, Any]

    @property
    def words(self) -> int:
        """Words of the detail, split at white space."""
        return len(self.card["detail"].split())

    @property
    def kind(self) -> str:
        """The id of its text."""
        return str(self.card["extension"][trace.NAME]["card"])

    @property
    def options(self) -> dict[str, str]:
        """How each option stands."""
        said = self.card["extension"][trace.NAME].get("options", ())
        return {one["option"]: one["standing"] for one in said}

    @property
    def checks(self) -> bool:
        """Whether it asks to check something first."""
        return "**Check:**" in self.card["detail"]


def all_details(knowledge: Knowledge) -> tuple[SeenDetail, ...]:
    """The cards of all clinical cases, then of the generated charts, one by one."""
    return tuple(_details(knowledge))


def _details(knowledge: Knowledge) -> Iterator[SeenDetail]:
    for case in load_all():
        status, body = run(case, knowledge)
        for card in body.get("cards", []) if status == 200 else ():
            yield SeenDetail(case.id, card)
    for patient in generate(Wish(today=TODAY, count=GENERATED, size=(5, 60))):
        for card in _cards(patient.call, knowledge):
            yield SeenDetail(f"generated {patient.id}", card)


def _cards(call: dict[str, Any], knowledge: Knowledge) -> list[dict[str, Any]]:
    """The cards of an answer; none where a call without the problem list is refused."""
    try:
        body = json.loads(offline.answer(json.dumps(call).encode(), knowledge, TODAY))
    except RequestError:
        return []
    cards: list[dict[str, Any]] = body["cards"]
    return cards
