"""The library HOExclusions: what speaks against an option, and which drafts may be offered."""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published.cql.results import CONCEPTS, results_defines
from cds_service.knowledge.published.cql.rules import LibraryPart, Lost, lost_of, rule_define
from cds_service.knowledge.published.cql.tests import Scope, expression, found
from cds_service.knowledge.published.cql.text import (
    closed,
    define,
    indented,
    joined,
    listing,
    quoted,
)
from cds_service.knowledge.schema import Exclusion

_IN_USE = ("active", "draft")
_EFFECTS = {
    "exclude": "Rules out",
    "no-draft": "A decision of the clinician, and nothing is drafted, for",
    "condition": "A condition of",
    "referral": "Told in the referral of",
}


def part(knowledge: Knowledge) -> LibraryPart:
    """The results, a define for each exclusion, and how each option and regimen stands."""
    scope = Scope(cautious=True)
    defines, lost, quiet = results_defines(scope), [], _quiet(knowledge)
    for rule in knowledge.exclusions.values():
        if (why := _not_exported(rule)) is not None:
            lost.append(Lost("exclusions", rule.id, "not exported", (why,)))
            continue
        scope.lost = []
        effect = f"{_EFFECTS[rule.effect]}: {', '.join(rule.applies_to)}."
        body = expression(rule.when, scope)
        defines.append(rule_define(rule, body, None, effect))
        lost += lost_of("exclusions", rule.id, scope.lost)
        asked = expression(rule.when, Scope(cautious=True, quiet=quiet))
        said = None if asked == body else "That there is no result is no question here."
        unknown = f"{quoted(rule.id)} is null" if asked == body else f"{closed(asked)} is null"
        defines.append(define(f"unknown: {rule.id}", unknown, said))
    for name, rules in standing(knowledge).items():
        defines += _stands(name, rules)
    defines += _already(knowledge, scope)
    lost += [
        Lost("unknown_checks", one.id, "not exported", (_CHECKS,))
        for one in knowledge.unknown_checks
    ]
    return LibraryPart(tuple(defines), frozenset(scope.used), tuple(lost))


_CHECKS = (
    "How complete a source is, is not looked at beyond the parameters of HOFacts: an empty list"
    " counts as none, and so does an entry in words or in a code that is in no value set."
)


def _quiet(knowledge: Knowledge) -> frozenset[str]:
    """The quantities of which no card asks where there is no result (unknown_checks.yaml)."""
    asked = {
        one.quantity
        for one in knowledge.unknown_checks
        if not (one.unread or one.unidentified or one.newer)
    }
    return frozenset(CONCEPTS) - asked


def exported(knowledge: Knowledge) -> list[Exclusion]:
    """The exclusions that are rules of a library."""
    return [one for one in knowledge.exclusions.values() if _not_exported(one) is None]


def _not_exported(rule: Exclusion) -> str | None:
    if not rule.enabled:
        return "Switched off."
    if rule.ordered_only or rule.above_daily_mg is not None or rule.above_days is not None:
        return "About the dose, length or number of courses that are ordered already."
    return None


def standing(knowledge: Knowledge) -> dict[str, list[Exclusion]]:
    """Each regimen, and each option without one, with the exclusions that it has to pass."""
    rules = exported(knowledge)
    named: dict[str, tuple[str, ...]] = {}
    for option in knowledge.options.values():
        if option.enabled and option.regimens:
            named |= {
                one: (one, option.id) for one in option.regimens if knowledge.regimens[one].enabled
            }
        elif option.enabled:
            named[option.id] = (option.id,)
    return {
        name: [rule for rule in rules if not set(ids).isdisjoint(rule.applies_to)]
        for name, ids in named.items()
    }


def _already(knowledge: Knowledge, scope: Scope) -> Iterable[str]:
    """Whether prophylaxis may be there, and whether the stomach is protected."""
    enough = knowledge.meta.adequate
    clauses = [scope.among(enough.nsaid_value_sets, "M.drug"), "not (M.state = 'ended')"]
    clauses += scope.without(enough.not_value_sets, "M.drug")
    radiotherapy = enough.radiotherapy_value_sets
    given = (
        f'Facts."May Be Within"(Facts."Date Of Procedure"(P), {enough.radiotherapy_within_days})'
    )
    parts = [
        found('Facts."Medicines"', "M", clauses),
        found('Facts."Planned Services"', "S", [scope.among(radiotherapy, "S.code")]),
        found('Facts."Procedures"', "P", [scope.among(radiotherapy, "P.code"), given]),
        'not (Facts."Medications Known" is true)',
        'not (Facts."Procedures Known" is true)',
    ]
    yield define(
        "Prophylaxis may be there",
        joined("or", parts),
        "Whether dose, days and start are enough is for people: no other course is drafted.",
    )
    others = knowledge.protection.excluded_by
    # On hold, or not said: no protection, as in `cards/suggestions.py`.
    taken = [scope.among(others, "M.drug"), f"M.state in {listing(_IN_USE)}", "not M.asNeeded"]
    medicines = found('Facts."Medicines"', "M", taken)
    body = f"not {medicines}" if others else "true"
    yield rule_define(knowledge.protection, body, "The stomach is to be protected")


def _stands(name: str, rules: Iterable[Exclusion]) -> Iterable[str]:
    ruled = [quoted(one.id) for one in rules if one.effect == "exclude"]
    held = [quoted(one.id) for one in rules if one.effect == "no-draft"]
    yield define(f"{name} ruled out", joined("or", [f"{one} is true" for one in ruled]))
    asking = [one.id for one in rules if one.effect in ("exclude", "no-draft")]
    asked = joined("or", [quoted(f"unknown: {id_}") for id_ in asking])
    yield define(
        f"{name} has open questions",
        f"not {quoted(name + ' ruled out')}\n  and (\n{indented(asked, 4)}\n  )",
        "Unknown is not a no: it is asked before anything is drafted.",
    )
    not_held = "".join(f"\n  and not ({one} is true)" for one in held)
    yield define(
        f"{name} may be drafted",
        f"not {quoted(name + ' ruled out')}\n"
        f"  and not {quoted(name + ' has open questions')}{not_held}",
        "Nothing that rules it out holds, or is unknown.",
    )
