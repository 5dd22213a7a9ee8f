"""One table of figures, as the page, the command line and a spreadsheet show it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cds_service.store.report import Reason

Cell = str | int | float
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run
MOST_ROWS: Final = 100


@dataclass(frozen=True, slots=True)
class FigureTable:
    """One table. `plot` is how it is drawn: `days`, `bars`, `times` or
    `none`; the first column names."""

    id: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    plot: str
    note: str = ""

    def as_csv(self, mark: str | None = None) -> str:
        """The table for a spreadsheet, which must not take a name for a formula. `mark` stands
        first in every line, the heading too: lines are copied without the name of the file."""
        first = () if mark is None else (mark,)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow((*first, *self.columns))
        writer.writerows([*first, *map(_harmless, row)] for row in self.rows)
        return text.getvalue()


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def words(reason: Reason, displays: Mapping[Reason, str]) -> str:
    """A reason as people read it."""
    plain = " ".join(part for part in reason if part)
    return displays.get(reason, plain or "no coded reason")
