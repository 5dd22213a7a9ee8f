"""Names under which code systems may leave the service: never what else a client wrote there."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.knowledge.code_systems import TABLE
from cds_service.knowledge.system_names import NO_CODE, NO_SYSTEM, NOT_A_URI, is_read, label, shown


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("http://snomed.info/sct", "SNOMED CT"),
        ("https://fhir.nhs.uk/Id/opcs-4", "OPCS-4"),
        ("urn:oid:2.16.840.1.113883.6.69", "NDC"),
        ("https://hospital.example/codes/", "http://hospital.example/codes"),
        ("https://Hospital.example:8443/A_b", "http://hospital.example:8443/a_b"),
        ("https://hospital.example/codes?mrn=12345678#x", "http://hospital.example/codes"),
        ("https://hospital.example/Patient/12345678/codes", "http://hospital.example/patient/#/codes"),
        ("https://12345678.example/x", "http://#.example/x"),
        ("https://hospital.example/Müller <b>", NOT_A_URI),
        ("https://hospital.example/Müller/<b>", "http://hospital.example/m_ller/_b_"),
        ("https://user:pass@hospital.example/codes", NOT_A_URI),
        ("urn:oid:1.2.840.114350.1.13.696580", "urn:oid:1.2.840.114350.1.13.696580"),
        ("1.2.840.114350.1", "urn:oid:1.2.840.114350.1"),
        ("urn:uuid:6c4f9b1e-0000-4000-8000-000000000000", NOT_A_URI),
        ("Jane Doe, 1961-11-23", NOT_A_URI),
        ("", NOT_A_URI),
        (NO_SYSTEM, NO_SYSTEM),
        (NO_CODE, NO_CODE),
    ],
)  # fmt: skip
def test_shown(system: str, expected: str) -> None:
    assert shown(system) == expected


def test_a_long_one_is_cut() -> None:
    assert len(shown("http://hospital.example/" + "a" * 5_000)) == 100


@given(st.text(max_size=400) | st.text(max_size=200).map("http://h.example/".__add__))
def test_nothing_but_plain_signs_leaves(system: str) -> None:
    said = shown(system)

    assert re.fullmatch(r"[A-Za-z0-9()+ ./:_#Å-]{1,99}…?", said)
    assert not re.search(r"[0-9]{5}", said) or said.startswith("urn:oid:")


@given(st.text(max_size=400))
def test_figures_have_names_of_a_closed_list_only(system: str) -> None:
    assert label(f"http://h.example/{system}") == "other"


def test_every_system_of_the_table_is_read_and_named() -> None:
    for system in TABLE:
        for uri in (system.uri, *system.aliases, *system.national):
            assert is_read(uri)
            assert label(uri) == shown(uri) == system.name


@pytest.mark.parametrize(
    "uri",
    [
        "http://terminology.hl7.org/CodeSystem/data-absent-reason",
        "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips",
    ],
)
def test_statements_are_understood(uri: str) -> None:
    assert is_read(uri)
