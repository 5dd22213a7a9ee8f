"""The library HOGenetic: fibrodysplasia ossificans progressiva and its like in the chart."""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.order_schema import EarlySigns
from cds_service.knowledge.published.cql.rules import LibraryPart, Lost, rule_define
from cds_service.knowledge.published.cql.tests import Scope, answer, found
from cds_service.knowledge.published.cql.text import define, joined, quoted
from cds_service.knowledge.schema import Genetic


def part(knowledge: Knowledge) -> LibraryPart:
    """For each disease: on record, suspected, hinted at, in the family, unknown."""
    scope = Scope()
    defines: list[str] = []
    lost: list[Lost] = []
    for rule in knowledge.genetic.values():
        defines += _disease(rule, scope)
        lost += _lost(rule)
    if knowledge.early.enabled:
        defines.append(_early(knowledge.early, scope))
        lost.append(Lost("early", knowledge.early.id, "in part", _EARLY_LOST))
    for name, told in _ORDERS.items():
        lost += [Lost(name, id_, "not exported", (told,)) for id_ in getattr(knowledge, name)]
    return LibraryPart(tuple(defines), frozenset(scope.used), tuple(lost))


_EARLY_LOST = (
    "Codes that name the cause themselves are not set aside, so it asks more often.",
    "The age at onset is not read, the dates of onset and recording are.",
)
_ORDERS = {
    "harms": "What an order does is told by its words, route and notes: with FOP on record or"
    " suspected every draft asks instead.",
    "kept": "No order is taken away by this plan.",
    "harmless": "Harmless orders are known by codes and words together: with FOP on record or"
    " suspected every draft asks instead.",
    "never": "See harmless.",
}


def _disease(rule: Genetic, scope: Scope) -> Iterable[str]:
    id_, conditions = rule.id, 'Facts."Conditions"'
    coded = scope.among(rule.value_sets, "C.code")
    sure = answer(found(conditions, "C", [coded, 'not Facts."Suspected"(C)']), "Conditions")
    yield rule_define(rule, sure, f"{id_} on record")
    signs = [found(conditions, "C", [coded, 'Facts."Suspected"(C)'])]
    reasons = found("S.reasonCode", "R", [scope.among(rule.value_sets, "R")])
    signs.append(found('Facts."Draft Services"', "S", [reasons]))
    reasons = found("M.reasonCode", "R", [scope.among(rule.value_sets, "R")])
    signs.append(found('Facts."Draft Medicines"', "M", [reasons]))
    if rule.signs:
        signs.append(found('Facts."Medicines"', "M", [scope.among(rule.signs, "M.drug")]))
    yield define(
        f"{id_} suspected",
        joined("or", signs),
        "By a diagnosis that is not confirmed, a sign, or the reason of a draft.",
    )
    stands = f"{quoted(id_ + ' on record')} is true or {quoted(id_ + ' suspected')}"
    yield define(f"{id_} on record or suspected", stands)
    reasons = found("S.reasonCode", "R", [scope.among((*rule.value_sets, *rule.clues), "R")])
    hints = [found('Facts."Planned Services"', "S", [reasons])]
    if rule.clues:
        hints.append(found(conditions, "C", [scope.among(rule.clues, "C.code")]))
    stands = quoted(f"{id_} on record or suspected")
    hinted = joined("and", [f"not {stands}", joined("or", hints)])
    yield define(f"ask: {id_}", hinted, "A code hints at it: a question.")
    family = scope.among(rule.family, "K.code") if rule.family else "false"
    relative = found('Facts."Relatives"', "F", [found("F.condition", "K", [family])])
    yield define(
        f"{id_} in the family", answer(relative, "Family History"), "Not the patient's own."
    )
    yield define(f"unknown: {id_}", f"{quoted(id_ + ' on record')} is null")


def _lost(rule: Genetic) -> Iterable[Lost]:
    why = ["Text that names it without a code is not read, of the patient or of a relative."]
    why.append("A reason by reference (reasonReference, supportingInfo) is not followed.")
    if rule.disease == "fop":
        why.append("A result of ACVR1 is not read, and none that names the disease.")
        why.append("That M61.1 is doubted as the only sign in an old patient is not said.")
    if rule.sign_words:
        why.append("A medicine of the disease is known by its code only.")
    yield Lost("genetic", rule.id, "in part", tuple(why))


def _early(rule: EarlySigns, scope: Scope) -> str:
    bone = scope.among(rule.ossification, "C.code")
    conditions = 'Facts."Conditions"'
    began = 'Facts."Date Of Condition"(C)'
    age = f'CalculateAgeInYearsAt(Patient.birthDate, Facts."Earliest Day"({began}))'
    born = ["Patient.birthDate is not null", f"{began} is not null"]
    birth = found(conditions, "C", [bone, *born, f"Coalesce({age} < {rule.below_years}, true)"])
    any_bone = found(conditions, "C", [bone])
    young = f'Coalesce(Facts."Age Below"({rule.below_years}), false)'
    explained = found(conditions, "C", [scope.among(rule.explained_by, "C.code")])
    toes = [found(conditions, "C", [scope.among(rule.toes, "C.code")])]
    if rule.toes_of_children:
        children = found(conditions, "C", [scope.among(rule.toes_of_children, "C.code")])
        toes.append(f"{young} and {children}")
    body = joined(
        "or",
        [
            joined("and", [any_bone, joined("or", [young, birth]), f"not {explained}"]),
            joined("and", [any_bone, joined("or", toes)]),
        ],
    )
    return rule_define(rule, body, f"ask: {rule.id}")
