"""Why there is no card, in one sentence: the same for command line, page and answer."""

from __future__ import annotations

from cds_service.clinical.assessment import Assessment
from cds_service.clinical.result import ORDERS

NO_CARD = "No card: "
"""What the sentence begins with."""

_NO_CODE = "no code is in a system that is read here"
_NO_ORDER = "the request holds no draft order that stands."
_NO_KIND = "no draft order that was asked about is of a kind that is looked at."
_NO_OTHER = "No other that was asked about is of a kind that is looked at."
_NO_OTHER_CARD = "No other calls for a card in this chart."
_CHART = "the chart was looked at, and nothing in it tells of genetic ossification."
_BESIDE_GENETIC = (
    "looked at; the order gets one in genetic ossification only, and none is on record."
)


def why_silent(assessment: Assessment) -> str | None:
    """Tells apart what was looked at, what is of no kind that is looked at, and what nobody here
    understood. None where there is a card, or where nothing could be said (row 11).

    It holds words of the knowledge and numbers, nothing of the chart.
    """
    if assessment.spoken or assessment.unassessable:
        return None
    orders = assessment.orders
    unread = sum([one.count for one in assessment.not_understood if one.input == ORDERS])
    if assessment.guidances:
        count = sum([len(guidance.orders) for guidance in assessment.guidances])
        found = dict.fromkeys([str(one.silent_because) for one in assessment.guidances])
        said = f"{_orders(count)} looked at: {'; '.join(found)}."
        return _sentence(said, _not_understood(unread, "other") if unread else "")
    if unread:
        other = _NO_OTHER_CARD if assessment.asked else _NO_OTHER
        return _sentence(_not_understood(unread), other if orders > unread else "")
    if assessment.asked:
        return _sentence(_BESIDE_GENETIC if orders else _CHART)
    return _sentence(_NO_KIND if orders else _NO_ORDER)


def _orders(count: int) -> str:
    return "1 draft order was" if count == 1 else f"{count} draft orders were"


def _not_understood(count: int, which: str = "") -> str:
    what = f"{which} draft order".strip()
    said = f"1 {what} was" if count == 1 else f"{count} {what}s were"
    return f"{said} not understood: {_NO_CODE}."


def _sentence(*parts: str) -> str:
    return NO_CARD + " ".join(filter(None, parts))
