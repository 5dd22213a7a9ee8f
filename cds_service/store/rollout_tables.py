"""The figures of a roll-out: shadow next to live, overrides by arm, rules that are overridden."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from cds_service.store import variant_figures
from cds_service.store.figure_table import MOST_ROWS, Cell, FigureTable, words
from cds_service.store.rates import ENOUGH, OFTEN, Rate

if TYPE_CHECKING:
    from cds_service.store.report import Arm, ArmKey, Figures, OutcomeTally, Reason

_RATE: Final = ("per 100", "95 % from", "to")
_NOT_ENOUGH: Final = ("not enough", "", "")


def tables(figures: Figures, displays: Mapping[Reason, str]) -> list[FigureTable]:
    """All of them, in the order in which they are shown."""
    return [
        _arms(figures),
        _overrides(figures),
        _reasons(figures, displays),
        _often(figures),
        _variants(figures),
    ]


IDS: Final = ("arms", "overrides", "arm-reasons", "overridden", "variants")
"""Of the tables, in their order."""


def override_rate(tally: OutcomeTally) -> Rate:
    """Overridden cards, of those that were answered: many clients report nothing of the rest."""
    return Rate(tally.overridden, tally.answered, ENOUGH["overrides"])


def call_rate(arm: Arm) -> Rate:
    """Calls with a card, of all calls."""
    return Rate(arm.with_cards, arm.calls, ENOUGH["calls"])


def overridden_often(figures: Figures) -> list[tuple[str, OutcomeTally]]:
    """Rules of which more than 90 % of the answered cards were overridden, the surest first."""
    found = [
        (rule, tally)
        for rule, tally in figures.by["rule"].items()
        if (override_rate(tally).value or 0) > OFTEN
    ]
    return sorted(found, key=lambda one: (-(override_rate(one[1]).interval or (0,))[0], one[0]))


def as_json(figures: Figures, displays: Mapping[Reason, str]) -> dict[str, Any]:
    """The same for programs. Rates are from 0 to 1, and null where there are not enough."""
    return {
        "notEnoughBelow": dict(ENOUGH),
        "arms": [
            {
                "client": key.client,
                "arm": key.arm,
                "calls": arm.calls,
                "considered": arm.considered,
                "withCards": _plain(call_rate(arm)) if key.arm != "off" else None,
                "cards": arm.decided,
                "shown": arm.shown.issued,
                "overridden": _plain(override_rate(arm.shown)),
                "reasons": [
                    {"system": r[0], "code": r[1], "display": words(r, displays)} | _plain(rate)
                    for r, rate in _rates(arm)
                ],
            }
            for key, arm in figures.arms.items()
        ],
        "overriddenOften": [
            {"rule": rule} | _plain(override_rate(tally))
            for rule, tally in overridden_often(figures)
        ],
        "variants": [
            row.key._asdict() | {"verdict": row.verdict or None} | _plain(row.rate)
            for row in variant_figures.rows(figures)
        ],
    }


def _plain(rate: Rate) -> dict[str, Any]:
    low, high = rate.interval or (None, None)
    return {"count": rate.part, "n": rate.n, "rate": rate.value, "low": low, "high": high}


def _cells(rate: Rate) -> tuple[Cell, Cell, Cell]:
    if rate.value is None or rate.interval is None:
        return _NOT_ENOUGH
    low, high = (round(100 * end, 1) for end in rate.interval)
    return round(100 * rate.value, 1), low, high


def _name(key: ArmKey) -> str:
    return f"{key.client or 'none'}: {key.arm}"


def _arms(figures: Figures) -> FigureTable:
    columns = (
        "client: arm", "calls", "looked at", "with a card", *_RATE, "cards", "cards per 100 calls",
        "shown",
    )  # fmt: skip
    rows = tuple(_arm_row(key, arm) for key, arm in list(figures.arms.items())[:MOST_ROWS])
    note = (
        "A shadow arm counts what would have been shown, an examination arm calls that say of "
        "themselves that a conformance tool makes them: they are answered, and stand in no other "
        "figure. Per 100: calls with a card, of all calls. "
        f"Not enough: fewer than {ENOUGH['calls']} calls. The intervals (Wilson) take calls as "
        "independent; calls about one patient are not, so the truth may be further away."
    )
    return FigureTable("arms", "Shadow next to live", columns, rows, "none", note)


def _arm_row(key: ArmKey, arm: Arm) -> tuple[Cell, ...]:
    if key.arm == "off":  # nothing was decided
        return (_name(key), arm.calls, *[""] * 8)
    rate = call_rate(arm)
    each = round(100 * arm.decided / arm.calls, 1) if rate.is_enough else _NOT_ENOUGH[0]
    counted = (arm.calls, arm.considered, arm.with_cards, *_cells(rate))
    return (_name(key), *counted, arm.decided, each, arm.shown.issued)


def _overrides(figures: Figures) -> FigureTable:
    columns = ("client: arm", "shown", "answered", "overridden", *_RATE)
    rows = tuple(
        (_name(key), *_override_row(arm.shown))
        for key, arm in list(figures.arms.items())[:MOST_ROWS]
        if arm.shown.issued
    )
    note = (
        "Per 100: overridden cards, of those that were answered. Not enough: fewer than "
        f"{ENOUGH['overrides']}. In a shadow arm only what is live by itself can be answered."
    )
    return FigureTable("overrides", "Overrides by arm", columns, rows, "none", note)


def _override_row(tally: OutcomeTally) -> tuple[Cell, ...]:
    return tally.issued, tally.answered, tally.overridden, *_cells(override_rate(tally))


def _rates(arm: Arm) -> Iterator[tuple[Reason, Rate]]:
    of = sum(arm.reasons.values())
    for reason, count in sorted(arm.reasons.items(), key=lambda one: (-one[1], str(one[0]))):
        yield reason, Rate(count, of, ENOUGH["reasons"])


def _reasons(figures: Figures, displays: Mapping[Reason, str]) -> FigureTable:
    rows = tuple(
        (f"{_name(key)}: {words(reason, displays)}", rate.part, rate.n, *_cells(rate))
        for key, arm in figures.arms.items()
        for reason, rate in _rates(arm)
    )
    columns = ("client: arm: reason", "given", "overridden", *_RATE)
    note = (
        "Per 100: cards with this reason, of those that were overridden in this arm. Not enough: "
        f"fewer than {ENOUGH['reasons']}."
    )
    return FigureTable("arm-reasons", "Reasons by arm", columns, rows[:MOST_ROWS], "none", note)


def _often(figures: Figures) -> FigureTable:
    rows = tuple((rule, *_override_row(tally)) for rule, tally in overridden_often(figures))
    passed = sum(not override_rate(tally).is_enough for tally in figures.by["rule"].values())
    note = (
        "Of the cards that were answered. Look at the reasons, then at the rule. "
        f"Not judged: {passed} with fewer than {ENOUGH['overrides']} answered cards."
    )
    columns = ("rule", "shown", "answered", "overridden", *_RATE)
    title = f"Rules with more than {100 * OFTEN:.0f} % overrides"
    return FigureTable("overridden", title, columns, rows[:MOST_ROWS], "none", note)


def _variants(figures: Figures) -> FigureTable:
    columns = ("client: card: words", "shown", "overridden", *_RATE, "against its own words")
    rows = tuple(
        (
            f"{row.key.client or 'none'}: {row.key.card}: {row.key.variant}",
            row.rate.n,
            row.rate.part,
            *_cells(row.rate),
            row.verdict,
        )
        for row in variant_figures.rows(figures)
    )
    note = (
        "Per 100: overridden cards, of those that were shown. Not enough: fewer than "
        f"{ENOUGH['variants']} with either wording. A difference is named where chance gives it "
        "less than once in 100, counted by parts of users and not by cards: a user answers many "
        "cards alike."
    )
    return FigureTable("variants", "Wordings", columns, rows[:MOST_ROWS], "none", note)
