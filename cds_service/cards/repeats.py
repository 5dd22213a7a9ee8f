"""Keeps a warning from nagging: one that was overridden with a reason comes back as an info card.

Whom and what a warning is about is kept as a keyed hash (HMAC-SHA-256, RFC 2104) of client,
patient, orders and findings. A call waits a moment for the look-up; else the warning is shown.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

import msgspec

from cds_service.cards import detail, genetic, trace
from cds_service.cards.override_reasons import offered
from cds_service.cards.summary import brief
from cds_service.cdshooks.models import CDSRequest, Json, markdown
from cds_service.cdshooks.models import summary as checked_summary
from cds_service.clinical.assessment import Assessment, Guidance, OptionVerdict, Reason
from cds_service.clinical.chart import DraftOrder, Provenance
from cds_service.errors import Unavailable
from cds_service.knowledge.model import Knowledge
from cds_service.ops import calls, metrics
from cds_service.ops.repeat_key import RepeatKey
from cds_service.ops.settings import Settings
from cds_service.store.records import EarlierAnswer, IssuedCard, RepeatMark
from cds_service.store.writer import Store
from cds_service.trust import access
from cds_service.trust.clients import Client

Marks = Mapping[str, RepeatMark]
"""By the uuid of a card."""

NO_MARKS: Final[Marks] = MappingProxyType({})
_TOPICS: Final = frozenset({"ho-prophylaxis", "prophylaxis-conflict"})
_NEVER: Final = genetic.ROLES | {"family"}
_REASON_LIMIT = 60  # characters of a reason in a summary
_PURPOSE = "repeat 1"


@dataclass(frozen=True, slots=True)
class _Warning:
    """A warning that may have been answered: its place among the cards, and its mark."""

    place: int
    guidance: Guidance
    mark: str


class Repeats:
    """Looks for earlier answers to the warnings of a call. `clock` is in UTC."""

    def __init__(
        self, store: Store, knowledge: Knowledge, clock: Callable[[], datetime], settings: Settings
    ) -> None:
        self._store, self._knowledge, self._clock = store, knowledge, clock
        self._settings = settings
        self._key = RepeatKey(settings.repeat_key_file)

    async def settle(
        self,
        answer: Json,
        assessment: Assessment,
        client: Client,
        tenant: str | None,
        request: CDSRequest,
    ) -> tuple[Json, Marks]:
        """The answer with an info card for each warning that was answered before, and the marks of
        those that were not. Never fails, and waits no longer than CDS_REPEAT_WAIT_MS."""
        if client.repeat_days is None or not answer["cards"]:
            return answer, NO_MARKS
        key = self._key.current if self._store.is_kept else None
        if key is None or self._is_genetic(assessment):
            return answer, NO_MARKS
        patient = (tenant, request.fhir_server, request.context.patient_id)
        subject = [_PURPOSE, client.id, *patient, assessment.knowledge_version, _all(assessment)]
        found = [
            _Warning(place, guidance, _mark(key, subject, guidance))
            for place, guidance in enumerate(assessment.spoken)
            if self._may_repeat(guidance)
        ]
        return await self._settled(answer, found, client) if found else (answer, NO_MARKS)

    def _is_genetic(self, assessment: Assessment) -> bool:
        """Whether anything of the call is about genetic HO: then all is told as it is."""
        cards = self._knowledge.cards
        found = (*assessment.findings, *(f for g in assessment.guidances for f in g.findings))
        return any(finding.role in _NEVER for finding in found) or any(
            genetic.is_about(cards[guidance.card or ""], ()) for guidance in assessment.spoken
        )

    def _may_repeat(self, guidance: Guidance) -> bool:
        text = self._knowledge.cards[guidance.card or ""]
        return guidance.indicator == "warning" and text.topic in _TOPICS

    async def _settled(
        self, answer: Json, found: list[_Warning], client: Client
    ) -> tuple[Json, Marks]:
        days = timedelta(days=client.repeat_days or 0)
        today = access.today_of(client, self._settings, self._clock())
        answers = await self._answers(client, [one.mark for one in found], today - days)
        cards, marks = list(answer["cards"]), {}
        for one in found:
            earlier = answers.get(one.mark)
            if earlier is None:
                marks[cards[one.place]["uuid"]] = RepeatMark(one.mark, today + days, today)
            else:
                cards[one.place] = self._answered(cards[one.place], one, earlier, client, today)
        return answer | {"cards": cards}, marks

    async def _answers(
        self, client: Client, marks: list[str], after: date
    ) -> dict[str, EarlierAnswer]:
        """By mark, where the last that was reported is an override with a reason of ours. What is
        not known in time is not answered."""
        try:
            with calls.stage("repeats"):
                found = await self._store.earlier_answers(
                    client.id, marks, after, self._settings.repeat_wait_ms / 1000
                )
        except (TimeoutError, Unavailable) as error:
            why = "failed" if isinstance(error, Unavailable) else "late"
            metrics.repeats.labels(client.id, why).inc(len(marks))
            return {}
        last = {one.mark: one for one in found}
        known = self._knowledge.once(_displays)
        told = {m: one for m, one in last.items() if one.overridden and one.reason in known}
        metrics.repeats.labels(client.id, "answered").inc(len(told))
        metrics.repeats.labels(client.id, "new").inc(len(marks) - len(told))
        return told

    def _answered(
        self, card: Json, one: _Warning, earlier: EarlierAnswer, client: Client, today: date
    ) -> Json:
        """What stands in place of the warning: no advice, and so nothing to draft."""
        guidance, knowledge = one.guidance, self._knowledge
        text = knowledge.cards[guidance.card or ""]
        reason = knowledge.once(_displays)[earlier.reason].rstrip(".")
        said = access.today_of(client, self._settings, earlier.at)
        on = min(max(said, earlier.issued_on), today)
        until = earlier.issued_on + timedelta(days=client.repeat_days or 0)
        extension = card["extension"]
        told = extension[trace.NAME] | {
            "answered": {"on": str(on), "reason": earlier.reason[1], "until": str(until)}
        }
        _tell_log(one.place)
        kept = {k: v for k, v in card.items() if k not in ("suggestions", "selectionBehavior")}
        lead = f"Answered on {on}: {reason[:_REASON_LIMIT]}."
        return kept | {
            "summary": checked_summary(brief(guidance, text, lead)),
            "detail": markdown(detail.answered(guidance, knowledge, on, reason, until)),
            "indicator": "info",
            "extension": extension | {trace.NAME: told},
        }


def with_marks(cards: Iterable[IssuedCard], marks: Marks) -> tuple[IssuedCard, ...]:
    """The cards with their marks: only what a user has seen can be answered."""
    return tuple(
        replace(card, mark=marks.get(card.card)) if card.mode == "live" else card for card in cards
    )


def _displays(knowledge: Knowledge) -> dict[tuple[str | None, str | None], str]:
    """The words of each reason that a card may offer."""
    return {(one.system, one.code): one.display for one in offered(knowledge)}


def _tell_log(place: int) -> None:
    call = calls.current()
    shown = list(call.cards)
    shown[place] = replace(shown[place], indicator="info")
    call.cards = tuple(shown)


# --- the mark ---


def _mark(key: bytes, subject: list[Any], guidance: Guidance) -> str:
    """64 hex digits, equal for the same orders and findings of one patient of one client."""
    message = msgspec.json.encode([*subject, *_what(guidance)])
    return hmac.digest(key, message, "sha256").hex()


def _all(assessment: Assessment) -> list[Any]:
    """Every order that was looked at, with what came of it: a card may stand for an order that is
    not its own, and that has no card then."""
    return _sorted((g.row, g.card, _sorted(map(_order, g.orders))) for g in assessment.guidances)


def _what(guidance: Guidance) -> list[Any]:
    """All on which a warning rests, in ids of the knowledge and codes: no id of a resource, which
    changes with each draft, no date and no value, of which the rules have judged."""
    return [
        guidance.card,
        guidance.row,
        guidance.tier,
        dict(guidance.params).get("ordered"),
        _sorted(map(_order, guidance.orders)),
        _sorted((f.rule, f.role, f.tier, _codes(f.sources)) for f in guidance.findings),
        _sorted(map(_option, guidance.options)),
        _reasons(guidance.conflicts),
        _sorted((one.input, one.state, one.check) for one in guidance.not_assessed),
        _sorted(_order(order) for order in guidance.kept),
    ]


def _order(order: DraftOrder) -> Any:
    codes = _sorted((one.system, one.code) for each in order.said.elements for one in each)
    named = codes or order.label.casefold()
    return order.resource_type, named, sorted(order.kinds), order.side, sorted(order.sites)


def _option(verdict: OptionVerdict) -> Any:
    dropped = _sorted((regimen, _reasons(why)) for regimen, why in verdict.dropped)
    return (
        verdict.option,
        verdict.standing,
        verdict.regimen,
        verdict.alternatives,
        _reasons((*verdict.reasons, *verdict.for_referral)),
        dropped,
    )


def _reasons(reasons: Iterable[Reason]) -> list[Any]:
    return _sorted((r.rule, r.effect, r.unknown, _codes(r.sources)) for r in reasons)


def _codes(sources: Iterable[Provenance]) -> list[Any]:
    """The codes of facts, in whatever order and however often they are recorded."""
    return _sorted(
        (one.coding.system, one.coding.code) if one.coding else (None, one.label.casefold())
        for one in sources
    )


def _sorted(items: Iterable[Any]) -> list[Any]:
    """Each once, in one order."""
    return [msgspec.Raw(one) for one in sorted({msgspec.json.encode(item) for item in items})]
