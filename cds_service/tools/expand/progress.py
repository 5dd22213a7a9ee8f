"""Tells on a stream how far a run is, once it takes longer than two seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final, TextIO

from cds_service.cards.terminal import counted

_EVERY: Final = 2.0


@dataclass
class Progress:
    """Rows done of all, codes found, rate, and what is left. Says nothing on a short run."""

    out: TextIO
    rows: int = 0
    done: int = 0
    codes: int = 0
    _begun: float = field(default_factory=time.monotonic)
    _told: float = field(default_factory=time.monotonic)

    def more(self, rows: int) -> None:
        """So many further rows will be asked."""
        self.rows += rows

    def row(self, codes: int) -> None:
        """One row is answered, with so many codes, or will not be (0)."""
        self.done += 1
        self.codes += codes
        self.tick()

    def tick(self, what: str = "") -> None:
        """Something happened; a line is written at most every two seconds."""
        now = time.monotonic()
        if now - self._told < _EVERY:
            return
        self._told = now
        passed = now - self._begun
        rate = self.done / passed
        left = f"about {(self.rows - self.done) / rate:.0f} s left" if rate else "just begun"
        of = f"{self.done} of {counted(self.rows, 'row')}, {counted(self.codes, 'code')}"
        line = f"{of}, {rate:.1f} rows/s, {left}"
        self.out.write(line + (f" ({what})\n" if what else "\n"))
        self.out.flush()
