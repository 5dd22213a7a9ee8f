"""Puts facts into an order that depends on nothing but the facts: newest first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import fields
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from cds_service.clinical.chart import MeasurementFact

_T = TypeVar("_T")


def in_order(found: Iterable[_T]) -> tuple[_T, ...]:
    """Newest first, undated last; of one time by reference and label, and then by everything else.

    The order in which an EHR sends its entries never shows in an answer.
    """
    facts = list(found)
    if len(facts) < 2:
        return tuple(facts)
    facts.sort(key=_plain)
    groups = (list(group) for _, group in groupby(facts, key=_plain))
    return tuple(
        fact for group in groups for fact in (sorted(group, key=_whole) if group[1:] else group)
    )


def newest_first(facts: Sequence[MeasurementFact]) -> bool:
    """Whether results came in this order, as they were asked for; of one nobody can tell."""
    whens = [fact.when.order for fact in facts if fact.when is not None]
    falling = all(one >= other for one, other in pairwise(whens))
    return falling and 1 < len(whens) == len(facts)


def _plain(fact: Any) -> tuple[float, str, str]:
    source = getattr(fact, "source", fact)  # an order stands for itself
    when = getattr(fact, "date", None) or getattr(source, "date", None)
    return (-when.order if when else math.inf, source.reference or "", source.label)


def _whole(fact: Any) -> str:
    """All of a fact as text that is the same in every process (sets have no order)."""
    values = (getattr(fact, member.name) for member in fields(fact))
    return "|".join(
        ",".join(sorted(value)) if isinstance(value, frozenset) else repr(value) for value in values
    )
