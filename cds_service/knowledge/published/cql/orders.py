"""The library HOTriggers: which draft orders are looked at, as what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.names import NEEDS_HIP_SITE
from cds_service.knowledge.published.cql.rules import LibraryPart, Lost, rule_define
from cds_service.knowledge.published.cql.tests import OPCS_LOST, Scope, found, where
from cds_service.knowledge.published.cql.text import define, indented, joined, quoted
from cds_service.knowledge.schema import ORDER_KINDS, Trigger

_CATEGORY: Final = "surgical-category"
_ROUTE: Final = "route-intramuscular"
_HIP: Final = ("arthroplasty", "excision-ho")


def part(knowledge: Knowledge) -> LibraryPart:
    """The triggers, the kinds of order, and the sides that are operated."""
    scope = Scope()
    triggers = [one for one in knowledge.triggers.values() if one.enabled]
    defines = [rule_define(one, _drafted(one, scope)) for one in triggers]
    for kind in ORDER_KINDS:
        names = [quoted(one.id) for one in triggers if one.kind == kind]
        said = f"An order of the kind {kind} is drafted."
        defines.append(define(f"Draft {kind}", joined("or", names) if names else "false", said))
    defines += _hips(triggers, scope)
    return LibraryPart(tuple(defines), frozenset(scope.used), tuple(_lost(triggers)))


def _drafted(trigger: Trigger, scope: Scope) -> str:
    """Whether a draft is such an order."""
    parts = []
    if codes := [id_ for id_ in trigger.value_sets if id_ not in (_CATEGORY, _ROUTE)]:
        clauses = [scope.among(codes, "S.code")]
        if trigger.reasons:
            clauses.append(found("S.reasonCode", "R", [scope.among(trigger.reasons, "R")]))
        parts.append(found('Facts."Draft Services"', "S", clauses))
    if _CATEGORY in trigger.value_sets:
        clause = found("S.category", "R", [scope.among((_CATEGORY,), "R")])
        parts.append(found('Facts."Draft Services"', "S", [clause]))
    if _ROUTE in trigger.value_sets:
        clause = found("M.dosageInstruction", "D", [scope.among((_ROUTE,), "D.route")])
        parts.append(found('Facts."Draft Medicines"', "M", [clause]))
    return joined("or", parts)


def _hips(triggers: Iterable[Trigger], scope: Scope) -> Iterable[str]:
    """The hip operations that are drafted, and whether a side of a fact is that of one."""
    listed = [one for one in triggers if not one.reasons]
    codes = [id_ for one in listed if one.kind in _HIP for id_ in one.value_sets]
    clause = indented(where([scope.among(dict.fromkeys(codes), "S.code")]))
    yield define("Hip Orders", f'Facts."Draft Services" S\n{clause}')
    codes = [id_ for one in listed if one.kind == "arthroplasty" for id_ in one.value_sets]
    clause = indented(where([scope.among(dict.fromkeys(codes), "S.code")]))
    side = '  return Facts."Side Of"(S.code, S.bodySite)'
    yield define("Sides Operated", f'Facts."Draft Services" S\n{clause}\n{side}',
                 "By an arthroplasty.")  # fmt: skip
    yield define(
        "Both Hips",
        'Facts."Both Sides"("Sides Operated")',
        "Left and right, or both.",
    )
    yield (
        "// A side that is not stated fits any order.\n"
        'define function "Fits"(side System.String):\n'
        "  side is null\n    or side = 'both'\n    or not exists \"Hip Orders\"\n"
        '    or "Both Hips"\n'
        '    or exists (\n      "Hip Orders" S\n'
        '        where Coalesce(Facts."Side Of"(S.code, S.bodySite), side)'
        " in { side, 'both' }\n    )"
    )


_ROUTE_LOST: Final = (
    "An intramuscular route in words is not read.",
    "A vaccine that is drafted as an Immunization is not looked at: that type has no status draft.",
)


def _lost(triggers: Iterable[Trigger]) -> Iterable[Lost]:
    for one in triggers:
        if one.named is not None:
            why = "An order in a code that is in no value set is not known by its words."
            yield Lost("triggers", one.id, "in part", (why,))
        if not {*NEEDS_HIP_SITE.values()}.isdisjoint(one.value_sets):
            yield Lost("triggers", one.id, "in part", (OPCS_LOST,))
        if _ROUTE in one.value_sets:
            yield Lost("triggers", one.id, "in part", _ROUTE_LOST)
