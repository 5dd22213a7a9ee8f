"""Reads a medicine that is ordered, taken, dispensed or given, in any FHIR release."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cds_service.clinical.chart import FhirDate, MedicationFact, Provenance, SetAside, Unidentified
from cds_service.fhir.administration_route import read_routes
from cds_service.fhir.codings import NOTHING, Recognised, source_of
from cds_service.fhir.context import REASONS, Item, ReadContext
from cds_service.fhir.dosage import Schedule, in_milligrams, read_schedule
from cds_service.fhir.elements import (
    Doc,
    all_texts,
    codings,
    first_text,
    flag,
    items,
    kind_of,
    member,
    objects,
    status,
    texts,
    type_and_id,
    word,
    words,
)
from cds_service.fhir.named import REASON_NAMES, named_as_reason
from cds_service.fhir.unidentified import (
    MEDICINES,
    as_atc,
    drugs_named,
    name_in,
    readable,
    says_none,
)
from cds_service.knowledge.code_systems import ATC
from cds_service.knowledge.names import FOR_HO, PALOVAROTENE, InputName

_ENDED = frozenset({"stopped", "completed", "cancelled", "canceled", "ended", "declined"})
_ERROR = "entered-in-error"
_GIVEN = frozenset({"MedicationDispense", "MedicationAdministration"})
_MOST_INGREDIENTS = 20
_MOST_REASONS = 20
OVER = (_ENDED - {"completed"}) | {_ERROR, "not-taken", "not-done"}
"""Statuses by which a medicine does not count, whatever else its record says."""
_REASON_UNREAD = "reason-unrecognised"
_FOR_HO = re.compile(
    r"prophylaxis (?:of|for|against) (?:heterotopic ossification|HO)\b"
    r"|(?:heterotopic ossification|\bHO) prophylaxis",
    re.IGNORECASE,
)
_BY_ROUTE = frozenset({ATC})  # its code tells the form, too: what is for the skin has another
_TAKEN = frozenset({"MedicationStatement", "MedicationUsage"})


@dataclass(frozen=True, slots=True)
class Named:
    """Which medicine: what its codings mean, the element that names it for people, and the
    Medication resources behind it."""

    known: Recognised
    element: object
    targets: tuple[Doc, ...] = ()


_NAMES = frozenset({"medicationCodeableConcept", "medicationReference", "medication"})
_UNNAMED = Named(NOTHING, None)


_LOCAL = re.compile(
    r"\b(?:topical|nasal|inhal\w+|otic|gel|cream|ointment|lotion|ophthalmic|eye drops?|salbe"
    r"|creme|augentropfen|cr[eè]me|pommade|collyre)\b",
    re.IGNORECASE,
)


def name_of(doc: Doc, look: ReadContext) -> Named:
    """The medicine by code, by R5 CodeableReference, or by reference to a Medication that is
    contained or was sent along. A reference with a display only gives a label."""
    if _NAMES.isdisjoint(doc):
        return _UNNAMED
    inline = doc.get("medicationCodeableConcept")
    pointer = doc.get("medicationReference")
    modern = doc.get("medication")
    known, label = look.know(inline, modern), inline if inline is not None else modern
    targets = () if pointer is None and modern is None else (
        *look.resolve(doc, pointer), *look.resolve(doc, modern)
    )  # fmt: skip
    for target in targets:
        parts = _ingredients(doc, target, look)
        known = known.and_also(look.know(target.get("code"), *parts))
        named = (label, target.get("code"), *parts)
        said = next((e for e in named if first_text(e)), None)
        label = said or next((e for e in named if codings(e)), label)
    if not first_text(label) and not codings(label):
        label = {"text": first_text(pointer)}
    return Named(known, label, targets)


def _ingredients(doc: Doc, medication: Doc, look: ReadContext) -> list[object]:
    """The coded elements of the active ingredients of a Medication, of any release."""
    found: list[object] = []
    for holder in (medication, *objects(medication.get("product"))):  # product: DSTU2
        for part in objects(holder.get("ingredient"))[:_MOST_INGREDIENTS]:
            if part.get("isActive") is False:
                continue
            found += [part[n] for n in ("itemCodeableConcept", "item") if n in part]
            for name in ("itemReference", "item"):
                for held_by in (medication, doc):
                    found += [d.get("code") for d in look.resolve(held_by, part.get(name))]
    return found


def read_medication(doc: Doc, look: ReadContext) -> Iterator[Item]:
    """A medicine as a fact; errors, prohibitions and mere options are set aside."""
    named = name_of(doc, look)
    concepts = named.known.meaning or _by_name(named, look)
    if not REASON_NAMES.isdisjoint(doc):
        taken = source_of(doc, named.element, named.known, _written(doc, look))
        yield from named_as_reason(doc, look, taken)
    if not concepts:
        yield from _unidentified(doc, look, named)
        return
    schedule = read_schedule(doc, look.days.zone, texts(named.element))
    start, end = _bounds(doc, schedule, look)
    source = source_of(doc, named.element, named.known, _written(doc, look) or start, _author(doc))
    if why := _not_counted(doc):
        yield SetAside(concepts, source, why)
        return
    state = _state(doc, look, schedule, (start, end))
    names = (named.known.display, *texts(named.element))
    yield _fact(doc, look, concepts, source, schedule, (state, start, end), names)


def _fact(
    doc: Doc,
    look: ReadContext,
    concepts: frozenset[str],
    source: Provenance,
    schedule: Schedule,
    course: tuple[str, FhirDate | None, FhirDate | None],
    names: tuple[str | None, ...],
) -> MedicationFact:
    """A medicine with all that is said of it; `course` is its state, start and end, `names` are
    those of the product."""
    state, start, end = course
    indications, stated = look.reasons(doc)
    dose, unit = in_milligrams(schedule.dose, schedule.dose_unit, names)
    piece, of = in_milligrams(1.0, None, names)
    return MedicationFact(
        concepts=concepts,
        source=source,
        state=state,
        prn=schedule.prn,
        misses_surgery=schedule.misses_surgery,
        single_dose=schedule.single_dose or _given_once(doc),
        per_day=schedule.per_day,
        dose=dose,
        dose_unit=unit,
        days=schedule.days,
        start=start,
        end=end,
        routes=read_routes(look.index, schedule.routes, names[0]),
        indications=indications | _in_words(doc, look) if stated else indications,
        indication_stated=stated,
        piece_mg=piece if of == "mg" else None,
    )


def _by_name(named: Named, look: ReadContext) -> frozenset[str]:
    """A medicine that exists for FOP only counts by its name, too: no RxNorm code was found."""
    told = all_texts(named.element, *(target.get("code") for target in named.targets))
    return frozenset({PALOVAROTENE}) if look.mentions.names_medicine(told) else frozenset()


def _in_words(doc: Doc, look: ReadContext) -> frozenset[str]:
    """What the reasons say beyond their codes: that it is for HO, or something nobody knows."""
    reasons = [item for name in REASONS for item in items(doc.get(name))]
    found = set() if len(reasons) <= _MOST_REASONS else {_REASON_UNREAD}
    for reason in reasons[:_MOST_REASONS]:
        if any(_FOR_HO.search(text) for text in texts(reason)):
            found.add(FOR_HO)
        coded = (reason, *(target.get("code") for target in look.resolve(doc, reason)))
        if not look.know(*coded).meaning:
            found.add(_REASON_UNREAD)
    return frozenset(found)


def _unidentified(doc: Doc, look: ReadContext, named: Named) -> Iterator[Unidentified]:
    """The medicine as one that nobody here can name, if it counts and has no code to know it by.

    A product of the house is known by its ingredients, when all of them have such a code.
    """
    inline = (doc.get("medicationCodeableConcept"), doc.get("medication"))
    elements = (*inline, *(target.get("code") for target in named.targets))
    parts = [p for target in named.targets for p in _ingredients(doc, target, look)]
    drugs, coded = look.mentions.drugs, [c for e in elements for c in codings(e)]
    guessed = as_atc(coded, look.index)
    groups = drugs_named((*elements, named.element, *parts), drugs)
    groups = drugs.also_of(groups, guessed) if guessed else groups
    against = drugs.speaks_against(groups, InputName.MEDICATIONS)
    told = first_text(named.element) is not None
    if readable(coded, MEDICINES, named=told) and (not groups or _is_local(named.element)):
        return
    if readable(coded, _BY_ROUTE) and not against:
        return
    held = [codings(part) for part in parts if codings(part) or first_text(part)]
    if not groups and held and all(readable(one, MEDICINES) for one in held):
        return
    if _not_counted(doc) or any(says_none(element) for element in elements):
        return
    schedule = read_schedule(doc, look.days.zone, texts(named.element) if groups else ())
    start, end = _bounds(doc, schedule, look)
    state = _state(doc, look, schedule, (start, end))
    if state == "ended":
        return
    label = name_in(named.element)
    source = Provenance(type_and_id(doc), None, label, _written(doc, look) or start)
    as_if = None
    if concepts := drugs.stand_for(groups) | guessed:
        as_if = _fact(doc, look, concepts, source, schedule, (state, start, end), (label,))
    yield Unidentified(InputName.MEDICATIONS, source, named=groups, against=against, as_if=as_if)


def _is_local(element: object) -> bool:
    """Whether the words of a coded product name a form for the skin or the eye."""
    return any(_LOCAL.search(text[:300]) for text in texts(element))


def _written(doc: Doc, look: ReadContext) -> FhirDate | None:
    names = ("authoredOn", "dateWritten", "whenHandedOver", "whenPrepared", "dateAsserted")
    return look.moment(*(doc.get(n) for n in names))


def _author(doc: Doc) -> object:
    return doc.get("requester") or doc.get("prescriber") or doc.get("informationSource")


def _bounds(
    doc: Doc, schedule: Schedule, look: ReadContext
) -> tuple[FhirDate | None, FhirDate | None]:
    """Stated start and end: bounds of the dosage, or the effective time of what was taken."""
    if schedule.start or schedule.end:
        return schedule.start, schedule.end
    for name in ("effectivePeriod", "occurencePeriod", "occurrencePeriod", "effectiveTimePeriod"):
        period = doc.get(name)
        start, end = look.date(member(period, "start")), look.date(member(period, "end"))
        if start or end:
            return start, end
    names = ("effectiveDateTime", "occurenceDateTime", "occurrenceDateTime",
             "effectiveTimeDateTime", "whenHandedOver")  # fmt: skip
    return look.moment(*(doc.get(n) for n in names)), None


def _given_once(doc: Doc) -> bool:
    """An administration at one point in time is one dose."""
    if doc.get("resourceType") != "MedicationAdministration":
        return False
    return not any("Period" in name for name in doc)


def _not_counted(doc: Doc) -> str | None:
    state = status(doc.get("status"))
    if state == _ERROR:
        return _ERROR
    if flag(doc.get("doNotPerform")):
        return "do not perform"
    if status(doc.get("intent")) == "option":
        return "only an option"
    if state in {"not-taken", "not-done"} or _says_not_taken(doc):
        return "not taken"
    return None


def _says_not_taken(doc: Doc) -> bool:
    """DSTU2 wasNotTaken and wasNotGiven, STU3 taken and notGiven, R5 adherence."""
    if any(flag(doc.get(n)) for n in ("wasNotTaken", "wasNotGiven", "notGiven")):
        return True
    if word(doc.get("taken")) == "n":
        return True
    return any(w.startswith("not-taking") for w in words(member(doc, "adherence", "code")))


def _state(
    doc: Doc,
    look: ReadContext,
    schedule: Schedule,
    bounds: tuple[FhirDate | None, FhirDate | None],
) -> str:
    """draft, active, ended or unknown. A stated end that has passed ends whatever the status says,
    because lists of medicines are seldom tidied up."""
    kind, state = kind_of(doc), status(doc.get("status"))
    start, end = bounds
    if end is not None and _over(end, 0, look):
        return "ended"
    if kind in _GIVEN:
        return _state_given(kind, state, look, schedule, start)
    if state in _ENDED or _stopped(doc):
        return "ended"
    if start and schedule.bounded and _over(start, schedule.days or 0.0, look):
        return "ended"
    if kind in _TAKEN and state == "recorded":  # R5 has no other status for what is taken
        return "active"
    return state if state in {"draft", "active"} else "unknown"


def _over(since: FhirDate, days: float, look: ReadContext) -> bool:
    """Whether what lasts so many days is over, on whatever day today can be."""
    return look.days.ago(since, recent=True)[0] > max(int(days), 0)


def _stopped(doc: Doc) -> bool:
    adherence = words(member(doc, "adherence", "code"))
    return any(w.startswith("stopped") for w in adherence)


def _state_given(
    kind: str | None,
    state: str | None,
    look: ReadContext,
    schedule: Schedule,
    start: FhirDate | None,
) -> str:
    """What was handed out lasts as long as its supply; what was given counts for a day."""
    if state in _ENDED - {"completed"}:
        return "ended"
    if state == "in-progress":
        return "active"
    if state not in {"completed", None} or start is None:
        return "unknown"
    days = 1.0 if kind == "MedicationAdministration" else schedule.days
    if days is None:
        return "unknown"
    return "ended" if _over(start, days, look) else "active"
