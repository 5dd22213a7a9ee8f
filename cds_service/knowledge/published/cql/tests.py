"""One test of a rule as a CQL expression that is true, false, or null for unknown.

What CQL cannot say of a test makes it a question: where the rest of it holds the answer is null,
never false. Each such loss is written down in the scope, in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cds_service.knowledge.names import (
    BROOKER,
    CYP2C9_ACTIVITY,
    NEEDS_HIP_SITE,
    POOR_METABOLISER,
)
from cds_service.knowledge.published.cql.results import measured
from cds_service.knowledge.published.cql.text import (
    closed,
    indented,
    joined,
    listing,
    literal,
    wrapped,
)
from cds_service.knowledge.when import (
    AgeTest,
    AllergyTest,
    ConditionTest,
    MedicationTest,
    OrderTest,
    ProcedureTest,
    SexTest,
    When,
)

OPCS_LOST: Final = (
    "An OPCS-4 code that means the hip only beside a site code is not known, whatever its site."
)


@dataclass
class Scope:
    """What is gathered while rules are written: `used` value sets, and what is `lost` of a rule.

    `cautious` is for exclusions, as in `clinical/evaluate.py`: what is suspected counts, and a date
    may be the latest day it can mean. Of a `quiet` quantity no result at all is no question.
    """

    cautious: bool = False
    quiet: frozenset[str] = frozenset()
    used: set[str] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)

    def lose(self, what: str) -> None:
        """Note what is not exported, once."""
        if what not in self.lost:
            self.lost.append(what)

    def among(self, ids: Iterable[str], element: str) -> str:
        """Whether an element is in one of these value sets."""
        listed = list(ids)
        self.used.update(listed)
        return joined("or", [f'Codes."in {id_}"({element})' for id_ in listed])

    def without(self, ids: Iterable[str], element: str) -> list[str]:
        """That an element is in none of these value sets."""
        return [f"not {self.among((id_,), element)}" for id_ in ids]


def expression(when: When, scope: Scope) -> str:
    """A `When` of the content: any is `or`, all is `and`, none wants that nothing surely holds."""
    if when.any:
        return joined("or", [expression(part, scope) for part in when.any])
    if when.all:
        return joined("and", [expression(part, scope) for part in when.all])
    if when.none:
        parts = [expression(part, scope) for part in when.none]
        return joined("and", [f"not ({closed(part)} is true)" for part in parts])
    for name, write in _TESTS.items():
        test = getattr(when, name)
        if test is not None:
            return write(test, scope)
    raise AssertionError("the schema lets no empty test through")


def found(source: str, alias: str, clauses: Iterable[str]) -> str:
    """Whether a list has an element that meets all clauses."""
    return f"exists (\n  {source} {alias}\n{indented(where(clauses), 4)}\n)"


def where(clauses: Iterable[str]) -> str:
    """The clause `where` of a query, one line or more for each test."""
    listed = list(clauses)
    parts = [wrapped(one) if len(listed) > 1 else one for one in listed]
    return "where " + "\n  and ".join(part.replace("\n", "\n  ") for part in parts)


def answer(found_: str, known: str) -> str:
    """True, false where the source was read, else null."""
    return f'Facts."Answer"(\n{indented(found_)},\n  Facts."{known} Known"\n)'


def question(found_: str, known: str) -> str:
    """Null where it is found: CQL cannot say all that is asked."""
    return f'Facts."Question"(\n{indented(found_)},\n  Facts."{known} Known"\n)'


_SITES: Final = {
    "hip": 'Facts."At Hip"({c}, {s})',
    "hip-or-unstated": 'Facts."At Hip"({c}, {s}) or Facts."Site Unstated"({c}, {s})',
    "not-elsewhere": 'not Facts."Elsewhere"({c}, {s})',
    "elsewhere": 'Facts."Elsewhere"({c}, {s})',
    "unstated": 'Facts."Site Unstated"({c}, {s})',
    "unrecognised": 'Facts."Site Unrecognised"({c}, {s})',
}


def _place(test: ConditionTest | ProcedureTest | OrderTest, alias: str, scope: Scope) -> list[str]:
    """Site and side of a fact or order."""
    code, sites = f"{alias}.code", f"{alias}.bodySite"
    clauses = []
    if test.site != "any":
        clauses.append(_SITES[test.site].format(c=code, s=sites))
        scope.used |= {"site-hip", "site-elsewhere"}
    if test.site in ("unstated", "unrecognised", "hip-or-unstated"):
        scope.lose("A body site in words is not read: whatever is stated in no value set counts as"
                   " a site that is not recognised.")  # fmt: skip
    if test.side == "operated":
        clauses.append(f'Triggers."Fits"(Facts."Side Of"({code}, {sites}))')
    return clauses


def _window(test: ConditionTest | ProcedureTest, date: str, over: str, scope: Scope) -> list[str]:
    """The days in which a fact counts; `over` says that an undated one is past."""
    name = "May Be Within" if scope.cautious else "Is Within"
    clauses = []
    if test.within_days is not None:
        inside = f'Facts."{name}"({date}, {test.within_days})'
        if scope.cautious and test.undated == "in":
            inside = f"{inside} or ({date} is null{over})"
        clauses.append(inside)
    if test.older_than_days is not None:
        clauses.append(f'not Facts."{name}"({date}, {test.older_than_days})')
    return clauses


def _asked(
    source: str, alias: str, clauses: list[str], window: list[str], undated: str, known: str
) -> str:
    """The three answers of a test whose window asks about what has no date."""
    dated = indented(found(source, alias, [*clauses, *window]), 4)
    open_ = indented(found(source, alias, [*clauses, undated]), 4)
    return (
        f"case\n  when\n{dated}\n    then true\n  when\n{open_}\n    then null as Boolean\n"
        f'  else Facts."Answer"(false, Facts."{known} Known")\nend'
    )


def _condition(test: ConditionTest, scope: Scope) -> str:
    clauses = [scope.among(test.value_sets, "C.code"), *scope.without(test.other_than, "C.code")]
    if not scope.cautious:
        clauses.append('not Facts."Suspected"(C)')
        scope.lose("A diagnosis that is not confirmed does not count, and nothing says that it is"
                   " there.")  # fmt: skip
    if test.state == "current":
        clauses.append('not Facts."Over"(C)')
    clauses += _place(test, "C", scope)
    if BROOKER in test.value_sets:
        scope.lose("A Brooker class of an Observation, or of stage or severity, is not read.")
    date, source = 'Facts."Date Of Condition"(C)', 'Facts."Conditions"'
    window = _window(test, date, ' and not Facts."Over"(C)', scope)
    if test.both_sides:
        both = (
            f'Facts."Both Sides"(\n  {source} C\n{indented(where([*clauses, *window]), 4)}\n'
            '    return Facts."Side Of"(C.code, C.bodySite)\n)'
        )
        return answer(both, "Conditions")
    if scope.cautious and test.undated == "ask" and test.within_days:
        undated = f'{date} is null and not Facts."Over"(C)'
        return _asked(source, "C", clauses, window, undated, "Conditions")
    told = found(source, "C", [*clauses, *window])
    if POOR_METABOLISER in test.value_sets:
        scope.lose("Words that name the gene are not read.")
        told = joined("or", [told, _gene_result(scope)])
    return answer(told, "Conditions")


def _gene_result(scope: Scope) -> str:
    """Whether a result, or a part of one, has the answer of a poor metaboliser in a code."""
    scope.used |= {POOR_METABOLISER, CYP2C9_ACTIVITY}
    part = '"in {0}"({1}.code) and Codes."in {2}"({1}.value as FHIR.CodeableConcept)'
    whole, part = (f"Codes.{part.format(CYP2C9_ACTIVITY, one, POOR_METABOLISER)}" for one in "OK")
    return found('Facts."Results"', "O", [joined("or", [whole, found("O.component", "K", [part])])])


def _procedure(test: ProcedureTest, scope: Scope) -> str:
    clauses = [scope.among(test.value_sets, "P.code"), *scope.without(test.other_than, "P.code")]
    if not {*NEEDS_HIP_SITE.values()}.isdisjoint(test.value_sets):
        scope.lose(OPCS_LOST)
    if test.reasons:
        clauses.append(found("P.reasonCode", "R", [scope.among(test.reasons, "R")]))
        scope.lose("A reason by reference (reasonReference) is not followed.")
    clauses += _place(test, "P", scope)
    date, source = 'Facts."Date Of Procedure"(P)', 'Facts."Procedures"'
    window = _window(test, date, "", scope)
    if scope.cautious and test.within_days:
        window = [f"P.status = 'in-progress' or {' and '.join(window)}"]
    if scope.cautious and test.undated == "ask" and test.within_days:
        return _asked(source, "P", clauses, window, f"{date} is null", "Procedures")
    return answer(found(source, "P", [*clauses, *window]), "Procedures")


_DOSING: Final = {
    "dosing": "How the dose stands to a limit is not said: doses come in words, tablets and units.",
    "begun": "Since when it is taken, before this operation or for it, is not said.",
    "ended": "When it ended is not said.",
    "indications_stated": "Whether a reason is stated beside what the surgery is for is not said.",
    "drugs": "That they are several drugs is not said.",
}


def _medication(test: MedicationTest, scope: Scope) -> str:
    clauses = [scope.among(test.value_sets, "M.drug"), f"M.state in {listing(test.states)}"]
    routes = [id_ for id_ in test.other_than if id_.startswith("route-")]
    drugs = [id_ for id_ in test.other_than if id_ not in routes]
    clauses += scope.without(drugs, "M.drug")
    if routes:
        clauses.append("not " + found("M.routes", "R", [scope.among(routes, "R")]))
    if test.indications:
        clauses.append(found("M.reasons", "R", [scope.among(test.indications, "R")]))
    if test.taken:
        scope.lose(
            "A single dose is not told apart from a course, and a need that only words say is none."
        )
        if "as-needed" not in test.taken:
            clauses.append("not M.asNeeded")
        elif "scheduled" not in test.taken:
            clauses.append("M.asNeeded")
    losses = [text for name, text in _DOSING.items() if _asks_for(name, test)]
    for text in losses:
        scope.lose(text)
    write = question if losses else answer
    return write(found('Facts."Medicines"', "M", clauses), "Medications")


def _asks_for(name: str, test: MedicationTest) -> bool:
    if name == "indications_stated":
        return test.indication != "any"
    return test.drugs > 1 if name == "drugs" else bool(getattr(test, name))


def _allergy(test: AllergyTest, scope: Scope) -> str:
    substance = found("A.reaction", "R", [scope.among(test.value_sets, "R.substance")])
    clause = joined("or", [scope.among(test.value_sets, "A.code"), substance])
    return answer(found('Facts."Allergies"', "A", [clause]), "Allergies")


def _age(test: AgeTest, scope: Scope) -> str:
    parts = []
    for name, limit in (("Age At Least", test.at_least), ("Age Below", test.below)):
        if limit is not None:
            asked = f'Facts."{name}"({limit})'
            if scope.cautious and test.straddling == "in":
                either = f"else Coalesce({asked}, true)"
                asked = f"if Patient.birthDate is null then null as Boolean {either}"
            parts.append(asked)
    return joined("and", parts)


def _sex(test: SexTest, _: Scope) -> str:
    return f'Facts."Sex Is"({literal(test.sex)})'


def _order(test: OrderTest, scope: Scope) -> str:
    if test.both_hips:
        scope.lose("Days of two orders are not compared: a left and a right hip are one session.")
        return 'Triggers."Both Hips"'
    clauses = [scope.among(test.kinds, "S.code"), *scope.without(test.other_than, "S.code")]
    if test.reasons:
        clauses.append(found("S.reasonCode", "R", [scope.among(test.reasons, "R")]))
        scope.lose("A reason by reference (reasonReference) is not followed.")
    clauses += _place(test, "S", scope)
    source = "Planned Services" if test.anywhere else "Draft Services"
    return found(f'Facts."{source}"', "S", clauses)


_TESTS: Final[Mapping[str, Callable[..., str]]] = {
    "condition": _condition,
    "procedure": _procedure,
    "medication": _medication,
    "allergy": _allergy,
    "measurement": measured,
    "age": _age,
    "sex": _sex,
    "order": _order,
}
