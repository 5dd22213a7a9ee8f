"""Whether the variants of a card's words differ in how often clinicians override it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from cds_service.knowledge.variants import OWN, PARTS
from cds_service.store.rates import ENOUGH, Rate

if TYPE_CHECKING:
    from cds_service.store.report import Figures, OutcomeTally, VariantKey

ALARM: Final = 0.01
"""A difference is named when chance alone gives one as great less often than this, for all
comparisons of a report together. Five looks at one comparison stay below 5 in 100 so."""
_DRAWS: Final = 1_999
_SEED: Final = 1927

Verdict = Literal["", "not enough", "no difference shown", "differs"]
_Counts = tuple[int, int]


@dataclass(frozen=True, slots=True)
class VariantRow:
    """One wording of a card: overridden cards, of those that were shown, and how it compares with
    the card's own words (blank for these)."""

    key: VariantKey
    rate: Rate
    verdict: Verdict


def rows(figures: Figures) -> Iterator[VariantRow]:
    """All wordings that were shown, those of one card together, its own first."""
    tried = [key for key in figures.variants if key.variant != OWN]
    ordered = sorted(
        figures.variants, key=lambda k: (k.client, k.card, k.variant != OWN, k.variant)
    )
    for key in ordered:
        parts = figures.variants[key]
        own = figures.variants.get(key._replace(variant=OWN), {})
        verdict = _verdict(own, parts, ALARM / len(tried)) if key.variant != OWN else ""
        yield VariantRow(key, Rate(*_sum(parts), ENOUGH["variants"]), verdict)


def _sum(parts: Mapping[int, OutcomeTally]) -> _Counts:
    told = parts.values()
    return sum(one.overridden for one in told), sum(one.issued for one in told)


def _verdict(
    own: Mapping[int, OutcomeTally], other: Mapping[int, OutcomeTally], level: float
) -> Verdict:
    if min(_sum(own)[1], _sum(other)[1]) < ENOUGH["variants"]:
        return "not enough"
    is_alarm = differ(_counts(own), _counts(other), level)
    return "differs" if is_alarm else "no difference shown"


def _counts(parts: Mapping[int, OutcomeTally]) -> list[_Counts]:
    told = (parts.get(number) for number in range(PARTS))
    return [(one.overridden, one.issued) if one else (0, 0) for one in told]


def differ(one: Sequence[_Counts], other: Sequence[_Counts], level: float) -> bool:
    """Whether two rates differ more than chance gives at this level.

    Each is given as pairs (overridden, shown) by part of users. Whole parts are exchanged, not
    cards (a permutation test): a user answers many cards alike, and whether single cards were
    independent is never asked. The draws have a seed, so one report says the same twice.
    """
    pool, half = [*one, *other], len(one)
    seen = _distance(pool, range(half))
    draw = random.Random(_SEED)  # noqa: S311 (nothing secret is drawn)
    allowed = int(level * (_DRAWS + 1)) - 1  # what was seen counts as a draw, too
    as_far = 0
    for _ in range(_DRAWS):
        as_far += _distance(pool, draw.sample(range(len(pool)), half)) >= seen
        if as_far > allowed:
            return False
    return True


def _distance(pool: Sequence[_Counts], chosen: Sequence[int]) -> float:
    """How far the rate of the chosen parts is from that of the others; 2, which is beyond all,
    where one side has no card: that is no evidence of a difference."""
    part, n = (sum(pool[number][side] for number in chosen) for side in (0, 1))
    whole, all_n = (sum(counts[side] for counts in pool) for side in (0, 1))
    if not 0 < n < all_n:
        return 2.0
    # Rounded: two ways to add the same up must count as equally far.
    return round(abs(part / n - (whole - part) / (all_n - n)), 12)
