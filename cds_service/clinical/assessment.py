"""What was decided about each order, and why: the frozen result of `guidance.assess`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cds_service.clinical.chart import (
    DraftOrder,
    InputReport,
    InputState,
    Mention,
    NotUnderstood,
    Provenance,
    SetAside,
)
from cds_service.clinical.days import Days


class Tier(StrEnum):
    """Expert tiers of HO risk after hip arthroplasty (Iorio 2002, not a validated score)."""

    NONE = "none"
    MODERATE = "moderate"
    HIGH = "high"


class Effect(StrEnum):
    """What an exclusion does to an option."""

    EXCLUDE = "exclude"  # X: the option is not offered
    NO_DRAFT = "no-draft"  # named as a decision of the clinician; no suggestion drafts it
    CONDITION = "condition"  # C: offered with a condition
    REFERRAL = "referral"  # no condition; told to whom the patient is referred


class Standing(StrEnum):
    """How an option stands for this patient."""

    OFFERED = "offered"
    CONDITIONAL = "conditional"
    EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that the chart matches, with the facts it rests on.

    `role` is genetic, suspected, factor, undecided, modifier, unconfirmed, non-factor, family,
    mention or prophylaxis. `tier` is set for factors, and for undecided ones as if they held.
    `facts` may be empty for what comes from Patient or the orders (sex, two hips in one session);
    then `sources` says where it was read.
    """

    rule: str
    role: str
    label: str
    sources: tuple[Provenance, ...]
    tier: Tier = Tier.NONE
    evidence: tuple[str, ...] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an option is excluded or conditional. `text` is ready to read, chart text unescaped."""

    rule: str
    effect: Effect
    text: str
    sources: tuple[Provenance, ...] = ()
    evidence: tuple[str, ...] = ()
    unknown: bool = False  # True: the rule could not be checked; `text` says what to check
    asks: str = ""  # the end of such a `text`, where only a date is missing


@dataclass(frozen=True, slots=True)
class OptionVerdict:
    """One option (`nsaid` with its chosen `regimen`, or `radiotherapy`) for one order.

    `regimen` is the id of the drug regimen in the knowledge, None when none is left or for
    radiotherapy. `dropped` are the regimens that were passed over, each with its reasons.
    """

    option: str
    standing: Standing
    regimen: str | None = None
    alternatives: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    dropped: tuple[tuple[str, tuple[Reason, ...]], ...] = ()
    for_referral: tuple[Reason, ...] = ()  # no condition: the referral tells it to its reader
    replaces: tuple[Provenance, ...] = ()  # drafts that give way to this one

    @property
    def drafted(self) -> bool:
        """Whether a suggestion may draft it: it is open, and nothing asks a clinician first."""
        if self.standing is Standing.EXCLUDED:
            return False
        return not self.reasons or Effect.NO_DRAFT not in [r.effect for r in self.reasons]


@dataclass(frozen=True, slots=True)
class NotAssessed:
    """An input that could not be read in full, and what to check by hand because of it.

    `check` is the unknown check of the knowledge that says so, blank for a factor that is open.
    """

    input: str
    state: str
    text: str
    check: str = ""


@dataclass(frozen=True, slots=True)
class AlsoSaid:
    """Another card whose first advice stands on this one: its id, and what fills it."""

    card: str
    params: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Guidance:
    """The outcome for one order, or for one pair of hips: a card, or silence with its reason.

    `row` is the row of the card table that decided (1-12, 9a, `question`, `family`); `card` is
    the id of the card text in the knowledge, None for silence. `params` fill the card text.
    """

    row: str
    card: str | None
    indicator: str | None
    orders: tuple[DraftOrder, ...]
    tier: Tier = Tier.NONE
    findings: tuple[Finding, ...] = ()
    options: tuple[OptionVerdict, ...] = ()
    not_assessed: tuple[NotAssessed, ...] = ()
    conflicts: tuple[Reason, ...] = ()
    params: tuple[tuple[str, str], ...] = ()
    silent_because: str | None = None
    also: tuple[AlsoSaid, ...] = ()
    kept: tuple[DraftOrder, ...] = ()  # orders that may save a life: never removed


@dataclass(frozen=True, slots=True)
class Assessment:
    """Everything that was decided in one call, for cards, trace, log and page alike."""

    guidances: tuple[Guidance, ...]
    findings: tuple[Finding, ...]
    inputs: tuple[InputReport, ...]
    set_aside: tuple[SetAside, ...]
    mentions: tuple[Mention, ...]
    foreign: int
    skipped: int
    knowledge_version: str
    drafted: frozenset[str] = frozenset()  # value sets of the drafts to be taken daily
    unassessable: tuple[str, ...] = ()  # inputs without which nothing can be said (row 11)
    absent: tuple[str, ...] = ()  # rules that were tested and do not hold: of genetic HO, factors
    not_known: tuple[str, ...] = ()  # rules that could not be decided
    record: str | None = None  # id of a signal: the record is gone, merged or inactive
    replaced_by: str | None = None  # the record that survives, as Patient/id
    not_understood: tuple[NotUnderstood, ...] = ()  # by input; of orders and of the chart
    any_draft: bool = False  # what was selected is none of the drafts, so all were looked at
    days: Days | None = None  # the day on which it was decided
    orders: int = 0  # draft orders that stand
    asked: bool = True  # an order, or the patient, was a matter of HO at all

    @property
    def looked_at(self) -> tuple[InputReport, ...]:
        """What became of each input. Nothing where no order called for the chart: what was sent and
        not looked at is not absent."""
        if self.guidances or any(one.state is not InputState.ABSENT for one in self.inputs):
            return self.inputs
        return ()

    @property
    def spoken(self) -> tuple[Guidance, ...]:
        """The guidances that become cards."""
        return tuple([g for g in self.guidances if g.card is not None])
