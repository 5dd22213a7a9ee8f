"""The library HOFactors: risk factors, and the tier that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published.cql.rules import LibraryPart, Lost, lost_of, rule_define
from cds_service.knowledge.published.cql.tests import Scope, expression
from cds_service.knowledge.published.cql.text import define, indented, joined, quoted
from cds_service.knowledge.schema import Factor


def part(knowledge: Knowledge) -> LibraryPart:
    """A define for each factor and for its question, then the tiers."""
    rules = [one for one in knowledge.factors.values() if one.enabled]
    defines: list[str] = []
    lost: list[Lost] = []
    used: set[str] = set()
    for rule in rules:
        scope, asking = Scope(), Scope(cautious=True)
        group = f"Tier: {rule.tier}." + (
            f" Counts once with its group {rule.group}." if rule.group else ""
        )
        defines.append(rule_define(rule, expression(rule.when, scope), None, group))
        defines.append(_asked(rule, asking))
        used |= scope.used | asking.used
        if rule.mentions:
            scope.lose("Text that names it without a code is not read.")
        lost += lost_of(
            "factors", rule.id, scope.lost + [x for x in asking.lost if x not in scope.lost]
        )
    defines += _tiers(rules, knowledge.meta.tier_high_at)
    for name, why in _BESIDE.items():
        lost += [Lost(name, id_, "not exported", (why,)) for id_ in getattr(knowledge, name)]
    return LibraryPart(tuple(defines), frozenset(used), tuple(lost))


_BESIDE = {
    "modifiers": "Shown beside a factor; it never decides.",
    "non_factors": "Not counted on purpose.",
}


def _asked(rule: Factor, scope: Scope) -> str:
    """Whether the factor may hold: unknown, or a code hints at it."""
    parts = [f"{quoted(rule.id)} is null"]
    if rule.clues is not None:
        hint = expression(rule.clues, scope)
        parts.append(f"Coalesce(\n{indented(hint)},\n  true\n)")
    body = joined("and", [f"not ({quoted(rule.id)} is true)", joined("or", parts)])
    return define(f"ask: {rule.id}", body, f"A question: {rule.label}?")


def _tiers(rules: Iterable[Factor], high_at: int) -> Iterable[str]:
    high = [one for one in rules if one.tier == "high"]
    groups: dict[str, list[Factor]] = {}
    for one in rules:
        groups.setdefault(one.group or one.id, []).append(one)
    held = joined("or", [f"{quoted(one.id)} is true" for one in high])
    yield define("A high factor holds", held)
    yield _count("Groups that hold", groups, lambda one: f"{quoted(one.id)} is true")
    yield _count(
        "Groups that may hold",
        groups,
        lambda one: f"{quoted(one.id)} is true or {quoted('ask: ' + one.id)}",
    )
    yield define(
        "High tier",
        f'"A high factor holds" or "Groups that hold" >= {high_at}',
        f"High: one high factor, or {high_at} moderate ones of different groups.",
    )
    yield define("Moderate tier", 'not "High tier" and "Groups that hold" >= 1')
    asked = [quoted("ask: " + one.id) for one in high]
    asked.append(f'"Groups that may hold" >= {high_at}')
    asked.append('"Groups that hold" = 0 and "Groups that may hold" >= 1')
    yield define(
        "The tier may be higher",
        joined("and", ['not "High tier"', joined("or", asked)]),
        "Unknown is not a no: what may hold could raise the tier.",
    )


def _count(name: str, groups: Mapping[str, list[Factor]], test: Callable[[Factor], str]) -> str:
    rows = []
    for group, members in groups.items():
        held = joined("or", [test(one) for one in members])
        rows.append(f"if {held}\n  then 'group {group}' else null as System.String")
    listed = indented(",\n".join(rows))
    return define(name, f"Count({{\n{listed}\n}})", "Factors of one group count once.")
