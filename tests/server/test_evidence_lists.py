"""Search, code lists and exports of the evidence pages."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from cds_service.knowledge import terminology
from cds_service.knowledge.loader import Knowledge
from cds_service.server.pages import code_sources, exports
from cds_service.server.pages.code_lists import Code, CodeLists
from cds_service.server.pages.evidence_search import MOST_CODES, MOST_PAGES, EvidenceSearch
from cds_service.server.pages.evidence_site import GROUPS
from cds_service.server.pages.words import ASKS, AT_HIP, COUNTS, roles
from tests.server.test_pages import PageClient
from tests.support.app_client import ClientFactory

PREVIOUS_HO = ("previous-ho-hip", "previous-ho-site-not-stated")


@pytest.fixture(scope="module")
def visitor(make_client: ClientFactory) -> PageClient:
    return PageClient(make_client(database_url="none").app)


@pytest.fixture(scope="module")
def lists(knowledge: Knowledge) -> CodeLists:
    return CodeLists(knowledge)


def table(content: bytes) -> list[dict[str, str]]:
    """The rows of a CSV file as a spreadsheet reads them."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


# --- search ---


def test_codes_are_searched_in_all_their_words(lists: CodeLists) -> None:
    assert {code.value_set for code in lists.search("82725007")} >= {"fop"}
    assert all("snomed" in code.system.lower() for code in lists.search("snomed fibrodysplasia"))
    assert lists.search("M61151") == lists.search("m61.151") != []
    assert lists.search("  ") == []


def test_codes_are_found_by_the_words_of_their_rule(lists: CodeLists) -> None:
    found = {code.value_set for code in lists.search("previous HO", "icd-10-diagnoses")}

    assert found == {"ho-hip-region", "ho-site-unspecified", "ho-elsewhere"}
    assert "ho-postoperative" in {code.value_set for code in lists.search("previous HO")}


def test_a_filter_leaves_one_system(lists: CodeLists) -> None:
    assert {code.system for code in lists.search("", "icd-10-diagnoses")} == {"ICD-10", "ICD-10-CM"}
    for system in lists.systems:
        assert {c.system for c in lists.search("", system)} == {lists.systems[system]}


def test_everything_is_found_by_its_words(knowledge: Knowledge) -> None:
    find = knowledge.once(EvidenceSearch).find
    places = [entry.place for entry in find("nsaid course")]

    assert places[0] == "/options/nsaid"  # the title comes first
    assert "/cards/high-risk" in {entry.place for entry in find("major bleed per 34")}
    assert "/sources/hipaid2006" in {entry.place for entry in find("hipaid2006")}
    assert "/exclusions/egfr-below-30" in {entry.place for entry in find("egfr below 30")}
    assert "/unknown#unknown-allergies-not-known" in {
        e.place for e in find("confirm none to aspirin")
    }
    assert find("") == []


def test_a_search_is_bounded(visitor: PageClient) -> None:
    page = visitor.get("/evidence/search?q=a&system=").text

    assert page.count('<span class="badge">') <= MOST_PAGES
    assert page.count("<tr><td><code>") <= MOST_CODES
    assert f"The first {MOST_CODES} are shown." in page
    assert visitor.get(f"/evidence/search?q={'x' * 5000}").status_code == 200


def test_hostile_words_are_text(visitor: PageClient) -> None:
    page = visitor.get("/evidence/search?q=%22%3E%3Cscript%3Ealert(1)&system=%22%3E%3Cb%3E").text

    assert "<script>alert" not in page
    assert "<b>" not in page
    assert "Nothing holds all of these words" in page


# --- files ---


def test_all_icd10_codes_of_previous_ho(visitor: PageClient, knowledge: Knowledge) -> None:
    rules = "&".join(f"rule={id_}" for id_ in PREVIOUS_HO)
    response = visitor.get(f"/evidence/codes.csv?{rules}&system=icd-10-diagnoses")
    found = table(response.content)
    wanted = {
        (row.system, row.code)
        for id_ in PREVIOUS_HO
        for value_set in roles(knowledge.factors[id_])
        for row in terminology.rows(knowledge.value_sets[value_set])
        if row.system.startswith("http://hl7.org/fhir/sid/icd-10")
    }

    assert {(row["system_uri"], row["code"]) for row in found} == wanted
    assert len(wanted) > 100
    assert {row["system"] for row in found} == {"ICD-10", "ICD-10-CM"}
    assert all(row["verified_in"] and row["knowledge_version"] for row in found)
    counted = {row["value_set"] for row in found if row["role"] == COUNTS}
    assert counted == {"ho-hip-region", "ho-site-unspecified"}
    others = {(row["value_set"], row["role"]) for row in found} - {(c, COUNTS) for c in counted}
    assert others == {("muscle-calcification", ASKS), ("ho-elsewhere", AT_HIP)}
    assert not any(row["code"].startswith("M61.1") for row in found)  # FOP is not acquired HO
    disposition = response.headers["content-disposition"]
    assert re.fullmatch(r'attachment; filename="[a-z0-9.-]+\.csv"', disposition)
    as_json = json.loads(
        visitor.get(f"/evidence/codes.json?{rules}&system=icd-10-diagnoses").content
    )
    assert [row["code"] for row in as_json["rows"]] == [row["code"] for row in found]


