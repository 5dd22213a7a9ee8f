"""Our override reasons in the standard codes of CDS Hooks 3.0, for clients that speak it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cds_service.cdshooks.models import OverrideReason as WireReason
from cds_service.knowledge.schema import OverrideReason

SYSTEM = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
"""Trial use. Codes and displays as in HL7/cds-hooks,
input/vocabulary/CodeSystem-non-adherence-reason-codes.json (commit 16b2bfc)."""

_DISPLAYS = {
    "cds-not-applicable": "PC CDS does not apply to patient",
    "indication-order-exists": "Patient has indication/order for intended action",
    "action-completed": "Recommended action was already completed",
    "action-not-priority": (
        "Recommended action is not relevant or a priority in current state of health"
    ),
    "risk-benefit-ratio": "Recipient assessment of risk/benefit ratio",
    "patient-refuses": "Patient refuses/declines (no context given)*",
}
_CODES: Mapping[str, str] = {
    "coded-in-error": "cds-not-applicable",
    "condition-wrong": "cds-not-applicable",
    "planned-otherwise": "indication-order-exists",
    "benefit-outweighs": "risk-benefit-ratio",
    "declined": "patient-refuses",
    "specialist-consulted": "action-completed",
    "life-or-limb": "action-not-priority",
    "record-checked": "action-completed",
}


def own(reasons: Iterable[OverrideReason]) -> tuple[WireReason, ...]:
    """The reasons in the codes of our own knowledge."""
    return tuple(WireReason(system=r.system, code=r.code, display=r.display) for r in reasons)


def standard(reasons: Iterable[OverrideReason]) -> tuple[WireReason, ...]:
    """The reasons in the standard codes, each once; a site's own reason stays as it is."""
    found: dict[str, WireReason] = {}
    for reason in reasons:
        code = _CODES.get(reason.id)
        if code is None:
            [kept] = own([reason])
            found.setdefault(reason.id, kept)
        else:
            found.setdefault(code, WireReason(system=SYSTEM, code=code, display=_DISPLAYS[code]))
    return tuple(found.values())
