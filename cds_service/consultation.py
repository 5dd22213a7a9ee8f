"""One call on its way from the request to what follows from it, without HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from cds_service.cdshooks import models
from cds_service.clinical.assessment import Assessment
from cds_service.clinical.chart import Chart, InputName
from cds_service.clinical.triggers import may_trigger
from cds_service.errors import BadRequest
from cds_service.fhir.draft_orders import Drafts, OrdersRead
from cds_service.fhir.mentions import Mentions
from cds_service.fhir.search import Queries
from cds_service.fhir_map import ChartReader, quick_mentions
from cds_service.guidance import assess
from cds_service.knowledge.loader import Knowledge
from cds_service.ops import telemetry
from cds_service.services import service_of


class Consultation:
    """One call on its way: it reads what was sent, tells what is lacking, and decides.

    `whole`: the chart is read even where no order triggers. Nothing is read before `read` has been
    gone through.
    """

    def __init__(
        self, request: models.CDSRequest, knowledge: Knowledge, today: date, *, whole: bool = False
    ) -> None:
        self.request = request
        self.knowledge = knowledge
        self.today = today
        service = service_of(request.hook)
        self._inputs = service.inputs if service else tuple(InputName)
        self._wants_orders = service is None or service.needs_orders
        patient = request.context.patient_id
        index, named = knowledge.index, knowledge.once(mentions)
        self.reader = ChartReader(index, patient, today, named)
        self._drafts = Drafts(request.context.draft_orders, index, patient, today, named)
        self._orders = OrdersRead()
        self._whole = whole

    def read(self) -> Iterator[None]:
        """Read the orders; and the chart, unless they tell on their own that it will not matter.

        Pauses every few milliseconds, so that a server can do other things between. Raises
        BadRequest when no draft order can be read.
        """
        if self._wants_orders:
            self._orders = self._drafts.read()
            unread, orders = self._orders.problems, self._orders.orders
            if unread and not orders and not self._orders.foreign:
                raise BadRequest(f"no order can be read: {unread[0].why}", unread[0].place)
            if not self._whole and not self._may_matter():
                return
        yield from self.reader.prefetch_in_turns(self.request.prefetch)
        if self._wants_orders:
            self._orders = self._drafts.read(self.reader)

    @property
    def lacks_orders(self) -> bool:
        """Whether a call about orders brought none: some EHRs hold them back where the endpoint or
        the scopes are not set up as registered (checklist, section 4)."""
        orders = self._orders
        return self._wants_orders and not (orders.orders or orders.problems or orders.foreign)

    def _may_matter(self) -> bool:
        """Whether an order triggers, or the chart may yet tell what an order is, or whose."""
        sure, orders = self._triggers() or self._are_others(), self._orders.orders
        return sure or any(order.live and not order.coded for order in orders)

    def _are_others(self) -> bool:
        """Whether something was ordered, and for other patients only."""
        return bool(self._orders.foreign) and not self._orders.orders

    def _triggers(self) -> bool:
        """Whether an order triggers, or would if the chart had FOP."""
        hook, selections = self.request.hook, self.request.context.selections
        return may_trigger(self._orders.orders, self.knowledge, hook, selections)

    def lacking(self, queries: Queries) -> dict[InputName, str]:
        """What has to be read from the FHIR server, each with its URL: searches for what was not
        sent, and further pages. Nothing when no order triggers. Raises ValueError for a patient
        id that cannot be searched for."""
        if self._wants_orders and not self._triggers():
            return {}
        patient, release = self.request.context.patient_id, self._orders.release
        absent = [name for name in self.reader.missing() if name in self._inputs]
        pages = self.reader.next_links()
        further = {name: link for name, link in pages.items() if name in self._inputs}
        return queries.searches(absent, patient, release) | further if absent or further else {}

    def decide(self) -> tuple[Chart, Assessment]:
        """The chart of everything read so far, and what follows from it."""
        orders, context = self._orders, self.request.context
        chart = self.reader.chart()
        chart = replace(
            chart,
            problems=chart.problems + orders.problems,
            foreign=chart.foreign + orders.foreign,
            release=orders.release if self._wants_orders else chart.release,
        )
        with telemetry.stage("assess"):
            assessment = assess(
                chart,
                orders.orders,
                self.knowledge,
                self.today,
                self.request.hook,
                context.selections,
                orders.unread,
                orders.foreign if self._are_others() else 0,
            )
        telemetry.current().decided(assessment)
        return chart, assessment


def mentions(knowledge: Knowledge) -> Mentions:
    """Patterns of uncoded text that names a genetic disease, with the disease."""
    return quick_mentions(
        tuple(
            (rule.disease, re.compile(pattern, re.IGNORECASE))
            for rule in knowledge.genetic.values()
            for pattern in rule.mentions
        )
    )
