"""Override reasons on the wire: in our own codes, or in the standard ones of CDS Hooks 3.0."""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.cdshooks.models import OverrideReason
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.schema import CodedReason, ReasonText


def own(reasons: Iterable[ReasonText]) -> tuple[OverrideReason, ...]:
    """The reasons in the codes of our own knowledge."""
    return tuple(_coded(reason) for reason in reasons)


def standard(reasons: Iterable[ReasonText], knowledge: Knowledge) -> tuple[OverrideReason, ...]:
    """The reasons in the standard codes, each once; one that names none stays as it is."""
    known = knowledge.standard_reasons
    meant = (known[reason.standard] if reason.standard else reason for reason in reasons)
    return tuple(map(_coded, dict.fromkeys(meant)))


def offered(knowledge: Knowledge) -> tuple[OverrideReason, ...]:
    """Every reason that a card may offer, in all codes in which it may."""
    reasons = tuple(knowledge.override_reasons.values())
    return (*own(reasons), *standard(reasons, knowledge))


def _coded(reason: CodedReason) -> OverrideReason:
    return OverrideReason(system=reason.system, code=reason.code, display=reason.display)
