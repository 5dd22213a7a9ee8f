"""What an order says of the patient beyond what is ordered: genetic HO as its reason, coded or in
words, and a route that is written and not coded."""

from __future__ import annotations

import re
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
    texts,
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
_DOSES = ("dosageInstruction", "dosage")
_ROUTED = frozenset({"route", "renderedDosageInstruction", *_DOSES})
_LONGEST = 2_000
_INSTRUCTIONS = ("additionalInstruction", "additionalInstructions", "patientInstruction", "method")
# "im" in small letters is a German word, so it counts alone or after an injection only, and there
# not before a noun ("Injektion im linken Oberarm"). "IM" also stands for internal medicine.
_INTRAMUSCULAR = re.compile(
    r"\b(?i:intramus[ck])"
    r"|(?<![\w.])(?:IM|I\.M\.?|i\.m\.?)(?!\w)"
    r"(?!(?i:[\s(:=-]*internal med|\s+clinic\b))"
    r"(?!\s+(?i:mund|bauch|wechsel|rahmen|anschlu|abstand|laufe|liegen|sitzen|stehen))"
    r"|^\s*im\s*$"
    r"|\b(?i:inj)\w*\.?\s+(?:\S+\s+){0,4}(?i:im)\b(?!\s+(?:\w{3,}en\s+)?[A-ZÄÖÜ])"
    r"|(?P<muscle>\b(?i:into\s+(?:\S+\s+){0,2}?muscles?|in den muskel)\b)"
)
_IM_CODE = re.compile(r"i\.?m\.?|i\.?m\.?[ -]?inj\w*|intramus[ck]\w*", re.IGNORECASE)
_BUT_NOT = re.compile(
    r"\b(?:not|never|no|avoid|without|instead of|rather than|contra-?indicated|nicht|kein\w*)"
    r"(?:\s+(?:to|be|by|via|for|the|as|give|given|inject|injected|use|used|administer\w*))*\s*$",
    re.IGNORECASE,
)
_RUBBED = re.compile(r"\b(?:rub|massag|appl)\w*(?:\s+\S+){0,4}\s*$", re.IGNORECASE)
_NOT_SO = re.compile(
    r"\w*(?:\s+(?:route|injections?|use|administration|is|are))*"
    r"\s+(?:contra-?indicated|forbidden|prohibited|not\s+(?:allowed|permitted)|kontraindiziert)",
    re.IGNORECASE,
)

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
        yield from route or all_texts(dose, *[dose[n] for n in _INSTRUCTIONS if n in dose])
    yield from said[0]
    if not any(said):
        yield from texts(doc.get("renderedDosageInstruction"))


def _filled(route: object) -> list[str]:
    """What a route says to people. A bare code says something only where it is the abbreviation
    that people write, too; any other leaves the question to the instructions."""
    if route is None:
        return []
    coded = ["IM"] if any(_IM_CODE.fullmatch(c.code or "") for c in codings(route)) else []
    return [*(words for words in texts(route) if words.strip()), *coded]


def _names_route(value: str) -> bool:
    return any(_is_meant(one, value) for one in _INTRAMUSCULAR.finditer(value))


def _is_meant(one: re.Match[str], value: str) -> bool:
    before = value[: one.start()]
    if _BUT_NOT.search(before) or _NOT_SO.match(value, one.end()):
        return False
    return not (one["muscle"] and _RUBBED.search(before))
