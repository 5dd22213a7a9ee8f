"""Reads one order, draft or planned, of whatever resource type."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from cds_service.clinical.chart import (
    CodeSeen,
    DraftOrder,
    FhirDate,
    MedicationFact,
    OrderSaid,
    Problem,
    Provenance,
    Unidentified,
)
from cds_service.fhir.body_site import side_of, with_hip_site
from cds_service.fhir.bundle import NO_RESOURCE, Opened, open_value
from cds_service.fhir.codings import NOTHING, Recognised, label_of, recognise
from cds_service.fhir.context import ReadContext
from cds_service.fhir.decoding import Unreadable, decode
from cds_service.fhir.elements import (
    Doc,
    codings,
    flag,
    identifier,
    kind_of,
    objects,
    status,
    text,
    type_and_id,
)
from cds_service.fhir.inputs import INPUT_OF
from cds_service.fhir.intramuscular_words import RouteInWords, route_in_words
from cds_service.fhir.medication import name_of, read_medication
from cds_service.fhir.medicine_lists import LISTS
from cds_service.fhir.modifiers import as_questions, is_modified, with_note
from cds_service.fhir.order_said import what_is_said
from cds_service.fhir.order_text import read_genetic_words
from cds_service.fhir.sorting import in_order
from cds_service.knowledge.names import (
    INJECTION_IM,
    RADIOTHERAPY,
    ROUTE_IM,
    SURGICAL_CATEGORY,
    InputName,
)

# Resources that come along with orders (references, context) and are no orders themselves.
NOT_ORDERS = frozenset({
    "Medication", "Patient", "Practitioner", "PractitionerRole", "Organization", "Location",
    "Encounter", "Condition", "Observation", "AllergyIntolerance", "Coverage", "Device",
    "BodyStructure", "BodySite", "Substance", "Specimen", "RelatedPerson", "CareTeam", "Provenance",
    "OperationOutcome", "Parameters", "Binary", "Group", "EpisodeOfCare", "Account",
    "DiagnosticReport", "FamilyMemberHistory",
})  # fmt: skip
_MEDICINES = frozenset(kind for kind, name in INPUT_OF.items() if name in LISTS)
# Elements that say what is ordered, over all order types and releases (checklist 3.3).
_CODES = ("code", "codeCodeableConcept", "vaccineCode", "serviceType", "serviceRequested", "type",
          "itemCodeableConcept", "productCodeableConcept", "orderDetail", "procedure")  # fmt: skip
# Whom a referral is for (practice setting codes): a kind of order, but no name for it.
_PERFORMERS = ("performerType", "specialty")
_PARTS = ("item", "action", "recommendation", "parameter", "orderDetail")
_TIMES = ("occurrenceDateTime", "occurrencePeriod", "occurrenceTiming", "scheduledDateTime",
          "scheduledPeriod", "scheduledTiming", "start", "requestedPeriod",
          "executionPeriod")  # fmt: skip
# Members without which whole questions need not be asked.
_NESTED = frozenset({*_PARTS, "activity"})
_BESIDE = frozenset({*_PERFORMERS, "category"})
_ROUTED = frozenset({"route", "dosageInstruction", "dosage"})
_ROUTES = frozenset({ROUTE_IM})
_ALSO_KINDS = frozenset({SURGICAL_CATEGORY})
_DEAD = frozenset({"cancelled", "canceled", "revoked", "entered-in-error", "stopped", "aborted",
                   "completed", "rejected", "not-done", "ended", "declined", "failed"})  # fmt: skip
# An order of the record that is still going to happen (R4, STU3, and DSTU2's longer list).
_PLANNED = frozenset({"active", "draft", "proposed", "requested", "received", "accepted",
                      "in-progress"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry of the draft orders: its number there, decoded."""

    index: int
    doc: Doc
    full_url: str | None


class _Element(NamedTuple):
    """An element that says what is ordered, with its codings and what they mean."""

    element: object
    codings: list[CodeSeen]
    known: Recognised


def _element(element: object, look: ReadContext) -> _Element:
    found = codings(element)
    return _Element(element, found, recognise(look.index, found) if found else NOTHING)


