"""Keeps account of every input: read, empty, absent, failed or partial; whose it was, and what was
odd about it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from cds_service.clinical.chart import InputReport, InputState, Problem
from cds_service.fhir.bundle import Opened, outcome_in
from cds_service.fhir.completeness import SignalTable
from cds_service.fhir.decoding import NOTHING, Entry, GlancedEntry
from cds_service.fhir.elements import Doc, kind_of, word
from cds_service.fhir.input_answer import InputAnswer, concerned, is_other_list
from cds_service.fhir.medicine_lists import both
from cds_service.fhir.outcomes import is_gone
from cds_service.fhir.record_in_use import RecordInUse, list_of
from cds_service.fhir.signal import STRENGTH, Signal
from cds_service.fhir.subject import Subjects, Whose
from cds_service.knowledge.names import InputName, SignalName

if TYPE_CHECKING:
    from cds_service.knowledge.profile_schema import Profile

# Which input a resource type belongs to, whatever key it came under. DSTU2 and STU3 names too.
INPUT_OF: dict[str, InputName] = {
    "Patient": InputName.PATIENT,
    "Condition": InputName.CONDITIONS,
    "Procedure": InputName.PROCEDURES,
    "MedicationRequest": InputName.MEDICATIONS,
    "MedicationOrder": InputName.MEDICATIONS,
    "MedicationStatement": InputName.STATEMENTS,
    "MedicationUsage": InputName.STATEMENTS,
    "MedicationDispense": InputName.MEDICATIONS,
    "MedicationAdministration": InputName.MEDICATIONS,
    "AllergyIntolerance": InputName.ALLERGIES,
    "Observation": InputName.OBSERVATIONS,
    "FamilyMemberHistory": InputName.FAMILY_HISTORY,
    "ServiceRequest": InputName.SERVICE_REQUESTS,
    "ProcedureRequest": InputName.SERVICE_REQUESTS,
    "ReferralRequest": InputName.SERVICE_REQUESTS,
    "DiagnosticOrder": InputName.SERVICE_REQUESTS,
}
# What was handed out or given today does not tell what else the patient takes.
_NOT_A_LIST = frozenset({"MedicationDispense", "MedicationAdministration"})

LIST_OF = {kind: name for kind, name in INPUT_OF.items() if kind not in _NOT_A_LIST}
"""The input of a type of which none says that there is nothing."""


UNREADABLE = "an entry could not be read"
REPORTED = "the EHR answered with an error"
CUT = "entries were left out"
NOT_SENT = "entries are named that were not sent"
PAGE = "a further page was not read"
_REST = frozenset({PAGE, CUT})
OVER = frozenset({"entered-in-error", "retired"})
"""Statuses of a List or a document that is no longer in use."""
MOST_PROBLEMS = 100


@dataclass(slots=True)
class InputLog:
    """What happened to one input so far.

    `answered` is True once a good answer came, even an empty one. `failures` are answers that
    could not be had or read, `defects` holes in an answer that was read, `next_link` a further
    page that nobody has read yet. `unsupported`: the server has no such list.
    `listed`: a List or a document names entries of it.
    """

    name: InputName
    answered: bool = False
    glimpsed: bool = False
    seen: int = 0
    foreign: int = 0
    failures: tuple[str, ...] = ()
    defects: tuple[str, ...] = ()
    next_link: str | None = None
    signal: Signal | None = None
    unsupported: bool = False
    listed: bool = False

    def tell(self, signal: Signal) -> None:
        """What the source says of this input; the strongest word counts."""
        if self.signal is None or _stronger(signal, self.signal):
            self.signal = signal

    def found(self, resource_type: str, asked: bool) -> None:
        """A resource of this input was there. `asked` says that it came under the input's key."""
        if asked or resource_type not in _NOT_A_LIST:
            self.answered = True
        else:
            self.glimpsed = True

    def failed(self, why: str) -> None:
        self.failures = _with_reason(self.failures, why)

    def defect(self, why: str) -> None:
        self.defects = _with_reason(self.defects, why)

    def report(self) -> InputReport:
        """The state as the decision table of the checklist has it, with a reason; what the source
        itself says of an input comes before what was found in it."""
        odd = self.failures or self.defects or self.next_link or self.signal or self.listed
        if self.answered and not (odd or self.foreign):  # nearly always
            return _read(self.name, self.seen) if self.seen else _EMPTY[self.name]
        report = self._found()
        signal = self.signal
        if signal is None or report.state is InputState.FAILED:
            return report
        if signal.state is InputState.NONE_STATED:
            stated = replace(report, state=signal.state, signal=signal.id)
            return stated if report.state in _NOTHING else report
        state = InputState.PARTIAL if self.seen else signal.state
        why = _joined((*self.failures, *self.defects, signal.why))
        return InputReport(self.name, state, self.seen, why, signal=signal.id)

    def _found(self) -> InputReport:
        holes = (*self.failures, *self.defects)
        if self.listed and not (self.seen or self.foreign):
            holes += (NOT_SENT,)
        if not self.answered and not self.glimpsed:
            state = InputState.FAILED if holes else InputState.ABSENT
            return InputReport(self.name, state, 0, _joined(holes))
        if not self.answered:
            holes += ("only dispenses or administrations were sent",)
        if self.next_link:
            holes += (PAGE,)
        if self.foreign and not self.seen:
            holes += ("every entry is about another patient",)
        if holes:
            return InputReport(self.name, InputState.PARTIAL, self.seen, _joined(holes))
        return InputReport(self.name, InputState.READ if self.seen else InputState.EMPTY, self.seen)


