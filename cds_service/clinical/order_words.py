"""Tells whether the words of an order name something, save where they deny it ("no IM")."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cds_service.clinical.chart import DraftOrder

_DENIED = re.compile(
    r"\b(?:no|not|never|avoid|without|w/o|instead of|rather than|free of|contra-?indicated|kein\w*"
    r"|nicht|ohne|sans|pas d[e']|sin|senza|geen|zonder|status post|s/p|history of|hx of)"
    r"(?:\s+(?:to|be|by|via|for|the|a|an|any|as|or|give|given|use|used|administer\w*))*[\s:]*$",
    re.IGNORECASE,
)
_NEAR = 60


def names(pattern: re.Pattern[str] | None, texts: Iterable[str]) -> bool:
    """Whether one of the texts has the pattern at a place that is not denied."""
    if pattern is None:
        return False
    for value in texts:
        for one in pattern.finditer(value):
            if not _DENIED.search(value[max(0, one.start() - _NEAR) : one.start()]):
                return True
    return False


def is_medicine(order: DraftOrder) -> bool:
    """Whether the order is for something that is given by a route."""
    return order.resource_type.startswith(("Medication", "Immunization"))