def collect(opened: Opened, place: str, problems: list[Problem], depth: int = 0) -> list[Draft]:
    """All entries that are resources, also of Bundles inside; the others become problems."""
    drafts: list[Draft] = []
    problems += [Problem(opened.path(place, n), why) for n, why in opened.junk]
    if opened.why:
        problems.append(Problem(place, opened.why))
    for position, entry in enumerate(opened.entries):
        here = opened.place(place, position)
        number = opened.numbers[position] if opened.numbers else position
        try:
            doc = decode(entry.resource)
        except Unreadable as error:
            problems.append(Problem(here, str(error)))
            continue
        kind = kind_of(doc)
        if kind == "Bundle":
            inner = collect(open_value(entry.resource, depth + 1), here, problems, depth + 1)
            drafts += [replace(draft, index=number) for draft in inner]
        elif kind is not None:
            drafts.append(Draft(number, doc, entry.fullUrl))
        else:
            problems.append(Problem(here, "without resourceType" if doc else NO_RESOURCE))
    return drafts


def without_repeats(orders: Iterable[DraftOrder]) -> tuple[DraftOrder, ...]:
    """Each order once: a second entry with the same reference is the same order."""
    seen: set[str] = set()
    kept = []
    for order in orders:
        if order.reference is None or order.reference not in seen:
            kept.append(order)
            seen.add(order.reference or "")
    return tuple(kept)


def read_order(doc: Doc, index: int, look: ReadContext) -> DraftOrder:
    """An order of any type. What its codes do not say is unknown, never guessed from its text."""
    medicine = name_of(doc, look)
    elements = [_element(element, look) for element in _coded_elements(doc)]
    known = NOTHING
    for one in elements:
        known = known.and_also(one.known)
    known = known.and_also(medicine.known).and_also(_beside(doc, look))
    if medicine.element is not None:
        elements.insert(0, _element(medicine.element, look))
    site = look.sites(doc)
    sites = known.sites | site.sites
    routes = recognise(look.index, _routes(doc)).concepts
    kinds = with_hip_site(known.meaning, sites) | (known.concepts & _ALSO_KINDS)
    is_im = ROUTE_IM in known.concepts or ROUTE_IM in routes or INJECTION_IM in kinds
    in_words = RouteInWords.NOTHING if is_im else route_in_words(doc, medicine.targets)
    names = [one.element for one in elements]
    suspicions, mentions = read_genetic_words(doc, look, names)
    medication, unidentified = _medication(doc, look)
    coded = [one.codings for one in elements if one.codings]
    said, label = what_is_said(doc, names, coded, medicine.targets), _label(doc, elements)
    if unidentified is None and medication is None and RADIOTHERAPY.isdisjoint(kinds):
        unidentified = _prophylaxis_in_words(doc, look, said, label)
    return DraftOrder(
        index=index,
        resource_type=kind_of(doc) or "Resource",
        resource_id=identifier(doc.get("id")),
        label=with_note(label) if is_modified(doc) else label,
        kinds=kinds | (routes & _ROUTES),
        side=side_of(known, site),
        sites=sites,
        live=_live(doc),
        coded=medicine.known.coding is not None or _has_code(coded),
        intramuscular=is_im,
        says_intramuscular=in_words is not RouteInWords.NOTHING,
        route_disagrees=in_words is RouteInWords.AGAINST,
        when=_when(doc, look),
        reasons=look.reasons(doc)[0],
        suspicions=suspicions,
        mentions=mentions,
        medication=medication,
        unidentified=unidentified,
        said=said,
    )


def _prophylaxis_in_words(
    doc: Doc, look: ReadContext, said: OrderSaid, label: str
) -> Unidentified | None:
    """An order whose words, and no code, name what may be the prophylaxis already."""
    every, conditions = (*said.names, *said.notes), look.mentions.conditions
    if not conditions.speaks_of_orders("\n".join(every)):  # nearly always
        return None
    for told in every:
        named, options = conditions.ordered(told)
        if options:
            label = label if told in said.names else text(told) or label
            source = Provenance(type_and_id(doc), None, label, _when(doc, look))
            return Unidentified(InputName.SERVICE_REQUESTS, source, named=named, against=options)
    return None


