"""What is kept of an answer: for the log, and in the store a row a card and the call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from cds_service.cards import not_understood, trace
from cds_service.cdshooks.models import Json
from cds_service.clinical.assessment import Assessment, Tier
from cds_service.ops import calls
from cds_service.store.records import CallCount, CallKey, IssuedCard, Origin


def issued_cards(
    answer: Json, origin: Origin, at: datetime, modes: Sequence[str] = (), arm: str = "live"
) -> tuple[IssuedCard, ...]:
    """What is kept of the cards of an answer; `modes` has one for each (blank: all are live), and
    none is kept of a card that is off."""
    each = modes or ["live"] * len(answer["cards"])
    pairs = zip(answer["cards"], each, strict=True)
    return tuple(_issued(card, origin, at, mode, arm) for card, mode in pairs if mode != "off")


def _issued(card: Json, origin: Origin, at: datetime, mode: str, arm: str) -> IssuedCard:
    told: Json = card.get("extension", {}).get(trace.NAME, {})
    drawn = told.get("variant", {})
    return IssuedCard(
        card=card["uuid"],
        origin=origin,
        row=str(told.get("row", "")),
        text=str(told.get("card", "")),
        indicator=card["indicator"],
        tier=str(told.get("tier", "")),
        rules=tuple(sorted({str(finding["rule"]) for finding in told.get("findings", ())})),
        suggestions=tuple(suggestion["uuid"] for suggestion in card.get("suggestions", ())),
        knowledge=str(told.get("knowledge", "")),
        issued_at=at,
        mode=mode,
        arm=arm,
        variant=drawn.get("name", ""),
        part=drawn.get("part", 0),
    )


def call_of(
    answer: Json,
    origin: Origin,
    at: datetime,
    knowledge: str,
    arm: str = "live",
    has_cards: bool | None = None,
) -> tuple[CallKey, CallCount]:
    """One call, ready to be added up. `has_cards`: whether it counts as one with cards, where that
    is not as the answer says."""
    had_cards = bool(answer["cards"])
    has_cards = had_cards if has_cards is None else has_cards
    told: Json = answer.get("extension", {}).get(trace.NAME, {})
    only_unread = "notUnderstood" in told and _LOOKED_AT.isdisjoint(told)
    considered = had_cards or ("extension" in answer and not only_unread)
    key = CallKey(at.astimezone(UTC).date(), origin, knowledge, arm)
    count = _COUNTS[considered, has_cards]
    unread = told.get("notUnderstood")
    return key, replace(count, unread=_unread(unread)) if unread else count


def _unread(told: Json) -> dict[tuple[str, str], tuple[int, int]]:
    """Entries and calls by input and system, as the answer names them."""
    return {
        (name, str(row.get("system") or row["why"])): (row["count"], 1)
        for name, rows in told.items()
        for row in rows
    }


# Members of the trace that say that an order was looked at, or should have been.
_LOOKED_AT = frozenset({"silent", "foreign", "skipped"})
_COUNTS = {
    (considered, with_cards): CallCount(1, int(considered), int(with_cards))
    for considered in (False, True)
    for with_cards in (False, True)
}


_SEVERITY = (Tier.NONE, Tier.MODERATE, Tier.HIGH)


def tell_log(assessment: Assessment) -> None:
    """Keep what was decided for logs and metrics: tier, ids of the rules that fired, and cards."""
    guidances, call = assessment.guidances, calls.current()
    call.knowledge = assessment.knowledge_version
    call.skipped, call.foreign = assessment.skipped, assessment.foreign
    if assessment.not_understood:
        call.not_understood = not_understood.figures(assessment.not_understood)
    call.tier = str(max([g.tier for g in guidances], key=_SEVERITY.index, default=Tier.NONE))
    call.rules = tuple(sorted({finding.rule for g in guidances for finding in g.findings}))
    call.inputs = tuple([(report.name, report.state) for report in assessment.looked_at])
    call.cards = tuple(
        calls.CardShown(g.row, g.card, str(g.tier), g.indicator or "") for g in guidances if g.card
    )
