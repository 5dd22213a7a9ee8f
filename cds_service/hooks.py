"""The CDS Hooks services: the bytes of a call in, the bytes of its answer out.

A call goes through once: bytes are bounded and parsed, the draft orders are read, then prefetch,
then what that lacks from the EHR's FHIR server; it is assessed, and cards are composed. `consult`
goes this way for everybody: the service (`answer`), command line, playground.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial

from cds_service.cards import vendors
from cds_service.cards.compose import Composer
from cds_service.cards.issued import tell_log
from cds_service.cards.rollout import Teller
from cds_service.cdshooks import bounds, models
from cds_service.cdshooks.request import CallMembers, hook_of, request_of
from cds_service.clinical.assessment import Assessment
from cds_service.clinical.chart import Chart
from cds_service.clinical.days import Days
from cds_service.clinical.genetic_card import any_may_harm
from cds_service.clinical.possible_orders import may_trigger
from cds_service.clinical.steps import whole
from cds_service.clinical.triggers import selected
from cds_service.errors import BadRequest, Forbidden, MissingData
from cds_service.fhir import client as ehr
from cds_service.fhir.capabilities import Servers
from cds_service.fhir.completeness import signals_for
from cds_service.fhir.draft_orders import Drafts, OrdersRead
from cds_service.fhir.dull_codes import DullCodes
from cds_service.fhir.harmless_call import HarmlessCalls
from cds_service.fhir.mentions import mentions_of
from cds_service.fhir.search import HALF, Queries, is_half, queries_of
from cds_service.fhir_map import ChartReader
from cds_service.guidance import assess_in_turns
from cds_service.knowledge import services
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import InputName
from cds_service.knowledge.profile_schema import Profile
from cds_service.knowledge.schema import HookService
from cds_service.ops import calls, log, timezones
from cds_service.ops.settings import Settings
from cds_service.ops.switch import Switch
from cds_service.ops.turns import Desk, Turns
from cds_service.store.records import Origin
from cds_service.store.writer import Store
from cds_service.trust import access
from cds_service.trust.tokens import Caller


@dataclass(frozen=True, slots=True)
class Runtime:
    """What every call needs. `clock` is in UTC."""

    settings: Settings
    knowledge: Knowledge
    clock: Callable[[], datetime]
    store: Store
    trust: access.Trust
    queries: Queries
    composer: Composer
    teller: Teller
    switch: Switch
    desk: Desk = field(default_factory=Desk)
    servers: Servers = field(default_factory=Servers)
    harmless: HarmlessCalls = field(default_factory=HarmlessCalls)

    @property
    def today(self) -> date:
        return access.today_of(None, self.settings, self.clock())

    def alone(self) -> Runtime:
        """The same, for answers that read no FHIR server and keep nothing."""
        store = Store(None)
        teller = Teller(store, self.knowledge, self.clock)
        return replace(self, store=store, trust=access.trust_nobody(self.clock), teller=teller)


def build_runtime(
    settings: Settings,
    knowledge: Knowledge,
    clock: Callable[[], datetime],
    store: Store | None = None,
    trust: access.Trust | None = None,
    switch: Switch | None = None,
) -> Runtime:
    """Put together what calls need; without store and trust for answers as in `Runtime.alone`."""
    page, spoken = settings.evidence_page, settings.spoken
    key = settings.user_key.get_secret_value().encode() if settings.user_key else None
    composer = Composer(knowledge, evidence_url=page, spoken=spoken, user_key=key)
    store, trust = store or Store(None), trust or access.trust_nobody(clock)
    queries = knowledge.once(queries_of)
    teller, switch = Teller(store, knowledge, clock, settings), switch or Switch(None)
    return Runtime(settings, knowledge, clock, store, trust, queries, composer, teller, switch)


def offline(knowledge: Knowledge, today: date, settings: Settings | None = None) -> Runtime:
    """What answers outside of a service need, as of a day or a moment; no card names a page."""
    at, zone = timezones.as_of(today, (kept := settings or Settings()).timezone)
    alone = kept.model_copy(update={"pages": False, "timezone": zone})
    return build_runtime(alone, knowledge, lambda: at)


# --- a call ---


async def answer(
    service_id: str, body: bytes, caller: Caller, runtime: Runtime, *, is_new: bool = False
) -> bytes:
    """The JSON that answers a call, as its client gets it; what was issued goes to the store.

    `body` is UTF-8, `is_new` if `answer_at_once` had no answer. Raises a RequestError: BadRequest,
    UnknownService, WrongHook, TooLarge, Forbidden, or MissingData when nothing can be said without
    the problem list (PD-01).
    """
    arrived, client, name = time.monotonic(), caller.client, access.client_id(caller)
    if access.is_off(client, runtime.switch):
        asked, served = hook_of(body), services.find(service_id, runtime.knowledge)
        hook = next((service.hook for service in served if service.hook == asked), "")
        return runtime.teller.switched_off(Origin(service_id, hook, name))
    with calls.stage("parse"):
        call = bounds.opened(body, runtime.settings)  # gone through once, for both ways
        told = b"" if is_new else call.without_prefetch()
        known = _passed_over(service_id, told, body, caller, runtime) if told else None
        if known is not None:
            return known
    consultation = await _consult(service_id, call, caller, runtime)
    request, teller, found = consultation.request, runtime.teller, consultation.answer
    found, marks = await teller.settle(found, consultation.assessment, caller, request)
    shown = vendors.fit(found, client.quirks, client.features) if client else found
    user, extension = request.context.user_id, request.extension
    exposure = access.exposure_of(client, user, extension, runtime.settings)
    content = teller.tell(shown, exposure, Origin(service_id, request.hook, name), marks)
    runtime.harmless.learn(body, consultation.harmless)
    spent, budget = round((time.monotonic() - arrived) * 1000), runtime.settings.budget_ms
    if spent > budget:  # PE-01
        log.warn("over budget", ms=spent, budget_ms=budget)
    return content


def answer_at_once(service_id: str, body: bytes, caller: Caller, runtime: Runtime) -> bytes | None:
    """The answer to a call whose orders are all known to be harmless by now; None for all others.
    Raises a RequestError where `answer` would refuse, too."""
    is_off = access.is_off(caller.client, runtime.switch)
    return None if is_off else _passed_over(service_id, body, body, caller, runtime)


def _passed_over(
    service_id: str, told: bytes, body: bytes, caller: Caller, runtime: Runtime
) -> bytes | None:
    settings, client = runtime.settings, caller.client
    passed = runtime.harmless.passes_over(told, settings.max_draft_orders)
    if passed is None or (client is not None and not client.may_call(passed.hook)):
        return None
    service = services.answering(service_id, passed.hook, runtime.knowledge)
    if service is None or not service.question.about_orders:
        return None
    bounds.check_body(body, settings, is_json=True)
    calls.current().hook = passed.hook
    exposure = access.exposure_of(client, passed.user, passed.extension, settings)
    origin = Origin(service_id, passed.hook, access.client_id(caller))
    return runtime.teller.passed_over(exposure, origin)


async def consult(
    service_id: str | None, body: bytes, caller: Caller, runtime: Runtime
) -> Consultation:
    """Go the whole way of a call, and give all that came of it; a large chart is worked on in turns
    with other calls. Without `service_id` the hook says who is asked. Raises what `answer` does.
    """
    with calls.stage("parse"):
        call = bounds.opened(body, runtime.settings)
    return await _consult(service_id, call, caller, runtime)


async def _consult(
    service_id: str | None, call: CallMembers, caller: Caller, runtime: Runtime
) -> Consultation:
    started, client = time.monotonic(), caller.client
    turns = Turns(started + runtime.settings.give_up_ms / 1000, len(call.body))
    async with runtime.desk.place(turns):
        consultation = _open(service_id, call, caller, runtime)
        with calls.stage("read"):
            await turns.take(consultation.read())
    if consultation.lacks_orders:
        log.warn("a call without draft orders: is the EHR set up to send them?")
    if consultation.request.has_fhir_access:
        try:
            until = started + runtime.settings.deadline_ms / 1000
            await _fetch(consultation, runtime, caller, until)
        except ehr.NoAccess as error:
            consultation.no_access = str(error)
    async with runtime.desk.place(turns):
        await turns.take(consultation.decide(client.unread if client is not None else "refuse"))
    consultation.refuse_unread()
    context = consultation.request.context
    with calls.stage("cards"):
        consultation.answer = runtime.composer.compose(
            consultation.assessment,
            consultation.chart,
            context.encounter_id,
            context.user_id,
            access.client_id(caller),
        )
    return consultation


def _open(
    service_id: str | None, call: CallMembers, caller: Caller, runtime: Runtime
) -> Consultation:
    """A call with nothing read yet. Raises what `answer` does."""
    settings, client = runtime.settings, caller.client
    with calls.stage("parse"):
        bounds.check_body(call.body, settings, is_json=True)
        request = request_of(call)
        bounds.check_orders(request.context.draft_orders, settings)
    service = services.called(service_id, request.hook, runtime.knowledge)
    if service.question.about_orders and request.context.draft_orders is None:  # RQ-07
        raise BadRequest("is required: a Bundle of the draft orders", "context.draftOrders")
    calls.current().hook = request.hook
    if client is not None and not client.may_call(request.hook):
        raise Forbidden("this client is not registered for this hook", "hook")
    days = access.days_of(client, settings, runtime.clock())
    profile = runtime.knowledge.profiles.get(client.profile or "") if client else None
    found = Consultation(request, service, runtime.knowledge, days, profile)
    found.lacks_results = settings.spoken >= 3 and is_half(request.prefetch or ())
    return found


async def _fetch(
    consultation: Consultation, runtime: Runtime, caller: Caller, until: float
) -> None:
    """Read what is lacking (PD-03). Raises NoAccess."""
    try:
        urls = consultation.lacking(runtime.queries)
    except ValueError as error:
        raise ehr.NoAccess(f"context.patientId is {error}") from None
    outgoing = runtime.trust.outgoing
    allowed = partial(outgoing.allowed, caller.client)
    aliases = caller.client.next_aliases if caller.client else None
    granted = ehr.grant(consultation.request, allowed, until, aliases)
    if granted is not None and urls:
        with calls.stage("fetch"):
            http = outgoing.client_for(caller.client)
            consultation.lacks_results &= InputName.OBSERVATIONS not in urls
            session = ehr.FhirReads(granted, http, runtime.settings, runtime.servers)
            await session.read(consultation.reader, urls)


class Consultation:
    """One call on its way: it reads what was sent, tells what is lacking, decides, and answers.

    `chart` and `assessment` are there after `decide`, `answer` after `consult`.
    """

    chart: Chart
    assessment: Assessment
    answer: models.Json

    def __init__(
        self,
        request: models.CDSRequest,
        service: HookService,
        knowledge: Knowledge,
        days: Days,
        profile: Profile | None = None,
    ) -> None:
        self.profile = profile
        self.request = request
        self.service = service
        self.knowledge = knowledge
        self.days = days
        self.lacks_results = False  # sent under one of two keys, and not read otherwise
        self.no_access: str | None = None  # why the FHIR server of the call was not read
        self._about_orders = service.question.about_orders
        self._selected = selected(service.question, request.context.selections)
        patient = request.context.patient_id
        index, named, dull = knowledge.index, knowledge.once(mentions_of), knowledge.once(DullCodes)
        signals = signals_for(knowledge, profile.vendor if profile else None)
        self.reader = ChartReader(index, patient, days, named, profile, signals=signals, dull=dull)
        self._drafts = Drafts(request.context.draft_orders, index, patient, days, named)
        self._orders = OrdersRead()
        self._passed_over = self._card_if_unread = False

    def read(self) -> Generator[None, None, None]:
        """Read the orders; and the chart, unless they tell on their own that it will not matter.

        Pauses every few milliseconds, so that a server can do other things between. Raises
        BadRequest when no draft order can be read.
        """
        if self._about_orders:
            self._orders = self._drafts.read()
            unread, orders = self._orders.problems, self._orders.orders
            if unread and not orders and not self._orders.foreign:
                raise BadRequest(f"no order can be read: {unread[0].why}", unread[0].place)
            if not (self._are_others() or self._may_harm()):
                self._passed_over = True
                return
        yield from self._read_chart()

    def _read_chart(self) -> Generator[None, None, None]:
        yield from self.reader.prefetch_in_turns(self.request.prefetch)
        if self._about_orders:
            self._orders = self._drafts.read(self.reader)

    @property
    def harmless(self) -> int:
        """How many drafts there are, where each is an order that is harmless by itself for any
        patient, and nothing else was to be said; else 0."""
        said, orders = self.assessment, self._orders.orders
        told = said.guidances or said.not_understood or said.skipped or said.foreign
        if not self._passed_over or self._selected or told or not self._drafts.stand_alone:
            return 0
        return 0 if any(o.suspicions or o.mentions for o in orders) else len(orders)

    @property
    def lacks_orders(self) -> bool:
        """Whether a call about orders brought none: some EHRs hold them back where the endpoint or
        the scopes are not set up as registered (checklist, section 4)."""
        told = self._orders
        return self._about_orders and not (told.orders or told.problems or told.foreign)

    def _may_harm(self) -> bool:
        """Whether an order is looked at: it is not known to be harmless."""
        return any_may_harm(self._orders.orders, self.knowledge, self._selected)

    def _are_others(self) -> bool:
        """Whether something was ordered, and for other patients only."""
        return bool(self._orders.foreign) and not self._orders.orders

    def lacking(self, queries: Queries) -> dict[InputName, str]:
        """What has to be read from the FHIR server, each with its URL: searches for what was not
        sent, and further pages. Only the problem list where no order triggers but FOP would make
        one; nothing where all are harmless. Raises ValueError for an id that cannot be used."""
        wanted: Collection[str] = self.service.inputs
        orders, asked = self._orders.orders, self._selected
        if self._about_orders and not may_trigger(orders, self.knowledge, asked):
            wanted = (InputName.CONDITIONS,) if self._may_harm() else ()
        patient, release = self.request.context.patient_id, self._orders.release
        missing, pages = self.reader.missing(), self.reader.next_links()
        missing += (InputName.OBSERVATIONS,) * self.lacks_results
        return queries.lacking(missing, pages, wanted, patient, release, self.profile)

    def decide(self, unread: str = "refuse") -> Generator[None, None, None]:
        """Make the chart of all that was read, and assess it; `unread` is as the client has it."""
        self._card_if_unread = unread == "card" and not self._passed_over
        if self._card_if_unread:
            self.reader.fail_missing(InputName.CONDITIONS, self.no_access or "no way to read it")
        if self.lacks_results:
            self.reader.fail(InputName.OBSERVATIONS, HALF)
        self.chart, self.assessment = yield from self._decided()
        tell_log(self.assessment)

    def _decided(self) -> Generator[None, None, tuple[Chart, Assessment]]:
        orders = self._orders
        odd = orders if self._about_orders else None
        chart = yield from self.reader.chart_in_turns(odd)
        with calls.stage("assess"):
            assessment = yield from assess_in_turns(
                chart,
                orders.orders,
                self.knowledge,
                self.days,
                self.service.question,
                self.request.context.selections,
                orders.unread,
                orders.foreign if self._are_others() else 0,
                self._card_if_unread,
            )
        return chart, assessment

    def refuse_unread(self) -> None:
        """Raise MissingData when nothing can be said (PD-01). Where the patient alone is asked
        about, an unread problem list gives no card: that is told, too, never silence."""
        conditions = self.chart.input(InputName.CONDITIONS)
        unread = self.assessment.unassessable
        if not (self._about_orders or conditions.known or self.assessment.guidances):
            unread = (str(InputName.CONDITIONS),)
        if unread:
            why = self.no_access or conditions.why
            raise MissingData(
                f"send prefetch {', '.join(unread)}, or fhirServer and fhirAuthorization to read it"
                + (f" ({why})" if why else ""),
                "prefetch",
            )

    def explained(self) -> tuple[Chart, Assessment]:
        """What was decided, for people who ask why: with the chart read in any case."""
        if not self._passed_over:
            return self.chart, self.assessment
        for _ in self._read_chart():
            pass
        return whole(self._decided())
