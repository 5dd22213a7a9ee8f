"""Layer three: what the service would answer to a call or a record, and why it would be silent."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime

from cds_service import hooks
from cds_service.cards import trace
from cds_service.cards.override_reasons import offered
from cds_service.cdshooks import feedback
from cds_service.cdshooks.conformance.statements import Path
from cds_service.clinical.assessment import Guidance
from cds_service.clinical.chart import InputState
from cds_service.clinical.not_understood import unread_system
from cds_service.clinical.possible_orders import possible
from cds_service.clinical.triggers import trigger_of
from cds_service.clinical.unknown_inputs import meaning_of
from cds_service.errors import MissingData, RequestError, WrongHook
from cds_service.fhir import record_to_call
from cds_service.fhir.draft_orders import read_orders
from cds_service.hooks import Consultation
from cds_service.knowledge.model import Knowledge
from cds_service.tools.validate.documents import BUNDLE, CALL, FEEDBACK, JsonDocument
from cds_service.tools.validate.findings import CardNote, DocumentFinding, ServiceAnswer
from cds_service.trust.tokens import ANONYMOUS


def answer(
    document: JsonDocument,
    knowledge: Knowledge,
    today: date,
    order: str | None,
    *,
    then: bool = False,
) -> tuple[ServiceAnswer, list[DocumentFinding]]:
    """The cards that would come, or why there would be none. With `then` a record holds what was
    known on `today`."""
    if document.what == FEEDBACK:
        return _feedback(document, knowledge, today)
    if document.what not in {CALL, BUNDLE}:
        return ServiceAnswer(silences=("no call and no record: nothing to decide",)), []
    try:
        data = record_to_call.as_of(document.data, today)[0] if then else document.data
        call = record_to_call.as_call(data, knowledge.index, order)
        runtime = hooks.offline(knowledge, today)
        consultation = asyncio.run(hooks.consult(None, call, ANONYMOUS, runtime))
    except WrongHook:
        return ServiceAnswer(silences=("no service here for this hook",)), []
    except MissingData as error:
        said = f"412: {error.message}"
        mend = "send the prefetch key, or give access to the FHIR server"
        return ServiceAnswer(412, silences=(said,)), [
            DocumentFinding("data-missing", ("prefetch",), said, mend)
        ]
    except RequestError as error:
        return _refused(error, document)
    return _cards_and_silences(consultation), list(_untold(consultation, document))


def _untold(consultation: Consultation, document: JsonDocument) -> Iterator[DocumentFinding]:
    """Inputs that are not known by the word of their source, with what that means here."""
    knowledge = consultation.knowledge
    prefetch = document.value.get("prefetch") if document.what == CALL else None
    keys = {str(key).strip().casefold(): str(key) for key in prefetch or ()}
    for report in consultation.chart.inputs:
        signal = knowledge.signals.get(report.signal or "")
        if signal is None and report.state not in {InputState.PARTIAL, InputState.FAILED}:
            continue
        key = keys.get(report.name.casefold())
        path: Path = ("prefetch", key) if key is not None else ()
        said = f"{signal.id}: {signal.label}. {signal.about}" if signal else str(report.why)
        label = knowledge.states[report.state].label
        effect = knowledge.effects[meaning_of(knowledge, report)]
        kind = "input-none-stated" if report.known else "input-untold"
        yield DocumentFinding(
            kind, path, f"{report.name} is {label} ({said})", f"what follows: {effect.about}"
        )


def _refused(
    error: RequestError, document: JsonDocument
) -> tuple[ServiceAnswer, list[DocumentFinding]]:
    said = f"{error.place}: {error.message}" if error.place else error.message
    if document.what == BUNDLE:
        return ServiceAnswer(silences=(f"no decision about this Bundle: {said}",)), []
    return ServiceAnswer(error.status, silences=(said,)), [
        DocumentFinding("refused", _path(error.place), said)
    ]


def _feedback(
    document: JsonDocument, knowledge: Knowledge, today: date
) -> tuple[ServiceAnswer, list[DocumentFinding]]:
    """What the service would keep of each item of feedback."""
    reasons = {(reason.system, reason.code) for reason in offered(knowledge)}
    now = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    try:
        read = feedback.read(document.data, "validate", "anonymous", now, reasons)
    except RequestError as error:
        return _refused(error, document)
    findings = [
        DocumentFinding("feedback-item", _path(item.place), item.problem) for item in read.refused
    ]
    for note in read.notes:
        place, _, said = note.partition(": ")
        findings.append(DocumentFinding("cds-hooks-unusual", _path(place), said, statement="FB-06"))
    said = f"feedback: {len(read.items)} kept, {len(read.refused)} refused"
    return ServiceAnswer(200, silences=(said,)), findings


def _path(place: str | None) -> Path:
    """`feedback[1].outcome` as a path; nothing for a line and column, and for the body."""
    if place is None or " " in place or place.startswith("body"):
        return ()
    steps = re.findall(r"[^.\[\]]+", place)
    return tuple(int(step) if step.isdecimal() else step for step in steps)


def _cards_and_silences(consultation: Consultation) -> ServiceAnswer:
    cards = []
    for card in consultation.answer["cards"]:
        why = card.get("extension", {}).get(trace.NAME, {})
        name, row, tier = (str(why.get(key, "")) for key in ("card", "row", "tier"))
        cards.append(CardNote(row, name, card["indicator"], tier, card["summary"]))
    silences = [_silence(g) for g in consultation.assessment.guidances if g.card is None]
    if not cards and not silences:
        silences.append(_nothing(consultation))
    return ServiceAnswer(200, tuple(cards), tuple(silences))


def _silence(guidance: Guidance) -> str:
    orders = ", ".join(order.reference or order.resource_type for order in guidance.orders)
    return f"row {guidance.row}: {guidance.silent_because} ({orders})"


def _nothing(consultation: Consultation) -> str:
    request, knowledge, days = (consultation.request, consultation.knowledge, consultation.days)
    if not consultation.service.question.about_orders:
        return "no genetic heterotopic ossification on record"
    raw, patient = request.context.draft_orders, request.context.patient_id
    orders = read_orders(raw, knowledge.index, patient, days).orders
    if not orders:
        return "no draft order (a record may be given one with --order)"
    if not any(trigger_of(order, knowledge) for order in orders):
        uncoded = sum(not order.coded for order in orders)
        without = f", {uncoded} of them without a code" if uncoded else ""
        unread = sum(order.live and unread_system(order, knowledge) is not None for order in orders)
        without += f"; {unread} came in no code that can be read" if unread > uncoded else ""
        may_be = sum(possible(order, knowledge) is not None for order in orders)
        without += f"; {may_be} may be and would be asked about in another chart" if may_be else ""
        return f"none of {len(orders)} draft orders is of a kind that is looked at{without}"
    return "no rule has anything to say about these orders"
