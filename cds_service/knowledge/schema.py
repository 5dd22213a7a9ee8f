"""The shape of the clinical content files, as pydantic models that refuse anything unknown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Final, Literal, get_args

from pydantic import Field, model_validator

from cds_service.knowledge.when import Check, Id, Model, Quantity, Text, When
from cds_service.knowledge.word_schema import OrderWords

# --- rules ---


class Rule(Model):
    """What every rule has. `statement` is the sentence for the evidence page."""

    id: Id
    label: Text
    statement: Text
    figure: Text | None = None
    strength: Literal["strong", "moderate", "weak", "conflicting", "none"]
    evidence: tuple[Id, ...] = ()
    convention: bool = False  # True: clinical convention, to be confirmed locally
    enabled: bool = True

    @model_validator(mode="after")
    def _sourced(self) -> Rule:
        if not self.evidence and not self.convention:
            raise ValueError("name at least one evidence id, or say convention: true")
        return self


OrderKind = Literal[
    "arthroplasty", "excision-ho", "biopsy", "excision", "intramuscular", "surgery", "block"
]
ORDER_KINDS: Final[tuple[OrderKind, ...]] = get_args(OrderKind)


class Trigger(Rule):
    """A kind of draft order that is looked at."""

    kind: OrderKind
    noun: Text  # what a card calls such an order
    reasons: tuple[Id, ...] = ()  # asks for one of these coded reasons as well
    value_sets: tuple[Id, ...] = Field(min_length=1)
    named: OrderWords | None = None


class Genetic(Rule):
    """A genetic disease that leaves the tiering.

    `cards` names the card of each kind of order; null where there is nothing to say. Every kind
    is named, so that none is left out by mistake.
    """

    disease: Literal["fop", "poh", "gnas"]
    value_sets: tuple[Id, ...] = Field(min_length=1)
    signs: tuple[Id, ...] = ()  # a medicine, a result: the disease is suspected
    sign_words: tuple[str, ...] = ()  # names of such a medicine, in any spelling
    clues: tuple[Id, ...] = ()  # codes that only raise a question
    family: tuple[Id, ...] = ()  # value sets that say it of a relative
    mentions: tuple[str, ...] = ()  # regular expressions for uncoded text, case-insensitive
    cards: Annotated[
        Mapping[OrderKind, Id | None], Field(json_schema_extra={"required": list(ORDER_KINDS)})
    ]
    card_on_record: Id | None  # the card about the patient, without an order
    beside: bool = False  # it informs, and the usual rules hold as well
    life_first: Text | None = None  # beside an order that may save a life
    every_order: bool = False  # every order counts that is not known to be harmless
    referral: Id  # whom a card about it refers to

    @model_validator(mode="after")
    def _every_kind(self) -> Genetic:
        if lacking := [kind for kind in ORDER_KINDS if kind not in self.cards]:
            raise ValueError(f"cards: name a card, or null, for {', '.join(lacking)} too")
        return self


class Factor(Rule):
    """A risk factor with its tier."""

    tier: Literal["high", "moderate"]
    short: Text | None = None  # for a summary, where the label is long
    group: Id | None = None  # factors of one group count once towards two-or-more
    when: When
    clues: When | None = None  # codes that only raise the question whether it holds
    mentions: tuple[str, ...] = ()  # regular expressions for uncoded text that asks the same


class Modifier(Rule):
    """Shown when a tier is reached; never fires alone."""

    when: When


class NonFactor(Rule):
    """On purpose not counted; shown in the trace when `when` holds (none: never read at all)."""

    when: When | None = None
    contested: bool = False


class Exclusion(Rule):
    """Who must not get what. `applies_to` names options or regimens."""

    applies_to: tuple[Id, ...] = Field(min_length=1)
    # no-draft: named as a decision of the clinician, and no suggestion drafts it;
    # referral: no condition, but the referral says it
    effect: Literal["exclude", "no-draft", "condition", "referral"]
    short: Text | None = None  # for a summary, where the label is long
    when: When
    text: Text  # may use {fact}, {value}, {unit}, {date}, {age}
    ask: Text | None = None  # what stands after `{fact}: ` where only the date is missing
    until: Text | None = None  # the test that may lift it ("a pregnancy test"), if there is one
    check: Check | None = None
    above_daily_mg: float | None = Field(default=None, gt=0)  # speaks only against a higher dose
    above_days: int | None = Field(default=None, gt=0)  # only against a longer course, ordered
    floor: bool = False  # a safety floor: a site cannot switch it off or weaken it
    ordered_only: bool = False  # about a course ordered already, not about the one drafted here
    own_course_only: bool = False  # about the course drafted here, not about one ordered already
    asks_of_ordered: bool = False  # no-draft: a question also of a course ordered already
    replaces: bool = False  # the drafts that it names give way to the course drafted here


class UnknownCheck(Model):
    """What a card says when an input or a quantity is not known.

    With `unread` it speaks of a result that is there and cannot be used, without it of none.
    `unidentified` speaks of entries that were read but whose codes mean nothing to the service.
    """

    id: Id
    input: Literal[
        "patient",
        "conditions",
        "procedures",
        "medications",
        "allergies",
        "observations",
        "familyHistory",
        "serviceRequests",
    ]
    quantity: Quantity | None = None
    within_days: int | None = None
    unread: bool = False
    unidentified: bool = False
    # Options that stand on condition because of it, or that a clause is about.
    applies_to: tuple[Id, ...] = ()
    sex: Literal["male", "female"] | None = None  # told unless the patient is known to be another
    record: Id | None = None  # told where this signal says that {record} is the patient's
    none_recorded: bool = False  # True: told where the input was read and holds nothing
    one_list: bool = False  # True: told where one of two lists holds nothing, or may not be read
    newer: bool = False  # True: told where a result is there and a newer one may not have been read
    text: Text  # may use {state} and {older}; {unread} of a result; {entries} of unidentified ones
    named: Text | None = None  # instead, where the words of {entries} name a drug; {groups}
    check: Check | None = None

    @property
    def is_clause(self) -> bool:
        """A list that holds nothing: told where its option is open, and no condition of it."""
        return self.none_recorded or self.one_list


# --- services ---


class Question(StrEnum):
    """What a call asks. Hooks have many names; what is decided follows from this alone."""

    ORDERS_SIGNED = "orders-signed"  # all draft orders are looked at
    ORDER_SELECTED = "order-selected"  # the selected ones; the others are context
    PATIENT = "patient"  # the patient alone, without orders

    @property
    def about_orders(self) -> bool:
        return self is not Question.PATIENT  # a call without draft orders is refused then


class HookService(Model):
    """A service on one hook. `inputs`: prefetch keys. `listed_as`: id in discovery, if another."""

    id: Id
    listed_as: Id | None = None
    hook: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$", max_length=64)]
    question: Question
    title: Text
    description: Text
    usage: Text
    inputs: tuple[
        Literal[
            "patient",
            "conditions",
            "procedures",
            "medications",
            "allergies",
            "observations",
            "familyHistory",
            "serviceRequests",
        ],
        ...,
    ] = Field(min_length=1)

    @model_validator(mode="after")
    def _asks_for_what_decides(self) -> HookService:
        if "conditions" not in self.inputs:
            raise ValueError("inputs must hold 'conditions': nothing is decided without them")
        return self


# --- options ---


class DoseForm(Model):
    """A medicine as it is drafted."""

    system: str
    code: str
    display: str
    dose: float = Field(gt=0)
    unit: str
    per_day: int = Field(gt=0, le=6)
    days: int = Field(gt=0, le=42)
    instruction: Text


class Regimen(Rule):
    """One NSAID course."""

    option: Literal["nsaid"] = "nsaid"
    drug: Id
    course: DoseForm
    off_label: Text


class Option(Rule):
    """A choice of prophylaxis: by courses, in order of preference, or by a referral."""

    regimens: tuple[Id, ...] = ()
    referral: Id | None = None
    advice: Text  # what a card advises; its courses follow in brackets
    short: Text | None = None  # for a line that rules it out

    @model_validator(mode="after")
    def _courses_or_referral(self) -> Option:
        if bool(self.regimens) == (self.referral is not None):
            raise ValueError("name its regimens, or else its referral")
        return self


class Protection(Rule):
    """The gastroprotection that goes with an NSAID course."""

    course: DoseForm
    excluded_by: tuple[Id, ...] = ()


class Adequate(Model):
    """When prophylaxis is already there (row 6)."""

    nsaid_value_sets: tuple[Id, ...] = Field(min_length=1)
    not_value_sets: tuple[Id, ...] = ()
    by_mouth_value_sets: tuple[Id, ...] = ()  # of these, drugs that are made for the mouth only
    min_days: int = Field(gt=0)
    # Value set of a drug: the least daily dose in mg that counts; a convention. No drug: any dose.
    effective_daily_mg: Mapping[Id, float] = Field(default_factory=dict)
    starts_within_days: int = Field(gt=0)
    # No source was read for the days below: they are conventions, to be confirmed locally.
    fresh_days: int = Field(ge=0)  # an order not older than that is for the surgery being planned
    for_ho_days: int = Field(ge=0)  # the same, for an order whose reason is HO
    radiotherapy_value_sets: tuple[Id, ...] = Field(min_length=1)
    radiotherapy_within_days: int = Field(gt=0)  # one that is dated earlier is long past
    for_ho_value_sets: tuple[Id, ...] = ()  # of these, the ones whose code itself says HO
    given_days_before: int = Field(default=1, ge=0)  # radiotherapy given, before the planned start
    given_days_after: int = Field(default=5, ge=0)
    hip_value_sets: tuple[Id, ...] = ()  # of these, the ones whose code itself says hip or pelvis


# --- words ---


class Figure(Model):
    """Benefit and harm in absolute numbers, one sentence without its full stop, and its sources."""

    text: Text
    evidence: tuple[Id, ...] = Field(min_length=1)


class CardText(Model):
    """Text of one card. `{finding}`, `{order}`, what is `{ordered}` and what is `{open}` are filled
    in; a sentence that names what is open is left out where nothing is, and one that begins with
    `{elective}` beside an urgent order. `benefit` is told of any open option, and of each.

    `every_input`: it lists every input that was not read, though it offers no option.
    """

    id: Id
    row: str
    indicator: Literal["info", "warning", "critical"]
    summary: Text
    summary_short: Text | None = None  # instead, where a reason against an option is named too
    summary_none_left: Text | None = None  # instead, where no option is left
    advice: tuple[Text, ...] = Field(min_length=1)
    advice_none_left: tuple[Text, ...] = ()  # instead, where no option is left
    advice_elective: Text | None = None  # in addition, where no order is one that may save a life
    benefit: Mapping[Literal["any", "nsaid", "radiotherapy"], Figure] = Field(default_factory=dict)
    avoid: tuple[Text, ...] = ()
    evidence: tuple[Id, ...] = ()
    suggestions: tuple[
        Literal["options", "remove-draft", "expert-referral", "specialist-referral"], ...
    ] = ()
    topic: Id
    every_input: bool = False
    override: tuple[Id, ...] = ()


class CodedReason(Model):
    """A reason for not following a card, in one code."""

    id: Id
    system: str
    code: str
    display: Text


class ReasonText(CodedReason):
    """A reason that cards offer, and the standard reason that stands for it, if one does."""

    standard: Id | None = None


class LinkText(Model):
    """A link of a card: absolute, https."""

    id: Id
    label: Text
    url: Annotated[str, Field(pattern=r"^https://")]
    cards: tuple[Id, ...] = Field(min_length=1)


class Referral(Model):
    """A referral draft. `note_lead` says before the note how genetic HO, or the risk, stands.

    `performer` is the value set whose first code says whom it is for; by this code the service
    knows the referral again once it is accepted (decisions, row 6).
    """

    id: Id
    performer: Id | None = None
    label: Text
    text: Text
    note: Text
    note_lead: Mapping[
        Literal["genetic", "suspected", "mention", "family", "high", "moderate"], Text
    ] = Field(default_factory=dict)


class Evidence(Model):
    """One source. `verified` is False for what was not read in the source itself ([MEM])."""

    id: Id
    citation: Text
    year: int | None = None
    pmid: Annotated[str, Field(pattern=r"^[0-9]{1,9}$")] | None = None
    doi: Annotated[str, Field(pattern=r"^10\.")] | None = None
    url: Annotated[str, Field(pattern=r"^https://")] | None = None
    finding: Text
    verified: bool
    caution: Text | None = None


class Controversy(Model):
    """A point on which sources disagree, for the evidence page."""

    id: Id
    text: Text
    evidence: tuple[Id, ...] = ()


Day = date
"""A day under a name that no member of a model hides."""


class Meta(Model):
    """Version of the content."""

    version: Annotated[str, Field(pattern=r"^[0-9]{4}\.[0-9]{2}(\.[0-9]+)?$")]
    date: str
    reviewed: Day  # when people last read the content against its sources
    title: Text
    intended_use: Text
    limits: tuple[Text, ...] = Field(min_length=1)
    contact: Text
    adequate: Adequate
    specialist_referral: Id  # where no option is left, or a card asks for a specialist
    tier_high_at: int = Field(default=2, ge=2)  # that many moderate factors make high
    not_offered: tuple[Text, ...] = ()
