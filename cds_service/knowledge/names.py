"""The names that code and content share: sides, inputs, value sets that readers look for."""

from __future__ import annotations

from enum import StrEnum


class Side(StrEnum):
    """Side of the body that a fact or an order is about."""

    LEFT = "left"
    RIGHT = "right"
    BILATERAL = "bilateral"
    UNKNOWN = "unknown"


class InputName(StrEnum):
    """Kinds of data the service asks for; the values are also the prefetch keys."""

    PATIENT = "patient"
    CONDITIONS = "conditions"
    PROCEDURES = "procedures"
    MEDICATIONS = "medications"
    ALLERGIES = "allergies"
    OBSERVATIONS = "observations"
    FAMILY_HISTORY = "familyHistory"
    SERVICE_REQUESTS = "serviceRequests"


SITE_HIP = "site-hip"
SITE_ELSEWHERE = "site-elsewhere"
SITE_UNREAD = "site-unrecognised"
"""A site that is stated and in no value set."""
ROUTE_IM = "route-intramuscular"
ROUTE_SYSTEMIC = "route-systemic"
ROUTE_LOCAL = "route-local"
ROUTE_UNREAD = "route-unread"
"""A route that is stated and that neither its codes nor its words tell."""
INJECTION_IM = "im-injection"
SURGICAL_CATEGORY = "surgical-category"
BROOKER = "brooker-class"
FOP_POSSIBLE = "fop-possible"
HO_EXCISION = "ho-excision"
HO_SETS = frozenset({"ho-postoperative", "ho-hip-region", "ho-site-unspecified", "ho-elsewhere"})
CALCIFICATION = "muscle-calcification"
HO = "ho"
"""No value set: what a text names that speaks of acquired HO (`Mention.disease`)."""
FOR_HO = "reason-ho-prophylaxis"
"""No value set: the reason of an order says in words that it is for HO prophylaxis, as the orders
that the service suggests do (`cards/suggested_orders.py`)."""

VALUE_SETS = (
    SITE_HIP, SITE_ELSEWHERE, ROUTE_IM, ROUTE_SYSTEMIC, ROUTE_LOCAL, INJECTION_IM,
    SURGICAL_CATEGORY, BROOKER, FOP_POSSIBLE,
)  # fmt: skip
"""Value sets that the readers look for; content without one of them is refused at load."""
