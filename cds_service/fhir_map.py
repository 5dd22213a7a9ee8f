"""From FHIR JSON of any release to the chart and the draft orders: the whole story of reading.

A prefetch value is opened down to its resources (`opening`). Each resource is first glanced at
(`sniff`): whose is it, and does one of its codings stand in a value set, or does its text name a
genetic disease? Most do not, and cost no more. The others are decoded in full, kept, and read by
the reader of their type (`resources`, `medications`, `orders`) once everything is there, because
references may point anywhere. What could not be read is told, never taken for empty (`inputs`).
Nothing in here raises, whatever JSON comes in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, TypeVar

from msgspec import Raw

from cds_service.chart import (
    AllergyFact,
    Chart,
    ConditionFact,
    DraftOrder,
    FamilyFact,
    InputName,
    InputState,
    MeasurementFact,
    MedicationFact,
    Mention,
    PatientFacts,
    Problem,
    ProcedureFact,
    SetAside,
)
from cds_service.elements import (
    Doc,
    identifier,
    misshapen,
    objects,
    printable,
    status,
    text,
    word,
)
from cds_service.inputs import INPUT_OF, InputLog
from cds_service.medications import read_medication
from cds_service.mentions import Mentions, Patterns
from cds_service.opening import DEPTH, Opened, open_value
from cds_service.orders import NOT_ORDERS, is_planned, read_order
from cds_service.reading import Item, Reading, References
from cds_service.releases import Releases
from cds_service.resources import (
    read_allergy,
    read_condition,
    read_family,
    read_observation,
    read_patient,
    read_procedure,
)
from cds_service.sieve import Sieve
from cds_service.sniff import SNIFF, UNFIT, Entry, Unreadable, decode
from cds_service.subjects import Subjects, Whose

if TYPE_CHECKING:
    from cds_service.codes import CodeIndex

_KEYS = {name.value.casefold(): name for name in InputName}
_Reader = Callable[[Doc, Reading], Iterator[Item]]
_READERS: Mapping[str, _Reader] = {
    "Condition": read_condition,
    "Procedure": read_procedure,
    "Observation": read_observation,
    "AllergyIntolerance": read_allergy,
    "FamilyMemberHistory": read_family,
    **{k: read_medication for k, name in INPUT_OF.items() if name is InputName.MEDICATIONS},
}
_CODED = frozenset({"Condition", "Procedure", "Observation", "AllergyIntolerance"})
_HARMLESS = frozenset({"information", "warning", "success"})
_REPORTED = "the EHR answered with an error"
_PROBLEMS = 100
_T = TypeVar("_T")


@dataclass(slots=True)
class _Kept:
    """A resource that matters, decoded. `urn` is the subject that has still to be explained."""

    kind: str
    doc: Doc
    place: str
    urn: str | None = None


@dataclass(slots=True)
class _Answer:
    """One prefetch value or search answer on its way through: the input it was asked for, and the
    inputs whose resources it held."""

    asked: InputName | None
    place: str
    touched: set[InputName] = field(default_factory=set)
    readable: int = 0
    hints: int = 0
    defects: list[str] = field(default_factory=list)


class ChartReader:
    """Reads prefetch and search answers of one patient into a Chart.

    `patient_id` is `context.patientId` in any of its forms; `mentions` are pairs of a disease and
    the pattern of texts that name it. Can be asked for the chart at any time and go on reading.
    """

    def __init__(
        self, index: CodeIndex, patient_id: str, today: date, mentions: Patterns = ()
    ) -> None:
        self.index = index
        self.today = today
        self.references = References()
        self.releases = Releases()
        self.subjects = Subjects(patient_id)
        self._mentions = Mentions(mentions, also=("brooker",))
        self._sieve = Sieve(index, self._mentions)
        self._logs: dict[InputName, InputLog] = {name: InputLog(name) for name in InputName}
        self._kept: list[_Kept] = []
        self._copies: set[bytes] = set()
        self._later: Counter[tuple[str, InputName]] = Counter()
        self._foreign = 0
        self._problems: list[Problem] = []

    # --- what goes in ---

    def read_prefetch(self, prefetch: Mapping[str, Raw] | None) -> None:
        """Read all keys by the decision table of the checklist; unknown keys by their types."""
        for key, raw in (prefetch or {}).items():
            asked = _KEYS.get(key.strip().casefold())
            self._read(raw, _Answer(asked, f"prefetch.{text(key, 60) or '(blank)'}"))

    def read_input(self, name: InputName, raw: bytes | Raw) -> None:
        """Read a FHIR answer that was fetched: a resource, a first page, or the next page."""
        self._logs[name].next_link = None
        self._read(raw, _Answer(name, str(name)))

    def fail(self, name: InputName, why: str) -> None:
        """Note that an input could not be fetched."""
        self._logs[name].failed(printable(why)[:200])

    # --- what is known so far ---

    def next_links(self) -> dict[InputName, str]:
        """Links to pages that nobody has read yet; the input is PARTIAL until then."""
        return {n: log.next_link for n, log in self._logs.items() if log.next_link}

    def missing(self) -> tuple[InputName, ...]:
        """Inputs about which nothing was said."""
        return tuple(n for n, log in self._logs.items() if log.report().state is InputState.ABSENT)

    def chart(self) -> Chart:
        """The chart of everything read so far, facts newest first whatever order they came in."""
        own, foreign, problems = self._own_resources()
        patient = self._patient(own)
        look = Reading(self.index, self.today, self.references, self._mentions, patient.birth)
        found = [item for kept in own for item in _facts(kept, look)]
        return Chart(
            patient=patient,
            conditions=_of(ConditionFact, found),
            procedures=_of(ProcedureFact, found),
            medications=_of(MedicationFact, found),
            allergies=_of(AllergyFact, found),
            measurements=_of(MeasurementFact, found),
            family=_of(FamilyFact, found),
            planned=_planned(own, look),
            mentions=_of(Mention, found),
            set_aside=_of(SetAside, found),
            inputs=tuple(log.report() for log in self._settled_logs()),
            foreign=foreign,
            problems=(*self._problems, *problems),
            release=self.releases.release(),
        )

    # --- one value ---

    def _read(self, raw: bytes | Raw, answer: _Answer, depth: int = 0) -> None:
        opened = open_value(raw, depth)
        self._walk(opened, answer, depth)
        if depth == 0:
            self._close(opened, answer)

    def _walk(self, opened: Opened, answer: _Answer, depth: int) -> None:
        start = answer.place
        if opened.why:
            self._problem(start, opened.why)
        for position, why in opened.junk:
            self._problem(opened.place(start, position), why)
        if opened.failed:
            answer.defects.append(_REPORTED)
        for position, entry in opened.entries:
            self._glance(entry, answer, opened, position, depth)
        if opened.next_link:
            for name in answer.touched | ({answer.asked} if answer.asked else set()):
                self._logs[name].next_link = opened.next_link

    def _close(self, opened: Opened, answer: _Answer) -> None:
        """Draw the balance of a value for the input it was asked for (decision table)."""
        for name in answer.touched:
            for why in answer.defects:
                self._logs[name].defect(why)
        if answer.asked is None or answer.asked in answer.touched:
            return
        log = self._logs[answer.asked]
        if opened.why:
            log.failed(opened.why)
        elif answer.defects:
            log.failed(answer.defects[0])
        elif answer.readable:
            log.failed("the answer holds resources of another type")
        elif opened.empty or answer.hints:
            log.answered = True
        else:
            log.failed("no entry could be read")

    # --- one resource ---

    def _glance(
        self, entry: Entry, answer: _Answer, opened: Opened, position: int, depth: int
    ) -> None:
        raw = entry.resource
        try:
            sniff = SNIFF.decode(raw)
        except UNFIT:
            self._take(entry, answer, opened.place(answer.place, position), depth)
            return
        kind = sniff.resourceType
        if kind is None or not self._sieve.holds_back(sniff):
            self._take(entry, answer, opened.place(answer.place, position), depth)
            return
        log = self._log(kind, answer)
        subject = sniff.subject or sniff.patient
        ref = subject.reference if subject is not None else None
        if ref in self.subjects.own:
            log.seen += 1
        else:
            self._count(self.subjects.whose(ref), ref, log)

    def _log(self, kind: str, answer: _Answer) -> InputLog:
        name = INPUT_OF[kind]
        log = self._logs[name]
        if name not in answer.touched or not log.answered:
            answer.touched.add(name)
            log.found(kind, asked=answer.asked is name)
        return log

    def _take(self, entry: Entry, answer: _Answer, place: str, depth: int) -> None:
        """Decode a resource in full and keep it if it is the patient's and has a reader."""
        try:
            doc = decode(entry.resource)
        except Unreadable as error:
            self._problem(place, str(error))
            answer.defects.append("an entry could not be read")
            return
        kind = word(doc.get("resourceType")) if isinstance(doc, dict) else None
        if kind is None:
            self._problem(place, "without resourceType")
        elif kind == "Bundle":
            self._nested(entry.resource, answer, place, depth)
        elif kind == "OperationOutcome":
            self._outcome(doc, answer, alone=place == answer.place)
        else:
            self._sort_in(kind, doc, entry, answer, place)

    def _nested(self, raw: Raw, answer: _Answer, place: str, depth: int) -> None:
        if depth >= DEPTH:
            self._problem(place, "nested too deeply")
            answer.defects.append("an entry could not be read")
            return
        opened = open_value(raw, depth + 1)
        answer.hints += opened.empty
        inner = replace(answer, place=place)
        self._walk(opened, inner, depth + 1)
        answer.readable, answer.hints = inner.readable, inner.hints

    def _outcome(self, doc: Doc, answer: _Answer, alone: bool) -> None:
        """An OperationOutcome instead of data is a failed query. Among data only errors are:
        information and warnings come with good answers, too (Epic sends them)."""
        severities = {status(issue.get("severity")) for issue in objects(doc.get("issue"))}
        if not alone and severities and severities <= _HARMLESS:
            answer.hints += 1
        else:
            answer.defects.append(_REPORTED)

    def _sort_in(self, kind: str, doc: Doc, entry: Entry, answer: _Answer, place: str) -> None:
        if kind not in INPUT_OF:
            self._file(kind, doc, entry, answer)
            return
        whose, ref = self._whose(kind, doc, entry)
        log = self._log(kind, answer)
        self._count(whose, ref, log)
        if whose is Whose.FOREIGN or bytes(entry.resource) in self._copies:
            return
        self._copies.add(bytes(entry.resource))
        if kind in _CODED and misshapen(doc.get("code")):
            self._problem(f"{place}.code", "codes that cannot be read")
            log.defect("an entry could not be read")
        self.references.add(doc, entry.fullUrl)
        self.releases.look(doc)
        self._kept.append(_Kept(kind, doc, place, ref if whose is Whose.LATER else None))

    def _file(self, kind: str, doc: Doc, entry: Entry, answer: _Answer) -> None:
        """A resource that is no fact by itself, but to which a reference may point."""
        answer.readable += 1
        whose, _ = self.subjects.whose_doc(doc)
        if whose is Whose.FOREIGN:
            self._foreign += 1
        else:
            self.references.add(doc, entry.fullUrl)

    def _whose(self, kind: str, doc: Doc, entry: Entry) -> tuple[Whose, str | None]:
        if kind != "Patient":
            return self.subjects.whose_doc(doc)
        ident = identifier(doc.get("id"))
        self.subjects.learn(entry.fullUrl, ident)
        own = ident is None or ident == self.subjects.patient_id
        return (Whose.OWN if own else Whose.FOREIGN), None

    def _count(self, whose: Whose, ref: str | None, log: InputLog) -> None:
        if whose is Whose.FOREIGN:
            self._foreign += 1
            log.foreign += 1
        elif whose is Whose.LATER and ref is not None:
            self._later[ref, log.name] += 1
        else:
            log.seen += 1

    def _problem(self, place: str, why: str) -> None:
        if len(self._problems) < _PROBLEMS:
            self._problems.append(Problem(place, why))
        elif len(self._problems) == _PROBLEMS:
            self._problems.append(Problem("prefetch", "more of this was skipped"))

    # --- the balance ---

    def _own_resources(self) -> tuple[list[_Kept], int, list[Problem]]:
        """The kept resources of this patient, the number of foreign ones, and new problems."""
        judged = {urn: self.subjects.resolve(urn) for urn, _ in self._later}
        foreign = self._foreign
        foreign += sum(n for (urn, _), n in self._later.items() if judged[urn] is Whose.FOREIGN)
        own = [k for k in self._kept if k.urn is None or judged[k.urn] is not Whose.FOREIGN]
        problems = [
            Problem(kept.place, "the subject cannot be compared with the patient")
            for kept in own
            if kept.urn is not None and judged[kept.urn] is Whose.NAMELESS
        ]
        return own, foreign, problems[:_PROBLEMS]

    def _settled_logs(self) -> list[InputLog]:
        logs = {name: replace(log) for name, log in self._logs.items()}
        for (urn, name), count in self._later.items():
            if self.subjects.resolve(urn) is Whose.FOREIGN:
                logs[name].foreign += count
            else:
                logs[name].seen += count
        return list(logs.values())

    def _patient(self, own: list[_Kept]) -> PatientFacts:
        found = [k.doc for k in own if k.kind == "Patient"]
        ident = self.subjects.patient_id
        facts = [read_patient(doc, ident) for doc in found]
        # More than one record of the same patient: the fuller one.
        facts.sort(key=lambda f: (f.birth is None, f.sex == "unknown", str(f.birth), f.sex))
        return facts[0] if facts else PatientFacts(ident)


