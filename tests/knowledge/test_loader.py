"""Loading of the clinical content: sound as it stands, and every mistake told with its place."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cds_service.errors import KnowledgeError, Mistake
from cds_service.knowledge import checks
from cds_service.knowledge.code_systems import ATC, RXNORM
from cds_service.knowledge.loader import CONTENT, Knowledge, load
from cds_service.knowledge.names import VALUE_SETS
from cds_service.knowledge.version import digest, version
from cds_service.knowledge.when import When


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A copy of the content to break."""
    copy = tmp_path / "content"
    shutil.copytree(CONTENT, copy)
    return copy


def replace(directory: Path, file: str, old: str, new: str) -> int:
    """Replace the first occurrence and return the line it stood on."""
    path = directory / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{file} has no {old!r}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def mistakes(content: Path) -> tuple[Mistake, ...]:
    with pytest.raises(KnowledgeError) as raised:
        load(content=content)
    return raised.value.mistakes


def only(found: tuple[Mistake, ...], file: str) -> Mistake:
    assert len(found) == 1, [str(one) for one in found]
    assert found[0].file == file
    return found[0]


# --- the content as it stands ---


def test_the_content_loads_and_says_its_version(knowledge: Knowledge) -> None:
    assert re.fullmatch(r"[0-9.]+\+[0-9a-f]{8}", knowledge.version)
    assert knowledge.version.startswith(knowledge.meta.version)
    assert knowledge.site is None
    assert knowledge.differences == ()
    assert load().version == knowledge.version


def test_the_content_has_its_parts(knowledge: Knowledge) -> None:
    assert set(knowledge.options) == {"nsaid", "radiotherapy"}
    assert {"celecoxib", "indomethacin"} <= set(knowledge.regimens)
    assert set(knowledge.options["nsaid"].regimens) <= set(knowledge.regimens)
    assert {"fop", "poh"} <= set(knowledge.genetic)
    assert len(knowledge.value_sets) > 100
    assert len(knowledge.evidence) > 100
    assert len(knowledge.controversies) == 9
    for part in ("triggers", "factors", "modifiers", "non_factors", "exclusions", "cards", "links"):
        for name, item in getattr(knowledge, part).items():
            assert item.id == name


def test_evidence_names_a_source_and_no_copy(knowledge: Knowledge) -> None:
    for source in knowledge.evidence.values():
        assert source.citation
        assert source.finding
        url = source.url or ""
        assert not re.search(r"\d+\.\d+\.\d+\.\d+|proxy|scribd|slideshare|qxmd|orthobullets", url)
        if not source.verified:
            assert source.caution, source.id


def test_the_hash_depends_on_every_byte_and_name() -> None:
    assert digest({"a": b"1"}) != digest({"a": b"2"})
    assert digest({"a": b"1"}) != digest({"b": b"1"})
    assert digest({"a": b"bc"}) != digest({"ab": b"c"})
    one, site = digest({"a": b"1"}), digest({"x": b""})
    assert version("1", one, site).startswith(version("1", one, None))


# --- mistakes in YAML ---


def test_every_card_is_one_that_the_service_needs() -> None:
    knowledge = load()
    genetic = knowledge.genetic.values()
    of_disease = {card for rule in genetic for card in rule.cards.values() if card}
    of_disease |= {rule.card_on_record for rule in genetic if rule.card_on_record}
    of_disease |= {harm.card for harm in knowledge.harms.values()} | {knowledge.early.card}
    assert sorted({*checks.CARDS, *of_disease}) == sorted(knowledge.cards)


def test_a_genetic_card_that_does_not_exist_is_told_where_it_is_named(content: Path) -> None:
    replace(content, "cards.yaml", "id: fop-block", "id: fop-blocks")
    replace(content, "cards.yaml", "[fop-surgery, fop-block,", "[fop-surgery,")
    found, *also = mistakes(content)
    assert found.file == "genetic.yaml"
    assert {mistake.file for mistake in also} == {"triggers.yaml"}
    assert found.reason == "genetic 'fop': there is no card 'fop-block'"
    line = (content / "genetic.yaml").read_text().split("\n")[(found.line or 0) - 1]
    assert line == "      block: fop-block"