def is_planned(doc: Doc) -> bool:
    """An order of the record that counts as a plan: not over, not on hold, not an option only."""
    state = status(doc.get("status"))
    prohibited = flag(doc.get("doNotPerform")) or status(doc.get("intent")) == "option"
    return (state is None or state in _PLANNED) and not prohibited


def planned_in(requests: Iterable[Doc], look: ReadContext) -> tuple[DraftOrder, ...]:
    """Orders of the record still to happen that a value set knows, or for genetic HO."""
    orders = [read_order(doc, 0, look) for doc in requests if is_planned(doc)]
    known = in_order(o for o in orders if o.kinds or o.suspicions or o.mentions or o.unidentified)
    return tuple(replace(order, index=i) for i, order in enumerate(known))


def _coded_elements(doc: Doc) -> list[object]:
    """Everything in which an order says what it is, also in its parts: items (DSTU2), actions,
    activities, recommendations, parameters of the order detail (R5)."""
    elements: list[object] = [doc[name] for name in _CODES if name in doc]
    if _NESTED.isdisjoint(doc):  # nearly always
        return elements
    for name in _PARTS:
        for part in objects(doc.get(name)):
            elements += _part_elements(part)
            for inner in objects(part.get("parameter")):
                elements.append(inner.get("valueCodeableConcept"))
    for activity in objects(doc.get("activity")):
        for detail in objects(activity.get("detail")):
            elements += _part_elements(detail)
    return elements


def _part_elements(part: Doc) -> list[object]:
    names = ("code", "codeCodeableConcept", "vaccineCode", "valueCodeableConcept")
    return [part.get(name) for name in names]


def _beside(doc: Doc, look: ReadContext) -> Recognised:
    """What stands beside the code: for whom the order is, and of the category only "surgical
    procedure"; the rest would be hearsay."""
    if _BESIDE.isdisjoint(doc):
        return NOTHING
    category = look.know(doc.get("category"))
    known = Recognised(category.concepts & _ALSO_KINDS)
    return known.and_also(look.know(*[doc.get(name) for name in _PERFORMERS]))


def _routes(doc: Doc) -> list[CodeSeen]:
    """Route codings of an order: dosage (all releases) or the resource itself (Immunization)."""
    if _ROUTED.isdisjoint(doc):
        return []
    holders = [doc, *objects(doc.get("dosageInstruction")), *objects(doc.get("dosage"))]
    return [c for holder in holders for c in codings(holder.get("route"))]


def _label(doc: Doc, elements: list[_Element]) -> str:
    """The first element that has a name; the words of its recognised coding come before others."""
    for one in elements:
        if name := label_of(one.element, one.known, fallback=""):
            return name
    return text(doc.get("description")) or kind_of(doc) or "Resource"


def _has_code(coded: list[list[CodeSeen]]) -> bool:
    return any(coding.code for found in coded for coding in found)


def _live(doc: Doc) -> bool:
    state = status(doc.get("status"))
    if state == "completed" and kind_of(doc) == "Immunization":
        return True  # this type has no status for what is still to be done
    return state not in _DEAD and not flag(doc.get("doNotPerform"))


def _when(doc: Doc, look: ReadContext) -> FhirDate | None:
    """The day on which it is to happen, as far as the order says."""
    return look.moment(*[doc[name] for name in _TIMES if name in doc])


def _medication(doc: Doc, look: ReadContext) -> tuple[MedicationFact | None, Unidentified | None]:
    """The draft as a medicine (an active or new one is a draft of this session), or as one whose
    code says nothing here."""
    if doc.get("resourceType") not in _MEDICINES:
        return None, None
    found = read_medication(doc, look)
    for item in as_questions(found, look, None) if is_modified(doc) else found:
        if isinstance(item, MedicationFact):
            return item if item.state == "ended" else replace(item, state="draft"), None
        if isinstance(item, Unidentified):
            return None, item
    return None, None
