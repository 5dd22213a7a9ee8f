"""One medicine of a chart, with dosages to try."""

from __future__ import annotations

from typing import Any

from cds_service.clinical.chart import MedicationFact
from tests.support.charts import (
    INDOMETHACIN,
    read,
    resource,
)


def medication_fact(kind: str = "MedicationRequest", **more: Any) -> MedicationFact:
    inline = {} if {"medication", "medicationReference"} & more.keys() else {
        "medicationCodeableConcept": INDOMETHACIN}  # fmt: skip
    (fact,) = read(resource(kind, **{"status": "active"} | inline | more)).medications
    return fact


def dosed(*dosages: Any, **more: Any) -> MedicationFact:
    return medication_fact(dosageInstruction=list(dosages), **more)


def timed(**repeat: Any) -> MedicationFact:
    return dosed({"timing": {"repeat": repeat}})


TWICE = {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}
WEEK = {"value": 7, "unit": "days", "code": "d"}
