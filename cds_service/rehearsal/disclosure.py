"""Hides small numbers, and what else is needed so that none can be found by subtraction.

A cell below the limit is hidden (primary suppression). Cells are bound to each other by lines: a
total and its parts. Where the hidden parts of a line sum up to less than the limit, and where all
lines together still determine a small cell, which linear algebra tells exactly, one more cell is
hidden (secondary suppression): the smallest beside it, and a headline only where nothing else is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

Cell = tuple[str, ...]
_PRIME: Final = 2_147_483_647  # counts of cells in equations stay exact modulo this


@dataclass(frozen=True, slots=True)
class TotalLine:
    """A total that is the sum of its parts."""

    total: Cell
    parts: tuple[Cell, ...]


@dataclass(slots=True)
class Disclosure:
    """The numbers of a report, and what they say about each other."""

    least: int
    headlines: frozenset[Cell] = frozenset()
    counts: dict[Cell, int] = field(default_factory=dict)
    lines: list[TotalLine] = field(default_factory=list)
    unseen: set[Cell] = field(default_factory=set)

    def put(self, cells: Mapping[Cell, int]) -> None:
        """Numbers that stand in no line yet."""
        self.counts.update(cells)

    def put_unseen(self, cells: Mapping[Cell, int]) -> None:
        """Numbers that no report shows, and that bind those that it shows."""
        self.counts.update(cells)
        self.unseen |= cells.keys()

    def line(self, total: Cell, parts: Iterable[Cell]) -> None:
        """These parts sum up to the total. Raises ValueError where they do not."""
        made = TotalLine(total, tuple(parts))
        if self.counts[total] != sum(self.counts[part] for part in made.parts):
            raise ValueError(f"the parts of {total} do not sum up to it")
        if made.parts:
            self.lines.append(made)

    def hidden(self) -> frozenset[Cell]:
        """The cells that must not be shown."""
        small = {cell for cell, count in self.counts.items() if 0 < count < self.least}
        out = small | self.unseen
        while True:
            more = self._by_lines(small, out) or self._beside_determined(small, out)
            if not more:
                return frozenset(out)
            out |= more

    def _by_lines(self, small: set[Cell], out: set[Cell]) -> set[Cell]:
        """One more cell for each line of which the hidden parts are a small number in all."""
        more: set[Cell] = set()
        for line in self.lines:
            gone = out | more
            parts = [cell for cell in line.parts if cell in gone]
            if line.total in gone or small.isdisjoint(parts):
                continue
            if sum(self.counts[cell] for cell in parts) < self.least:
                more |= self._smallest(line.parts, gone) or {line.total}
        return more

    def _beside_determined(self, small: set[Cell], out: set[Cell]) -> set[Cell]:
        """One more cell beside each small one that all lines together give away."""
        more: set[Cell] = set()
        for cell in _determined(self.lines, out):
            if cell in small:
                more |= self._nearest(cell, out | more)
        return more

    def _nearest(self, cell: Cell, gone: set[Cell]) -> set[Cell]:
        """The smallest shown cell in a line with this one, else in a line with a hidden one there,
        and so on; a headline only where there is no other."""
        level, seen, headlines = {cell}, {cell}, set[Cell]()
        while level:
            near = [one for one in self.lines if not level.isdisjoint((one.total, *one.parts))]
            cells = {other for line in near for other in (line.total, *line.parts)}
            if found := self._smallest(cells - self.headlines, gone):
                return found
            headlines |= cells & self.headlines
            level = (cells & gone) - seen
            seen |= level
        return self._smallest(headlines, gone)

    def _smallest(self, cells: Iterable[Cell], out: set[Cell]) -> set[Cell]:
        """The smallest of the cells that are shown and not zero, a headline last."""
        shown = [cell for cell in cells if cell not in out and self.counts[cell]]
        if not shown:
            return set()
        return {min(shown, key=lambda c: (c in self.headlines, self.counts[c], c))}


def _determined(lines: Iterable[TotalLine], out: set[Cell]) -> list[Cell]:
    """The hidden cells whose value follows from the lines: rows of the reduced system with one
    unknown (Gauss and Jordan, modulo a prime)."""
    rows: dict[Cell, dict[Cell, int]] = {}  # by its leading cell
    for line in lines:
        row = {cell: 1 for cell in line.parts if cell in out}
        if line.total in out:
            row[line.total] = _PRIME - 1
        for lead, other in rows.items():
            if lead in row:
                _subtract(row, other, row[lead])
        if not row:
            continue
        lead = min(row)
        inverse = pow(row[lead], -1, _PRIME)
        row = {cell: value * inverse % _PRIME for cell, value in row.items()}
        for other in rows.values():
            if lead in other:
                _subtract(other, row, other[lead])
        rows[lead] = row
    return sorted(lead for lead, row in rows.items() if len(row) == 1)


def _subtract(row: dict[Cell, int], other: Mapping[Cell, int], times: int) -> None:
    for cell, value in other.items():
        left = (row.get(cell, 0) - times * value) % _PRIME
        if left:
            row[cell] = left
        else:
            row.pop(cell, None)
