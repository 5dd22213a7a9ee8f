"""Reads the draft orders of one call, each of whatever resource type, form and release."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from cds_service.clinical.chart import DraftOrder, Problem
from cds_service.clinical.days import Days
from cds_service.fhir.bundle import NO_RESOURCE, Opened, open_value
from cds_service.fhir.context import ReadContext, References, UnfinishedChart
from cds_service.fhir.decoding import UNFIT
from cds_service.fhir.elements import Doc, identifier, kind_of
from cds_service.fhir.mentions import Mentions
from cds_service.fhir.order import NOT_ORDERS, Draft, collect, read_order, without_repeats
from cds_service.fhir.release import Releases
from cds_service.fhir.subject import Subjects, Whose

if TYPE_CHECKING:
    from cds_service.knowledge.terminology import CodeIndex


_SHARED = tuple({one.name for one in fields(DraftOrder)} - {"index", "resource_id"})
"""What orders have in common that differ by their id."""


@dataclass(frozen=True, slots=True)
class OrdersRead:
    """The draft orders of a request and what was odd about them."""

    orders: tuple[DraftOrder, ...] = ()
    problems: tuple[Problem, ...] = ()
    foreign: int = 0
    release: str = "R4"

    @property
    def unread(self) -> int:
        """How many entries may have been orders and could not be read."""
        return sum(problem.why != NO_RESOURCE for problem in self.problems)


class Drafts:
    """The draft orders of one call, decoded once: they are read before the chart, which may not be
    needed then, and again with it where it could tell more about them.

    Reads every entry of `context.draftOrders`, of whatever type, position and release. A Bundle
    with or without type, a list of resources or of entries, a single resource, or any of these as
    text.
    """

    def __init__(
        self,
        draft_orders: Raw | None,
        index: CodeIndex,
        patient_id: str,
        today: date | Days,
        mentions: Mentions | None = None,
    ) -> None:
        self._index = index
        self._mentions = (mentions or Mentions()).within(bytes(draft_orders or b""))
        self._patient_id = patient_id
        self._days = Days.of(today)
        self._problems: list[Problem] = []
        opened = open_value(draft_orders) if draft_orders is not None else Opened(why="missing")
        self._drafts = collect(opened, "context.draftOrders", self._problems)
        self._own: list[Draft] = []
        self._later = False  # whether nobody can tell yet whose one of them is
        self._releases = Releases()
        self._settled: tuple[DraftOrder, ...] | None = None

    def read(self, reader: UnfinishedChart | None = None) -> OrdersRead:
        """The orders. With `reader` (that has read the prefetch) references are also looked up in
        the chart, and the release is told from both."""
        subjects = reader.subjects if reader else Subjects(self._patient_id)
        references = reader.references if reader else References()
        for draft in self._drafts:
            subjects.learn(draft.full_url, draft.doc)
        orders = self._settled
        if orders is None:
            whose = [subjects.whose_doc(draft.doc) for draft in self._drafts]
            pairs = zip(self._drafts, whose, strict=True)
            self._own = [draft for draft, (of, ref) in pairs if subjects.is_own(of, ref)]
            self._later = any(of is Whose.LATER for of, _ in whose)
            self._releases = Releases()
            for draft in self._own:
                self._releases.look(draft.doc, is_draft=True)
        for draft in self._own:
            references.add(draft.doc, draft.full_url)
        if orders is None:
            orders = self._orders(references)
        foreign = len(self._drafts) - len(self._own)
        return OrdersRead(orders, tuple(self._problems), foreign, self._release(reader))

    def _release(self, reader: UnfinishedChart | None) -> str:
        if reader is None:
            return self._releases.release()
        reader.releases.also(self._releases)
        return reader.releases.release()

    @property
    def stand_alone(self) -> bool:
        """Whether nothing in the orders that were read points anywhere else."""
        return self._settled is not None

    def _orders(self, references: References) -> tuple[DraftOrder, ...]:
        look = ReadContext(self._index, self._days, references, self._mentions)
        own = [draft for draft in self._own if kind_of(draft.doc) not in NOT_ORDERS]
        one = len(own) == 1
        found = [read_order(d.doc, d.index, look) for d in own] if one else _read_alike(own, look)
        orders = without_repeats(found)
        if not references.asked and not self._later:
            self._settled = orders  # nothing in them points anywhere else
        return orders


def _read_alike(drafts: list[Draft], look: ReadContext) -> list[DraftOrder]:
    """The orders; of those that differ by nothing but their id one is read, for all of them."""
    known: dict[bytes, dict[str, Any]] = {}
    found = []
    for draft in drafts:
        content = _without_id(draft.doc)
        shared = known.get(content)
        if shared is not None:
            ident = identifier(draft.doc.get("id"))
            found.append(DraftOrder(index=draft.index, resource_id=ident, **shared))
            continue
        order = read_order(draft.doc, draft.index, look)
        found.append(order)
        named = order.medication or order.unidentified or order.suspicions or order.mentions
        if content and not named:  # these name the order by its id
            known[content] = {name: getattr(order, name) for name in _SHARED}
    return found


def _without_id(doc: Doc) -> bytes:
    """All that an order says but its id; nothing where that cannot be written."""
    try:
        said = msgspec.json.encode({name: doc[name] for name in doc if name != "id"})
    except UNFIT:
        return b""
    return said + b"id" if "id" in doc else said


def read_orders(
    draft_orders: Raw | None,
    index: CodeIndex,
    patient_id: str,
    today: date | Days,
    reader: UnfinishedChart | None = None,
) -> OrdersRead:
    """Read draft orders once; see `Drafts`."""
    mentions = reader.mentions if reader else None
    return Drafts(draft_orders, index, patient_id, today, mentions).read(reader)