def _facts(kept: _Kept, look: Reading) -> Iterator[Item]:
    reader = _READERS.get(kept.kind)
    return reader(kept.doc, look) if reader else iter(())


def _planned(own: list[_Kept], look: Reading) -> tuple[DraftOrder, ...]:
    """Orders of the record that are still to happen and that a value set knows."""
    requests = [k.doc for k in own if INPUT_OF[k.kind] is InputName.SERVICE_REQUESTS]
    orders = [read_order(doc, 0, look) for doc in requests if is_planned(doc)]
    known = [order for order in orders if order.kinds]
    known.sort(key=lambda order: (order.reference or "", repr(order)))
    return tuple(replace(order, index=i) for i, order in enumerate(known))


def _of(kind: type[_T], found: list[Item]) -> tuple[_T, ...]:
    """Facts of one kind, newest first; undated last; the rest of the order is by their text."""
    mine = [item for item in found if isinstance(item, kind)]
    mine.sort(key=_newest_first)
    return tuple(mine)


def _newest_first(item: object) -> tuple[float, str]:
    when = getattr(item, "date", None) or getattr(getattr(item, "source", None), "date", None)
    return (-when.order if when else float("inf"), repr(item))


# --- draft orders ---


@dataclass(frozen=True, slots=True)
class OrdersRead:
    """The draft orders of a request and what was odd about them."""

    orders: tuple[DraftOrder, ...] = ()
    problems: tuple[Problem, ...] = ()
    foreign: int = 0
    release: str = "R4"


