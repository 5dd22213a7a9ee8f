"""What the tables of a report say about each other beyond their own totals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from cds_service.rehearsal.disclosure import Cell, Disclosure

_ROW = 4  # labels of a row: row, card, indicator, tier


def bind_moved(disclosure: Disclosure, moved: Mapping[tuple[str, ...], int]) -> None:
    """The rows by the other content, beside those by this one. `moved` has the labels of a row, the
    row by the other content, and whether that is a card. Two contents that decide nearly alike have
    nearly the same rows: what one hides the other must not tell."""
    lines: dict[Cell, list[Cell]] = defaultdict(list)
    rows: Counter[Cell] = Counter()
    for key, n in moved.items():
        cell: Cell = ("moved", *key)
        disclosure.put_unseen({cell: n})
        this = "card" if key[1] else "silent"
        other: Cell = ("other row", key[_ROW])
        rows[other] += n
        for total in (("row", *key[:_ROW]), ("other", this, key[-1]), other):
            lines[total].append(cell)
    disclosure.put(rows)
    for total, parts in lines.items():
        disclosure.line(total, parts)


def bind_rules(disclosure: Disclosure, found: Mapping[tuple[str, ...], int]) -> None:
    """Rules beside rows. `found` has a rule and the labels of a row. Where one rule leads to one
    card the number of the rule is that of the row: what one hides the other must not tell."""
    rules: dict[str, list[Cell]] = defaultdict(list)
    for (rule, *labels), n in found.items():
        cell: Cell = ("rule row", rule, *labels)
        row: Cell = ("row", *labels)
        parts = {cell: n}
        if rest := disclosure.counts[row] - n:
            parts["rule lacks", rule, *labels] = rest
        disclosure.put_unseen(parts)
        disclosure.line(row, parts)
        rules[rule].append(cell)
    for rule, cells in rules.items():
        disclosure.line(("rule", rule), cells)


def bind_undated(disclosure: Disclosure, found: Mapping[tuple[str, ...], int]) -> None:
    """Events with an undated fact of one input, beside those with any undated fact."""
    bind_rests(disclosure, ("touched", "some undated"), "undated", found)


def bind_rests(
    disclosure: Disclosure, whole: Cell, name: str, found: Mapping[tuple[str, ...], int]
) -> None:
    """Numbers of events that are nearly the whole: the few that are lacking must not be told."""
    for key in found:
        cell: Cell = (name, *key)
        if key[-1] in {"facts", "entries"}:
            continue
        rest = disclosure.counts.get(whole, 0) - disclosure.counts[cell]
        if not 0 <= rest < disclosure.least:
            continue
        parts = [cell]
        if rest:
            parts.append(("rest", whole[-1], *cell))
            disclosure.put_unseen({parts[-1]: rest})
        disclosure.line(whole, parts)
