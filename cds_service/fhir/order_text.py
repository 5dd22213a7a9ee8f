"""What an order says of the patient beyond what is ordered: genetic HO as its reason, coded or in
words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cds_service.clinical.chart import Mention, Provenance, Suspicion
from cds_service.fhir.codings import source_of
from cds_service.fhir.context import REASONS, ReadContext
from cds_service.fhir.elements import (
    Doc,
    all_texts,
    codings,
    items,
    kind_of,
    member,
    objects,
    type_and_id,
)
from cds_service.fhir.mentions import CODED_AS
from cds_service.fhir.record_status import doubt_of
from cds_service.knowledge.names import HO
from cds_service.knowledge.namespaces import REFERRAL_SYSTEM

# Where an order says why, over all order types and releases; CarePlan has `addresses`.
_WHY = (*REASONS, "addresses", "supportingInfo", "supportingInformation")
_PARTS = ("action", "activity")
_SPOKEN = ("description", "note", "notes")
_WHERE = frozenset({*_WHY, *_PARTS})
_GENETIC = frozenset(c for disease, codes in CODED_AS.items() if disease != HO for c in codes)

# --- reasons ---


def read_genetic_words(
    doc: Doc, look: ReadContext, names: list[object]
) -> tuple[tuple[Suspicion, ...], tuple[Mention, ...]]:
    """Genetic HO in an order: in its coded reasons and the Conditions to which they point, and,
    beyond what these say, in its words (`names` are the elements that say what is ordered)."""
    whys = [] if _WHERE.isdisjoint(doc) else list(_whys(doc))
    if not whys and not look.mentions:  # nearly always
        return (), ()
    suspicions = tuple(s for why in whys for s in _suspicions(doc, why, look))
    coded = frozenset(c for suspicion in suspicions for c in suspicion.concepts)
    return suspicions, tuple(m for m in _mentions(doc, look, names, whys) if not coded & _as(m))


def _suspicions(doc: Doc, why: object, look: ReadContext) -> Iterator[Suspicion]:
    for element in (why, *(target.get("code") for target in _conditions(doc, why, look))):
        known = look.know(element)
        if not known.concepts.isdisjoint(_GENETIC):
            source = replace(source_of(doc, element, known, None), status="reason of an order")
            yield Suspicion(known.concepts & _GENETIC, source)


def _mentions(
    doc: Doc, look: ReadContext, names: list[object], whys: list[object]
) -> list[Mention]:
    """The referrals that this service drafts itself name the disease and are not heard."""
    if not look.mentions:
        return []
    told = [*names, *[doc[name] for name in _SPOKEN if name in doc]]
    for why in whys:
        pointer = member(why, "reference")  # an object in R5; else an id or address, no words
        told += [why, None if isinstance(pointer, str) else pointer]
        for target in _conditions(doc, why, look):
            told += [target.get("code"), target.get("note")]
    speaks = look.mentions.speaks
    telling = [words for words in all_texts(*told) if speaks(words)]
    if not telling or any(c.system == REFERRAL_SYSTEM for name in names for c in codings(name)):
        return []
    reference, status = type_and_id(doc), "words of an order"
    found = look.mentions.find(telling)
    return [
        Mention(disease, Provenance(reference, None, w, status=status))
        for disease, w in found
        if disease != HO  # an order is no history: most that name it are for its prophylaxis
    ]


def _as(mention: Mention) -> frozenset[str]:
    return CODED_AS[mention.disease]


def _conditions(doc: Doc, why: object, look: ReadContext) -> Iterator[Doc]:
    """The Conditions to which a reason points, contained or sent, that are not refuted."""
    pointed = look.resolve(doc, why)
    return (d for d in pointed if kind_of(d) == "Condition" and doubt_of(d) is None)


def _whys(doc: Doc) -> Iterator[object]:
    """Each single reason, also of the parts of a plan."""
    holders = [doc]
    for name in _PARTS:
        for part in objects(doc.get(name)):
            holders += [part, *objects(part.get("detail"))]
    for holder in holders:
        for name in _WHY:
            if name in holder:
                yield from items(holder[name])
