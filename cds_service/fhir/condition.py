"""Reads a Condition of any FHIR release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cds_service.clinical.chart import ConditionFact, FhirDate, Provenance, SetAside, Unidentified
from cds_service.fhir.body_site import side_of, with_unread_site
from cds_service.fhir.brooker import BROOKER_NONE, brooker_class, coded_class, mentions_brooker
from cds_service.fhir.codings import Recognised, source_of
from cds_service.fhir.condition_words import conditions_in_words
from cds_service.fhir.context import Item, ReadContext
from cds_service.fhir.elements import Doc, all_texts, codings, notes_of, objects, texts, words
from cds_service.fhir.metaboliser import in_words
from cds_service.fhir.named import named_in
from cds_service.fhir.reaction_notes import named_in_notes
from cds_service.fhir.record_status import (
    DOUBTED,
    SUSPECTED,
    clinical_status,
    verifications,
)
from cds_service.fhir.unidentified import drugs_named, is_allergy_in_words, may_rule_out, name_in
from cds_service.knowledge.names import BROOKER, CALCIFICATION, HO, InputName

_OVER = frozenset({"inactive", "remission", "resolved"})


def read_condition(doc: Doc, look: ReadContext) -> Iterator[Item]:
    """A Condition as a fact, set aside when refuted or entered in error, else perhaps a mention.

    Absent clinicalStatus counts as active, unless an abatement says that it is over.
    """
    code = doc.get("code")
    known = look.know(code)
    onset, recorded = look.onset(doc), look.recorded(doc)
    recorder = doc.get("recorder") or doc.get("asserter")
    source = source_of(doc, code, known, onset or recorded, recorder)
    said = [*_certainty(known), *verifications(doc)]
    doubt = next((w for w in said if w in DOUBTED), None)
    meaning = known.meaning
    if doubt:
        if meaning:
            yield SetAside(meaning, source, doubt)
        return
    yield from named_in(doc, look, source, meaning)
    yield from in_words(doc, source)
    if _condition_grade(doc, look, known) == BROOKER_NONE:
        yield SetAside(meaning, source, "Brooker 0")
    elif meaning:
        suspected = next((w for w in said if w in SUSPECTED), "confirmed")
        yield _condition(doc, look, (known, source, suspected), (onset, recorded))
    else:
        yield from _in_words(doc, look, source)


def _in_words(doc: Doc, look: ReadContext, source: Provenance) -> Iterator[Unidentified]:
    """What words alone say: an allergy, or a condition that speaks against an option."""
    code, drugs = doc.get("code"), look.mentions.drugs
    named = name_in(code)
    if is_allergy_in_words(code, drugs):
        groups = drugs_named((code,), drugs)
        against = drugs.speaks_against(groups, InputName.ALLERGIES)
        if not against:
            groups, clause = named_in_notes(notes_of(doc), drugs)
            against = drugs.speaks_against(groups, InputName.ALLERGIES)
            named = f"{clause} ({named})" if clause else named
        telling = may_rule_out(named, drugs)
        yield Unidentified(
            InputName.ALLERGIES, replace(source, label=named), telling, groups, against
        )
        return
    yield from conditions_in_words(code, look, source, over=clinical_status(doc) in _OVER)


def _certainty(known: Recognised) -> list[str]:
    """What the recognised coding itself says of its certainty."""
    said = known.coding.certainty if known.coding else None
    return [said] if said else []


def _condition(
    doc: Doc,
    look: ReadContext,
    facts: tuple[Recognised, Provenance, str],
    dates: tuple[FhirDate | None, FhirDate | None],
) -> ConditionFact:
    known, source, verification = facts
    site = look.sites(doc)
    return ConditionFact(
        concepts=_bone_in_words(doc, look, known.meaning),
        source=with_unread_site(source, site),
        clinical="resolved" if _certainty(known) == ["resolved"] else clinical_status(doc),
        verification=verification,
        onset=dates[0],
        recorded=dates[1],
        side=side_of(known, site),
        sites=known.sites | site.sites,
        grade=_condition_grade(doc, look, known),
    )


def _bone_in_words(doc: Doc, look: ReadContext, meaning: frozenset[str]) -> frozenset[str]:
    """The meaning of a code that says calcification only: where words say bone it is HO."""
    if CALCIFICATION not in meaning:
        return meaning
    told = look.mentions.find(all_texts(doc.get("code"), notes_of(doc)))
    return meaning - {CALCIFICATION} if any(named == HO for named, _ in told) else meaning


def _condition_grade(doc: Doc, look: ReadContext, known: Recognised) -> str | None:
    """Brooker class from stage or severity, or from the condition's own code. Notes and other
    free text are not searched: they may deny it, or speak of somebody else's.

    Brooker AF et al., J Bone Joint Surg Am 1973;55:1629-1632 (classes I to IV).
    """
    if BROOKER in known.concepts and (grade := coded_class(look.index, codings(doc.get("code")))):
        return grade
    if "stage" not in doc and "severity" not in doc:  # nearly always
        return None
    answers = [(stage.get("type"), stage.get("summary")) for stage in objects(doc.get("stage"))]
    for question, answer in (*answers, (None, doc.get("severity"))):
        if grade := _answered_class(question, answer, look):
            return grade
    return None


def _answered_class(question: object, answer: object, look: ReadContext) -> str | None:
    """The Brooker class of a coded or written answer, as far as it is one."""
    if grade := coded_class(look.index, codings(answer)):
        return grade
    asked = BROOKER in look.know(question).concepts or mentions_brooker(texts(question))
    return brooker_class([*texts(answer), *words(answer)], asked=asked)
