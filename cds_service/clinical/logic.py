"""Answers to tests of the knowledge: yes with its sources, no, or unknown; and how they join."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from cds_service.clinical.chart import Provenance


class Answer(Enum):
    """Three-valued: what could not be looked up is never a no."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Answer of a test, with the sources that gave it and the words a text can use."""

    answer: Answer
    sources: tuple[Provenance, ...] = ()
    words: tuple[str, ...] = ()  # ready to read, one per source
    stale: str | None = None  # the quantity whose only result is too old to count
    undated: bool = False  # unknown because no date is stated


YES, NO, UNKNOWN = Outcome(Answer.YES), Outcome(Answer.NO), Outcome(Answer.UNKNOWN)


def told(source: Provenance) -> str:
    """A fact as a card names it: label, date, and a status that is not plain."""
    extra = ", ".join(str(x) for x in (source.date, source.status) if x)
    return f"{source.label} ({extra})" if extra else source.label


def found_in(found: Iterable[tuple[Provenance, str]]) -> Outcome | None:
    """Sources without repeats: the same fact recorded twice counts once."""
    once: dict[tuple[object, ...], tuple[Provenance, str]] = {}
    for source, words in found:
        code = source.coding and (source.coding.system, source.coding.code)
        once.setdefault((code or source.label, str(source.date)), (source, words))
    if not once:
        return None
    return Outcome(
        Answer.YES, tuple(s for s, _ in once.values()), tuple(w for _, w in once.values())
    )


def any_of(seen: list[Outcome]) -> Outcome:
    """One answer from several, of which one yes is enough."""
    yes = [o for o in seen if o.answer is Answer.YES]
    if len(yes) == 1:
        return yes[0]
    if yes:
        pairs = [pair for o in yes for pair in zip(o.sources, o.words, strict=True)]
        return found_in(pairs) or YES
    unknown = [o for o in seen if o.answer is Answer.UNKNOWN]
    # An unknown that has a result (an eGFR "<60") is told; one without is for the unknown checks.
    return next((o for o in unknown if o.sources), unknown[0]) if unknown else NO


def shortened(label: str, limit: int) -> str:
    """A label that was cleaned when it was read, cut to `limit` signs with an ellipsis."""
    return label if len(label) <= limit else label[: limit - 1].rstrip() + "…"
