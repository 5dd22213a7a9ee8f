"""Site overlays: what a hospital can change, what it cannot, and what is said about it."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from cds_service.errors import KnowledgeError, Mistake
from cds_service.knowledge.loader import Knowledge, load

LOCAL = "https://hospital.example.org/orders"


def overlaid(directory: Path, text: str) -> Knowledge:
    (directory / "overlay.yaml").write_text(whole(text))
    return load(directory)


def whole(text: str) -> str:
    body = textwrap.indent(textwrap.dedent(text), "  ")
    return f"overlay:\n  name: Test hospital\n{body}"


def value_set(directory: Path, name: str, system: str, *concepts: dict[str, Any]) -> Path:
    """A value set file of the site."""
    (directory / "valuesets").mkdir(exist_ok=True)
    path = directory / "valuesets" / f"{name}.json"
    include = [{"system": system, "concept": list(concepts)}]
    data = {"resourceType": "ValueSet", "id": name, "status": "active"}
    path.write_text(json.dumps(data | {"compose": {"include": include}}, indent=1))
    return path


def mistakes(directory: Path) -> tuple[Mistake, ...]:
    with pytest.raises(KnowledgeError) as raised:
        load(directory)
    return raised.value.mistakes


# --- what a site can change ---


def test_an_overlay_with_nothing_but_its_name(base: Knowledge, tmp_path: Path) -> None:
    site = overlaid(tmp_path, "")
    assert site.version.startswith(f"{base.version}+site.")
    assert site.site == "Test hospital"
    assert site.differences == ()


def test_the_version_follows_every_byte_of_the_overlay(tmp_path: Path) -> None:
    one = overlaid(tmp_path, "contact: Call 1").version
    assert overlaid(tmp_path, "contact: Call 2").version != one
    assert overlaid(tmp_path, "contact: Call 1").version == one
    value_set(tmp_path, "dish", LOCAL, {"code": "D", "display": "DISH"})
    assert load(tmp_path).version != one


def test_local_codes_are_recognised(base: Knowledge, tmp_path: Path) -> None:
    value_set(tmp_path, "hip-total-primary", LOCAL, {"code": "ORTHO-1", "display": "THA"})
    site = load(tmp_path)
    match = site.index.match(LOCAL, "ORTHO-1")
    assert match is not None
    assert match.concepts == {"hip-total-primary"}
    assert base.index.match(LOCAL, "ORTHO-1") is None
    assert site.site == tmp_path.name
    line = f"codes: hip-total-primary: added {LOCAL} ORTHO-1 (THA)"
    assert site.differences == (line,)
    old = base.index.codes("hip-total-primary", "http://snomed.info/sct")
    assert site.index.codes("hip-total-primary", "http://snomed.info/sct") == old


def test_rules_and_options_are_switched(tmp_path: Path) -> None:
    site = overlaid(
        tmp_path, "rules: {dish: off, paget-disease: on}\noptions: {radiotherapy: false}"
    )
    assert not site.factors["dish"].enabled
    assert site.factors["paget-disease"].enabled
    assert not site.options["radiotherapy"].enabled
    assert "rule: dish: switched off" in site.differences
    assert "option: radiotherapy: switched off" in site.differences


def test_dose_and_days_change_with_their_words(tmp_path: Path) -> None:
    site = overlaid(
        tmp_path,
        """
        regimens:
          celecoxib:
            label: Celecoxib 100 mg twice daily for 14 days
            course:
              code: "205322"
              display: celecoxib 100 MG Oral Capsule
              dose: 100
              days: 14
              instruction: 100 mg by mouth twice daily for 14 days
        """,
    )
    course = site.regimens["celecoxib"].course
    assert (course.dose, course.days, course.per_day, course.code) == (100, 14, 2, "205322")
    assert "dose: celecoxib: course.dose 200.0 -> 100.0" in site.differences
    assert "dose: celecoxib: course.days 10 -> 14" in site.differences


NEW_REGIMEN = """
new_regimens:
  - id: naproxen
    label: Naproxen 500 mg twice daily for 7 days
    drug: naproxen
    statement: The hospital gives naproxen.
    strength: weak
    evidence: [naproxen2018]
    off_label: Naproxen is not licensed for prevention of HO (off-label use).
    course:
      system: http://www.nlm.nih.gov/research/umls/rxnorm
      code: "198014"
      display: Naproxen 500 MG Oral Tablet
      dose: 500
      unit: mg
      per_day: 2
      days: 7
      instruction: 500 mg by mouth twice daily for 7 days