@lru_cache(maxsize=1_000)
def _read(name: InputName, seen: int) -> InputReport:
    """The report on an input of which all was read."""
    return InputReport(name, InputState.READ, seen)


def _by_profile(report: InputReport, profile: Profile) -> InputReport:
    """What an empty list means at this client's EHR."""
    if report.state is not InputState.EMPTY or not (meaning := profile.empty.get(report.name)):
        return report
    why = f"an empty list says so at {profile.label}"
    return replace(report, state=InputState(meaning), why=why)


def _older(report: InputReport, results_sorted: bool) -> InputReport:
    """Whether all that is missing is older than what was read."""
    lacks = set((report.why or "").split("; "))
    return replace(report, rest_older=True) if results_sorted and lacks <= _REST else report


_NOTHING = frozenset({InputState.EMPTY, InputState.ABSENT})


def _stronger(one: Signal, other: Signal) -> bool:
    return STRENGTH.index(one.state) < STRENGTH.index(other.state)


_EMPTY = {name: InputReport(name, InputState.EMPTY) for name in InputName}


def _with_reason(reasons: tuple[str, ...], why: str) -> tuple[str, ...]:
    return reasons if why in reasons or len(reasons) >= 5 else (*reasons, why)


def _joined(reasons: tuple[str, ...]) -> str | None:
    return "; ".join(reasons) or None


