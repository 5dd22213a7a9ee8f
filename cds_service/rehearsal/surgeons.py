"""Cards of one surgeon in one week."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def surgeons_told(found: Mapping[tuple[str, ...], int], min_cell: int) -> dict[str, Any] | None:
    """Cards of one surgeon in one week in which there was an event: median, p90 and the most.
    `found` are numbers by surgeon and week.

    None where there are fewer surgeons than a cell must have. A week is of the ISO calendar.
    """
    surgeons = {who for who, _ in found}
    if len(surgeons) < min_cell:
        return None
    weeks = sorted(found.values())
    return {
        "surgeons": len(surgeons),
        "weeks": len(weeks),
        "median": statistics.median(weeks),
        "p90": _percentile(weeks, 90),
        "most": weeks[-1],
    }


def _percentile(values: Sequence[int] | Iterable[int], part: int) -> int:
    """The smallest value that `part` of 100 values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-part * len(ordered) // 100) - 1)]