def test_a_missing_file(content: Path) -> None:
    (content / "modifiers.yaml").unlink()
    found = only(mistakes(content), "modifiers.yaml")
    assert "cannot be read" in found.reason
    assert found.mend == "add the file"


def test_a_file_that_nobody_reads(content: Path) -> None:
    (content / "factor.yaml").write_text("factors: []\n")
    found = only(mistakes(content), "factor.yaml")
    assert found.mend == "did you mean 'factors.yaml'?"


def test_text_that_is_not_yaml(content: Path) -> None:
    line = replace(content, "factors.yaml", "factors:", "factors: [")
    found = mistakes(content)
    assert [one.file for one in found] == ["factors.yaml"]
    assert "not YAML" in found[0].reason
    assert found[0].line is not None
    assert found[0].line >= line


@pytest.mark.parametrize("id_", VALUE_SETS)
def test_a_value_set_that_readers_look_for(content: Path, id_: str) -> None:
    (content / "valuesets" / f"{id_}.json").unlink()
    reasons = [one.reason for one in mistakes(content) if one.file == f"valuesets/{id_}.json"]
    assert reasons == ["readers look for this value set"]


def test_bytes_that_are_no_text(content: Path) -> None:
    (content / "factors.yaml").write_bytes(b"factors:\n  - \xff\xfe\n")
    assert "not YAML" in only(mistakes(content), "factors.yaml").reason


def test_a_key_that_stands_twice(content: Path) -> None:
    line = replace(
        content, "meta.yaml", "  tier_high_at: 2", "  tier_high_at: 2\n  tier_high_at: 3"
    )
    found = only(mistakes(content), "meta.yaml")
    assert found.line == line + 1
    assert "stands twice" in found.reason


def test_a_missing_top_key(content: Path) -> None:
    replace(content, "modifiers.yaml", "modifiers:", "modifier:")
    assert only(mistakes(content), "modifiers.yaml").reason == "'modifiers' is missing"


def test_a_list_that_is_none(content: Path) -> None:
    (content / "modifiers.yaml").write_text("modifiers: nothing\n")
    assert "is no list" in only(mistakes(content), "modifiers.yaml").reason


