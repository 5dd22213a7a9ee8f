"""Reads an AllergyIntolerance of any FHIR release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cds_service.clinical.chart import AllergyFact, Provenance, SetAside, Unidentified
from cds_service.fhir.codings import source_of
from cds_service.fhir.context import Item, ReadContext
from cds_service.fhir.elements import Doc, first_text, notes_of, objects, status, texts, type_and_id
from cds_service.fhir.named import named_beside
from cds_service.fhir.reaction_notes import named_in_notes, notes_on
from cds_service.fhir.record_status import (
    DOUBTED,
    SUSPECTED,
    clinical_status,
    recorded_on,
    verifications,
)
from cds_service.fhir.unidentified import (
    codes_of,
    drugs_named,
    is_no_medicine,
    may_rule_out,
    name_in,
    says_none,
)
from cds_service.knowledge.names import SOME_ANALGESIC, InputName


def read_allergy(doc: Doc, look: ReadContext) -> Iterator[Item]:
    """An allergy or intolerance; refuted, erroneous and past ones are set aside.

    "No known allergy" codes are in no value set, so they are never a fact.
    """
    reactions = [r.get("substance") for r in objects(doc.get("reaction"))]
    code = doc.get("code") or doc.get("substance")
    known = look.know(doc.get("code"), doc.get("substance"), *reactions)
    yield from _genetic(doc, look, code)
    if not known.meaning:
        yield from _unidentified(doc, look, (doc.get("code"), doc.get("substance"), *reactions))
        return
    when = look.onset(doc) or look.recorded(doc)
    labelled = code if first_text(code) else next(iter(reactions), None)
    source = source_of(doc, labelled, known, when, doc.get("recorder"))
    said = verifications(doc)
    why = next((w for w in said if w in DOUBTED), None) or _past(doc)
    if why:
        yield SetAside(known.meaning, source, why)
        return
    kind = status(doc.get("type"))
    yield AllergyFact(
        concepts=known.meaning,
        source=source,
        clinical=clinical_status(doc),
        verification=next((w for w in said if w in SUSPECTED), "confirmed"),
        kind=kind if kind in {"allergy", "intolerance"} else None,
    )
    if known.meaning == {SOME_ANALGESIC}:
        yield from _in_notes(doc, look, source)


def _genetic(doc: Doc, look: ReadContext, code: object) -> Iterator[Item]:
    """Genetic HO on the list of allergies, where it is put to be seen ("FOP, no IM injections")."""
    if DOUBTED.isdisjoint(verifications(doc)):
        source = Provenance(type_and_id(doc), None, "", look.onset(doc) or look.recorded(doc))
        yield from named_beside(doc, look, source, [code, *notes_of(doc)])


def _in_notes(doc: Doc, look: ReadContext, source: Provenance) -> Iterator[Unidentified]:
    """The drug that a note names beside a code which leaves open which one it is."""
    names = look.mentions.drugs
    groups, clause = named_in_notes(notes_on(doc), names)
    if against := names.speaks_against(groups, InputName.ALLERGIES):
        source = replace(source, label=f"{clause} ({source.label})" if source.label else clause)
        yield Unidentified(InputName.ALLERGIES, source, True, groups, against)


def _unidentified(
    doc: Doc, look: ReadContext, elements: tuple[object, ...]
) -> Iterator[Unidentified]:
    """The allergy as one that nobody here can name, if it counts and may be one to a medicine."""
    if is_no_medicine(doc):
        return
    names = look.mentions.drugs
    groups = drugs_named(elements, names)
    against = names.speaks_against(groups, InputName.ALLERGIES)
    if not against and not any(may_rule_out(element, names) for element in elements):
        said = [text for element in elements for text in texts(element)]
        if names.is_harmless(said, codes_of(elements)):
            return
    if any(says_none(element, names) for element in elements) or _past(doc):
        return
    if DOUBTED.isdisjoint(verifications(doc)):
        named = next((e for e in elements if first_text(e)), doc.get("code"))
        source = Provenance(type_and_id(doc), None, name_in(named), recorded_on(doc))
        if not against and (noted := next(_in_notes(doc, look, source), None)):
            yield noted
            return
        telling = bool(against) or may_rule_out(source.label, names)
        yield Unidentified(InputName.ALLERGIES, source, telling, groups, against)


def _past(doc: Doc) -> str | None:
    stated = clinical_status(doc)
    return stated if stated in {"inactive", "resolved"} else None
