"""Orders whose codes nobody here can read, and in which system they came."""

from __future__ import annotations

from cds_service.clinical.chart import CodeSeen, DraftOrder
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import SURGICAL_CATEGORY
from cds_service.knowledge.system_names import NO_CODE, NO_SYSTEM, is_read
from cds_service.knowledge.terminology import danish_procedure

_LONGEST = 300  # signs of a system
_SURGERY = frozenset({SURGICAL_CATEGORY})  # says that it is surgery, and not which


def unread_system(order: DraftOrder, knowledge: Knowledge) -> str | None:
    """The first system of the codes of an order where none of them can be read; NO_SYSTEM where no
    code has one, NO_CODE where there is no code; None where the order was understood, or could
    have been."""
    if not order.kinds <= _SURGERY:
        return None
    unread = NO_CODE
    for element in order.said.elements:
        for coding in element:
            if not coding.code:
                continue
            if not coding.system:
                unread = NO_SYSTEM if unread == NO_CODE else unread
            elif _says_something(coding, order, knowledge):
                return None
            elif unread in (NO_CODE, NO_SYSTEM):
                unread = coding.system[:_LONGEST]
    return unread


def _says_something(coding: CodeSeen, order: DraftOrder, knowledge: Knowledge) -> bool:
    """Whether a code is in a system that is read, and says more than that it is surgery."""
    system = coding.system or ""
    if not is_read(system) or danish_procedure(system, coding.code or ""):
        return False
    match = knowledge.index.match(coding.system, coding.code) if order.kinds else None
    return match is None or not match.concepts <= _SURGERY
