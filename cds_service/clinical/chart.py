"""The patient as the service has read it: frozen facts, each with where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Literal

from cds_service.knowledge.names import InputName, Side


class InputState(StrEnum):
    """What became of an input. READ, NONE_STATED and EMPTY say that the chart is known here."""

    READ = "read"
    NONE_STATED = "none-stated"  # the source says in a code that there is none
    EMPTY = "empty"  # asked for and answered: the EHR has none recorded
    NOT_ASKED = "not-asked"  # the source says that nobody asked
    UNKNOWN = "unknown"  # the source says that it does not know
    WITHHELD = "withheld"  # the source says that it does not tell
    ABSENT = "absent"  # neither sent nor fetched
    FAILED = "failed"  # asked for, and the answer was an error or could not be read
    PARTIAL = "partial"  # some of it was read (a further page, an error beside the data, junk)


KNOWN = frozenset({InputState.READ, InputState.NONE_STATED, InputState.EMPTY})


@dataclass(frozen=True, slots=True)
class FhirDate:
    """A FHIR date of any precision. `earliest` and `latest` are the days it can mean.

    They are days of the hospital; where its zone is not known, those of an instant are in UTC, and
    `Days` takes care of the rest. `order` sorts two dates of the same day by their time (POSIX
    seconds). `clock` says whether that time is an instant, or local in a zone nobody knows.
    """

    text: str
    earliest: date
    latest: date
    order: float
    clock: Literal["instant", "local"] | None = None

    def __str__(self) -> str:
        return self.text[:10]


@dataclass(frozen=True, slots=True)
class CodeSeen:
    """One FHIR Coding as it stood in the record (system as written by the EHR).

    `certainty` is refuted, provisional, resolved or confirmed and `side` a side of the body, where
    the coding itself says so (Germany).
    """

    system: str | None
    code: str | None
    display: str | None = None
    certainty: str | None = None
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a fact stands in the chart.

    `reference` is `Type/id`, or the bare type where the resource has no id. `coding` is the
    coding that was recognised; `label` is the text a person would read for it.
    """

    reference: str
    coding: CodeSeen | None
    label: str
    date: FhirDate | None = None
    recorder: str | None = None
    status: str | None = None  # what is not plain: suspected, resolved, Brooker class, odd site


@dataclass(frozen=True, slots=True)
class ConditionFact:
    """A Condition whose code is in at least one value set.

    `clinical` is one of active, recurrence, relapse, inactive, remission, resolved
    (absent counts as active); `verification` one of confirmed, unconfirmed, provisional,
    differential (absent counts as confirmed). Refuted and entered-in-error are never here,
    they are in `Chart.set_aside`.
    """

    concepts: frozenset[str]
    source: Provenance
    clinical: str = "active"
    verification: str = "confirmed"
    onset: FhirDate | None = None
    recorded: FhirDate | None = None
    side: Side = Side.UNKNOWN
    sites: frozenset[str] = frozenset()
    grade: str | None = None  # Brooker class I-IV where the record states it

    @property
    def resolved(self) -> bool:
        return self.clinical in {"inactive", "remission", "resolved"}

    @property
    def suspected(self) -> bool:
        return self.verification != "confirmed"

    @property
    def date(self) -> FhirDate | None:
        return self.onset or self.recorded


@dataclass(frozen=True, slots=True)
class ProcedureFact:
    """A Procedure that was done or is in progress (not-done and entered-in-error are set aside)."""

    concepts: frozenset[str]
    source: Provenance
    status: str = "completed"
    performed: FhirDate | None = None
    side: Side = Side.UNKNOWN
    sites: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()

    @property
    def date(self) -> FhirDate | None:
        return self.performed


