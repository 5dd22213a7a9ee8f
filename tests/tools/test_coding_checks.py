"""Findings about codings: likely mistakes, and what is right."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_service.knowledge.loader import Knowledge
from cds_service.tools.validate import icd
from cds_service.tools.validate.engine import Options, Validator
from tests.support.validating import CM, SCT, TODAY, Check, condition, kinds

# --- content: codings ---


@pytest.mark.parametrize(
    ("coding", "kind", "mend"),
    [
        ({"system": SCT, "code": "444748004"}, "snomed-check-digit", "look the code up"),
        ({"system": "http://loinc.org", "code": "33914-4"}, "loinc-check-digit", "look"),
        ({"system": CM, "code": "M61.5519"}, "icd-unknown", "look the code up"),
        ({"system": CM, "code": "444748003"}, "wrong-system", f"send system {SCT}"),
        ({"system": SCT, "code": "M45.9"}, "wrong-system", f"send system {CM}"),
        ({"system": CM, "code": "hip"}, "code-format", "correct the code"),
        ({"system": "SNOMED-CT", "code": "444748003"}, "system-not-uri", f"send {SCT}"),
        ({"system": "http://snomed.info/id", "code": "1"}, "system-uri", f"send {SCT}"),
        ({"system": "my codes", "code": "1"}, "system-not-uri", "send the URI"),
        ({"system": "http://terminology.hl7.org/CodeSystem/icd9cm", "code": "720.0"},
         "system-uri", "send http://hl7.org/fhir/sid/icd-9-cm"),
        ({"system": "urn:oid:2.16.840.1.113883.6.90", "code": "M45.9"}, "system-oid", f"send {CM}"),
        ({"system": "http://snomed.info/sct/", "code": "444748003"}, "system-uri", f"send {SCT}"),
        ({"system": "https://hospital.example/codes", "code": "X"}, "local-code", "site overlay"),
        ({"system": CM, "code": "M24.651", "display": "Ankylosis, left hip"},
         "display-contradicts", "correct"),
        ({"system": SCT, "code": "52734007", "display": "Total knee replacement"},
         "display-contradicts", "correct"),
        ({"system": SCT, "code": "387458008", "display": "Cefazolin"}, "display-unlike", "Aspirin"),
        ({"code": "444748003", "display": "Postoperative heterotopic ossification"},
         "system-missing", SCT),
    ],
)  # fmt: skip
def test_likely_mistakes_in_codings(
    check: Check, coding: dict[str, Any], kind: str, mend: str
) -> None:
    report = check(condition(coding))
    found = [f for f in report.findings if f.kind == kind]
    assert found, kinds(report)
    assert mend in str(found[0].mend)
    assert found[0].path[:3] == ("code", "coding", 0) or kind == "local-code"
    assert found[0].line > 0


@pytest.mark.parametrize(
    "coding",
    [
        {"system": CM, "code": "M61551", "display": "Other ossification of muscle, right thigh"},
        {"system": f"{SCT}/900000000000207008", "code": "444748003"},
        {"system": SCT, "code": "363346000:363698007=24136001"},
        {"system": "http://fhir.de/CodeSystem/bfarm/icd-10-gm", "code": "M61.55"},
        {"system": CM, "code": "I10", "display": "Essential hypertension"},
        {"system": SCT, "code": "230690007", "display": "Stroke"},  # the value set is called so
    ],
)
def test_what_is_right_is_left_alone(check: Check, coding: dict[str, Any]) -> None:
    assert kinds(check(condition(coding))) == set()


def test_a_medicine_code_on_a_condition_is_in_no_system_that_is_read(check: Check) -> None:
    report = check(condition({"system": "http://hl7.org/fhir/sid/ndc", "code": "00025-1520-51"}))
    assert kinds(report) == {"unread-system"}


def test_codings_are_counted_as_known_and_unknown(check: Check) -> None:
    report = check(condition({"system": CM, "code": "I10"}))
    assert report.unknown[f"{CM}|I10"] == 1
    assert check(condition()).known == {"ho-postoperative": 1}


def test_without_the_icd_list_one_line_says_so(
    knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(icd, "find_spec", lambda name: None)
    icd.exists.cache_clear()
    report = Validator(Options(today=TODAY), knowledge).check(
        json.dumps(condition({"system": CM, "code": "M99.9999"})).encode()
    )
    icd.exists.cache_clear()
    assert report.notices == {icd.MISSING}
    assert "icd-unknown" not in kinds(report)
