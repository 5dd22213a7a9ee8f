"""What an order says of the patient beyond what is ordered: genetic HO as its reason, coded or in
words, and a route that is written and not coded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from cds_service.chart import Mention, Source, Suspicion
from cds_service.drafts import REFERRAL_SYSTEM
from cds_service.elements import Doc, codings, items, kind_of, member, objects, texts, type_and_id
from cds_service.reading import REASONS, Reading
from cds_service.recognition import CODED_AS, all_texts, source_of
from cds_service.resources import doubt_of

# Where an order says why, over all order types and releases; CarePlan has `addresses`.
_WHY = (*REASONS, "addresses", "supportingInfo", "supportingInformation")
_PARTS = ("action", "activity")
_SPOKEN = ("description", "note", "notes")
_WHERE = frozenset({*_WHY, *_PARTS})
_GENETIC = frozenset(concept for codes in CODED_AS.values() for concept in codes)
_DOSES = ("dosageInstruction", "dosage")
_ROUTED = frozenset({"route", "renderedDosageInstruction", *_DOSES})
_LONGEST = 2_000
# "im" in small letters is a German word, so it counts alone or after an injection only.
_INTRAMUSCULAR = re.compile(
    r"\b(?i:intramus[ck])|(?<![\w.])(?:IM|I\.M\.?|i\.m\.?)(?!\w)|^\s*im\s*$"
    r"|\b(?i:inj)\w*\.?\s+(?:\S+\s+){0,4}im\b"
)
_BUT_NOT = re.compile(
    r"\b(?:not|never|no|avoid|without|instead of|rather than|nicht|kein\w*)"
    r"(?:\s+(?:to|be|by|via|for|the|as|give|given|inject|injected|use|used|administer\w*))*\s*$",
    re.IGNORECASE,
)


# --- reasons ---


def heard(
    doc: Doc, look: Reading, names: list[object]
) -> tuple[tuple[Suspicion, ...], tuple[Mention, ...]]:
    """Genetic HO in an order: in its coded reasons and the Conditions to which they point, and,
    beyond what these say, in its words (`names` are the elements that say what is ordered)."""
    whys = [] if _WHERE.isdisjoint(doc) else list(_whys(doc))
    if not whys and not look.mentions:  # nearly always
        return (), ()
    suspicions = tuple(s for why in whys for s in _suspicions(doc, why, look))
    coded = frozenset(c for suspicion in suspicions for c in suspicion.concepts)
    return suspicions, tuple(m for m in _mentions(doc, look, names, whys) if not coded & _as(m))


def _suspicions(doc: Doc, why: object, look: Reading) -> Iterator[Suspicion]:
    for element in (why, *(target.get("code") for target in _conditions(doc, why, look))):
        known = look.know(element)
        if not known.concepts.isdisjoint(_GENETIC):
            source = replace(source_of(doc, element, known, None), status="reason of an order")
            yield Suspicion(known.concepts & _GENETIC, source)


def _mentions(doc: Doc, look: Reading, names: list[object], whys: list[object]) -> list[Mention]:
    """The referrals that this service drafts itself name the disease and are not heard."""
    if not look.mentions:
        return []
    told = [*names, *[doc[name] for name in _SPOKEN if name in doc]]
    for why in whys:
        told += [why, member(why, "reference")]
        for target in _conditions(doc, why, look):
            told += [target.get("code"), target.get("note")]
    speaks = look.mentions.speaks
    telling = [words for words in all_texts(*told) if speaks(words)]
    if not telling or any(c.system == REFERRAL_SYSTEM for name in names for c in codings(name)):
        return []
    reference, status = type_and_id(doc), "words of an order"
    found = look.mentions.find(telling)
    return [Mention(disease, Source(reference, None, w, status=status)) for disease, w in found]


def _as(mention: Mention) -> frozenset[str]:
    return CODED_AS[mention.disease]


def _conditions(doc: Doc, why: object, look: Reading) -> Iterator[Doc]:
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


# --- route ---


def says_intramuscular(doc: Doc) -> bool:
    """Whether words name the intramuscular route: those of the route, or those of the dosage where
    the route has none. "Not IM" does not."""
    if _ROUTED.isdisjoint(doc):
        return False
    return any(_names_route(words[:_LONGEST]) for words in _route_words(doc))


def _route_words(doc: Doc) -> Iterator[str]:
    doses = [dose for name in _DOSES for dose in objects(doc.get(name))]
    said = [_filled(holder.get("route")) for holder in (doc, *doses)]
    for dose, route in zip(doses, said[1:], strict=True):
        yield from route or texts(dose)
    yield from said[0]
    if not any(said):
        yield from texts(doc.get("renderedDosageInstruction"))


def _filled(route: object) -> list[str]:
    return [words for words in texts(route) if words.strip()]


def _names_route(value: str) -> bool:
    found = _INTRAMUSCULAR.finditer(value)
    return any(not _BUT_NOT.search(value[: one.start()]) for one in found)