class Ledger:
    """The account of one patient's chart."""

    def __init__(
        self, subjects: Subjects, signals: SignalTable, profile: Profile | None = None
    ) -> None:
        self.subjects = subjects
        self.signals = signals
        self.profile = profile
        self.logs: dict[InputName, InputLog] = {name: InputLog(name) for name in _EMPTY}
        self._foreign = 0
        self._problems: list[Problem] = []
        self._later: Counter[tuple[str, InputName]] = Counter()
        self._in_use = RecordInUse(subjects, signals)

    # --- entries ---

    def log_for(self, kind: str, answer: InputAnswer) -> InputLog:
        """The log to which a resource of this type goes; it was there, so it was answered."""
        name = INPUT_OF[kind]
        log = self.logs[name]
        answer.touched.add(name)
        log.found(kind, asked=answer.asked is name)
        return log

    def count(self, whose: Whose, ref: str | None, log: InputLog) -> None:
        """Count one resource of an input as seen, as foreign, or as to be judged later."""
        if whose is Whose.FOREIGN:
            self._foreign += 1
            log.foreign += 1
        elif whose is Whose.LATER and ref is not None:
            self._later[ref, log.name] += 1
        else:
            log.seen += 1

    def stranger(self) -> None:
        """Count a resource of another patient that belongs to no input."""
        self._foreign += 1

    def problem(self, place: str, why: str) -> None:
        """Note what could not be read; after many only that there is more."""
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(Problem(place, why))
        elif len(self._problems) == MOST_PROBLEMS:
            self._problems.append(Problem("prefetch", "more like this is not listed"))

    def outcome(self, doc: Doc, answer: InputAnswer, alone: bool) -> None:
        """An OperationOutcome instead of data is a failed query. Among data it may say that
        something is missing there, or be noise (Epic sends warnings with good answers)."""
        signal = self.signals.of_outcome(doc, alone=alone, whole=answer.whole)
        if signal is None:
            answer.hints += 1
        elif signal.state is InputState.FAILED:
            answer.defects.append(REPORTED)
        else:
            answer.signals.append(signal)
        if answer.asked is InputName.PATIENT and signal is not None:
            if is_gone(doc):
                self._in_use.gone()
            elif signal.id != SignalName.ISSUE_FAILED:
                self._in_use.refused()

    def fail(self, name: InputName, why: str, *, is_gone: bool, is_refused: bool) -> None:
        """An input could not be fetched: the server does not have it, does not show it, or failed.
        Without the patient's record, empty lists are nobody's."""
        log = self.logs[name]
        log.unsupported = is_gone
        if is_refused:
            log.tell(self.signals.seen(SignalName.REFUSED, why))
        elif not (is_gone and name is InputName.STATEMENTS):  # few servers have this list
            log.failed(why)
        if is_gone and name is InputName.PATIENT:
            self._in_use.gone()

    def other_record(self, doc: Doc) -> None:
        """A Patient of another id."""
        self._in_use.read_other(doc)

    def empty_list(self, doc: Doc, answer: InputAnswer) -> None:
        """A List or a document that says why something in it is empty, or names its entries. One
        of another patient, or that is no longer in use, says nothing."""
        if self.subjects.whose_doc(doc)[0] is Whose.FOREIGN:
            self.stranger()
            answer.others += 1
            return
        if word(doc.get("status")) in OVER:
            answer.others += 1
            return
        said = list(self.signals.of_lists(doc, answer.asked))
        for name, signal in said:
            self.logs[name].answered = True
            self.logs[name].tell(signal)
        for name in self.signals.listed(doc, answer.asked):
            self.logs[name].listed = True
        answer.hints += bool(said)
        is_list = kind_of(doc) == "List"
        answer.others += not said if is_list else not self.signals.is_about(doc, answer.asked)

    def further_page(self, answer: InputAnswer, link: str) -> None:
        """A page follows: of the input that was asked for, and of those that were there."""
        for name in answer.touched if is_other_list(answer) else concerned(answer):
            self.logs[name].next_link = link

    def nothing_in(self, asked: InputName | None) -> None:
        """An answer that holds nothing, for the input that was asked for."""
        if asked is not None:
            self.logs[asked].answered = True

    def close(self, opened: Opened, answer: InputAnswer) -> None:
        """Draw the balance of a value for its inputs (decision table of the checklist, PD-01 to
        PD-10)."""
        for name in concerned(answer):
            for signal in answer.signals:
                self.logs[name].tell(signal)
        for name in answer.touched:
            for why in answer.defects:
                self.logs[name].defect(why)
        if answer.asked is None or answer.asked in answer.touched or is_other_list(answer):
            return
        log = self.logs[answer.asked]
        if opened.why:
            log.failed(opened.why)
        elif answer.defects:
            log.failed(answer.defects[0])
        elif answer.others or answer.touched:
            log.failed("the answer holds resources of another type")
        elif opened.empty or answer.hints or answer.signals:
            log.answered = True
        else:
            log.failed("no entry could be read")

    # --- balances ---

    def missing(self) -> tuple[InputName, ...]:
        """Inputs about which nothing was said."""
        reports = (log.report() for log in self.logs.values())
        return tuple(report.name for report in reports if report.state is InputState.ABSENT)

    def reports(
        self, results_sorted: bool = False
    ) -> tuple[tuple[InputReport, ...], Signal | None]:
        """What became of each input, the two lists of medicines being one, and what is the matter
        with the patient's record itself. `results_sorted`: results came newest first."""
        logs = self._counted()
        found = {name: log.report() for name, log in logs.items()}
        patient = self.logs[InputName.PATIENT]
        report = found[InputName.PATIENT] if logs is self.logs else patient.report()
        record = self._in_use.signal(report, patient.signal)
        if record is not None:
            found = {name: list_of(record, report) for name, report in found.items()}
        found[InputName.OBSERVATIONS] = _older(found[InputName.OBSERVATIONS], results_sorted)
        orders, statements = found[InputName.MEDICATIONS], found.pop(InputName.STATEMENTS)
        profile = self.profile
        found[InputName.MEDICATIONS] = both(
            orders,
            statements,
            no_orders=logs[InputName.MEDICATIONS].unsupported,
            whole=profile.whole_lists if profile else (),
        )
        if profile is None:
            return tuple(found.values()), record
        return tuple(_by_profile(report, profile) for report in found.values()), record

    def _counted(self) -> dict[InputName, InputLog]:
        """The logs, with those counted whose subject was explained later."""
        if not self._later:
            return self.logs
        logs = {name: replace(log) for name, log in self.logs.items()}
        for (urn, name), count in self._later.items():
            if self.subjects.resolve(urn) is Whose.FOREIGN:
                logs[name].foreign += count
            else:
                logs[name].seen += count
        return logs

    def hear(self, kind: str, doc: Doc, raw: bytes, log: InputLog, whose: Whose) -> bool:
        """Keep what a resource says of the input as a whole. True where it says nothing else."""
        if kind == "Patient":
            self._in_use.read(doc)
            if (label := self.signals.of_labels(doc.get("meta"))) is not None:
                log.tell(label)
            return False
        signal, alone = self.signals.of_resource(kind, doc, raw, log.name)
        if signal is not None:
            log.tell(signal)
        if alone:  # it was counted, and is no fact
            log.seen -= whose is not Whose.LATER
        return alone

    def beside_entry(self, entry: Entry | GlancedEntry, answer: InputAnswer) -> None:
        """What stands beside the resource of an entry: a reason, or an outcome of its own."""
        if entry.extension is not NOTHING:
            answer.signals += self.signals.of_extension(entry.extension)
        if (outcome := outcome_in(entry.response)) is not None:
            self.outcome(outcome, answer, alone=False)

    def beside(self, opened: Opened, answer: InputAnswer) -> None:
        """What the labels of a Bundle say, and reasons in place of its entries."""
        label = opened.meta and self.signals.of_labels(opened.meta, empty=opened.empty)
        if isinstance(label, Signal):
            answer.signals.append(label)
        answer.signals += map(self.signals.of_absent, opened.absent)

    @property
    def foreign(self) -> int:
        """Resources of other patients."""
        later = (
            count
            for (urn, _), count in self._later.items()
            if self.subjects.resolve(urn) is Whose.FOREIGN
        )
        return self._foreign + sum(later)

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._problems)
