"""The content as FHIR: CQL, PlanDefinition, drafts, and the package."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from cds_service.cards import decision_table
from cds_service.knowledge.loader import load
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published import archive, catalogue
from cds_service.knowledge.published.common import BEFORE_USE
from cds_service.knowledge.published.cql.libraries import Cql, cql
from cds_service.knowledge.published.cql.text import closed, literal, quoted, wrapped
from cds_service.knowledge.published.rows import ROWS_LOST, actions
from cds_service.knowledge.schema import Rule

PARTS = (
    "triggers", "factors", "modifiers", "non_factors", "genetic", "exclusions",
    "harms", "kept", "harmless", "never",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(knowledge: Knowledge) -> Cql:
    return knowledge.once(cql)


@pytest.fixture(scope="module")
def plan(knowledge: Knowledge) -> Mapping[str, Any]:
    found = catalogue.read(knowledge, "PlanDefinition", "ho-order-sign")
    assert found is not None
    return found


def defines(text: str) -> set[str]:
    return set(re.findall(r'(?m)^define (?:function )?"([^"]+)"', text))


def all_actions(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for one in resource.get("action", ()):
        yield one
        yield from all_actions(one)


@pytest.mark.parametrize("part", PARTS)
def test_every_rule_is_a_define_or_is_named_as_not_exported(
    knowledge: Knowledge, made: Cql, part: str
) -> None:
    everything = set().union(*map(defines, made.texts.values()))
    left_out = {one.rule for one in made.lost if one.part == part and one.how == "not exported"}
    rules: Mapping[str, Rule] = getattr(knowledge, part)
    for id_ in rules:
        name = f"{id_} on record" if part == "genetic" else id_
        assert (name in everything) != (id_ in left_out), id_


def test_the_statement_of_a_rule_stands_above_its_define(knowledge: Knowledge, made: Cql) -> None:
    text = re.sub(r"\n// ", " ", made.texts["HOFactors"])
    for rule in knowledge.factors.values():
        assert " ".join(rule.statement.split()) in text


@pytest.mark.parametrize("id_", ["rows", "words"])
def test_every_row_has_an_action_or_is_named_as_not_exported(
    knowledge: Knowledge, id_: str
) -> None:
    exported = {one.row for one in actions(knowledge)}
    rows = {row.id for row in decision_table.rows(knowledge) if row.cards}
    if id_ == "rows":
        assert rows - exported - set(ROWS_LOST) == set()
    else:  # no blank of a card is left unnamed
        assert not any("{" in one.title or "{" in one.description for one in actions(knowledge))


def test_every_value_set_that_is_named_is_published(knowledge: Knowledge, made: Cql) -> None:
    named = re.findall(
        r"(?m)^valueset \"([^\"]+)\": '([^']+)' version '([^']+)'", made.texts["HOCodes"]
    )
    for id_, url, version in named:
        assert catalogue.by_url(knowledge, "ValueSet", url, version) is not None, id_
    asked = {
        id_ for text in made.texts.values() for id_ in re.findall(r'Codes\."in ([a-z0-9-]+)"', text)
    }
    assert asked <= {id_ for id_, *_ in named}


def test_what_is_included_is_there(knowledge: Knowledge, made: Cql) -> None:
    aliases = {name: name.removeprefix("HO") for name in made.texts}
    for text in made.texts.values():
        for alias, name in re.findall(r'\b([A-Z][a-z]+)\."([^"]+)"', text):
            library = next(one for one, short in aliases.items() if short == alias)
            assert name in defines(made.texts[library]) | set(
                re.findall(r'(?m)^parameter "([^"]+)"', made.texts[library])
            ), (alias, name)


def test_each_action_has_a_condition_of_its_own(plan: Mapping[str, Any], made: Cql) -> None:
    (event,) = plan["action"]
    assert event["trigger"] == [{"type": "named-event", "name": "order-sign"}]
    listed = list(all_actions(event))
    conditions = [one["condition"][0]["expression"] for one in listed]
    names = [one["expression"] for one in conditions]
    known = defines(made.texts["HOPlan"])
    assert set(names) == known
    assert len({one["id"] for one in listed}) == len(listed) == len(known)
    for one in conditions:  # an engine that has the library translated has not to do it again
        assert one["language"] == "text/cql-identifier"
        assert [one["reference"]] == plan["library"]


def test_what_is_unknown_is_asked(knowledge: Knowledge, plan: Mapping[str, Any], made: Cql) -> None:
    names = defines(made.texts["HOPlan"])
    left_out = {one.rule for one in made.lost if one.how == "not exported"}
    for id_ in set(knowledge.exclusions) - left_out:
        assert {f"holds: {id_}", f"unknown: {id_}"} <= names
    for id_ in knowledge.factors:
        assert f"ask: {id_}" in names


def test_drafts_are_offered_only_where_nothing_is_unknown(knowledge: Knowledge, made: Cql) -> None:
    text = made.texts["HOExclusions"]
    for id_ in (*knowledge.regimens, "radiotherapy"):
        body = text.split(f'define "{id_} may be drafted":')[1].split("\ndefine")[0]
        assert f'not "{id_} ruled out"' in body
        assert f'not "{id_} has open questions"' in body


def test_a_list_counts_as_not_read_until_an_engine_says_so(made: Cql) -> None:
    parameters = re.findall(r'(?m)^parameter "(.+)" Boolean(.*)$', made.texts["HOFacts"])
    assert len(parameters) == 5
    assert {default for _, default in parameters} == {" default false"}
    there = made.texts["HOExclusions"].split('define "Prophylaxis may be there":')[1]
    for one in ("Medications", "Procedures"):  # unread is no reason to draft another course
        assert f'not (Facts."{one} Known" is true)' in there.split("\ndefine")[0]


def test_a_code_is_found_without_its_dots(made: Cql) -> None:
    text = made.texts["HOCodes"]
    body = text.split('define function "in gnas-related"')[1].split("\n\n")[0]
    system = "http://hl7.org/fhir/sid/icd-10-cm"
    listed = re.search(f'"Is One Of"\\(concept, \'{system}\', (".+")\\)', body)
    assert listed is not None
    assert f"define {listed[1]}:\n  {{ 'E201' }}" in text


def test_a_result_of_the_gene_counts_as_the_service_reads_it(made: Cql) -> None:
    text = made.texts["HOExclusions"]
    body = text.split('define "cyp2c9-poor-metaboliser":')[1].split("\n\n")[0]
    assert 'Facts."Results" O' in body
    assert 'Codes."in lab-cyp2c9-activity"(O.code)' in body


def test_where_the_problem_list_was_not_read_every_kind_of_order_has_the_card_of_the_service(
    made: Cql,
) -> None:
    body = made.texts["HOPlan"].split('define "row not-assessed":')[1].split("\n\n")[0]
    for kind in ("arthroplasty", "biopsy", "intramuscular", "surgery"):
        assert f'Triggers."Draft {kind}"' in body
    assert "genetic-not-assessed" not in made.texts["HOPlan"]


def test_a_relative_is_no_question_where_the_disease_stands(made: Cql) -> None:
    body = made.texts["HOPlan"].split('define "row family-history":')[1].split("\n\n")[0]
    assert body.count('not Genetic."fop on record or suspected"') == 3
    assert 'not Genetic."ask: fop"' in body


def test_an_order_not_to_do_something_is_no_order(made: Cql) -> None:
    for name in ("Draft Services", "Draft Medicines", "Planned Services"):
        body = made.texts["HOFacts"].split(f'define "{name}":')[1].split("\n\n")[0]
        assert "doNotPerform.value, false)" in body, name


def test_a_suspicion_of_fop_asks_about_every_draft(made: Cql) -> None:
    body = made.texts["HOPlan"].split('define "row fop-not-understood":')[1].split("\n\n")[0]
    assert 'Genetic."fop on record or suspected" and (exists' in body
    signs = made.texts["HOGenetic"].split('define "fop suspected":')[1].split("\n\n")[0]
    assert 'Facts."Draft Medicines"' in signs  # by their reason


def test_an_excision_makes_no_arthroplasty_of_both_hips(made: Cql) -> None:
    body = made.texts["HOTriggers"].split('define "Sides Operated":')[1].split("\n\n")[0]
    assert 'Codes."in hip-total-primary"' in body
    assert "excision" not in body


def test_the_stomach_is_protected_as_long_as_the_course_lasts(
    knowledge: Knowledge, plan: Mapping[str, Any]
) -> None:
    drafted = {
        one["id"]: one["definitionCanonical"]
        for one in all_actions(plan)
        if "definitionCanonical" in one
    }
    for regimen in knowledge.regimens.values():
        for id_ in (f"draft-{regimen.id}", f"protect-{regimen.id}"):
            made = catalogue.by_url(knowledge, "ActivityDefinition", drafted[id_], None)
            assert made is not None
            repeat = made["dosage"][0]["timing"]["repeat"]
            assert repeat["boundsDuration"]["value"] == regimen.course.days, id_


def test_a_medicine_on_hold_protects_no_stomach(made: Cql) -> None:
    body = made.texts["HOExclusions"].split('define "The stomach is to be protected":')[1]
    assert "M.state in { 'active', 'draft' }" in body


def test_what_is_lost_stands_where_the_package_is_loaded(
    knowledge: Knowledge, plan: Mapping[str, Any]
) -> None:
    page = Path("docs/fhir-package.md").read_text("utf-8")
    top = " ".join(page.partition("## What is in it")[0].split())
    lost = archive.files(knowledge)["other/not-exported.md"].decode()
    for sentence in BEFORE_USE:
        assert sentence in plan["usage"]
        assert sentence in lost.partition("### Not exported")[0]
        assert sentence in top


def test_the_drafts_are_those_of_cards(knowledge: Knowledge, plan: Mapping[str, Any]) -> None:
    wanted = {*knowledge.regimens, knowledge.protection.id}
    named = {
        one["definitionCanonical"] for one in all_actions(plan) if "definitionCanonical" in one
    }
    for canonical in named:
        assert catalogue.by_url(knowledge, "ActivityDefinition", canonical, None) is not None
    assert wanted <= {one.rsplit("/")[-1].partition("|")[0] for one in named}


@pytest.mark.parametrize("kind", catalogue.TYPES)
def test_every_resource_is_valid_and_says_whose_it_is(knowledge: Knowledge, kind: str) -> None:
    model = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    for id_ in catalogue.ids(knowledge, kind):
        resource = catalogue.read(knowledge, kind, id_)
        assert resource is not None
        model.model_validate(resource)
        assert {"url", "version", "date", "publisher", "title"} <= set(resource), id_
        assert "copyright" in resource or kind == "ValueSet"


def test_the_package_is_the_same_in_two_builds(knowledge: Knowledge) -> None:
    content = archive.package(knowledge)
    assert content == archive.package(load())
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as opened:
        members = opened.getmembers()
        assert {(one.mtime, one.uid, one.uname) for one in members} == {(0, 0, "")}
        names = {one.name.removeprefix("package/") for one in members}
    found = archive.files(knowledge)
    assert names == set(found)
    index = json.loads(found[".index.json"])
    assert {one["filename"] for one in index["files"]} == {n for n in names if re.match("[A-Z]", n)}
    manifest = json.loads(found["package.json"])
    assert manifest["fhirVersions"] == ["4.0.1"]
    assert manifest["name"] == "org.example.ho-cds.content"


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("2026.12+c1b70231", "2026.12.0+c1b70231"),
        ("2026.01.3+1a", "2026.1.3+1a"),
        ("2026.12+c1b70231+site.6eca387d", "2026.12.0+c1b70231.site.6eca387d"),
    ],
)
def test_a_version_that_npm_reads(version: str, said: str) -> None:
    assert archive.npm_version(version) == said


def test_the_licences_of_all_codes_are_in_the_package(knowledge: Knowledge) -> None:
    said = archive.files(knowledge)["other/licences.md"].decode()
    for value_set in knowledge.value_sets.values():
        assert f"ValueSet/{value_set['id']}\n" in said
        assert value_set.get("copyright", "") in said


def test_a_site_has_versions_of_its_own(tmp_path: Path, knowledge: Knowledge) -> None:
    (tmp_path / "overlay.yaml").write_text("overlay:\n  name: Example\n  rules:\n    dish: off\n")
    site = load(tmp_path)
    mine = catalogue.read(site, "ValueSet", "fop")
    base = catalogue.read(knowledge, "ValueSet", "fop")
    assert mine is not None
    assert base is not None
    assert mine["version"].startswith(f"{base['version']}+site.")
    assert 'define "dish"' not in site.once(cql).texts["HOFactors"]


def test_literals_and_brackets() -> None:
    assert literal("a 'b' \\") == "'a \\'b\\' \\\\'"
    assert quoted('a "b"') == '"a \\"b\\""'
    assert wrapped('f("a or b")') == 'f("a or b")'
    assert wrapped('"a" or "b"') == '("a" or "b")'
    assert wrapped("exists (\n  x\n)") == "exists (\n  x\n)"
    assert closed('f("a", 1)') == 'f("a", 1)'
    assert closed("exists (x)") == "(exists (x))"