YAML_MISTAKES: list[tuple[str, str, str, str, str | None]] = [
    # file, what stands there, what is put there, reason, mend
    ("factors.yaml", "    tier: high", "    tier: hihg", "'hihg' is not one of", "'high'"),
    ("factors.yaml", "    tier: high", "    teir: high", "'teir' is no member", "'tier'"),
    ("factors.yaml", "    tier: high\n", "", "'tier' is missing", "add 'tier'"),
    ("factors.yaml", "ho-postoperative,", "ho-postop,", "no value set 'ho-postop'", None),
    ("factors.yaml", "[biz2015,", "[biz2016,", "no evidence 'biz2016'", "'biz2015'"),
    ("triggers.yaml", "[hip-total-primary]", "[hip-total-primry]", "no value set", "primary"),
    ("genetic.yaml", "clues: [fop-possible", "clues: [fop-posible", "no value set", "fop-possible"),
    ("genetic.yaml", '"osseous\\\\W+het', '"osseous (het', "not a regular", "correct"),
    ("genetic.yaml", "    disease: fop", "    enabled: false\n    disease: fop", "cannot be", None),
    ("exclusions.yaml", "    floor: true", "    floor: true\n    enabled: false", "floor", None),
    ("exclusions.yaml", "applies_to: [nsaid]", "applies_to: [nsiad]", "no option or", "'nsaid'"),
    ("exclusions.yaml", "{fact}. No NSAID", "{facts}. No NSAID", "nothing fills in", "fact"),
    ("exclusions.yaml", "{fact}. No NSAID", "{fact. No NSAID", "text:", "brace"),
    ("options.yaml", "regimens: [celecoxib,", "regimens: [celecoxb,", "no regimen", "'celecoxib'"),
    ("options.yaml", 'code: "205323"', 'code: "197818"', "not of the drug 'celecoxib'", None),
    ("options.yaml", 'code: "205323"', 'code: "205324"', "not in the value set 'nsaid'", None),
    ("options.yaml", 'code: "314200"', 'code: "205323"', "not in the value set 'ppi'", None),
    ("options.yaml", "      days: 10", "      days: 400", "course.days", None),
    ("cards.yaml", "[coded-in-error,", "[coded-error,", "no override", "coded-in"),
    ("cards.yaml", "standard: patient-refuses", "standard: declined", "no standard reason", None),
    ("cards.yaml", "performer: radiation", "performer: radiatoin", "no value set", "radiation"),
    ("options.yaml", "referral: radiation-onc", "referral: onc", "no referral", "radiation-onc"),
    ("options.yaml", "    referral: radiation-oncology\n", "", "or else its referral", None),
    ("genetic.yaml", "referral: fop-expert", "referral: fop-xpert", "no referral", "fop-expert"),
    ("meta.yaml", "referral: radiation-or", "referral: bones", "no referral", None),
    ("cards.yaml", "url: https://", "url: http://", "does not fit the pattern", None),
    ("cards.yaml", "cards: [fop-surgery,", "cards: [fop-surgry,", "no card", "'fop-surgery'"),
    ("cards.yaml", "id: not-assessed", "id: unassessed", "'not-assessed' is missing", "add it"),
    ("genetic.yaml", "biopsy: poh-biopsy", "biopsy: poh-biopsies", "no card", "'poh-biopsy'"),
    ("genetic.yaml", "block: fop-block\n", "blok: fop-block\n", "cards.blok", "'block'"),
    ("genetic.yaml", "      block: null\n", "", "name a card, or null, for block", None),
    ("genetic.yaml", "record: fop-on-record", "record: fop-on", "no card 'fop-on'", None),
    ("cards.yaml", "id: partly-assessed", "id: assessed", "'partly-assessed' is missing", "add it"),
    ("cards.yaml", "id: prophylaxis-unchecked", "id: unchecked",
     "'prophylaxis-unchecked' is missing", "add it"),
    ("evidence.yaml", 'pmid: "26155968"', 'pmid: "PMID 26155968"', "does not fit", None),
    ("meta.yaml", 'version: "2026.12"', 'version: "november"', "does not fit the pattern", None),
    ("meta.yaml", "tier_high_at: 2", "tier_high_at: 1", "tier_high_at", None),
    ("words.yaml", "[lithia, lithium,", "[lit, lithium,", "'lit' is short", "into 'words'"),
    ("words.yaml", "[lithia, lithium,", "[lithium, litthium,", "'litthium' stands twice", "remove"),
    ("words.yaml", "[peptic ulcer,", "[heart failure,", "first in 'words-heart-failure'", None),
    ("languages.yaml", "[but, except,", "[but, but,", "'but' stands twice", "remove"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "old", "new", "reason", "mend"), YAML_MISTAKES, ids=[m[3] for m in YAML_MISTAKES]
)
def test_a_mistake_is_told_with_file_line_and_mend(
    content: Path, file: str, old: str, new: str, reason: str, mend: str | None
) -> None:
    line = replace(content, file, old, new)
    found = [one for one in mistakes(content) if reason in one.reason]
    assert found, [str(one) for one in mistakes(content)]
    assert found[0].file == file
    assert found[0].line is not None
    assert abs(found[0].line - line) <= 12 or "is missing" in reason
    if mend:
        assert mend in (found[0].mend or "")
    assert str(found[0]).startswith(f"{file}:{found[0].line}: ")


def test_a_regimen_with_the_id_of_the_protection(content: Path) -> None:
    """A draft is found by this id: it would be one of the other medicine."""
    replace(content, "options.yaml", "  - id: celecoxib\n", "  - id: pantoprazole\n")
    assert any("stands twice" in one.reason for one in mistakes(content))


def test_an_id_that_stands_twice(content: Path) -> None:
    line = replace(content, "modifiers.yaml", "  - id: male-sex\n", "  - id: previous-ho-hip\n")
    found = [one for one in mistakes(content) if "stands twice" in one.reason]
    assert found[0].file == "modifiers.yaml"
    assert found[0].line == line
    assert "factors.yaml:3" in found[0].reason


def test_a_rule_without_a_source_and_without_the_word_convention(content: Path) -> None:
    replace(content, "factors.yaml", "    evidence: [biz2015, eggli2001, iorio2002]\n", "")
    found = only(mistakes(content), "factors.yaml")
    assert "name at least one evidence id" in found.reason


