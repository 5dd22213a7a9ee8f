"""Takes out of an answer the cards that its user is not to see, and keeps what was decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from cds_service.cards import trace
from cds_service.cards.issued import call_of, issued_cards
from cds_service.cards.repeats import NO_MARKS, Marks, Repeats, with_marks
from cds_service.cdshooks.feedback import FeedbackItem
from cds_service.cdshooks.models import CDSRequest, Json, encode
from cds_service.clinical.assessment import Assessment, Tier
from cds_service.errors import Unavailable
from cds_service.knowledge import genetic_cards
from cds_service.knowledge.model import Knowledge
from cds_service.ops import calls, log
from cds_service.ops.settings import Settings
from cds_service.store.records import CallCount, Origin
from cds_service.store.writer import Store
from cds_service.trust.clients import Client
from cds_service.trust.rollout import Exposure, Mode
from cds_service.trust.tokens import Caller

SILENCE: Final = encode({"cards": []})
"""What an order gets that is no business of ours. Every answer without a card that is withheld, or
in shadow, is this to the byte: nobody learns from it whether there was one."""

_DECIDING: Final = frozenset(
    {"genetic", "suspected", "family", "factor", "undecided", "unconfirmed"}
)


class Teller:
    """Tells clients what they are to see. `clock` is in UTC."""

    def __init__(
        self,
        store: Store,
        knowledge: Knowledge,
        clock: Callable[[], datetime],
        settings: Settings | None = None,
    ) -> None:
        self._store, self._knowledge, self._clock = store, knowledge, clock
        self._repeats = Repeats(store, knowledge, clock, settings) if settings else None

    def switched_off(self, origin: Origin) -> bytes:
        """The answer where nothing is decided: counted, and silence."""
        calls.current().mode = "off"
        if self._store.is_kept:
            key, _ = call_of({"cards": []}, origin, self._clock(), self._knowledge.version, "off")
            self._store.record_issued((), key, CallCount(calls=1))
        return SILENCE

    def passed_over(self, exposure: Exposure, origin: Origin) -> bytes:
        """The answer where every order is known to be harmless: kept and counted as any other."""
        call = calls.current()
        call.knowledge, call.tier = self._knowledge.version, str(Tier.NONE)
        return self.tell({"cards": []}, exposure, origin)

    async def settle(
        self, answer: Json, assessment: Assessment, caller: Caller, request: CDSRequest
    ) -> tuple[Json, Marks]:
        """See `Repeats.settle`; the answer as it is where nothing is kept, and in examinations."""
        if calls.current().examined:
            return answer, NO_MARKS
        if self._repeats is None or caller.client is None or caller.client.repeat_days is None:
            return answer, NO_MARKS
        tenant = (caller.claims or {}).get("tenant")
        return await self._repeats.settle(answer, assessment, caller.client, tenant, request)

    async def heed(self, items: Sequence[FeedbackItem], client: Client | None) -> None:
        """See `Repeats.heed`; what cannot be kept is told in the log."""
        if self._repeats is None or client is None or client.repeat_days is None:
            return
        try:
            await self._repeats.heed(items, client)
        except Unavailable:
            log.warn("an answer was not kept: its warning comes again", client=client.id)

    def tell(
        self, answer: Json, exposure: Exposure, origin: Origin, marks: Marks = NO_MARKS
    ) -> bytes:
        """The answer as its user is to get it. All that was decided is kept, each card with its
        mode, whether it is shown or not; `marks` of those that are shown."""
        arm = exposure.arm
        call = calls.current()
        call.mode = counted_as = calls.EXAMINATION if call.examined else arm
        modes = [self._mode(card, exposure) for card in answer["cards"]] if exposure.rollout else []
        if any(mode != "live" for mode in modes):
            logged = list(zip(call.cards, modes, strict=True))
            call.cards = tuple(card for card, mode in logged if mode == "live")
            call.withheld = tuple(card for card, mode in logged if mode == "shadow")
        if self._store.is_kept:
            at, version = self._clock(), self._knowledge.version
            each = _examined(answer, modes) if call.examined else modes
            kept = issued_cards(answer, origin, at, each, counted_as)
            if marks:
                kept = with_marks(kept, marks)
            counted = modes.count("live") if arm == "live" else len(kept)
            has_cards = bool(counted) if modes else None
            key, count = call_of(answer, origin, at, version, counted_as, has_cards)
            count = replace(count, unread={}) if call.examined else count
            self._store.record_issued(kept, key, count)
        if arm == "live" and modes.count("live") == len(modes):
            return encode(answer)
        return _shown(answer, modes)

    def _mode(self, card: Json, exposure: Exposure) -> Mode:
        told = card["extension"][trace.NAME]
        id_, findings = told["card"], told.get("findings", ())
        text = self._knowledge.cards[id_]
        is_genetic = genetic_cards.is_about(text, (finding["role"] for finding in findings))
        against = [conflict["rule"] for conflict in told.get("conflicts", ())]
        rests_on = against or [f["rule"] for f in findings if f["role"] in _DECIDING]
        return exposure.of_card(id_, rests_on, is_genetic=is_genetic)


def _examined(answer: Json, modes: list[Mode]) -> list[str]:
    """The modes of cards that went to a conformance tool and not to a clinician."""
    each = modes or ["live"] * len(answer["cards"])
    return [calls.EXAMINATION if mode == "live" else mode for mode in each]


def _shown(answer: Json, modes: list[Mode]) -> bytes:
    """The cards that are live, alone: what the answer says beside its cards is about all orders."""
    cards = [card for card, mode in zip(answer["cards"], modes, strict=True) if mode == "live"]
    return encode({"cards": cards}) if cards else SILENCE