@dataclass(frozen=True, slots=True)
class MedicationFact:
    """A medicine that is ordered, taken, dispensed or drafted.

    `per_day` is doses a day, `dose` the amount of one dose in `dose_unit`, `days` the length of
    the course (bounds, dispense duration, or quantity divided by what is taken a day).
    `indications` holds the value sets of its coded reasons. `state` is draft, active, ended
    (stopped, completed, cancelled or past its end) or unknown.
    """

    concepts: frozenset[str]
    source: Provenance
    state: str
    prn: bool = False
    misses_surgery: bool = False  # by its words it ends with the operation
    single_dose: bool = False
    per_day: float | None = None
    dose: float | None = None
    dose_unit: str | None = None
    days: float | None = None
    start: FhirDate | None = None
    end: FhirDate | None = None
    routes: frozenset[str] = frozenset()  # empty where no route is stated
    indications: frozenset[str] = frozenset()
    indication_stated: bool = False
    piece_mg: float | None = None  # strength of one tablet or capsule of a single drug

    @property
    def date(self) -> FhirDate | None:
        return self.start or self.source.date


@dataclass(frozen=True, slots=True)
class AllergyFact:
    """An allergy or intolerance to a substance in one of the value sets, not refuted."""

    concepts: frozenset[str]
    source: Provenance
    clinical: str = "active"
    verification: str = "confirmed"
    kind: str | None = None  # allergy | intolerance


@dataclass(frozen=True, slots=True)
class MeasurementFact:
    """An Observation with a code in one of the value sets, and no status that takes it back.

    `value` is in `unit` as the EHR sent it; conversion happens in `measurements.py`.
    `comparator` is one of <, <=, >=, > or None. `answers` holds the value sets of a coded value;
    `sent` is what was sent where that is no number. `pending` says why a result is not final; it
    is told and never used.
    """

    concepts: frozenset[str]
    source: Provenance
    value: float | None
    unit: str | None
    comparator: str | None
    when: FhirDate | None
    answers: frozenset[str] = frozenset()
    grade: str | None = None
    sent: str | None = None
    pending: str | None = None

    @property
    def date(self) -> FhirDate | None:
        return self.when


@dataclass(frozen=True, slots=True)
class FamilyFact:
    """A condition of a relative (FamilyMemberHistory).

    `named` is the genetic HO disease (fop or poh) that a text names and no code does.
    """

    concepts: frozenset[str]
    source: Provenance
    relation: str | None = None
    named: str | None = None


@dataclass(frozen=True, slots=True)
class Unidentified:
    """A current medicine or allergy that has no code the service could know; `source.label` is what
    the EHR calls it, blank where it calls it nothing."""

    input: InputName
    source: Provenance
    may_rule_out: bool = False  # an allergy whose words name aspirin, an NSAID or a sulfonamide
    named: tuple[str, ...] = ()  # the groups of drugs that its words or codes name
    against: frozenset[str] = frozenset()  # the options that these speak against
    beside: frozenset[str] = frozenset()  # value sets; it counts where the chart holds one of them
    as_if: MedicationFact | None = None  # the medicine that its words name, were it coded


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """Entries of one input, or draft orders, of which no code is in a system that can be read.

    `system` is the first of each as it was sent: show it by `knowledge.system_names` only.
    """

    input: str
    system: str
    count: int = 1


Fact = ConditionFact | ProcedureFact | MedicationFact | AllergyFact | MeasurementFact | FamilyFact


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """Age and administrative sex. `sex` is male, female or unknown (never guessed)."""

    id: str
    birth: FhirDate | None = None
    sex: str = "unknown"
    deceased: bool = False


@dataclass(frozen=True, slots=True)
class Mention:
    """Text that names a genetic HO disease without a code for it, the patient's or a relative's."""

    disease: str
    source: Provenance
    of_relative: bool = False