def read_orders(
    draft_orders: Raw | None,
    index: CodeIndex,
    patient_id: str,
    today: date,
    reader: ChartReader | None = None,
) -> OrdersRead:
    """Read every entry of `context.draftOrders`, of whatever type, position and release.

    A Bundle with or without type, a list of resources or of entries, a single resource, or any of
    these as text. With `reader` (that has read the prefetch) references are also looked up in the
    chart, and the release is told from both.
    """
    place = "context.draftOrders"
    opened = open_value(draft_orders) if draft_orders is not None else Opened(why="missing")
    session = reader or ChartReader(index, patient_id, today)
    problems = [Problem(opened.place(place, p), why) for p, why in opened.junk]
    if opened.why:
        problems.append(Problem(place, opened.why))
    drafts: list[tuple[int, Doc]] = []
    foreign = 0
    for position, entry in opened.entries:
        doc = _draft(entry, session, problems, opened.place(place, position))
        if doc is None:
            continue
        if session.subjects.whose_doc(doc)[0] is Whose.FOREIGN:
            foreign += 1
            continue
        session.references.add(doc, entry.fullUrl)
        session.releases.look(doc)
        drafts.append((position, doc))
    look = Reading(index, today, session.references)
    orders = [read_order(d, i, look) for i, d in drafts if d.get("resourceType") not in NOT_ORDERS]
    return OrdersRead(_once(orders), tuple(problems), foreign, session.releases.release())


def _draft(entry: Entry, session: ChartReader, problems: list[Problem], place: str) -> Doc | None:
    try:
        doc = decode(entry.resource)
    except Unreadable as error:
        problems.append(Problem(place, str(error)))
        return None
    if not isinstance(doc, dict) or word(doc.get("resourceType")) is None:
        problems.append(Problem(place, "without resourceType"))
        return None
    if doc["resourceType"] == "Patient":
        session.subjects.learn(entry.fullUrl, identifier(doc.get("id")))
    return doc


def _once(orders: list[DraftOrder]) -> tuple[DraftOrder, ...]:
    """Each order once: a second entry with the same reference is the same order."""
    seen: set[str] = set()
    kept = []
    for order in orders:
        if order.reference is None or order.reference not in seen:
            kept.append(order)
            seen.add(order.reference or "")
    return tuple(kept)
