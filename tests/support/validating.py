"""Resources for the tests of `validate`, and what a report says of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

from hypothesis import strategies as st

from cds_service.tools.validate.findings import DocumentFinding, Report

TODAY = date(2026, 11, 23)
SCT = "http://snomed.info/sct"
CM = "http://hl7.org/fhir/sid/icd-10-cm"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
Check = Callable[..., Report]


def condition(coding: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    coding = coding or {"system": SCT, "code": "444748003"}
    status = {"coding": [{"system": CLINICAL, "code": "active"}]}
    resource = {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": "Patient/p1"},
        "clinicalStatus": status,
        "code": {"coding": [coding]},
    } | more
    return {name: value for name, value in resource.items() if value is not None}


def observation(code: str, **quantity: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "effectiveDateTime": "2026-11-01",
        "valueQuantity": quantity,
    }


def kinds(report: Report) -> set[str]:
    return {finding.kind for finding in report.findings}


def only(report: Report, kind: str) -> DocumentFinding:
    [found] = [finding for finding in report.findings if finding.kind == kind]
    return found


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


CLEAN = json.dumps(condition())
WARNED = json.dumps(condition(clinicalStatus=None))
