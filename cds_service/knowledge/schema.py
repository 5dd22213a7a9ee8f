"""The shape of the clinical content files, as pydantic models that refuse anything unknown."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Id = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Check = Annotated[str, Field(min_length=1, max_length=15)]
"""What to check, for a button that also names drug, dose and days."""


class Model(BaseModel):
    """Base of all content models: frozen, no unknown members, no silent conversion of text."""

    # Built when content is loaded: then only the models it is loaded with, each once.
    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, defer_build=True
    )


# --- predicates: what a rule looks at. Each is answered yes (with facts), no, or unknown. ---


Site = Literal[
    "any", "hip", "hip-or-unstated", "not-elsewhere", "elsewhere", "unstated", "unrecognised"
]

Undated = Literal["in", "out", "ask"]
"""What no date means for `within_days`: within, not within, or a question to the clinician."""


class ConditionTest(Model):
    """A coded Condition. `state: current` ignores resolved and inactive ones.

    `within_days`/`older_than_days` compare onset (else recorded date) with today; a condition
    without a date is not within and is older. For exclusions `undated` may say otherwise of one
    that is not resolved. `side: operated` wants the side of the order, both, or a side that is not
    stated. `site: elsewhere` wants a body site that is surely not the hip, `not-elsewhere` anything
    else; `unstated` none at all, `unrecognised` one that is stated and in no value set.
    """

    value_sets: tuple[Id, ...] = Field(min_length=1)
    other_than: tuple[Id, ...] = ()  # sets aside conditions that are also in these value sets
    state: Literal["ever", "current"] = "ever"
    within_days: int | None = Field(default=None, gt=0)
    older_than_days: int | None = Field(default=None, gt=0)
    side: Literal["any", "operated"] = "any"
    undated: Undated = "out"
    site: Site = "any"
    both_sides: bool = False  # True: only when the chart has it for both sides


class ProcedureTest(Model):
    """A coded Procedure that was done. `reasons` asks for one of these coded reasons.

    For exclusions one that is still in progress is within `within_days`; `undated` says what
    becomes of one without a date.
    """

    value_sets: tuple[Id, ...] = Field(min_length=1)
    reasons: tuple[Id, ...] = ()
    within_days: int | None = Field(default=None, gt=0)
    older_than_days: int | None = Field(default=None, gt=0)
    side: Literal["any", "operated"] = "any"
    undated: Undated = "out"
    site: Site = "any"


class MedicationTest(Model):
    """A coded medicine. `states` says which count; `indications` asks for one of these reasons.

    `indication: absent` asks that no reason is stated at all; `other_than` sets aside medicines
    that are also in these value sets, or given by a route that is. `scheduled` ignores PRN and
    single doses.
    """

    value_sets: tuple[Id, ...] = Field(min_length=1)
    states: tuple[Literal["active", "draft", "unknown"], ...] = ("active", "draft", "unknown")
    indications: tuple[Id, ...] = ()
    not_indications: tuple[Id, ...] = ()
    indication: Literal["any", "absent", "stated"] = "any"
    other_than: tuple[Id, ...] = ()
    scheduled: bool = False


class AllergyTest(Model):
    """A coded allergy or intolerance that is active (absent status counts as active)."""

    value_sets: tuple[Id, ...] = Field(min_length=1)


Quantity = Literal["egfr", "potassium", "platelets", "pregnancy-test", "pregnancy-status"]


class MeasurementTest(Model):
    """The newest valid result of a quantity, in the canonical unit of `measurements.py`.

    Quantities: egfr (mL/min/1.73 m2), creatinine (mg/dL), potassium (mmol/L), platelets
    (10*9/L), hcg, pregnancy-status. Bounds are inclusive at `at_least`, exclusive at `below`.
    `answer` asks for a coded answer in one of these value sets, or `positive`.
    """

    quantity: Quantity
    below: float | None = None
    at_least: float | None = None
    above: float | None = None
    answer: Literal["positive", "negative", "pregnant", "not-pregnant"] | None = None
    within_days: int = Field(gt=0)


class AgeTest(Model):
    """Age of the patient in whole years today.

    A birth date of low precision can leave two ages, one on either side of a limit: that is a
    question to the clinician, or counts where `straddling: in` says so.
    """

    below: int | None = Field(default=None, gt=0)
    at_least: int | None = Field(default=None, gt=0)
    straddling: Literal["in", "ask"] = "ask"


class SexTest(Model):
    """Administrative sex."""

    sex: Literal["male", "female"]


class OrderTest(Model):
    """Kinds of the draft order itself, and whether both hips are ordered in one session."""

    kinds: tuple[Id, ...] = ()
    anywhere: bool = False  # True: any other order of the session or active in the record
    both_hips: bool = False


class When(Model):
    """Exactly one test, or a combination of tests."""

    condition: ConditionTest | None = None
    procedure: ProcedureTest | None = None
    medication: MedicationTest | None = None
    allergy: AllergyTest | None = None
    measurement: MeasurementTest | None = None
    age: AgeTest | None = None
    sex: SexTest | None = None
    order: OrderTest | None = None
    any: tuple[When, ...] = ()
    all: tuple[When, ...] = ()
    none: tuple[When, ...] = ()  # holds unless one of these is surely so

    @cached_property
    def needs(self) -> frozenset[str] | None:
        """Value sets of which the chart must have at least one, or this cannot hold.

        None when it can hold without any (age, sex, results, `none`). Looked at first, because
        most charts have none of what most rules ask for.
        """
        if self.any:
            parts = [w.needs for w in self.any]
            wanted = [p for p in parts if p is not None]
            return frozenset().union(*wanted) if len(wanted) == len(parts) else None
        if self.all:
            return min((w.needs for w in self.all if w.needs is not None), key=len, default=None)
        test = self.condition or self.procedure or self.medication or self.allergy
        if test is not None:
            return frozenset(test.value_sets)
        if self.order is not None and not self.order.both_hips:
            return frozenset(self.order.kinds)
        return None

    @model_validator(mode="after")
    def _exactly_one(self) -> When:
        said = [name for name in type(self).model_fields if getattr(self, name)]
        if len(said) != 1:
            wanted = ", ".join(type(self).model_fields)
            raise ValueError(f"exactly one of {wanted} is wanted, got {said or 'none'}")
        return self


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


class Trigger(Rule):
    """A kind of draft order that is looked at."""

    kind: Literal[
        "arthroplasty", "excision-ho", "biopsy", "excision", "intramuscular", "surgery", "block"
    ]
    noun: Text  # what a card calls such an order
    reasons: tuple[Id, ...] = ()  # asks for one of these coded reasons as well
    value_sets: tuple[Id, ...] = Field(min_length=1)


class Genetic(Rule):
    """A genetic disease that leaves the tiering."""

    disease: Literal["fop", "poh"]
    value_sets: tuple[Id, ...] = Field(min_length=1)
    clues: tuple[Id, ...] = ()  # codes or medicines that only raise a question
    family: tuple[Id, ...] = ()  # value sets that say it of a relative
    mentions: tuple[str, ...] = ()  # regular expressions for uncoded text, case-insensitive


class Factor(Rule):
    """A risk factor with its tier."""

    tier: Literal["high", "moderate"]
    short: Text | None = None  # for a summary, where the label is long
    group: Id | None = None  # factors of one group count once towards two-or-more
    when: When


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
    effect: Literal["exclude", "condition"]
    when: When
    text: Text  # may use {fact}, {value}, {unit}, {date}, {age}
    until: Text | None = None  # the test that may lift it ("a pregnancy test"), if there is one
    check: Check | None = None
    above_daily_mg: float | None = Field(default=None, gt=0)  # speaks only against a higher dose
    floor: bool = False  # a safety floor: a site cannot switch it off or weaken it


class UnknownCheck(Model):
    """What a card says when an input or a quantity is not known.

    With `unread` it speaks of a result that is there and cannot be used, and only then; without
    it, of one that is not there.
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
    applies_to: tuple[Id, ...] = ()  # options that stand on condition because of it
    only_broken: bool = False  # True: an input that was not sent is not told, one that failed is
    text: Text  # may use {state} and {older}; {unread} of a result; {entries} of unidentified ones
    check: Check | None = None


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
    """A choice of prophylaxis. `regimens` are in order of preference."""

    regimens: tuple[Id, ...] = ()
    advice: Text


