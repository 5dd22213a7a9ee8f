"""The whole requests of tests/fixtures: what each shows, how it is built, what must come back."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.builders import PATIENT_ID, TODAY, request
from tests.support.shorthand import SYSTEMS

Body = dict[str, Any]
HO = "sct 444748003 Postoperative heterotopic ossification | onset 2019-06-02"
FOP = "sct 82725007 Progressive myositis ossificans | onset 2006-05-11"
POH = "orpha 2762 Progressive osseous heteroplasia | onset 2004-02-20"
EGFR_25 = "loinc 33914-3 eGFR | = 25 mL/min/{1.73_m2} | on 10 days ago"
COURSE = "rxnorm 205323 celecoxib 200 MG Oral Capsule | 200 mg twice daily for 10 days"
WOMAN = {"age": 60, "sex": "female"}
CHILD = {"age": 17, "sex": "male"}
_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
YOUNG = {"age": 24, "sex": "male"}


@dataclass(frozen=True, slots=True)
class Fixture:
    """One request file. `cards` are (indicator, row, card id); `row` decides a silence."""

    name: str
    shows: str
    build: Callable[[], Body]
    cards: tuple[tuple[str, str, str], ...] = ()
    row: str | None = None
    status: int = 200


def _plain(orders: list[str], patient: Body, release: str = "R4", **more: Any) -> Body:
    chart = {
        name: more.pop(name)
        for name in ("conditions", "procedures", "medications", "allergies", "observations",
                     "family", "planned", "labs")
        if name in more
    }  # fmt: skip
    return _dress(request({"patient": patient, "orders": orders, "chart": chart, **more}, release))


def _dress(body: Body) -> Body:
    """Add what real bodies carry beside the facts: names, narrative dates, categories, authors."""
    person = (body.get("prefetch") or {}).get("patient")
    if isinstance(person, dict) and person.get("resourceType") == "Patient":
        person["name"] = [{"family": "Example", "given": ["Synthetic"]}]
        person["active"] = True
    for entry in body["context"]["draftOrders"]["entry"]:
        draft = entry["resource"]
        if draft["resourceType"] == "ServiceRequest":
            draft["requester"] = {"reference": "Practitioner/surgeon-1"}
            draft["authoredOn"] = TODAY.isoformat()
            draft["priority"] = "routine"
    for entry in ((body.get("prefetch") or {}).get("observations") or {}).get("entry", []):
        system = "http://terminology.hl7.org/CodeSystem/observation-category"
        category = {"coding": [{"system": system, "code": "laboratory"}]}
        entry["resource"]["category"] = [category]
    return body


def _patient_id_with_type() -> Body:
    body = _plain(["right hip replacement"], WOMAN, conditions=[HO])
    body["context"] |= {"patientId": f"Patient/{PATIENT_ID}", "encounterId": "Encounter/enc-1"}
    return body


def _own_keys() -> Body:
    body = _plain(
        ["right hip replacement"], WOMAN, conditions=[HO], allergies=["rxnorm 1191 aspirin"]
    )
    body["prefetch"] = {
        f"item{number}": value for number, value in enumerate(body["prefetch"].values(), start=1)
    }
    return body


def _prefetch_null() -> Body:
    body = _plain(["right hip replacement"], WOMAN)
    body["prefetch"] = dict.fromkeys(body["prefetch"]) | {"patient": body["prefetch"]["patient"]}
    return body


def _untidy_client() -> Body:
    """Order without id, intent or authored date, status active, Bundles without type."""
    body = _plain(["right hip replacement | no id | active"], WOMAN, conditions=[HO + " | no id"])
    draft = body["context"]["draftOrders"]["entry"][0]["resource"]
    del draft["intent"], draft["authoredOn"]
    del body["context"]["draftOrders"]["type"], body["prefetch"]["conditions"]["type"]
    body["extension"] = {"com.example.client": {"18": "order entry"}}
    return body


def _junk() -> Body:
    junk: list[Any] = [
        {"raw": "a string where an object belongs"},
        {"raw": {"resourceType": "Condition", "id": "j1", "code": 7, "subject": [1, 2]}},
        {"raw": {"resourceType": "Condition", "id": "j2", "code": {"coding": "sct"}}},
        {"raw": {"resourceType": "Basic", "id": "j3"}},
        HO,
        {"raw": None},
        {"raw": {}},
        "icd10cm I10 Essential hypertension | of another patient",
    ]
    return _dress(
        request(
            {"patient": WOMAN, "orders": ["right hip replacement"], "chart": {"conditions": junk}}
        )
    )


HOSTILE = (
    "<img src=x onerror=alert(1)><script>alert(2)</script> [click](javascript:alert(3)) "
    "![x](https://evil.example/x.png) https://evil.example \u202eesrever\u202c | **bold** `code`"
)


def _hostile() -> Body:
    """Chart text that would run, link or reorder a page that does not take it as text."""
    body = _plain(["right hip replacement"], WOMAN, conditions=[HO])
    draft = body["context"]["draftOrders"]["entry"][0]["resource"]
    problem = body["prefetch"]["conditions"]["entry"][0]["resource"]
    for resource in (draft, problem):
        resource["code"]["text"] = HOSTILE
        resource["code"]["coding"][0]["display"] = HOSTILE
    return body


# ICD-10-CM problems of everyday life, none of them in a value set (checked in test_fixtures).
EVERYDAY = {
    "I10": "Essential hypertension", "E78.5": "Hyperlipidemia", "J06.9": "Common cold",
    "H52.13": "Myopia, bilateral", "L30.9": "Dermatitis", "K21.9": "Reflux disease",
    "N39.0": "Urinary tract infection", "R51.9": "Headache", "M54.50": "Low back pain",
    "M25.561": "Pain in right knee", "H61.23": "Impacted cerumen", "E03.9": "Hypothyroidism",
    "E55.9": "Vitamin D deficiency", "G43.909": "Migraine", "J30.9": "Allergic rhinitis",
    "S93.401A": "Sprain of right ankle", "H10.9": "Conjunctivitis", "B07.9": "Viral wart",
    "K59.00": "Constipation", "E11.9": "Type 2 diabetes mellitus",
}  # fmt: skip


def many_conditions(count: int = 1000, seed: int = 20261123) -> Body:
    """A record with `count` problems; one of them, somewhere, is previous HO."""
    draw = random.Random(seed)
    codes = sorted(EVERYDAY)
    lines = []
    for _ in range(count - 1):
        code = draw.choice(codes)
        year, month, day = draw.randint(1985, 2025), draw.randint(1, 12), draw.randint(1, 28)
        status = draw.choice(["active", "resolved", "inactive"])
        onset = f"{year}-{month:02}-{day:02}"
        lines.append(f"icd10cm {code} {EVERYDAY[code]} | onset {onset} | {status}")
    lines.insert(draw.randrange(count), HO)
    return _plain(["right hip replacement"], WOMAN, conditions=lines)


def _readme() -> Body:
    """As short as a request can be; its answer does not change with the calendar."""
    draft = {
        "resourceType": "ServiceRequest",
        "id": "draft-1",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": SYSTEMS["sct"], "code": "443435007"}],
                 "text": "Total replacement of right hip"},
    }  # fmt: skip
    previous = {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": "Patient/p1"},
        "clinicalStatus": {"coding": [{"system": _CLINICAL, "code": "active"}]},
        "code": {"coding": [{"system": SYSTEMS["sct"], "code": "444748003",
                             "display": "Postoperative heterotopic ossification"}]},
        "onsetDateTime": "2019-06-02",
    }  # fmt: skip
    empty = {"resourceType": "Bundle", "type": "searchset"}
    orders = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": draft}]}
    person = {"resourceType": "Patient", "id": "p1", "gender": "male", "birthDate": "1980-03-14"}
    keys = ("procedures", "medications", "allergies", "observations", "familyHistory",
            "serviceRequests")  # fmt: skip
    return {
        "hook": "order-sign",
        "hookInstance": "4f2f1a0e-0c3b-4f52-9b5e-5a3a2f0d7c11",
        "context": {"userId": "Practitioner/surgeon", "patientId": "p1", "draftOrders": orders},
        "prefetch": {
            "patient": person,
            "conditions": {**empty, "entry": [{"resource": previous}]},
            **dict.fromkeys(keys, empty),
        },
    }


RIGHT = ["right hip replacement"]
FIXTURES = (
    Fixture("readme", "the request of the README, as short as it gets", _readme,
            (("warning", "7", "high-risk"),)),
    Fixture("fop-hip-replacement", "row 1: FOP and a hip replacement",
            lambda: _plain(RIGHT, YOUNG, conditions=[FOP]), (("critical", "1", "fop-surgery"),)),
    Fixture("fop-biopsy", "row 2: FOP and a muscle biopsy",
            lambda: _plain(["muscle biopsy"], YOUNG, conditions=[FOP]),
            (("critical", "2", "fop-biopsy"),)),
    Fixture("fop-intramuscular", "row 3: FOP and an intramuscular vaccine",
            lambda: _plain(["text Tetanus vaccine | medicine | route im"], YOUNG, conditions=[FOP]),
            (("critical", "3", "fop-vaccine-intramuscular"),)),
    Fixture("poh-biopsy", "row 4: POH and a soft-tissue biopsy",
            lambda: _plain(["soft tissue biopsy"], CHILD, conditions=[POH]),
            (("warning", "4", "poh-biopsy"),)),
    Fixture("poh-hip-replacement", "row 5: POH and a hip replacement",
            lambda: _plain(RIGHT, YOUNG, conditions=[POH]), (("warning", "5", "poh-surgery"),)),
    Fixture("prophylaxis-ordered", "row 6: previous HO, a celecoxib course in the same session",
            lambda: _plain([*RIGHT, COURSE], WOMAN, conditions=[HO]), row="6"),
    Fixture("prophylaxis-conflict", "row 6: the course that is ordered is excluded by eGFR 25",
            lambda: _plain([*RIGHT, COURSE], WOMAN, conditions=[HO], observations=[EGFR_25]),
            (("warning", "6c", "prophylaxis-conflict"),)),
    Fixture("high-risk-previous-ho", "row 7: previous HO, both options open",
            lambda: _plain(RIGHT, WOMAN, conditions=[HO]), (("warning", "7", "high-risk"),)),
    Fixture("high-risk-no-option", "row 8: previous HO, eGFR 25 and earlier pelvic radiotherapy",
            lambda: _plain(RIGHT, WOMAN, conditions=[HO], observations=[EGFR_25],
                           procedures=["sct 428829005 Radiotherapy to pelvis | on 2010-01-15"]),
            (("warning", "8", "high-risk-no-option"),)),
    Fixture("moderate-ankylosing-spondylitis", "row 9: ankylosing spondylitis alone",
            lambda: _plain(RIGHT, WOMAN, conditions=["icd10cm M45.9 Ankylosing spondylitis"]),
            (("info", "9", "moderate-risk"),)),
    Fixture("one-stage-bilateral", "row 9: both hips in one session, one card",
            lambda: _plain([*RIGHT, "left hip replacement"], WOMAN),
            (("info", "9", "moderate-risk"),)),
    Fixture("excision-of-ho", "row 9a: excision of heterotopic bone",
            lambda: _plain(["excision of heterotopic bone"], WOMAN,
                           conditions=[HO]), (("warning", "9a", "ho-excision"),)),
    Fixture("low-risk", "row 10: osteoarthritis of one hip, silence",
            lambda: _plain(RIGHT, WOMAN, conditions=["icd10cm M16.11 Osteoarthritis of right hip"]),
            row="10"),
    Fixture("osteoporosis-only", "row 10: osteoporosis alone, silence",
            lambda: _plain(RIGHT, WOMAN, conditions=["icd10cm M81.0 Osteoporosis"]), row="10"),
    Fixture("male-only", "row 10: a man without factors, silence",
            lambda: _plain(RIGHT, {"age": 60, "sex": "male"}), row="10"),
    Fixture("knee-replacement", "no trigger: knee replacement with previous HO, silence",
            lambda: _plain(["knee replacement"], WOMAN, conditions=[HO]), row=None),
    Fixture("problem-list-failed", "row 11: the EHR could not read the problem list",
            lambda: _plain(RIGHT, WOMAN, failed=["conditions"]), (("info", "11", "not-assessed"),)),
    Fixture("allergies-failed", "row 12: the card stands, allergies could not be read",
            lambda: _plain(RIGHT, WOMAN, conditions=[HO], failed=["allergies"]),
            (("warning", "7", "high-risk"),)),
    Fixture("uncoded-fop", "question: FOP in words, without a code",
            lambda: _plain(RIGHT, YOUNG, conditions=["text Fibrodysplasia ossificans progressiva"]),
            (("info", "question", "genetic-question"),)),
    Fixture("family-history-fop", "family: mother with FOP",
            lambda: _plain(RIGHT, YOUNG, family=["sct 82725007 FOP | mother"]),
            (("info", "family", "family-history"),)),
    Fixture("refuted-and-entered-in-error", "FOP refuted, HO entered in error; silence",
            lambda: _plain(RIGHT, WOMAN,
                           conditions=[f"{FOP} | refuted", f"{HO} | entered-in-error"]),
            row="10"),
    Fixture("duplicate-coding", "DISH in three code systems is one factor",
            lambda: _plain(RIGHT, WOMAN, conditions=[
                "icd10cm M48.10 Ankylosing hyperostosis | also sct 31487001 DISH",
                "icd9 721.6 Ankylosing vertebral hyperostosis"]),
            (("info", "9", "moderate-risk"),)),
    Fixture("r5-previous-ho", "FHIR R5: the same facts, the same card",
            lambda: _plain(RIGHT, WOMAN, "R5", conditions=[HO]), (("warning", "7", "high-risk"),)),
    Fixture("stu3-previous-ho", "FHIR STU3: the same facts, the same card",
            lambda: _plain(RIGHT, WOMAN, "STU3", conditions=[HO]),
            (("warning", "7", "high-risk"),)),
    Fixture("patient-id-with-type", "patientId `Patient/x`, as two of five clients send it",
            _patient_id_with_type, (("warning", "7", "high-risk"),)),
    Fixture("hospital-prefetch-keys", "prefetch under the hospital's own keys, aspirin allergy",
            _own_keys, (("warning", "7", "high-risk"),)),
    Fixture("untidy-client", "order without id and intent, status active, Bundles without type",
            _untidy_client, (("warning", "7", "high-risk"),)),
    Fixture("junk-entries", "odd entries around previous HO, one of another patient", _junk,
            (("warning", "7", "high-risk"),)),
    Fixture("hostile-text", "HTML, Markdown, links and a reversed line in chart text", _hostile,
            (("warning", "7", "high-risk"),)),
    Fixture("prefetch-null", "every input null but the patient: the EHR has none, silence",
            _prefetch_null, row="10"),
    Fixture("no-prefetch", "nothing sent and no FHIR server: 412",
            lambda: _plain(RIGHT, WOMAN, prefetch="none"), status=412),
    Fixture("thousand-conditions", "1,000 problems, one of them previous HO", many_conditions,
            (("warning", "7", "high-risk"),)),
)  # fmt: skip


def as_text(body: Body) -> str:
    """The file: indented; long lists of resources one resource a line."""
    conditions = (body.get("prefetch") or {}).get("conditions") or {}
    entries = conditions.get("entry", [])
    if len(entries) <= 50:
        return json.dumps(body, indent=2, ensure_ascii=False) + "\n"
    conditions["entry"] = "@@"
    lines = ",\n".join("      " + json.dumps(entry, ensure_ascii=False) for entry in entries)
    conditions_text = json.dumps(body, indent=2, ensure_ascii=False)
    conditions["entry"] = entries
    return conditions_text.replace('"@@"', "[\n" + lines + "\n      ]") + "\n"
