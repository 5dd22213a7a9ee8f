"""`validate` and the service agree on every code system: read, not read, misspelt."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from msgspec import Raw

from cds_service.fhir.completeness import signals_of
from cds_service.fhir_map import ChartReader
from cds_service.knowledge.code_systems import ATC, RXNORM, TABLE, canonical, spelling
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.system_names import is_read, tells
from tests.support.validating import TODAY, Check, condition, kinds

NOT_READ = (
    "https://hospital.example/codes",
    "urn:oid:1.2.840.114350.1.13.861.1.7.2.696580",
    "http://hl7.org/fhir/sid/ndc",
    "http://terminology.hl7.org/CodeSystem/HCPCS",
    "http://fhir.de/CodeSystem/ask",
    "http://hl7.org/fhir/sid/icpc-2",
    "http://terminology.hl7.org/CodeSystem/icd-o-3",
    "urn:oid:2.16.756.5.30.1.126.3.2",
    "https://dmd.nhs.uk",
)
MORE_READ = (  # known by their name only
    "https://smt.esante.gouv.fr/terminologie-cim-10",
    "http://ehelse.example/icd10-no",
    "http://h.example/CodeSystem/kcd-8",
)
WRONG = {"unread-system", "local-code"}


def _systems() -> Iterator[tuple[str, bool]]:
    for system in TABLE:
        for uri in (system.uri, *system.aliases, *system.national):
            yield uri, True
            yield f"{uri}/", True
            yield uri.upper() if uri.startswith("http") else uri.replace(":oid:", ": oid: "), True
    yield from ((uri, True) for uri in MORE_READ)
    yield from ((uri, False) for uri in NOT_READ)


@pytest.mark.parametrize(("uri", "read"), sorted(set(_systems())))
def test_validate_and_the_service_agree(
    check: Check, knowledge: Knowledge, uri: str, read: bool
) -> None:
    resource = condition({"system": uri, "code": "0"})
    reader = ChartReader(knowledge.index, "p1", TODAY, signals=knowledge.once(signals_of))
    reader.read_prefetch({"conditions": Raw(json.dumps(resource).encode())})
    told = reader.chart().not_understood
    found = kinds(check(resource))

    assert is_read(uri) == read
    # Of ICD-11 and the like few codes are listed: one that is in no list was not understood.
    assert bool(told) != tells(uri)
    assert bool(found & WRONG) != tells(uri)
    misspelt = spelling(uri) is not None
    assert bool(found & {"system-uri", "system-oid"}) == misspelt
    if misspelt:
        assert read
        assert canonical(uri) in {system.uri for system in TABLE}


@pytest.mark.parametrize(
    ("system", "code"),
    [(ATC, "B01"), (RXNORM, "99999999")],
)
def test_validate_says_of_a_medicine_that_a_card_asks_about_it(
    check: Check, system: str, code: str
) -> None:
    medicine = {
        "resourceType": "MedicationRequest", "id": "m", "status": "active", "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"coding": [{"system": system, "code": code}]},
    }  # fmt: skip

    (one,) = check(medicine).resources

    assert (one.state, one.why is not None and "a card asks" in one.why) == ("nothing", True)