def test_every_value_set_comes_as_csv_json_and_fhir(
    visitor: PageClient, knowledge: Knowledge
) -> None:
    for name, value_set in knowledge.value_sets.items():
        count = sum(len(part.get("concept", ())) for part in value_set["compose"]["include"])
        assert len(table(visitor.get(f"/evidence/codes/{name}.csv").content)) == count
        assert visitor.get(f"/evidence/codes/{name}.json").json()["id"] == name
        rows = visitor.get(f"/evidence/codes.json?set={name}").json()["rows"]
        assert len(rows) == count


def test_pages_of_a_long_list_hold_every_code_once(visitor: PageClient, lists: CodeLists) -> None:
    pages = [visitor.get(f"/evidence/codes/biopsy?page={n}").text for n in (1, 2, 3, 4, 5, 6)]
    found = [
        code for page in dict.fromkeys(pages) for code in re.findall(r"<td><code>(.*?)<", page)
    ]

    assert sorted(found) == sorted(code.code for code in lists.of("biopsy") or ())
    for odd in ("0", "-1", "x", "٣", "9" * 40):
        assert visitor.get(f"/evidence/codes/biopsy?page={odd}").status_code == 200


@pytest.mark.parametrize("group", GROUPS)
def test_rules_come_as_files(group: str, visitor: PageClient) -> None:
    found = table(visitor.get(f"/evidence/{group}.csv").content)

    assert found
    assert all(row["statement"] for row in found)
    assert len(visitor.get(f"/evidence/{group}.json").json()["rows"]) == len(found)


@pytest.mark.parametrize(
    "path",
    [
        "codes.xml", "search.html", "nope.csv", "factors.xml", "codes/nope.csv", "codes/fop.xml",
        "codes.csv?rule=nope", "codes.csv?rule=dish&rule=nope", "codes.csv?set=nope",
    ],
)  # fmt: skip
def test_a_file_that_is_not_there_is_not_an_empty_one(path: str, visitor: PageClient) -> None:
    assert visitor.get(f"/evidence/{path}").status_code == 404


def test_a_spreadsheet_reads_no_formula(knowledge: Knowledge) -> None:
    bad = Code("fop", "x", "x", "=1+1", '-cmd|"', prefix=False, side="", used=True, verified_in="",
               note="@x")  # fmt: skip
    [row] = table(exports.as_csv(exports.rows([bad], {"fop": "FOP"}, knowledge), exports.COLUMNS))

    assert (row["code"], row["display"], row["note"]) == ("'=1+1", "'-cmd|\"", "'@x")


# --- where codes were verified ---


def test_an_outsider_can_open_the_source_or_is_told(knowledge: Knowledge, lists: CodeLists) -> None:
    for value_set in knowledge.value_sets:
        for code in lists.of(value_set) or ():
            assert all(address.startswith("https://") for address in code.addresses)
            assert not re.search(
                r"\b[0-9]{9,11}\b(?!/)", re.sub(r"[0-9.]{20,}", "", code.source)
            ), code


def test_addresses_follow_from_names() -> None:
    pypi = "PyPI simple-icd-10-cm 1.5.0 (CMS tabular, April 2026)"
    assert code_sources.addresses(pypi) == ("https://pypi.org/project/simple-icd-10-cm/1.5.0/",)
    both = 'VSAC "Asthma" 2.16.840.1 in cqframework/clinical-reasoning; cds-hooks/sandbox a.json'
    assert code_sources.addresses(both) == (
        "https://github.com/cqframework/clinical-reasoning",
        "https://github.com/cds-hooks/sandbox",
    )
    assert code_sources.addresses("GitHub id 13801802293 (codes)") == ()
    assert code_sources.words("GitHub id 13801802293 (codes)") == (
        "a public file whose address was not kept (codes)"
    )
