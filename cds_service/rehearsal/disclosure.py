"""Hides small numbers, and every number from which one could be found by subtraction.

A cell below the limit is hidden (primary suppression). Cells are bound to each other by lines: a
total and its parts. A line in which one cell is hidden, or in which the hidden ones sum up to less
than the limit, hides one more (secondary suppression); and so does each cell that the lines
together still determine, which linear algebra tells exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    counts: dict[Cell, int] = field(default_factory=dict)
    lines: list[TotalLine] = field(default_factory=list)

    def put(self, cells: Mapping[Cell, int]) -> None:
        """Numbers that stand in no line yet."""
        self.counts.update(cells)

    def line(self, total: Cell, parts: Iterable[Cell]) -> None:
        """These parts sum up to the total. Raises ValueError where they do not."""
        made = TotalLine(total, tuple(parts))
        if self.counts[total] != sum(self.counts[part] for part in made.parts):
            raise ValueError(f"the parts of {total} do not sum up to it")
        if made.parts:
            self.lines.append(made)

    def hidden(self) -> frozenset[Cell]:
        """The cells that must not be shown."""
        out = {cell for cell, count in self.counts.items() if 0 < count < self.least}
        while True:
            more = self._by_lines(out) or self._determined(out)
            if not more:
                return frozenset(out)
            out |= more

    def _by_lines(self, out: set[Cell]) -> set[Cell]:
        """One more cell for each line that gives a hidden one away."""
        more: set[Cell] = set()
        for line in self.lines:
            parts = [cell for cell in line.parts if cell in out or cell in more]
            if line.total in out or line.total in more:
                if not parts:
                    more |= self._smallest(line.parts, out | more)
            elif parts and (len(parts) == 1 or self._sum(parts) < self.least):
                more |= self._smallest(line.parts, out | more) or {line.total}
        return more

    def _sum(self, cells: Iterable[Cell]) -> int:
        return sum(self.counts[cell] for cell in cells)

    def _smallest(self, cells: Sequence[Cell], out: set[Cell]) -> set[Cell]:
        """The smallest of the cells that are shown and not zero."""
        shown = [cell for cell in cells if cell not in out and self.counts[cell]]
        return {min(shown, key=lambda cell: (self.counts[cell], cell))} if shown else set()

    def _determined(self, out: set[Cell]) -> set[Cell]:
        """One more cell beside each hidden one that all lines together still give away."""
        more: set[Cell] = set()
        for cell in _determined(self.lines, out):
            beside = {
                other
                for line in self.lines
                if cell == line.total or cell in line.parts
                for other in (line.total, *line.parts)
            }
            gone = out | more
            more |= self._smallest(sorted(beside), gone) or self._smallest(
                sorted(self.counts), gone
            )
        return more


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
