"""Whether a fact is recent enough for a test of the knowledge, also where no date is stated."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from cds_service.clinical.chart import ConditionFact, FhirDate, ProcedureFact, Provenance
from cds_service.clinical.days import Days
from cds_service.knowledge.when import ConditionTest, ProcedureTest

_Test = ConditionTest | ProcedureTest
_Event = TypeVar("_Event", ConditionFact, ProcedureFact)


def within(
    when: FhirDate | None, days: int, today: Days, *, cautious: bool, sure: bool = False
) -> bool:
    """Whether a date lies in the last `days`; `cautious` takes the latest day it can mean. Where
    today can be two days, one of them is enough; `sure` wants both."""
    if when is None:
        return False
    fewest, most = today.ago(when, recent=cautious)
    return (most if sure else fewest) <= days


def recent(
    fact: ConditionFact | ProcedureFact,
    test: _Test,
    today: Days,
    *,
    cautious: bool,
    sure: bool = False,
) -> bool:
    """Whether a fact may lie in the window of a test, if the test has one.

    Caution takes a procedure that goes on for recent, whenever it began, and so it takes what has
    no date and is not over, where the test says so. `sure` as in `within`.
    """
    if test.within_days is None:
        return True
    if cautious and _goes_on(fact):
        return True
    if fact.date is None:
        return cautious and test.undated != "out" and not _is_over(fact)
    return within(fact.date, test.within_days, today, cautious=cautious, sure=sure)


def decisive(facts: list[_Event], test: _Test) -> tuple[list[_Event], bool]:
    """The facts that decide, and whether they only raise a question: none of them has a date."""
    if test.undated != "ask" or test.within_days is None:
        return facts, False
    sure = [fact for fact in facts if fact.date is not None or _goes_on(fact)]
    return (sure, False) if sure or not facts else (facts, True)


def told_undated(
    source: Provenance, fact: ConditionFact | ProcedureFact, test: _Test
) -> Provenance:
    """The source; it says so where the window of a test was judged without a date."""
    if test.within_days is None or fact.date is not None:
        return source
    missing = "in progress" if _goes_on(fact) else "no date"
    return replace(source, status=", ".join(said for said in (source.status, missing) if said))


def _goes_on(fact: ConditionFact | ProcedureFact) -> bool:
    return isinstance(fact, ProcedureFact) and fact.status == "in-progress"


def _is_over(fact: ConditionFact | ProcedureFact) -> bool:
    return isinstance(fact, ConditionFact) and fact.resolved