def test_a_test_with_two_kinds_at_once(content: Path) -> None:
    old = "        - procedure: {value_sets: [ho-excision-elbow]}"
    new = f"{old}\n          age: {{below: 3}}"
    line = replace(content, "factors.yaml", old, new)
    found = only(mistakes(content), "factors.yaml")
    assert "exactly one of" in found.reason
    assert found.line == line


def test_bounds_that_nothing_can_pass(content: Path) -> None:
    text = (content / "exclusions.yaml").read_text()
    place = re.search(r"below: (\d+), within_days|below: (\d+)", text)
    assert place is not None
    replace(content, "exclusions.yaml", place[0], f"at_least: 999, {place[0]}")
    assert any("is not below" in one.reason for one in mistakes(content))


def test_all_mistakes_are_told_at_once(content: Path) -> None:
    replace(content, "factors.yaml", "[biz2015,", "[biz2016,")
    replace(content, "triggers.yaml", "[hip-total-primary]", "[hip-total-primry]")
    replace(content, "meta.yaml", "tier_high_at: 2", "tier_high_at: two")
    (content / "valuesets" / "dish.json").write_text("{")
    found = mistakes(content)
    files = ["factors.yaml", "meta.yaml", "triggers.yaml", "valuesets/dish.json"]
    assert sorted({one.file for one in found}) == files
    assert len(found) == 4


def test_a_file_that_cannot_be_read_is_one_mistake_and_not_a_hundred(content: Path) -> None:
    (content / "evidence.yaml").write_text("evidence: [\n")
    assert only(mistakes(content), "evidence.yaml").line is not None


# --- mistakes in value sets ---

Break = Callable[[dict[str, Any]], object]


def include(data: dict[str, Any], system: str = "http://snomed.info/sct") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = next(
        one["concept"] for one in data["compose"]["include"] if one["system"] == system
    )
    return found


def sct(code: str) -> dict[str, Any]:
    url = "https://ho-cds.example.org/fhir/StructureDefinition/verified-in"
    return {"extension": [{"url": url, "valueString": "a test"}], "code": code, "display": "x"}


def extended(concept: dict[str, Any], name: str, value: str) -> dict[str, Any]:
    url = f"https://ho-cds.example.org/fhir/StructureDefinition/{name}"
    return concept | {"extension": [*concept["extension"], {"url": url, "valueCode": value}]}


def first_icd(data: dict[str, Any]) -> list[dict[str, Any]]:
    return include(data, "http://hl7.org/fhir/sid/icd-10-cm")


VALUE_SET_MISTAKES: list[tuple[str, str, Break, str, str | None]] = [
    ("check digit", "dish", lambda d: include(d).append(sct("31487002")), "check digit", "strings"),
    ("truncated id", "dish", lambda d: include(d).append(sct("15970001000004100")), "digit", None),
    ("not a SNOMED id", "dish", lambda d: include(d).append(sct("M48.1")), "not how a code", None),
    ("partition", "dish", lambda d: include(d).append(sct("2534664018")), "check digit", None),
    ("ICD shape", "dish", lambda d: first_icd(d).append(sct("M481")), "not how a code", "source"),
    ("blanks", "dish", lambda d: include(d).append(sct(" 31487001")), "blanks", None),
    ("listed twice", "dish", lambda d: include(d).append(include(d)[0]), "listed twice", "remove"),
    ("no display", "dish", lambda d: include(d)[0].pop("display"), "no display", None),
    ("no source", "dish", lambda d: include(d)[0].update(extension=[]), "was verified", None),
    ("SNOMED prefix", "dish",
     lambda d: include(d).append(extended(sct("64859006"), "match", "prefix")), "no meaning", None),
    ("word for match", "dish",
     lambda d: include(d).append(extended(sct("64859006"), "match", "exakt")), "match", "'exact'"),
    ("word for side", "dish",
     lambda d: include(d).append(extended(sct("64859006"), "side", "rigth")), "side", "'right'"),
    ("no include", "dish", lambda d: d["compose"].pop("include"), "compose.include", None),
    ("no system", "dish", lambda d: d["compose"]["include"][0].pop("system"), "no system", None),
    ("filter", "dish", lambda d: d["compose"]["include"][0].update(filter=[{}]), "filter", None),
    ("number as code", "dish", lambda d: include(d)[0].update(code=31487001), "not a string", None),
    ("other resource", "dish", lambda d: d.update(resourceType="CodeSystem"), "ValueSet", None),
    ("no id", "dish", lambda d: d.pop("id"), "no id", None),
    ("other id", "dish", lambda d: d.update(id="dihs"), "'dihs'", "dihs.json"),
    ("LOINC digit", "lab-egfr",
     lambda d: include(d, "http://loinc.org").append(sct("33914-4")), "LOINC check digit", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "breaks", "reason", "mend"),
    [m[1:] for m in VALUE_SET_MISTAKES],
    ids=[m[0] for m in VALUE_SET_MISTAKES],
)
def test_a_broken_value_set(
    content: Path, name: str, breaks: Break, reason: str, mend: str | None
) -> None:
    path = content / "valuesets" / f"{name}.json"
    data = json.loads(path.read_bytes())
    breaks(data)
    path.write_text(json.dumps(data, indent=1))
    found = [one for one in mistakes(content) if reason in one.reason]
    assert found, [str(one) for one in mistakes(content)]
    assert found[0].file == f"valuesets/{name}.json"
    assert found[0].line is not None
    assert mend is None or mend in (found[0].mend or "")


