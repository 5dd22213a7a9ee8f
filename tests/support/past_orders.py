"""Answers a past order of a population as of its day, by a cut that is written here anew."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from cds_service.fhir.inputs import INPUT_OF
from cds_service.knowledge.loader import Knowledge
from cds_service.tools.synthetic.population.history import recorded_on
from cds_service.tools.synthetic.population.wish import PopulationWish
from tests.support.agreement import answer

Document = dict[str, Any]
_SENT: Final = {
    "conditions": "Condition", "procedures": "Procedure", "medications": "MedicationRequest",
    "allergies": "AllergyIntolerance", "observations": "Observation",
    "familyHistory": "FamilyMemberHistory", "serviceRequests": "ServiceRequest",
}  # fmt: skip
_ORDERS: Final = frozenset({"ServiceRequest", "MedicationRequest"})
_OF_A_DRAFT: Final = ("id", "subject", "code", "bodySite", "reasonCode", "dosageInstruction",
                      "medicationCodeableConcept")  # fmt: skip


def documents_of(lines: Mapping[str, Iterable[str]]) -> dict[str, list[Document]]:
    """The resources of a block by patient."""
    found: dict[str, list[Document]] = defaultdict(list)
    for listed in lines.values():
        for line in listed:
            resource = json.loads(line)
            owner = resource.get("subject") or resource.get("patient") or {}
            found[owner.get("reference", "").removeprefix("Patient/") or resource["id"]].append(
                resource
            )
    return found


def answered(
    told: Document,
    documents: Sequence[Document],
    knowledge: Knowledge,
    wish: PopulationWish,
    dated_only: bool,
) -> Document:
    """What the service says to a line of truth: status, cards (row, card, tier), silent row."""
    call = _call(told, documents, wish, dated_only)
    found = answer(json.dumps(call).encode(), knowledge, date.fromisoformat(told["day"]))
    cards = [{"row": c.row, "card": c.card, "tier": c.tier} for c in found.cards]
    return {"status": found.status, "cards": cards, "silentRow": found.silent_row}


def _call(
    told: Document, documents: Sequence[Document], wish: PopulationWish, dated_only: bool
) -> Document:
    drafts, chart = [], defaultdict(list)
    for resource in documents:
        kind, written = resource["resourceType"], recorded_on(resource)
        signed = kind in _ORDERS and resource["status"] == "completed"
        unknown = dated_only if written is None else written > told["day"]
        if f"{kind}/{resource['id']}" in told["events"]:
            drafts.append(_draft(resource))
        elif kind not in INPUT_OF or (unknown and kind != "Patient"):
            continue
        elif signed and written == told["day"]:
            drafts.append(_draft(resource))
        else:
            chart[kind].append(resource)
    sent = {name: kind for name, kind in _SENT.items() if kind not in wish.lacking}
    prefetch: Document = {name: _bundle(chart[kind]) for name, kind in sent.items()}
    return {
        "hook": "order-sign",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {
            "userId": "Practitioner/synthetic",
            "patientId": told["patient"],
            "draftOrders": _bundle(drafts),
        },
        "prefetch": prefetch | {"patient": chart["Patient"][0]},
    }


def _draft(resource: Document) -> Document:
    kind = resource["resourceType"]
    kept = {name: resource[name] for name in _OF_A_DRAFT if name in resource}
    as_order = "ServiceRequest" if kind == "Procedure" else kind
    draft: Document = {"resourceType": as_order, "status": "draft", "intent": "order"}
    return draft | kept


def _bundle(resources: Sequence[Document]) -> Document:
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries}
