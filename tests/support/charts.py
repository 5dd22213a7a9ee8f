"""Short ways to read made-up FHIR JSON through the real reader with the real value sets."""

from __future__ import annotations

import json
import re
from datetime import date
from functools import cache
from typing import Any

from msgspec import Raw

from cds_service.clinical.chart import (
    Chart,
    ConditionFact,
    DraftOrder,
    InputReport,
    InputState,
    SetAside,
)
from cds_service.fhir.completeness import SignalTable, signals_of
from cds_service.fhir.draft_orders import OrdersRead, read_orders
from cds_service.fhir_map import ChartReader
from cds_service.knowledge.loader import load
from cds_service.knowledge.names import InputName
from cds_service.knowledge.terminology import CodeIndex

TODAY = date(2026, 11, 23)
PATIENT = "p1"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
LOINC = "http://loinc.org"
OPCS4 = "https://fhir.hl7.org.uk/Id/opcs-4"

MENTIONS = (
    ("fop", re.compile("fibrodysplasia ossificans", re.IGNORECASE)),
    ("fop", re.compile(r"(?-i:\bFOP\b)", re.IGNORECASE)),
    ("poh", re.compile("osseous +heteroplasia", re.IGNORECASE)),
)

Json = dict[str, Any]


@cache
def index() -> CodeIndex:
    return load().index


@cache
def signals() -> SignalTable:
    return signals_of(load())


def concept(code: str, system: str = SNOMED, display: str | None = None) -> Json:
    coding = {"system": system, "code": code}
    return {"coding": [coding | ({"display": display} if display else {})]}


FOP = concept("82725007")
POSTOPERATIVE_HO = concept("444748003")
TOTAL_HIP = concept("52734007", display="Total hip replacement")
INDOMETHACIN = concept("5781", RXNORM, "indomethacin")
APIXABAN = concept("1364430", RXNORM, "apixaban")
NSAID_SUBSTANCE = concept("372665008")
EGFR = concept("33914-3", LOINC)
CREATININE = concept("2160-0", LOINC)
RIGHT, LEFT = concept("24028007"), concept("7771000")
BOTH = concept("51440002")
HIP_JOINT = concept("24136001")
SUBJECT = {"subject": {"reference": f"Patient/{PATIENT}"}}


def raw(value: Any) -> Raw:
    return Raw(value if isinstance(value, bytes) else json.dumps(value).encode())


def bundle(*resources: Any, **more: Any) -> Json:
    entries = [{"resource": r} for r in resources]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries} | more


def condition(code: Any = POSTOPERATIVE_HO, **more: Any) -> Json:
    return {"resourceType": "Condition", "id": "c1", "code": code} | SUBJECT | more


def resource(kind: str, **more: Any) -> Json:
    return {"resourceType": kind, "id": "r1"} | more


def reader(prefetch: Json | None = None, patient: str = PATIENT) -> ChartReader:
    made = ChartReader(index(), patient, TODAY, MENTIONS, signals=signals())
    made.read_prefetch({key: raw(value) for key, value in (prefetch or {}).items()})
    return made


def read(*resources: Any) -> Chart:
    """The chart of a Bundle under a key of the hospital's own choice."""
    return reader({"item1": bundle(*resources)}).chart()


def report(chart: Chart, name: str = "conditions") -> InputReport:
    return chart.input(InputName(name))


def state(value: Any, name: str = "conditions") -> InputState:
    """What becomes of an input when its prefetch key holds this."""
    return report(reader({name: value}).chart(), name).state


def orders(value: Any, patient: str = PATIENT, chart: ChartReader | None = None) -> OrdersRead:
    return read_orders(raw(value), index(), patient, TODAY, chart)


def order(kind: str = "ServiceRequest", **more: Any) -> DraftOrder:
    """The one order of a Bundle that holds this resource."""
    (only,) = orders(bundle({"resourceType": kind, "id": "o1"} | more)).orders
    return only


ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"


def condition_fact(**more: Any) -> ConditionFact:
    (fact,) = read(condition(**more)).conditions
    return fact


def set_aside(*resources: Any) -> SetAside:
    chart = read(*resources)
    (aside,) = chart.set_aside
    assert (*chart.conditions, *chart.procedures, *chart.allergies, *chart.measurements) == ()
    return aside


OWN_CLASS_III = concept("3", "https://ho-cds.example.org/fhir/CodeSystem/brooker-class")
THR = resource("ServiceRequest", code=TOTAL_HIP, status="draft", **SUBJECT)

READ, EMPTY, ABSENT = InputState.READ, InputState.EMPTY, InputState.ABSENT
FAILED, PARTIAL = InputState.FAILED, InputState.PARTIAL
DULL = concept("444814009", display="Viral sinusitis")