class Protection(Rule):
    """The gastroprotection that goes with an NSAID course."""

    course: DoseForm
    excluded_by: tuple[Id, ...] = ()


class Adequate(Model):
    """When prophylaxis is already there (row 6)."""

    nsaid_value_sets: tuple[Id, ...] = Field(min_length=1)
    not_value_sets: tuple[Id, ...] = ()
    min_days: int = Field(gt=0)
    starts_within_days: int = Field(gt=0)
    fresh_days: int = Field(ge=0)  # an order not older than that is for the surgery being planned
    radiotherapy_value_sets: tuple[Id, ...] = Field(min_length=1)
    radiotherapy_within_days: int = Field(gt=0)  # one that is dated earlier is long past
    for_ho_value_sets: tuple[Id, ...] = ()  # of these, the ones whose code itself says HO
    hip_value_sets: tuple[Id, ...] = ()  # of these, the ones whose code itself says hip or pelvis


# --- words ---


class CardText(Model):
    """Text of one card. `{finding}`, `{order}` and what is `{ordered}` are filled in."""

    id: Id
    row: str
    indicator: Literal["info", "warning", "critical"]
    summary: Text
    advice: tuple[Text, ...] = Field(min_length=1)
    advice_left: Mapping[Literal["nsaid", "radiotherapy", "none"], tuple[Text, ...]] = Field(
        default_factory=dict
    )  # instead, where only this option is left, or none
    avoid: tuple[Text, ...] = ()
    evidence: tuple[Id, ...] = ()
    suggestions: tuple[
        Literal["options", "remove-draft", "expert-referral", "specialist-referral"], ...
    ] = ()
    topic: Id
    override: tuple[Id, ...] = ()


class OverrideReason(Model):
    """A coded reason for not following a card."""

    id: Id
    system: str
    code: str
    display: Text


class LinkText(Model):
    """A link of a card: absolute, https."""

    id: Id
    label: Text
    url: Annotated[str, Field(pattern=r"^https://")]
    cards: tuple[Id, ...] = Field(min_length=1)


class Referral(Model):
    """A referral draft. `note_lead` says before the note how genetic HO stands in the chart."""

    id: Id
    label: Text
    text: Text
    note: Text
    note_lead: Mapping[Literal["genetic", "suspected", "mention", "family"], Text] = Field(
        default_factory=dict
    )


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


class Meta(Model):
    """Version of the content."""

    version: Annotated[str, Field(pattern=r"^[0-9]{4}\.[0-9]{2}(\.[0-9]+)?$")]
    date: str
    title: Text
    intended_use: Text
    limits: tuple[Text, ...] = Field(min_length=1)
    contact: Text
    adequate: Adequate
    tier_high_at: int = Field(default=2, ge=2)  # that many moderate factors make high
    not_offered: tuple[Text, ...] = ()
