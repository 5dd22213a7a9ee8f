"""Requests that cost a lot: many drafts, and many facts of which every one counts."""

from __future__ import annotations

import json

from benchmarks.bodies import body

_COUNTING = ("M61.551", "M61.552", "M45.9", "M48.10", "M88.9", "M16.0", "I21.9", "N18.4")
_HIPS = ("443435007", "443434006", "52734007")  # right, left, side not stated


def heavy(orders: int, facts: int) -> bytes:
    """A call with hip drafts of changing side, and conditions that are factors or exclusions."""
    call = json.loads(body(facts, orders=orders))
    for number, entry in enumerate(call["context"]["draftOrders"]["entry"]):
        entry["resource"]["code"] = {
            "coding": [{"system": "http://snomed.info/sct", "code": _HIPS[number % 3]}]
        }
    for number, entry in enumerate(call["prefetch"]["conditions"]["entry"]):
        code = _COUNTING[number % len(_COUNTING)]
        entry["resource"]["code"] = {
            "coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}],
            "text": f"fact {number}",
        }
    return json.dumps(call).encode()
