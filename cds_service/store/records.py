"""The frozen rows the store keeps: cards issued, what clinicians did with them, counts of calls.

None of them can hold patient data: ids of ours, ids of the knowledge, coded reasons and times. What
is kept of marks is pseudonymous: a mark is a keyed hash of whom and what a warning is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar

MOST_SYSTEMS = 200
"""Code systems that are counted by themselves for one client and day."""
FURTHER = "further systems"
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a card or feedback comes from: service id, hook, and name of the registered client."""

    service: str
    hook: str
    client: str


@dataclass(frozen=True, slots=True)
class ContentChange:
    """Clinical content that came into force: for which client (empty: all others), which version,
    the name of its site overlay and who approved that, how it came (`start` or `SIGHUP`), and by
    which user of which machine. `at` is in UTC."""

    at: datetime
    client: str
    version: str
    site: str | None
    approved: str | None
    how: str
    by: str


@dataclass(frozen=True, slots=True)
class SealedMark:
    """The mark of a warning that may be answered, sealed with a key. `until` is the day on which
    the warning comes again, `issued_on` that of the card, both by the client's calendar."""

    sealed: str
    until: date
    issued_on: date


@dataclass(frozen=True, slots=True)
class EarlierAnswer:
    """The last that was reported on warnings with one mark: the day, and system and code of the
    reason (none where the card was accepted). `until` and `issued_on` as in SealedMark."""

    mark: str
    until: date
    issued_on: date
    answered_on: date
    reason: tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class IssuedCard:
    """One card as it left the service.

    `card` is its uuid, `text` the id of the card text in the knowledge, `row` the row of the
    decision table, `rules` the ids of the rules that matched (sorted), `suggestions` the uuids of
    its suggestions. `issued_at` is in UTC. `mode` says whether it was shown (live) or not (shadow),
    `arm` the mode for its user: in a shadow arm single cards may be live, and in a live one shadow.
    `variant` names the words that were drawn for its user where several are tried, and `part` the
    part of this variant's users (one of `PARTS`) that the user is in.
    """

    card: str
    origin: Origin
    row: str
    text: str
    indicator: str
    tier: str
    rules: tuple[str, ...]
    suggestions: tuple[str, ...]
    knowledge: str
    issued_at: datetime
    mode: str = "live"
    arm: str = "live"
    variant: str = ""
    part: int = 0
    mark: SealedMark | None = None  # of a warning whose answer may be looked up


@dataclass(frozen=True, slots=True)
class CallKey:
    """What calls are counted by. `arm` is the mode for the user: live, shadow or off."""

    day: date
    origin: Origin
    knowledge: str
    arm: str = "live"


@dataclass(frozen=True, slots=True)
class CallCount:
    """`calls` in all; in `considered` an order was looked at; `with_cards` were not silent.

    In a shadow arm a call is one with cards where there would have been some. `unread` counts, by
    input and code system, the entries whose codes cannot be read, and the calls that held some.
    """

    calls: int = 0
    considered: int = 0
    with_cards: int = 0
    unread: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    def __add__(self, other: CallCount) -> CallCount:
        return CallCount(
            self.calls + other.calls,
            self.considered + other.considered,
            self.with_cards + other.with_cards,
            _together(self.unread, other.unread) if other.unread else self.unread,
        )


def _together(
    one: Mapping[tuple[str, str], tuple[int, int]], other: Mapping[tuple[str, str], tuple[int, int]]
) -> dict[tuple[str, str], tuple[int, int]]:
    """Both added up. What is beyond all bounds is added to one row, so that nobody can fill the
    store with invented systems."""
    found = dict(one)
    for key, added in other.items():
        full = key not in found and len(found) >= MOST_SYSTEMS
        add_pair(found, (key[0], FURTHER) if full else key, added)
    return found


def add_pair(sums: dict[_Key, tuple[int, int]], key: _Key, added: tuple[int, int]) -> None:
    """Add two numbers to those of a key."""
    before = sums.get(key, (0, 0))
    sums[key] = (before[0] + added[0], before[1] + added[1])
