"""From FHIR JSON of any release to the chart: the whole story of reading.

1. A prefetch value, or the answer to a search, is opened down to its resources (`fhir.bundle`).
2. Each resource is glanced at (`fhir.decoding`, `fhir.prescreen`): whose is it, and does a coding
   of it stand in a value set, or a text of it name a genetic disease? Most do not, and cost no
   more than the glance.
3. The others are decoded in full and kept, once each, if they are the patient's (`fhir.subject`).
4. When the chart is asked for, each is read by the reader of its type (`fhir.condition`,
   `fhir.medication`, ...). Not before, because a reference may point to what comes later.
5. What was asked for and what came is kept account of (`fhir.inputs`): what could not be read is
   told, and never taken for empty.

Nothing in here raises, whatever JSON comes in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from cds_service.clinical.chart import (
    AllergyFact,
    Chart,
    ConditionFact,
    FamilyFact,
    MeasurementFact,
    MedicationFact,
    Mention,
    Problem,
    ProcedureFact,
    SetAside,
    Unidentified,
)
from cds_service.clinical.days import Days
from cds_service.clinical.steps import whole
from cds_service.fhir.allergy import read_allergy
from cds_service.fhir.bundle import NO_RESOURCE, Opened, open_glanced, open_value
from cds_service.fhir.completeness import SignalTable
from cds_service.fhir.condition import read_condition
from cds_service.fhir.context import Item, ReadContext, References
from cds_service.fhir.decoding import (
    NOTHING,
    Entry,
    GlancedEntry,
    Glances,
    Unreadable,
    decode,
    glance_of,
)
from cds_service.fhir.draft_orders import OrdersRead
from cds_service.fhir.dull_codes import DullCodes
from cds_service.fhir.elements import Doc, identifier, kind_of, misshapen, printable, text
from cds_service.fhir.family_history import read_family_history
from cds_service.fhir.genomics import as_observation
from cds_service.fhir.input_answer import InputAnswer
from cds_service.fhir.inputs import (
    CUT,
    INPUT_OF,
    LIST_OF,
    MOST_PROBLEMS,
    REPORTED,
    UNREADABLE,
    InputLog,
    Ledger,
)
from cds_service.fhir.medication import read_medication
from cds_service.fhir.medicine_lists import LISTS
from cds_service.fhir.mentions import Mentions, Patterns, quick_mentions
from cds_service.fhir.modifiers import IN_JSON, as_questions
from cds_service.fhir.observation import read_observation
from cds_service.fhir.order import planned_in
from cds_service.fhir.patient import fullest
from cds_service.fhir.prescreen import Prescreen
from cds_service.fhir.procedure import read_procedure
from cds_service.fhir.release import Releases
from cds_service.fhir.self_link import searched_otherwise
from cds_service.fhir.sorting import in_order, newest_first
from cds_service.fhir.subject import Subjects, Whose
from cds_service.fhir.unread_codes import UnreadCount
from cds_service.fhir.unread_entries import unread_entry
from cds_service.knowledge.names import InputName

if TYPE_CHECKING:
    from cds_service.knowledge.profile_schema import Profile
    from cds_service.knowledge.terminology import CodeIndex

_KEYS = {name.value.casefold(): name for name in InputName}
_Reader = Callable[[Doc, ReadContext], Iterator[Item]]
_READERS: Mapping[str, _Reader] = {
    "Condition": read_condition,
    "Procedure": read_procedure,
    "Observation": read_observation,
    "AllergyIntolerance": read_allergy,
    "FamilyMemberHistory": read_family_history,
    **{kind: read_medication for kind, name in INPUT_OF.items() if name in LISTS},
}
_TURN = 500  # resources of one turn, about 2 ms
_KEPT_TURN = 50  # resources that are read in full, in one turn
_CODED = frozenset({"Condition", "Procedure", "Observation", "AllergyIntolerance"})
_IN_WORDS = frozenset({Mention, Unidentified})  # what is told although no code was understood
_LISTS = frozenset({"List", "Composition"})


@dataclass(frozen=True, slots=True)
class _Kept:
    """A resource that matters, decoded. `urn` is the subject that has still to be explained."""

    kind: str
    doc: Doc
    place: str
    urn: str | None = None
    modified: bool = False


class ChartReader:
    """Reads prefetch and search answers of one patient into a Chart.

    `patient_id` is `context.patientId` in any of its forms; `mentions` are pairs of a disease and
    the pattern of texts that name it; `dull` are codes that said nothing before. Can be asked for
    the chart at any time and go on reading.
    """

    def __init__(
        self,
        index: CodeIndex,
        patient_id: str,
        today: date | Days,
        mentions: Patterns | Mentions = (),
        profile: Profile | None = None,
        *,
        signals: SignalTable,
        dull: DullCodes | None = None,
    ) -> None:
        self.index = index
        self.days = Days.of(today)
        self.references = References()
        self.releases = Releases()
        self.subjects = Subjects(patient_id)
        self.mentions = mentions if isinstance(mentions, Mentions) else quick_mentions(mentions)
        self._signals = signals
        self._prescreen = Prescreen(index, self.mentions, signals, dull or DullCodes())
        self._ledger = Ledger(self.subjects, signals, profile)
        self._unread = UnreadCount()  # of what was held back after one glance
        self._kept: list[_Kept] = []
        self._copies: set[bytes] = set()

    # --- what goes in ---

    def read_prefetch(self, prefetch: Mapping[str, Raw] | None) -> None:
        """Read all keys by the decision table of the checklist; unknown keys by their types."""
        for _ in self.prefetch_in_turns(prefetch):
            pass

    def prefetch_in_turns(self, prefetch: Mapping[str, Raw] | None) -> Iterator[None]:
        """As `read_prefetch`, with a pause after every few hundred resources."""
        for key, raw in (prefetch or {}).items():
            asked = _KEYS.get(key) or _KEYS.get(key.strip().casefold())
            if (opened := open_glanced(raw)) is None:
                self._ledger.nothing_in(asked)
                continue
            place = f"prefetch.{text(key, 60) or '(blank)'}"
            yield from self._read(opened, InputAnswer(asked, place))

    def read_input(self, name: InputName, raw: bytes | Raw) -> None:
        """Read a FHIR answer that was fetched: a resource, a first page, or the next page."""
        self._ledger.logs[name].next_link = None
        opened = open_glanced(raw) or Opened()
        for _ in self._read(opened, InputAnswer(name, str(name), whole=False)):
            pass

    def fail(
        self, name: InputName, why: str, *, is_gone: bool = False, is_refused: bool = False
    ) -> None:
        """Note that an input could not be fetched. `is_gone`: the server does not have it;
        `is_refused`: it does not show it."""
        self._ledger.fail(name, printable(why)[:200], is_gone=is_gone, is_refused=is_refused)

    def fail_missing(self, name: InputName, why: str) -> None:
        """Note that an input was neither sent nor could be fetched, if so."""
        if name in self.missing():
            self.fail(name, f"it was not sent; {why}")

    # --- what is known so far ---

    def next_links(self) -> dict[InputName, str]:
        """Links to pages that nobody has read yet; the input is PARTIAL until then."""
        return {n: log.next_link for n, log in self._ledger.logs.items() if log.next_link}

    def missing(self) -> tuple[InputName, ...]:
        """Inputs about which nothing was said."""
        return self._ledger.missing()

    def strangers(self, name: InputName) -> int:
        """Resources of other patients that came for an input."""
        return self._ledger.logs[name].foreign

    def chart(self) -> Chart:
        """The chart of everything read so far, facts newest first whatever order they came in."""
        return whole(self.chart_in_turns())

    def chart_in_turns(self, orders: OrdersRead | None = None) -> Generator[None, None, Chart]:
        """As `chart`, with what was odd about `orders`, and a pause after a few dozen resources."""
        own, problems = self._own()
        patient = fullest((k.doc for k in own if k.kind == "Patient"), self.subjects.patient_id)
        look = ReadContext(self.index, self.days, self.references, self.mentions, patient.birth)
        kinds: dict[type, list[Any]] = defaultdict(list)
        unread = UnreadCount(self._unread)
        for number, kept in enumerate(own, 1):
            known = False
            for item in _facts(kept, look, self._ledger):
                kinds[type(item)].append(item)
                known = known or type(item) not in _IN_WORDS
            if not known and (system := unread_entry(kept.kind, kept.doc, look)):
                unread.note(INPUT_OF[kept.kind], system)
            if number % _KEPT_TURN == 0:
                yield
        requests = [k.doc for k in own if INPUT_OF[k.kind] is InputName.SERVICE_REQUESTS]
        facts: dict[type, tuple[Any, ...]] = {kind: in_order(of) for kind, of in kinds.items()}
        inputs, record = self._ledger.reports(newest_first(kinds.get(MeasurementFact, ())))
        odd = orders or OrdersRead(release=self.releases.release())
        return Chart(
            patient=patient,
            conditions=facts.get(ConditionFact, ()),
            procedures=facts.get(ProcedureFact, ()),
            medications=facts.get(MedicationFact, ()),
            allergies=facts.get(AllergyFact, ()),
            measurements=facts.get(MeasurementFact, ()),
            family=facts.get(FamilyFact, ()),
            planned=planned_in(requests, look) if requests else (),
            unidentified=facts.get(Unidentified, ()),
            mentions=facts.get(Mention, ()),
            set_aside=facts.get(SetAside, ()),
            not_understood=unread.listed(),
            inputs=inputs,
            record=record.id if record else None,
            replaced_by=record.replaced_by if record else None,
            foreign=self._ledger.foreign + odd.foreign,
            problems=(*self._ledger.problems, *problems, *odd.problems),
            release=odd.release,
        )

    # --- one value ---

    def _read(self, opened: Opened, answer: InputAnswer) -> Iterator[None]:
        if answer.asked is None and opened.empty:  # nothing in it tells what was asked for
            answer.asked = LIST_OF.get(opened.searched or "")
        yield from self._walk(opened, answer, 0)
        self._ledger.close(opened, answer)

    def _walk(self, opened: Opened, answer: InputAnswer, depth: int) -> Iterator[None]:
        """Go through all resources of a value, with a pause after each turn."""
        if opened.why:
            self._ledger.problem(answer.place, opened.why)
        for number, why in opened.junk:
            self._ledger.problem(opened.path(answer.place, number), why)
            if why != NO_RESOURCE:  # an entry without any holds nothing that could be missed
                answer.defects.append(UNREADABLE)
        if opened.failed:
            answer.defects.append(REPORTED)
        if opened.self_link and (told := searched_otherwise(opened, answer.asked, self.subjects)):
            self._ledger.problem(answer.place, told)
            answer.defects.append(told)
        self._ledger.beside(opened, answer)
        if opened.lost_page or (opened.cut and answer.whole):
            answer.defects.append(CUT)
        for start in range(0, opened.size, _TURN):
            if start:
                yield
            self._glance(opened, start, answer, depth)
        if opened.next_link:
            self._ledger.further_page(answer, opened.next_link)

    def _glance(self, opened: Opened, start: int, answer: InputAnswer, depth: int) -> None:
        """Look at the resources of one turn; most are counted after one glance."""
        dull_as, own = self._prescreen.dull_as, self.subjects.own
        logs: dict[str | None, InputLog] = {}
        entries: Glances = opened.glanced or opened.entries
        for position, entry in enumerate(entries[start : start + _TURN], start):
            if entry.extension is not NOTHING or entry.response is not NOTHING:
                self._ledger.beside_entry(entry, answer)
            seen = entry.resource if isinstance(entry, GlancedEntry) else glance_of(entry)
            unread = dull_as(seen) if seen is not None else None
            if seen is None or unread is None:
                place = opened.place(answer.place, position)
                self._take(opened.entry(position), answer, place, depth)
                continue
            if (log := logs.get(seen.resourceType)) is None:
                log = self._ledger.log_for(seen.resourceType or "", answer)
                logs[seen.resourceType] = log
            subject = seen.subject or seen.patient
            ref = subject.reference if subject is not None else None
            if ref in own:
                log.seen += 1
                if unread:
                    self._unread.note(log.name, unread)
            else:
                self._ledger.count(self.subjects.whose(ref), ref, log)

    # --- one resource ---

    def _take(self, entry: Entry, answer: InputAnswer, place: str, depth: int) -> None:
        """Decode a resource in full and keep it if it is the patient's and has a reader."""
        try:
            doc = decode(entry.resource)
        except Unreadable as error:
            self._ledger.problem(place, str(error))
            answer.defects.append(UNREADABLE)
            return
        kind = kind_of(doc)
        if doc is None:
            self._ledger.problem(place, NO_RESOURCE)
        elif kind is None:
            self._ledger.problem(place, "without resourceType")
            answer.defects.append(UNREADABLE)
        elif kind == "Bundle":
            self._nested(entry.resource, answer, place, depth)
        elif kind == "OperationOutcome":
            self._ledger.outcome(doc, answer, alone=place == answer.place)
        elif kind in _LISTS:
            self._ledger.empty_list(doc, answer)
        elif kind in INPUT_OF:
            self._keep(kind, doc, entry, answer, place)
        else:
            self._file(doc, entry, answer, place)

    def _nested(self, raw: Raw, answer: InputAnswer, place: str, depth: int) -> None:
        """A Bundle as an entry of a Bundle: the answer to one query of a batch."""
        opened = open_value(raw, depth + 1)
        answer.hints += opened.empty
        inner = replace(answer, place=place)
        for _ in self._walk(opened, inner, depth + 1):
            pass
        answer.others, answer.hints = inner.others, inner.hints
        if opened.why:
            answer.defects.append(UNREADABLE)

    def _keep(self, kind: str, doc: Doc, entry: Entry, answer: InputAnswer, place: str) -> None:
        whose, ref = self._whose(kind, doc, entry)
        if whose is Whose.FOREIGN and kind == "Patient":
            self._ledger.other_record(doc)
        log = self._ledger.log_for(kind, answer)
        self._ledger.count(whose, ref, log)
        copy = bytes(entry.resource)
        if whose is Whose.FOREIGN or copy in self._copies:
            return
        if self._ledger.hear(kind, doc, copy, log, whose):
            return
        self._copies.add(copy)
        if kind in _CODED and misshapen(doc.get("code")):
            self._ledger.problem(f"{place}.code", "codes that cannot be read")
            log.defect(UNREADABLE)
        self.references.add(doc, entry.fullUrl)
        self.releases.look(doc)
        urn = ref if whose is Whose.LATER else None
        self._kept.append(_Kept(kind, doc, place, urn, IN_JSON in copy))

    def _file(self, doc: Doc, entry: Entry, answer: InputAnswer, place: str) -> None:
        """A resource to which a reference may point, and no fact save a report on the gene of
        FOP."""
        answer.others += 1
        if self.subjects.whose_doc(doc)[0] is Whose.FOREIGN:
            self._ledger.stranger()
            return
        self.references.add(doc, entry.fullUrl)
        if (report := as_observation(doc)) is not None:
            modified = IN_JSON in bytes(entry.resource)
            self._kept.append(_Kept("Observation", report, place, None, modified))

    def _whose(self, kind: str, doc: Doc, entry: Entry) -> tuple[Whose, str | None]:
        if kind != "Patient":
            return self.subjects.whose_doc(doc)
        ident = identifier(doc.get("id"))
        self.subjects.learn(entry.fullUrl, doc)
        own = ident is None or ident == self.subjects.patient_id
        return (Whose.OWN if own else Whose.FOREIGN), None

    def _own(self) -> tuple[list[_Kept], list[Problem]]:
        """The kept resources of this patient, and a problem for those that name nobody who is
        known: they were sent for this patient, so they count."""
        own: list[_Kept] = []
        problems: list[Problem] = []
        for kept in self._kept:
            whose = self.subjects.resolve(kept.urn) if kept.urn is not None else Whose.OWN
            if whose is not Whose.FOREIGN:
                own.append(kept)
            if whose is Whose.NAMELESS and len(problems) < MOST_PROBLEMS:
                why = "the subject cannot be compared with the patient"
                problems.append(Problem(kept.place, why))
        return own, problems


def _facts(kept: _Kept, look: ReadContext, ledger: Ledger) -> Iterator[Item]:
    reader = _READERS.get(kept.kind)
    found = reader(kept.doc, look) if reader else iter(())
    return as_questions(found, look, ledger.logs[INPUT_OF[kept.kind]]) if kept.modified else found
