"""Reads by which route a medicine is given: through the body, at one place, or not to be told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cds_service.fhir.codings import recognise
from cds_service.fhir.elements import codings, texts
from cds_service.knowledge.names import ROUTE_LOCAL, ROUTE_SYSTEMIC, ROUTE_UNREAD

if TYPE_CHECKING:
    from cds_service.knowledge.terminology import CodeIndex

# Many systems send a code of their own with words beside it.
_LOCAL = re.compile(
    r"topical|trans ?dermal|cutaneous(?<!subcutaneous)|\bskin\b|ophthalm|conjunctiv|ocular"
    r"|\beyes?\b|\botic|\bears?\b|intra-?articular|\bappl(?:y|ied)\b|affected area",
    re.IGNORECASE,
)
_SYSTEMIC = re.compile(
    r"\boral|\bperoral|mouth|per os|^p\.?o\.?$|intravenous|^i\.?v\.?$|intramuscular|^i\.?m\.?$"
    r"|subcutaneous|^s\.?c\.?$|rectal|enteral|gastric|sublingual",
    re.IGNORECASE,
)
_ORAL = re.compile(r"\boral\b", re.IGNORECASE)


def read_routes(
    index: CodeIndex, elements: tuple[object, ...], product: str | None = None
) -> frozenset[str]:
    """Value sets of the stated routes, by their codes and, failing these, by their words; what is
    left unread is by mouth where the name of the product says so ("Oral Capsule")."""
    found: frozenset[str] = frozenset()
    for element in elements:
        known = recognise(index, codings(element)).concepts
        found |= known if known & {ROUTE_LOCAL, ROUTE_SYSTEMIC} else known | {_by_words(element)}
    if ROUTE_UNREAD in found and product is not None and _ORAL.search(product):
        return found - {ROUTE_UNREAD} | {ROUTE_SYSTEMIC}
    return found


def _by_words(element: object) -> str:
    said = [text.strip() for text in texts(element)]
    if any(_LOCAL.search(text) for text in said):
        return ROUTE_LOCAL
    return ROUTE_SYSTEMIC if any(_SYSTEMIC.search(text) for text in said) else ROUTE_UNREAD