"""


def test_another_drug_is_added_and_put_first(base: Knowledge, tmp_path: Path) -> None:
    wanted = ("naproxen", *base.options["nsaid"].regimens)
    order = f"regimen_order: [{', '.join(wanted)}]\n"
    site = overlaid(tmp_path, NEW_REGIMEN + order + "regimens: {indomethacin: {enabled: false}}")
    assert site.options["nsaid"].regimens == wanted
    assert site.regimens["naproxen"].course.dose == 500
    assert not site.regimens["indomethacin"].enabled


def test_what_excludes_a_drug_excludes_every_course_of_it(base: Knowledge, tmp_path: Path) -> None:
    text = NEW_REGIMEN.replace("id: naproxen", "id: celecoxib-other").replace(
        "drug: naproxen", "drug: celecoxib"
    )
    site = overlaid(tmp_path, text.replace("198014", "205323"))
    against = [r.id for r in base.exclusions.values() if "celecoxib" in r.applies_to]
    assert against
    for name in against:
        assert "celecoxib-other" in site.exclusions[name].applies_to


def test_windows_thresholds_and_settings(tmp_path: Path) -> None:
    site = overlaid(
        tmp_path,
        """
        limits: {recent-acetabular-fracture: {within_days: 120}}
        tier_high_at: 3
        adequate: {min_days: 5}
        contact: Call 1234
        """,
    )
    when = site.factors["recent-acetabular-fracture"].when
    assert when.condition is not None
    assert when.condition.within_days == 120
    assert (site.meta.tier_high_at, site.meta.adequate.min_days) == (3, 5)
    assert site.meta.contact == "Call 1234"
    line = "rule: recent-acetabular-fracture: when.condition.within_days 90 -> 120"
    assert line in site.differences


def test_a_window_of_an_unknown_check(base: Knowledge, tmp_path: Path) -> None:
    check = next(one for one in base.unknown_checks if one.within_days)
    site = overlaid(tmp_path, f"limits: {{{check.id}: {{within_days: 33}}}}")
    assert next(one for one in site.unknown_checks if one.id == check.id).within_days == 33
    assert len(site.unknown_checks) == len(base.unknown_checks)


def test_a_reason_in_words_of_the_site_keeps_its_standard_code(tmp_path: Path) -> None:
    site = overlaid(
        tmp_path,
        """
        override_reasons:
          - {id: declined, system: "https://h.example.org/r", code: D, display: Said no}
          - id: checked
            system: "https://h.example.org/r"
            code: C
            display: Checked
            standard: action-completed
        """,
    )
    assert site.override_reasons["declined"].standard == "patient-refuses"
    assert site.override_reasons["checked"].standard == "action-completed"


def test_words_links_reasons_and_referrals(tmp_path: Path) -> None:
    site = overlaid(
        tmp_path,
        """
        override_reasons:
          - {id: in-clinic, system: "https://h.example.org/r", code: C1, display: Planned in clinic}
        card_override: {high-risk: [in-clinic, declined]}
        links:
          - {id: our-guide, label: Ours, url: "https://h.example.org/ho", cards: [high-risk]}
        referrals: {fop-expert: {text: Consult of the bone clinic}}
        protection:
          label: Pantoprazole 40 mg daily while the NSAID course lasts
          course: {code: "314200", display: pantoprazole 40 MG, dose: 40, instruction: 40 mg daily}
        """,
    )
    assert site.override_reasons["in-clinic"].code == "C1"
    assert site.cards["high-risk"].override == ("in-clinic", "declined")
    assert site.links["our-guide"].cards == ("high-risk",)
    assert site.referrals["fop-expert"].text == "Consult of the bone clinic"
    assert site.protection.course.code == "314200"


# --- what is wrong ---

OVERLAY_MISTAKES: list[tuple[str, str, str, str, str | None]] = [
    # name, overlay, the line it is about, reason, mend
    ("unknown member", "rule: {dish: off}", "rule:", "'rule' is no member", "'rules'"),
    ("unknown rule", "rules: {dihs: off}", "rules:", "no rule 'dihs'", "'dish'"),
    ("genetic off", "rules:\n  fop: off", "fop:", "cannot be switched off", "remove"),
    ("trigger off", "rules:\n  total-hip-arthroplasty: off", "total-", "cannot be switched", None),
    ("floor off", "rules:\n  nsaid-allergy: off", "nsaid-allergy:", "safety floor", "remove"),
    ("no switch", "rules:\n  {check}: off", "{check}:", "has no switch", "remove"),
    ("unknown option", "options: {radiotherpy: off}", "options:", "no option", "'radiotherapy'"),
    ("no option left", "options: {nsaid: off, radiotherapy: off}", "options:", "every", None),
    ("not a switch", "rules: {dish: maybe}", "rules:", "rules.dish", None),
    ("unknown regimen", "regimens: {celecoxb: {enabled: off}}", "regimens:", "no regimen", "xib"),
    ("numbers without words", "regimens:\n  celecoxib:\n    course: {days: 14}", "course:",
     "days changes, but the words", "instruction"),
    ("another drug", "regimens:\n  celecoxib:\n    drug: naproxen", "drug:", "another drug",
     "new_regimens"),
    ("id of the protection", NEW_REGIMEN.replace("id: naproxen", "id: pantoprazole"),
     "- id: pantoprazole", "the protection that goes with", "another id"),
    ("too many days", "regimens:\n  celecoxib:\n    course: {days: 60}", "course:", "days", None),
    ("negative window", "limits:\n  dish: {within_days: -1}", "dish:", "within_days", None),
    ("no such limit", "limits:\n  dish: {within_days: 5}", "dish:", "has no within_days", None),
    ("floor limit", "limits:\n  nsaid-allergy: {within_days: 5}", "nsaid-allergy:", "floor", None),
    ("limit of nothing", "limits:\n  dihs: {within_days: 5}", "dihs:", "no rule", "'dish'"),
    ("unknown card", "card_override:\n  high-rsk: [declined]", "high-rsk:", "no card", "high"),
    ("unknown reason", "card_override:\n  high-risk: [no-thanks]", "high-risk:", "override", None),
    ("unknown referral", "referrals:\n  fop-exprt: {text: x}", "fop-exprt:", "no referral", "exp"),
    ("link without https", 'links:\n  - {id: x, label: x, url: "http://x", cards: [high-risk]}',
     "- {id: x", "pattern", None),
    ("link to no card", 'links:\n  - {id: x, label: x, url: "https://x", cards: [high]}',
     "- {id: x", "no card 'high'", None),
    ("order not whole", "regimen_order: [celecoxib]", "regimen_order:", "must name each", None),
    ("tier", "tier_high_at: 1", "tier_high_at:", "tier_high_at", None),
    ("no protection", 'protection:\n  label: x\n  course: {code: "205323", instruction: x}',
     "course:", "not in the value set 'ppi'", None),
    ("twice", "tier_high_at: 3\ntier_high_at: 4", "tier_high_at: 4", "stands twice", "remove"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "about", "reason", "mend"),
    [m[1:] for m in OVERLAY_MISTAKES],
    ids=[m[0] for m in OVERLAY_MISTAKES],
)
def test_a_mistake_is_told_with_file_line_and_mend(
    base: Knowledge, tmp_path: Path, text: str, about: str, reason: str, mend: str | None
) -> None:
    check = base.unknown_checks[0].id
    file = tmp_path / "overlay.yaml"
    file.write_text(whole(text.replace("{check}", check)))
    found = [one for one in mistakes(tmp_path) if reason in one.reason]
    assert found, [str(one) for one in mistakes(tmp_path)]
    assert found[0].file == str(file)
    lines = file.read_text().splitlines()
    wanted = about.replace("{check}", check)
    assert found[0].line is not None
    assert lines[found[0].line - 1].strip().startswith(wanted), lines[found[0].line - 1]
    if mend:
        assert mend in (found[0].mend or "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("naproxen2018", "naproxn2018"), "no evidence"),
        (('"198014"', '"205323"'), "not of the drug 'naproxen', it is celecoxib"),
        (('"198014"', '"197591"'), "not in the value set 'nsaid'"),
        (("id: naproxen", "id: celecoxib"), "the regimen 'celecoxib' exists"),
        (("per_day: 2", "per_day: 20"), "per_day"),
        (("strength: weak", "strength: week"), "is not one of"),
    ],
)
def test_a_new_course_is_checked_like_the_base(
    tmp_path: Path, change: tuple[str, str], reason: str
) -> None:
    (tmp_path / "overlay.yaml").write_text(whole(NEW_REGIMEN.replace(*change)))
    found = [one for one in mistakes(tmp_path) if reason in one.reason]
    assert found
    assert found[0].line is not None


def test_an_option_without_any_course_left(base: Knowledge, tmp_path: Path) -> None:
    off = "".join(f"  {name}: {{enabled: off}}\n" for name in base.regimens)
    (tmp_path / "overlay.yaml").write_text(whole(f"regimens:\n{off}"))
    found = mistakes(tmp_path)[0]
    assert "every NSAID course is switched off" in found.reason
    assert found.line == 3


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    found = mistakes(tmp_path / "nowhere")
    assert found[0].reason == "no such directory"
    assert "CDS_KNOWLEDGE_OVERLAY" in (found[0].mend or "")


def test_an_empty_directory(tmp_path: Path) -> None:
    assert mistakes(tmp_path)[0].reason == "the overlay is empty"


def test_a_file_that_nobody_reads(tmp_path: Path) -> None:
    (tmp_path / "overlays.yaml").write_text(whole(""))
    assert mistakes(tmp_path)[0].mend == "did you mean 'overlay.yaml'?"


def test_an_overlay_without_its_key(tmp_path: Path) -> None:
    (tmp_path / "overlay.yaml").write_text("rules: {dish: off}\n")
    assert "one key, 'overlay'" in mistakes(tmp_path)[0].reason


def test_an_overlay_that_is_not_yaml(tmp_path: Path) -> None:
    (tmp_path / "overlay.yaml").write_text("overlay:\n  rules: {dish: off\n")
    assert mistakes(tmp_path)[0].line is not None


def test_codes_for_a_value_set_that_does_not_exist(tmp_path: Path) -> None:
    value_set(tmp_path, "hip-total", LOCAL, {"code": "X", "display": "x"})
    found = mistakes(tmp_path)[0]
    assert "no value set 'hip-total' to add to" in found.reason
    assert found.mend is not None


@pytest.mark.parametrize(
    ("system", "concept", "reason"),
    [
        ("http://snomed.info/sct", {"code": "52734008", "display": "x"}, "check digit"),
        ("http://hl7.org/fhir/sid/icd-10-cm", {"code": "M481", "display": "x"}, "not how a code"),
        (LOCAL, {"code": "X"}, "no display"),
        (LOCAL, {"code": 5, "display": "x"}, "not a string"),
    ],
)
def test_a_local_code_that_is_wrong(
    tmp_path: Path, system: str, concept: dict[str, Any], reason: str
) -> None:
    file = value_set(tmp_path, "dish", system, concept)
    found = mistakes(tmp_path)[0]
    assert found.file == str(file)
    assert reason in found.reason


def test_a_site_cannot_call_fop_acquired(tmp_path: Path) -> None:
    system = "http://hl7.org/fhir/sid/icd-10-cm"
    file = value_set(tmp_path, "ho-site-unspecified", system, {"code": "M61.10", "display": "x"})
    found = mistakes(tmp_path)[0]
    assert "at once" in found.reason
    assert (found.file, found.line) == (str(file), 11)


def test_a_site_cannot_call_acquired_ossification_fop(tmp_path: Path) -> None:
    file = value_set(
        tmp_path, "fop", "http://snomed.info/sct", {"code": "444748003", "display": "x"}
    )
    found = mistakes(tmp_path)[0]
    assert found.file == str(file)
    assert "remove it from 'fop'" in (found.mend or "")


def test_all_mistakes_of_an_overlay_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "overlay.yaml").write_text(
        whole("rules: {dihs: off, fop: off}\noptions: {x: off}\nlimits: {dish: {below: 3}}")
    )
    value_set(tmp_path, "nothing", LOCAL, {"code": "X", "display": "x"})
    assert len(mistakes(tmp_path)) == 5


def test_the_example_of_the_documentation_works(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "knowledge.md").read_text(encoding="utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    (tmp_path / "overlay.yaml").write_text(example)
    site = load(tmp_path)
    assert site.site == "Example hospital"
    assert site.regimens["celecoxib"].course.days == 7
    assert site.override_reasons["in-clinic"].code == "C1"