@dataclass(frozen=True, slots=True)
class SetAside:
    """A recognised fact that does not count, and why (refuted, entered-in-error, not-done ...)."""

    concepts: frozenset[str]
    source: Provenance
    why: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the request that could not be read. `place` is a path, never a value."""

    place: str
    why: str


@dataclass(frozen=True, slots=True)
class InputReport:
    """What became of one input: `seen` resources were read, made of `lists`. `whole`: one
    that was read holds all there is; `rest_older`: what a partial one lacks is older."""

    name: InputName
    state: InputState
    seen: int = 0
    why: str | None = None
    lists: tuple[tuple[str, InputState], ...] = ()
    whole: bool = False
    signal: str | None = None  # id of what its source said of it, where it said so
    rest_older: bool = False

    @property
    def known(self) -> bool:
        return self.state in KNOWN

    @property
    def lists_read(self) -> tuple[str, ...]:
        """Names of the lists that were read, be it in part."""
        return tuple(name for name, state in self.lists if state in KNOWN | {InputState.PARTIAL})


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Genetic HO that a coded reason of an order names."""

    concepts: frozenset[str]
    source: Provenance


@dataclass(frozen=True, slots=True)
class Stated:
    """A coded element as it was sent: its codings and its words."""

    codings: tuple[CodeSeen, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderSaid:
    """What an order says, whether or not a value set knows it.

    `elements` are the codings of each element that says what is ordered, `names` their words;
    `routes` and `forms` are of a medicine, `instructions` of its dosage, `members` those present.
    """

    elements: tuple[tuple[CodeSeen, ...], ...] = ()
    names: tuple[str, ...] = ()
    routes: tuple[Stated, ...] = ()
    forms: tuple[Stated, ...] = ()
    instructions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    members: frozenset[str] = frozenset()
    priority: str | None = None


@dataclass(frozen=True, slots=True)
class DraftOrder:
    """One entry of `context.draftOrders`.

    `kinds` holds the trigger value sets its codes are in; `live` is False for cancelled,
    entered-in-error and doNotPerform orders; `label` is what a person would call the order;
    `resource_id` is None where the draft has no id (then nothing can delete it).
    `says_intramuscular`: its words name the route, and no code does; `route_disagrees`: a stated
    one is another. `suspicions` and `mentions` are what it says of genetic HO.
    """

    index: int
    resource_type: str
    resource_id: str | None
    label: str
    kinds: frozenset[str] = frozenset()
    side: Side = Side.UNKNOWN
    sites: frozenset[str] = frozenset()
    live: bool = True
    coded: bool = True
    intramuscular: bool = False
    says_intramuscular: bool = False
    route_disagrees: bool = False
    when: FhirDate | None = None
    reasons: frozenset[str] = frozenset()
    suspicions: tuple[Suspicion, ...] = ()
    mentions: tuple[Mention, ...] = ()
    medication: MedicationFact | None = None
    unidentified: Unidentified | None = None  # a medicine, or prophylaxis, that only words name
    said: OrderSaid = OrderSaid()

    @property
    def reference(self) -> str | None:
        return f"{self.resource_type}/{self.resource_id}" if self.resource_id else None


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything the decision may rest on, and what could not be read."""

    patient: PatientFacts
    conditions: tuple[ConditionFact, ...] = ()
    procedures: tuple[ProcedureFact, ...] = ()
    medications: tuple[MedicationFact, ...] = ()
    allergies: tuple[AllergyFact, ...] = ()
    measurements: tuple[MeasurementFact, ...] = ()
    family: tuple[FamilyFact, ...] = ()
    planned: tuple[DraftOrder, ...] = ()  # active ServiceRequests of the record, not drafts
    unidentified: tuple[Unidentified, ...] = ()
    mentions: tuple[Mention, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    not_understood: tuple[NotUnderstood, ...] = ()
    inputs: tuple[InputReport, ...] = ()
    foreign: int = 0  # resources of another patient, dropped
    problems: tuple[Problem, ...] = ()
    record: str | None = None  # id of a signal: the record is gone, merged or inactive
    replaced_by: str | None = None  # the record that survives, as Patient/id
    release: str = "R4"  # DSTU2 | STU3 | R4 | R5, as the orders and resources speak

    def input(self, name: InputName) -> InputReport:
        """Report of one input; ABSENT when nothing was said about it."""
        for report in self.inputs:
            if report.name is name:
                return report
        return InputReport(name, InputState.ABSENT)
