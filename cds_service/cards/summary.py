"""The one line of a card, shortened without losing its finding or its order."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.cards.checks import offered
from cds_service.cards.markdown import clean, fill_plain, shorten
from cds_service.cdshooks.models import SUMMARY_LIMIT, utf16_length
from cds_service.clinical.assessment import Guidance
from cds_service.knowledge.schema import CardText

_ORDERED_UNITS = 40  # of a name that the chart gives


def summary(guidance: Guidance, text: CardText) -> str:
    """One plain line of fewer than 140 UTF-16 units that names finding and order (CD-02, MD-06).

    Where one option is ruled out and another is left, it says so with the reason if there is room.
    """
    none_left = bool(guidance.options) and not any(offered(guidance))
    words = (text.summary_none_left if none_left else None) or text.summary
    against = dict(guidance.params).get("against")
    if against and not none_left and not guidance.conflicts:
        values = next(_ever_shorter(guidance))
        for template in (words, text.summary_short or words):
            whole = fill_plain(template, values).rstrip(".")
            line = f"{whole}; {clean(against)}."
            if utf16_length(line) < SUMMARY_LIMIT:
                return line
    line = ""
    for values in _ever_shorter(guidance):
        line = fill_plain(words, values)
        if utf16_length(line) < SUMMARY_LIMIT:
            return line
    return shorten(line, SUMMARY_LIMIT - 1)


def brief(guidance: Guidance, text: CardText, lead: str) -> str:
    """One plain line that begins with `lead`, with as much of the finding as there is room for."""
    lead = clean(lead)
    room = SUMMARY_LIMIT - 2 - utf16_length(lead)
    line = ""
    for values in _ever_shorter(guidance):
        line = fill_plain(text.summary_short or text.summary, values)
        if utf16_length(line) <= room:
            break
    return f"{lead} {shorten(line, room)}"


def _ever_shorter(guidance: Guidance) -> Iterator[dict[str, str]]:
    """What fills a summary: all of it, then less, so that the sentence need not be cut.

    Of many findings the first are named and the rest counted; the detail has them all. Before a
    second one is lost the order gives way: it stands before the clinician's eyes, they do not.
    """
    values = dict(guidance.params)
    if "ordered" in values:
        values["ordered"] = shorten(clean(values["ordered"]), _ORDERED_UNITS)
    yield values
    names = values.get("short", values.get("finding", "")).split("\n")
    bare = values.get("bare") or ("this order" if len(guidance.orders) < 2 else "these orders")
    for order, least in ((values.get("order", ""), min(2, len(names))), (bare, 1)):
        for kept in range(len(names), least - 1, -1):
            rest = f" and {len(names) - kept} more" if kept < len(names) else ""
            yield {**values, "order": order, "finding": ", ".join(names[:kept]) + rest}