def test_an_empty_value_set(content: Path) -> None:
    path = content / "valuesets" / "dish.json"
    data = json.loads(path.read_bytes())
    for one in data["compose"]["include"]:
        one["concept"] = []
    path.write_text(json.dumps(data, indent=1))
    found = only(mistakes(content), "valuesets/dish.json")
    assert found.reason == "the value set is empty"


def test_a_wrong_code_is_told_with_its_line(content: Path) -> None:
    line = replace(content, "valuesets/dish.json", '"code": "31487001"', '"code": "31487002"')
    assert only(mistakes(content), "valuesets/dish.json").line == line


def test_a_value_set_that_is_missing(content: Path) -> None:
    (content / "valuesets" / "dish.json").unlink()
    found = [one for one in mistakes(content) if "no value set 'dish'" in one.reason]
    assert found[0].file == "factors.yaml"
    assert found[0].line is not None


def test_no_value_sets_at_all(content: Path) -> None:
    shutil.rmtree(content / "valuesets")
    assert any("no readable value set" in one.reason for one in mistakes(content))


@pytest.mark.parametrize(
    ("name", "system", "code", "match"),
    [
        ("ho-site-unspecified", "http://snomed.info/sct", "82725007", "exact"),
        ("ho-site-unspecified", "http://hl7.org/fhir/sid/icd-10-cm", "M61.15", "exact"),
        ("ho-site-unspecified", "http://hl7.org/fhir/sid/icd-10-cm", "M61", "prefix"),
        ("ho-elsewhere", "http://hl7.org/fhir/sid/icd-10-cm", "M61.11", "prefix"),
        ("poh", "http://www.omim.org", "135100", "exact"),
    ],
)
def test_a_code_in_a_genetic_and_an_acquired_set(
    content: Path, name: str, system: str, code: str, match: str
) -> None:
    path = content / "valuesets" / f"{name}.json"
    data = json.loads(path.read_bytes())
    concept = extended(sct(code), "match", match)
    data["compose"]["include"].append({"system": system, "concept": [concept]})
    path.write_text(json.dumps(data, indent=1))
    found = [one for one in mistakes(content) if "one code cannot mean both" in one.reason]
    assert found
    assert {one.file for one in found} <= {f"valuesets/{name}.json", "valuesets/poh.json"}
    assert all(one.line for one in found)


# --- what identification relies on ---


def _medicine_sets(when: When) -> set[str]:
    own = set(when.medication.value_sets) if when.medication else set()
    return own.union(*(_medicine_sets(part) for part in (*when.any, *when.all, *when.none)))


def test_every_value_set_of_medicines_is_listed_in_the_systems_that_identify_one(
    knowledge: Knowledge,
) -> None:
    """A medicine in such a system and in no value set is taken for harmless."""
    named = set().union(*(_medicine_sets(rule.when) for rule in knowledge.exclusions.values()))
    assert {"warfarin", "lithium", "nsaid"} <= named
    for value_set in named:
        systems = {i["system"] for i in knowledge.value_sets[value_set]["compose"]["include"]}
        assert {RXNORM, ATC} <= systems, value_set
