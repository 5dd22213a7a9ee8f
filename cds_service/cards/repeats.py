"""Keeps a warning from nagging: one that was overridden with a reason comes back as an info card.

A call waits a moment for the look-up of earlier answers; else the warning is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Final

from cds_service.cards import detail, repeat_marks, trace
from cds_service.cards.override_reasons import offered
from cds_service.cards.summary import brief
from cds_service.cdshooks.feedback import NOT_OURS, FeedbackItem
from cds_service.cdshooks.models import CDSRequest, Json, markdown
from cds_service.cdshooks.models import summary as checked_summary
from cds_service.clinical.assessment import Assessment, Guidance
from cds_service.errors import Unavailable
from cds_service.knowledge import genetic_cards
from cds_service.knowledge.model import Knowledge
from cds_service.ops import calls, metrics
from cds_service.ops.repeat_key import RepeatKey
from cds_service.ops.settings import Settings
from cds_service.store.records import EarlierAnswer, IssuedCard, SealedMark
from cds_service.store.writer import Store
from cds_service.trust import access
from cds_service.trust.clients import Client

Marks = Mapping[str, SealedMark]
"""By the uuid of a card."""

NO_MARKS: Final[Marks] = MappingProxyType({})
_TOPICS: Final = frozenset({"ho-prophylaxis", "prophylaxis-conflict"})
_NEVER: Final = genetic_cards.ROLES | {"family"}
_AGAIN_SECONDS = 2.0  # a worker writes issued cards some times a second
_MOST_AGAIN = 100
_REASON_LIMIT = 60  # characters of a reason in a summary


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
        self._again: set[asyncio.Task[None]] = set()

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
        whom = (client.id, tenant, request.fhir_server, request.context.patient_id)
        found = [
            _Warning(place, guidance, repeat_marks.mark(key, whom, assessment, guidance))
            for place, guidance in enumerate(assessment.spoken)
            if self._may_repeat(guidance)
        ]
        if not found:
            return answer, NO_MARKS
        days = timedelta(days=client.repeat_days)
        today = access.today_of(client, self._settings, self._clock())
        answers = await self._answers(client, [one.mark for one in found], today - days)
        cards, marks = list(answer["cards"]), {}
        for one in found:
            card, earlier = cards[one.place], answers.get(one.mark)
            if earlier is not None:
                cards[one.place] = self._answered(card, one, earlier, days)
            else:
                sealed = repeat_marks.seal(key, card["uuid"], one.mark)
                marks[card["uuid"]] = SealedMark(sealed, today + days, today)
        return answer | {"cards": cards}, marks

    def _is_genetic(self, assessment: Assessment) -> bool:
        """Whether anything of the call is about genetic HO: then all is told as it is."""
        cards = self._knowledge.cards
        found = (*assessment.findings, *(f for g in assessment.guidances for f in g.findings))
        return any(finding.role in _NEVER for finding in found) or any(
            genetic_cards.is_about(cards[guidance.card or ""], ()) for guidance in assessment.spoken
        )

    def _may_repeat(self, guidance: Guidance) -> bool:
        text = self._knowledge.cards[guidance.card or ""]
        return guidance.indicator == "warning" and text.topic in _TOPICS

    async def _answers(
        self, client: Client, marks: list[str], after: date
    ) -> dict[str, EarlierAnswer]:
        """By mark, where the last that was reported is an override with a reason that is known.
        What is not there in time is not answered."""
        try:
            with calls.stage("repeats"):
                found = await self._store.earlier_answers(
                    marks, after, self._settings.repeat_wait_ms / 1000
                )
        except (TimeoutError, Unavailable) as error:
            why = "failed" if isinstance(error, Unavailable) else "late"
            metrics.repeats.labels(client.id, why).inc(len(marks))
            return {}
        known = self._knowledge.once(_displays)
        told = {one.mark: one for one in found if one.reason in known}
        metrics.repeats.labels(client.id, "answered").inc(len(told))
        metrics.repeats.labels(client.id, "new").inc(len(marks) - len(told))
        return told

    def _answered(self, card: Json, one: _Warning, earlier: EarlierAnswer, days: timedelta) -> Json:
        """What stands in place of the warning: no advice, and so nothing to draft."""
        guidance, knowledge = one.guidance, self._knowledge
        text = knowledge.cards[guidance.card or ""]
        reason = knowledge.once(_displays)[earlier.reason].rstrip(".")
        on, until = earlier.answered_on, min(earlier.until, earlier.issued_on + days)
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

    # --- feedback ---

    async def heed(
        self, items: Sequence[FeedbackItem], client: Client, *, again: bool = False
    ) -> None:
        """Keep what was answered to warnings that have a mark. Raises Unavailable when it could not
        be kept; then the warning comes again."""
        key = self._key.current if client.repeat_days is not None else None
        in_time = sorted(items, key=lambda item: item.outcome_at)
        decided = {item.card: item for item in in_time if _decides(item)}
        if key is None or not decided:
            return
        found = await self._store.sealed_marks(client.id, list(decided))
        answers = [
            self._earlier(decided[card], mark, sealed, client)
            for card, sealed in found.items()
            if (mark := repeat_marks.unseal(key, card, sealed.sealed)) is not None
        ]
        if answers:
            await self._store.add_answers(answers)
        missing = [item for card, item in decided.items() if card not in found]
        if missing and not again and len(self._again) < _MOST_AGAIN:
            task = asyncio.create_task(self._heed_again(missing, client))
            self._again.add(task)
            task.add_done_callback(self._again.discard)

    async def _heed_again(self, items: Sequence[FeedbackItem], client: Client) -> None:
        """Look once more for cards that another worker may be about to write."""
        await asyncio.sleep(_AGAIN_SECONDS)
        with suppress(Unavailable):  # then the warning comes again
            await self.heed(items, client, again=True)

    def _earlier(
        self, item: FeedbackItem, mark: str, sealed: SealedMark, client: Client
    ) -> EarlierAnswer:
        """The answer, on a day not before the card's and not to come, whatever a clock says."""
        today = access.today_of(client, self._settings, item.received_at)
        said = access.today_of(client, self._settings, item.outcome_at)
        on = min(max(said, sealed.issued_on), max(today, sealed.issued_on))
        reason = (item.reason_system, item.reason_code) if item.outcome == "overridden" else None
        return EarlierAnswer(mark, sealed.until, sealed.issued_on, on, reason or (None, None))


def with_marks(cards: Iterable[IssuedCard], marks: Marks) -> tuple[IssuedCard, ...]:
    """The cards with their marks: only what a user has seen can be answered."""
    return tuple(
        replace(card, mark=marks.get(card.card)) if card.mode == "live" else card for card in cards
    )


def _decides(item: FeedbackItem) -> bool:
    """Whether it answers a warning, or takes an earlier answer back."""
    if item.outcome == "overridden":
        return item.reason_code not in (None, NOT_OURS)
    return item.outcome == "accepted"


def _displays(knowledge: Knowledge) -> dict[tuple[str | None, str | None], str]:
    """The words of each reason that a card may offer."""
    return {(one.system, one.code): one.display for one in offered(knowledge)}


def _tell_log(place: int) -> None:
    call = calls.current()
    shown = list(call.cards)
    shown[place] = replace(shown[place], indicator="info")
    call.cards = tuple(shown)
