"""The readable trace of `cds-service check --explain`: what was read, weighed and decided."""

from __future__ import annotations

from dataclasses import replace

from cds_service.cards.explain import Section, as_text, explain
from cds_service.clinical.assessment import Effect, Finding, OptionVerdict, Reason, Standing
from cds_service.clinical.chart import (
    CodeSeen,
    InputReport,
    InputState,
    Problem,
    Provenance,
    SetAside,
)
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import InputName
from tests.support.assessments import (
    AGE,
    ALLERGY,
    EGFR_48,
    HO,
    MALE,
    NSAID,
    PREVIOUS_HO,
    RADIOTHERAPY,
    UNREAD,
    VERSION,
    assessment,
    chart,
    guidance,
    inputs,
    silence,
)


def test_a_card_is_explained_from_what_was_read_to_what_was_decided(knowledge: Knowledge) -> None:
    unknown = replace(EGFR_48, unknown=True)
    nsaid = replace(
        NSAID,
        standing=Standing.CONDITIONAL,
        reasons=(unknown,),
        dropped=(("indomethacin", (AGE,)),),
    )
    given_ = assessment(
        [guidance(options=(nsaid, RADIOTHERAPY), not_assessed=(UNREAD,), conflicts=(ALLERGY,))],
        findings=(PREVIOUS_HO, MALE),
    )
    text = as_text(explain(given_, chart(), knowledge))
    assert text.startswith("Read\n  patient: read, 3 looked at\n  conditions: read")
    assert "\n  FHIR R4\n\n" in text
    assert text.split("Decided for ")[1] == (
        "Total replacement of right hip\n"
        "  row 7: warning card high-risk, tier high\n"
        "  factor, high: previous HO of the hip [previous-ho-hip, biz2015]\n"
        "    Postoperative heterotopic ossification http://snomed.info/sct|444748003 2019-06-02 "
        "(Condition/c12), Brooker III\n"
        "  modifier: male sex [male-sex, zhu2015]\n"
        "    male (Patient/p1)\n"
        "  conflict: exclude: Allergy on record: Ibuprofen. No NSAID. "
        "[nsaid-allergy, celebrex-pdr]\n"
        "  option NSAID course (celecoxib): conditional\n"
        "    condition: eGFR 48 on 2026-10-20: 7 to 10 days only. "
        "[egfr-30-to-59, clinical convention]\n"
        "    not indomethacin: exclude: Age 66: indomethacin is avoided from 65. "
        "[age-65-indomethacin]\n"
        "  option single-fraction radiotherapy: offered\n"
        "  not assessed: Allergies could not be read: confirm none.\n"
        "  would change it: 'previous HO of the hip' not holding\n"
        "  would change it: 'NSAID course' depends on 'eGFR 30 to 59'\n\n"
        "Knowledge\n"
        f"  {VERSION}"
    )


def test_an_option_without_a_drug_left_is_explained_once(knowledge: Knowledge) -> None:
    excluded = OptionVerdict(
        "nsaid", Standing.EXCLUDED, reasons=(AGE,), dropped=(("indomethacin", (AGE,)),)
    )
    text = as_text(explain(assessment([guidance(options=(excluded,))]), chart(), knowledge))
    assert text.count("Age 66") == 1


def test_silence_says_why_and_what_was_seen_but_not_counted(knowledge: Knowledge) -> None:
    contested = Finding("osteoporosis", "non-factor", "osteoporosis", (HO,), note="contested")
    given_ = assessment([silence()], findings=(contested,))
    text = as_text(explain(given_, chart(), knowledge))
    assert "row 10: silence, tier none\n  because no risk factor that counts" in text
    assert "Seen, not decisive\n  non-factor: osteoporosis" in text
    assert "\n    contested\n" in text


def test_what_could_not_be_read_or_does_not_count_is_listed(knowledge: Knowledge) -> None:
    failed = InputReport(InputName.ALLERGIES, InputState.FAILED, 0, "OperationOutcome")
    given_ = assessment(
        inputs=(*inputs()[:1], failed),
        set_aside=(SetAside(frozenset(), HO, "refuted"),),
        foreign=2,
        skipped=1,
    )
    of = chart(problems=(Problem("prefetch.conditions.entry[3]", "is no object"),))
    text = as_text(explain(given_, of, knowledge))
    assert "allergies: failed, 0 looked at: OperationOutcome" in text
    assert "2 resources of another patient were dropped" in text
    assert "1 entries could not be read and were skipped" in text
    assert "prefetch.conditions.entry[3]: is no object" in text
    assert "(Condition/c12), Brooker III: refuted" in text


def test_patient_view_has_no_order(knowledge: Knowledge) -> None:
    text = as_text(explain(assessment([guidance(orders=())]), chart(), knowledge))
    assert "Decided for no order" in text


def test_a_hostile_chart_cannot_drive_the_terminal(knowledge: Knowledge) -> None:
    evil = "\x1b[31m\u202e\nevil\x07"
    source = Provenance(evil, CodeSeen(evil, evil), evil, status=evil)
    reason = Reason("x", Effect.EXCLUDE, evil, (source,))
    given_ = assessment(
        [
            guidance(
                findings=(Finding("r", "factor", evil, (source,), note=evil),),
                options=(OptionVerdict("nsaid", Standing.EXCLUDED, reasons=(reason,)),),
                not_assessed=(replace(UNREAD, text=evil),),
                conflicts=(reason,),
            )
        ],
        set_aside=(SetAside(frozenset(), source, evil),),
    )
    sections = explain(given_, chart(problems=(Problem(evil, evil),)), knowledge)
    for section in sections:
        assert isinstance(section, Section)
        for line in section.lines:
            assert line.isprintable()


def test_factors_that_were_looked_for_in_vain_are_named(knowledge: Knowledge) -> None:
    given_ = assessment([silence()], absent=("dish", "ankylosed-hip"), not_known=("paget-disease",))
    text = as_text(explain(given_, chart(), knowledge))
    assert (
        "Tested and found absent\n"
        "  diffuse idiopathic skeletal hyperostosis (DISH), moderate [dish]\n"
        "  ankylosed or fused hip, high [ankylosed-hip]"
    ) in text
    assert "Could not be decided\n  Paget disease of bone, moderate [paget-disease]" in text
    assert "would change it: one moderate factor gives a card" in text
