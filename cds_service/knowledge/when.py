"""What a rule looks at, as pydantic models; each test is answered yes, no, or unknown."""

from __future__ import annotations

from functools import cached_property
from sys import intern
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
    other_than: tuple[Id, ...] = ()  # sets aside procedures that are also in these value sets
    reasons: tuple[Id, ...] = ()
    within_days: int | None = Field(default=None, gt=0)
    older_than_days: int | None = Field(default=None, gt=0)
    side: Literal["any", "operated"] = "any"
    undated: Undated = "out"
    site: Site = "any"


Dosing = Literal["within", "above", "unread"]
"""How a dose stands to a limit; `unread` where it cannot be told."""
Begun = Literal["before", "now", "undated"]
Taken = Literal["scheduled", "as-needed", "once"]
Ended = Literal["lately", "undated", "before"]
"""Whether a medicine was begun before this operation, or for it."""


class DoseLimit(Model):
    """The most of one drug that is prophylaxis: `dose` (in `unit`, mg or iu) and doses a day.

    Above `dose` and up to `ask_to` is a question.
    """

    value_set: Id
    dose: float = Field(gt=0)
    unit: Literal["mg", "iu"] = "mg"
    per_day: float | None = Field(default=None, gt=0)
    ask_to: float | None = Field(default=None, gt=0)


class MedicationTest(Model):
    """A coded medicine. `states` says which count; `indications` asks for one of these reasons.

    `indication: absent` asks that no reason is stated at all, or only ones of `surgery_reasons`,
    which name what the surgery is for; `other_than` sets aside medicines
    that are also in these value sets, or given by a route that is. `taken` asks how: regularly, as
    needed, as a single dose; `drugs` for so many that the value sets tell apart. `dosing` asks how
    the dose stands to `limits`, `begun` since when it is taken:
    `now` is a draft and what began within `begun_within_days`. `ended` asks when it ended: `lately`
    within `ended_within_days`, `undated` where only the day of writing is known, within
    `written_within_days`.
    """

    value_sets: tuple[Id, ...] = Field(min_length=1)
    states: tuple[Literal["active", "draft", "unknown", "ended"], ...] = (
        "active",
        "draft",
        "unknown",
    )
    indications: tuple[Id, ...] = ()
    surgery_reasons: tuple[Id, ...] = ()
    indication: Literal["any", "absent", "stated"] = "any"
    other_than: tuple[Id, ...] = ()
    taken: tuple[Taken, ...] = ()
    drugs: int = Field(default=1, gt=0)
    dosing: tuple[Dosing, ...] = ()
    limits: tuple[DoseLimit, ...] = ()
    begun: tuple[Begun, ...] = ()
    begun_within_days: int = Field(default=0, ge=0)
    ended: tuple[Ended, ...] = ()
    ended_within_days: int = Field(default=0, ge=0)
    written_within_days: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _limits_for_dosing(self) -> MedicationTest:
        if bool(self.dosing) != bool(self.limits):
            raise ValueError("dosing and limits go together")
        return self


class AllergyTest(Model):
    """A coded allergy or intolerance that is active (absent status counts as active)."""

    value_sets: tuple[Id, ...] = Field(min_length=1)


Quantity = Literal["egfr", "potassium", "platelets", "weight", "pregnancy-test", "pregnancy-status"]


class MeasurementTest(Model):
    """The newest valid result of a quantity, in the canonical unit of `measurements.py`.

    Quantities: egfr (mL/min/1.73 m2), creatinine (mg/dL), potassium (mmol/L), platelets
    (10*9/L), weight (kg), hcg, pregnancy-status. Bounds are inclusive at `at_least`, exclusive at
    `below`. `answer` asks for a coded answer in one of these value sets, or `positive`.
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
    other_than: tuple[Id, ...] = ()  # sets aside orders that are also of these kinds
    reasons: tuple[Id, ...] = ()  # asks for one of these coded reasons as well
    anywhere: bool = False  # True: any other order of the session or active in the record
    site: Site = "any"
    side: Literal["any", "operated"] = "any"
    both_hips: bool = False


class When(Model):
    """Exactly one test, or a combination of tests."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

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

    @cached_property
    def asks(self) -> tuple[str, object]:
        """The name of the one member that is there, and what it holds; of `any` the parts, each
        with what it needs."""
        name = next(name for name in type(self).model_fields if getattr(self, name))
        return name, tuple((w.needs, w) for w in self.any) if self.any else getattr(self, name)

    @cached_property
    def key(self) -> str:
        """The same for tests that ask the same, in whatever rule they stand."""
        return intern(self.model_dump_json(exclude_defaults=True))

    @cached_property
    def about_order(self) -> bool:
        """Whether the answer depends on the order itself, not on the chart and its side alone."""
        return self.order is not None or any(
            part.about_order for part in (*self.any, *self.all, *self.none)
        )

    @model_validator(mode="after")
    def _exactly_one(self) -> When:
        said = [name for name in type(self).model_fields if getattr(self, name)]
        if len(said) != 1:
            wanted = ", ".join(type(self).model_fields)
            raise ValueError(f"exactly one of {wanted} is wanted, got {said or 'none'}")
        return self
