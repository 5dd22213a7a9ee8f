"""Says when the content has not been read against its sources for too long."""

from __future__ import annotations

from datetime import date

MONTHS = 12


def overdue(reviewed: date, today: date) -> str | None:
    """A warning from the day after `reviewed` is 12 months old, else None."""
    months = (today.year - reviewed.year) * 12 + today.month - reviewed.month
    if (months, today.day) <= (MONTHS, reviewed.day):
        return None
    return (
        f"meta.yaml: reviewed {reviewed} is more than {MONTHS} months ago; read the content "
        "against its sources as docs/knowledge.md says, then write the day there"
    )
