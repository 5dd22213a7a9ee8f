"""Tries clinical content on the synthetic patients: each is answered, genetic HO with its card."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import date
from typing import Final

from cds_service import hooks
from cds_service.errors import RequestError
from cds_service.knowledge.loader import Knowledge
from cds_service.tools.synthetic.generate import Patient, Wish, generate
from cds_service.tools.synthetic.truth import Expected
from cds_service.trust.tokens import ANONYMOUS

PATIENTS: Final = 150
"""All rules lead a patient at least once."""

_GENETIC: Final = ("fop-", "poh-", "gnas-", "genetic-")


@dataclass(frozen=True, slots=True)
class Trial:
    """How many patients were asked about, which of them were answered as no content may, and how
    many differently from what the base says (a site may want that)."""

    patients: int
    failed: tuple[str, ...]
    different: int


def try_content(knowledge: Knowledge, today: date) -> Trial:
    """Answer the patients with this content, as of a day."""
    runtime = hooks.offline(knowledge, today)
    failed, different = [], 0
    for patient in generate(Wish(today=today, count=PATIENTS)):
        wanted = {(card.row, card.card) for card in patient.truth.cards}
        got = _answer(patient, runtime)
        if isinstance(got, str):
            failed.append(f"{_named(patient)}: {got}")
            continue
        different += got != wanted
        missed = [card for card in patient.truth.cards if _is_genetic(card)]
        failed += [
            f"{_named(patient)}: the card {card.card} (row {card.row}) does not come"
            for card in missed
            if (card.row, card.card) not in got
        ]
    return Trial(PATIENTS, tuple(failed), different)


def _answer(patient: Patient, runtime: hooks.Runtime) -> set[tuple[str, str | None]] | str:
    """Row and card of what is answered, or why there is no answer where one was due."""
    call = json.dumps(patient.call).encode()
    try:
        consultation = asyncio.run(hooks.consult(None, call, ANONYMOUS, runtime))
    except RequestError as error:
        return set() if error.status == patient.truth.status else str(error)
    said = consultation.assessment.guidances
    return {(one.row, one.card) for one in said if one.card is not None}


def _is_genetic(card: Expected) -> bool:
    return card.card is not None and card.card.startswith(_GENETIC)


def _named(patient: Patient) -> str:
    pieces = [patient.story.trigger.id, *(piece.id for piece in patient.story.pieces)]
    return f"{patient.id} ({', '.join(pieces)})"
