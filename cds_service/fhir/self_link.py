"""Tells from the `self` link of an answer that it is one to another search than was asked for."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qs

from cds_service.fhir.bundle import Opened
from cds_service.fhir.inputs import INPUT_OF
from cds_service.fhir.medicine_lists import LISTS
from cds_service.fhir.subject import Subjects, Whose
from cds_service.knowledge.names import InputName

OTHER_PATIENT: Final = "the search was for another patient"
OTHER_TYPE: Final = "the search was for another type"
_BY_PATIENT: Final = frozenset({"patient", "subject", "patient:Patient", "subject:Patient"})
_ONE_PATIENT: Final = re.compile(r"(?:.*/)?[A-Za-z0-9.\-]{1,64}")


def searched_otherwise(opened: Opened, asked: InputName | None, subjects: Subjects) -> str | None:
    """What a `self` link says against an empty answer; the server says there what it searched for
    (http://hl7.org/fhir/search.html). None where it says nothing against it. What is there tells
    its type and its patient itself."""
    path, mark, query = (opened.self_link or "").partition("?")
    if not (mark and opened.empty):
        return None
    named = [
        patient
        for name, values in parse_qs(query).items()
        if name in _BY_PATIENT
        for patient in ",".join(values).split(",")
        if _ONE_PATIENT.fullmatch(patient)
    ]
    if named and all(subjects.whose(patient) is Whose.FOREIGN for patient in named):
        return OTHER_PATIENT
    if "include=" in query:
        return None
    name = INPUT_OF.get(path.rstrip("/").rpartition("/")[2])
    same = LISTS if name in LISTS else {name}
    return OTHER_TYPE if name and asked and asked not in same else None
