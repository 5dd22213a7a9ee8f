"""Finds the past events of a patient, and rebuilds each as the drafts that were signed then.

An event is all that one patient got ordered on one day that is looked at: a hip order or operation,
and with genetic HO on record every order. An operation that belongs to an order is no event of its
own: its order is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import msgspec
from msgspec import Raw, Struct

from cds_service.clinical.chart import FhirDate
from cds_service.clinical.days import Days
from cds_service.clinical.possible_orders import possible
from cds_service.clinical.triggers import trigger_of
from cds_service.fhir.as_of import written_on
from cds_service.fhir.context import ReadContext, References
from cds_service.fhir.decoding import UNFIT, Unreadable, decode
from cds_service.fhir.elements import (
    Doc,
    codings,
    flag,
    items,
    kind_of,
    member,
    objects,
    reference,
    status,
    type_and_id,
)
from cds_service.fhir.mentions import mentions_of
from cds_service.fhir.order import read_order
from cds_service.knowledge.model import Knowledge
from cds_service.rehearsal.options import EventKind, ReplayOptions

PROCEDURE: Final = "Procedure"
SURGICAL: Final = frozenset(
    {"ServiceRequest", "ProcedureRequest", "ReferralRequest", "DiagnosticOrder", "DeviceRequest"}
)
"""Types of order among which a hip operation may be."""
ORDERS: Final = SURGICAL | {"MedicationRequest", "MedicationOrder", "NutritionOrder"}
"""Types of order that are replayed for a patient with genetic HO."""
HIP: Final = frozenset({"arthroplasty", "excision-ho"})
"""Kinds of trigger that are replayed for everybody."""
_UNSIGNED: Final = frozenset({"draft", "proposed", "entered-in-error", "preparation", "not-done"})
_NO_ORDERS: Final = frozenset({"proposal", "plan", "option", "directive"})  # intents
_OF_A_PROCEDURE: Final = ("id", "subject", "code", "bodySite", "reasonCode", "reasonReference",
                          "reason", "note", "extension", "contained",
                          "modifierExtension")  # fmt: skip
_DONE_WITHIN: Final = 365  # days from an order to its operation; a convention
_MEMORY: Final = 50_000


@dataclass(frozen=True, slots=True)
class PastEvent:
    """One event. `docs` are its resources as recorded, `drafts` as they were signed; `beside` the
    same operation in other resources, which no chart of that day held. `moment` is None where no
    day is stated. `about` is arthroplasty, excision-ho or other; `doubt` says why that is not
    sure."""

    kind: EventKind
    about: str
    moment: FhirDate | None
    docs: tuple[Doc, ...]
    drafts: tuple[Doc, ...]
    beside: tuple[Doc, ...] = ()
    doubt: str = ""

    @property
    def day(self) -> date | None:
        return self.moment.earliest if self.moment else None


@dataclass(slots=True)
class _Found:
    """A resource that is replayed, or part of what is."""

    doc: Doc
    kind: EventKind
    about: str
    doubt: str
    moment: FhirDate | None
    part_of: _Found | None = None
    parts: list[Doc] = field(default_factory=list)


# --- what is a hip order ---


_NONE: Final = Raw()
_CODES: Final = ("code", "orderDetail", "type", "serviceRequested", "item", "codeCodeableConcept")


class GlancedSubject(Struct, gc=False):
    """The patient of a resource, as it names it."""

    reference: str | None = None


class Ordered(Struct, gc=False):
    """Whose an order or a procedure is, and the members that may say what it is (see
    `fhir.order`)."""

    resourceType: str = ""
    subject: GlancedSubject | None = None
    code: Raw = _NONE
    orderDetail: Raw = _NONE
    type: Raw = _NONE
    serviceRequested: Raw = _NONE
    item: Raw = _NONE
    codeCodeableConcept: Raw = _NONE
    reasonReference: Raw = _NONE
    reason: Raw = _NONE


ORDERED = msgspec.json.Decoder(Ordered)


class HipOrders:
    """Tells the hip orders among all orders, most of them by a code that was seen before."""

    def __init__(self, knowledge: Knowledge, day: date) -> None:
        self._knowledge = knowledge
        self.plain = ReadContext(
            knowledge.index, Days.of(day), mentions=knowledge.once(mentions_of)
        )
        self._open = frozenset(
            name
            for trigger in knowledge.triggers.values()
            if trigger.kind in HIP
            for name in trigger.value_sets
        )
        self._seen: dict[tuple[bytes, ...], bool | None] = {}
        genetic = (rule.value_sets for rule in knowledge.genetic.values())
        self._genetic = frozenset(name for names in genetic for name in names)
        self._conditions: dict[bytes, bool] = {}

    def in_line(self, line: bytes) -> bool:
        """Whether the JSON of an order or a procedure is, or may be, a hip operation."""
        try:
            return self.in_glanced(ORDERED.decode(line), line)
        except UNFIT:
            return self._in_odd_line(line)

    def in_glanced(self, seen: Ordered, line: bytes) -> bool:
        """As `in_line`, of what was decoded of the line."""
        parts = (seen.code, seen.orderDetail, seen.type, seen.serviceRequested, seen.item,
                 seen.codeCodeableConcept)  # fmt: skip
        known = self._known(tuple(map(bytes, parts)))
        if known is not None:
            return known
        points = bytes(seen.reasonReference) or bytes(seen.reason)
        return bool(points) or self._in_odd_line(line)

    def may_be(self, doc: Doc) -> bool:
        """Whether an order or a procedure may be a hip operation, by its code alone."""
        parts = (msgspec.json.encode(doc[name]) if name in doc else b"" for name in _CODES)
        return self._known(tuple(parts)) is not False

    def _known(self, parts: tuple[bytes, ...]) -> bool | None:
        try:
            return self._seen[parts]
        except KeyError:
            if len(self._seen) >= _MEMORY:
                self._seen.clear()
            known = self._seen[parts] = self._by_code(parts)
            return known

    def _in_odd_line(self, line: bytes) -> bool:
        try:
            doc = decode(line)
        except Unreadable:
            return False
        return isinstance(doc, dict) and self.about(doc, self.plain) is not None

    def _by_code(self, parts: Sequence[bytes]) -> bool | None:
        """What the code alone says; None where reason, site or category may turn it."""
        try:
            told = {n: decode(part) for n, part in zip(_CODES, parts, strict=True) if part}
        except Unreadable:
            return None
        doc = {"resourceType": "ServiceRequest", **told}
        if self.about(doc, self.plain) is not None:
            return True
        order = read_order(doc, 0, self.plain)
        return None if not order.kinds.isdisjoint(self._open) else False

    def about(self, doc: Doc, look: ReadContext) -> tuple[str, str] | None:
        """The kind of hip operation that an order is, and the doubt about it where there is one."""
        order = read_order(draft_of(doc), 0, look)
        trigger = trigger_of(order, self._knowledge)
        if trigger is not None and trigger.kind in HIP:
            return trigger.kind, ""
        may_be = possible(order, self._knowledge)
        if may_be is not None and may_be.trigger.kind in HIP:
            return may_be.trigger.kind, str(may_be.doubt)
        return None

    def is_genetic(self, doc: Doc) -> bool:
        """Whether a Condition is genetic HO by its code, at whatever time and with any status."""
        known = self.plain.know(doc.get("code"))
        return not known.concepts.isdisjoint(self._genetic)

    def genetic_in_line(self, line: bytes) -> bool:
        """Whether the JSON of a Condition is genetic HO."""
        try:
            return self.genetic_in_glanced(ORDERED.decode(line))
        except UNFIT:
            return False

    def genetic_in_glanced(self, seen: Ordered) -> bool:
        """As `genetic_in_line`, of what was decoded of the line."""
        code = bytes(seen.code)
        known = self._conditions.get(code)
        if known is None:
            if len(self._conditions) >= _MEMORY:
                self._conditions.clear()
            try:
                known = self.is_genetic({"code": decode(code) if code else None})
            except Unreadable:
                known = False
            self._conditions[code] = known
        return known


# --- drafts ---


def draft_of(doc: Doc) -> Doc:
    """An order as the draft that was signed; an operation as the order for it."""
    if kind_of(doc) != PROCEDURE:
        return doc | {"status": "draft", "intent": "order"}
    kept = {name: doc[name] for name in _OF_A_PROCEDURE if name in doc}
    draft: Doc = {"resourceType": "ServiceRequest", "status": "draft", "intent": "order"} | kept
    for name in ("performedDateTime", "occurrenceDateTime"):
        if name in doc:
            draft["occurrenceDateTime"] = doc[name]
    for name in ("performedPeriod", "occurrencePeriod"):
        if name in doc:
            draft["occurrencePeriod"] = doc[name]
    return draft


def surgeon_of(doc: Doc) -> str | None:
    """Who signed an order, or did an operation, as the reference stands."""
    requester = doc.get("requester") or doc.get("orderer") or doc.get("recorder")
    found = reference(member(requester, "agent")) or reference(requester)
    if kind_of(doc) != PROCEDURE:
        return found
    actors = (reference(one.get("actor")) for one in objects(doc.get("performer")))
    return next((actor for actor in actors if actor), found)


# --- the events of one patient ---


def events_of(
    docs: Sequence[Doc], hips: HipOrders, references: References, options: ReplayOptions
) -> list[PastEvent]:
    """The events of one patient, oldest first; those without a day last."""
    plain = hips.plain
    look = ReadContext(plain.index, plain.days, references, plain.mentions)
    is_genetic = any(kind_of(doc) == "Condition" and hips.is_genetic(doc) for doc in docs)
    found = _once(_all(docs, hips, look, options, is_genetic=is_genetic))
    orders = [one for one in found if one.kind is EventKind.ORDER]
    for one in found:
        if one.kind is EventKind.ORDER or EventKind.ORDER not in options.events:
            continue
        if (order := _order_of(one, orders)) is not None:
            one.part_of = order
            order.parts.append(one.doc)
    days: dict[tuple[EventKind, date | None], list[_Found]] = defaultdict(list)
    for one in found:
        if one.part_of is None and one.kind in options.events:
            days[one.kind, one.moment.earliest if one.moment else None].append(one)
    made = [_event(kind, group, found) for (kind, _), group in days.items()]
    return sorted(made, key=lambda event: (event.day or date.max, event.kind))


def _all(
    docs: Iterable[Doc],
    hips: HipOrders,
    look: ReadContext,
    options: ReplayOptions,
    *,
    is_genetic: bool,
) -> Iterator[_Found]:
    for doc in docs:
        kind = kind_of(doc)
        is_order = kind in (ORDERS if is_genetic else SURGICAL)
        if not (is_order or kind == PROCEDURE) or not _was_signed(doc):
            continue
        is_surgical = kind in SURGICAL or kind == PROCEDURE
        about = hips.about(doc, look) if is_surgical and hips.may_be(doc) else None
        if about is None and not is_genetic:
            continue
        day = written_on(doc, options.timezone)
        if day is not None and day.earliest != day.latest:
            day = None  # a month or a year: nobody can tell what came before
        what, doubt = about or ("other", "")
        event = EventKind.PROCEDURE if kind == PROCEDURE else EventKind.ORDER
        yield _Found(doc, event, what, doubt, day)


def _was_signed(doc: Doc) -> bool:
    """Not a draft, an error, a plan, a prohibition or what was only reported."""
    if status(doc.get("status")) in _UNSIGNED or status(doc.get("intent")) in _NO_ORDERS:
        return False
    if flag(doc.get("doNotPerform")) or flag(doc.get("notDone")) or flag(doc.get("notPerformed")):
        return False
    return not (flag(doc.get("reportedBoolean")) or "reportedReference" in doc)


def _once(found: Iterable[_Found]) -> list[_Found]:
    """Each resource once, and no order that carries out another one that is here."""
    kept: dict[str, _Found] = {}
    for number, one in enumerate(found):
        name = type_and_id(one.doc)
        kept.setdefault(name if "/" in name else f"{name}#{number}", one)
    orders = {name for name, one in kept.items() if one.kind is EventKind.ORDER}
    return [
        one
        for name, one in kept.items()
        if one.kind is EventKind.PROCEDURE or not (_based_on(one.doc) & (orders - {name}))
    ]


def _based_on(doc: Doc) -> set[str]:
    named = (reference(one) for n in ("basedOn", "request") for one in items(doc.get(n)))
    return {"/".join(one.split("/")[-2:]) for one in named if one}


def _order_of(one: _Found, orders: list[_Found]) -> _Found | None:
    """The order that an operation carries out: the one it names, else the last of the same kind in
    the year before that has none yet."""
    named = _based_on(one.doc)
    for order in orders:
        if type_and_id(order.doc) in named:
            return order
    if one.moment is None:
        return None
    before = [
        order
        for order in orders
        if not order.parts
        and order.moment is not None
        and 0 <= (one.moment.earliest - order.moment.earliest).days <= _DONE_WITHIN
        and _same_kind(order, one)
    ]
    return max(before, key=lambda order: order.moment.order if order.moment else 0, default=None)


def _same_kind(order: _Found, one: _Found) -> bool:
    if order.about != "other" or one.about != "other":
        return order.about == one.about
    return bool(
        {c.code for c in codings(order.doc.get("code")) if c.code}
        & {c.code for c in codings(one.doc.get("code")) if c.code}
    )


def _event(kind: EventKind, group: list[_Found], found: list[_Found]) -> PastEvent:
    """The event of one day: what is most of a matter of HO says what it is about."""
    group = sorted(group, key=lambda one: one.moment.order if one.moment else 0.0)
    rank = ("arthroplasty", "excision-ho", "other")
    main = min(group, key=lambda one: (rank.index(one.about), bool(one.doubt)))
    day = group[-1].moment.earliest if group[-1].moment else None
    same_day = (
        one.doc
        for one in found
        if one.about in HIP and one.moment is not None and one.moment.earliest == day
    )
    parts = (doc for one in group for doc in one.parts)
    return PastEvent(
        kind,
        main.about,
        group[-1].moment,
        tuple(one.doc for one in group),
        tuple(draft_of(one.doc) for one in group),
        (*same_day, *parts),
        main.doubt,
    )
