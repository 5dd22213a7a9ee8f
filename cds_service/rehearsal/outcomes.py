"""What came of one past event: the frozen record that is counted and never written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

UNDATED: Final = "undated"
"""Row of an event that states no day: it cannot be replayed as of then."""
UNREAD: Final = "412"
"""Row of an event about which nothing could be said: the answer would have been 412."""
NOTHING: Final = "none"
"""Row of an event that no rule has anything to say about."""


@dataclass(frozen=True, slots=True)
class RehearsedCard:
    """One card that would have been shown."""

    row: str
    card: str
    indicator: str
    tier: str


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """One past event, replayed.

    `references` are the orders it is made of and `day` their day; with `patient` they serve those
    who compare with a truth. `row`, `tier` and `indicator` (blank for silence) are those of the
    most severe card, else of the silence. `dated_row` is the row without undated facts.
    `ruled_out` pairs an option with a rule; `inputs` an input with its state; `late` and `undated`
    an input with the number of facts; `not_understood` an input with a system and a number, and
    `codes` an input, a system and a code. `days_since` counts from the last event of the patient
    with the same card. `ho_after`: HO is coded later than the operation; None where what
    came later was not left out. `other_row` is the row by
    the content that is compared with, None where there is none.
    """

    patient: str
    references: tuple[str, ...]
    kind: str
    about: str
    day: date | None
    row: str
    tier: str = "none"
    indicator: str = ""
    dated_row: str = ""
    dated_carded: bool = False
    cards: tuple[RehearsedCard, ...] = ()
    rules: tuple[str, ...] = ()
    ruled_out: tuple[tuple[str, str], ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()
    late: tuple[tuple[str, int], ...] = ()
    undated: tuple[tuple[str, int], ...] = ()
    not_understood: tuple[tuple[str, str, int], ...] = ()
    codes: tuple[tuple[str, str, str], ...] = ()
    doubt: str = ""
    surgeon: str | None = None
    group: str | None = None
    sex: str = "unknown"
    age: int | None = None
    days_since: int | None = None
    ho_after: bool | None = False
    other_row: str | None = None
    other_carded: bool = False

    @property
    def carded(self) -> bool:
        """Whether a card would have been shown."""
        return bool(self.cards)

    @property
    def replayed(self) -> bool:
        """Whether it could be replayed at all."""
        return self.row != UNDATED
