"""The decisions as a PlanDefinition: event (order-sign), condition, action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published.common import (
    BEFORE_USE,
    OWN_LICENCE,
    THO,
    Resource,
    citation,
    head,
    url_of,
)
from cds_service.knowledge.published.rows import PlanAction, tree

PLAN: Final = "ho-order-sign"
_HOOK: Final = "order-sign"
_PRIORITY: Final = {"critical": "stat", "warning": "urgent", "info": "routine"}


def plan_definitions(knowledge: Knowledge) -> Mapping[str, Resource]:
    """The one PlanDefinition; for `Knowledge.once`."""
    meta = knowledge.meta
    made = {
        **head("PlanDefinition", PLAN, meta.title, knowledge),
        "type": {"coding": [{"system": f"{THO}plan-definition-type", "code": "eca-rule"}]},
        "description": meta.intended_use,
        "usage": " ".join((*meta.limits, *BEFORE_USE)),
        "copyright": OWN_LICENCE,
        "lastReviewDate": meta.reviewed.isoformat(),
        "relatedArtifact": [citation(source) for source in knowledge.evidence.values()],
        "library": [_logic(knowledge)],
        "action": [
            {
                "id": "order-sign",
                "title": "When an order is signed",
                "trigger": [{"type": "named-event", "name": _HOOK}],
                "groupingBehavior": "logical-group",
                "selectionBehavior": "any",
                "action": [_action(one, knowledge) for one in tree(knowledge)],
            }
        ],
    }
    return {PLAN: made}


def _logic(knowledge: Knowledge) -> str:
    """The library whose defines the conditions name. An engine keeps a named library translated; of
    an expression (`text/cql`) it makes one of its own, and may translate all anew each time."""
    return f"{url_of('Library', 'HOPlan')}|{knowledge.version}"


def _action(one: PlanAction, knowledge: Knowledge) -> Resource:
    made: Resource = {
        "id": one.id.replace(": ", "-").replace(" ", "-"),
        "prefix": f"row {one.row}",
        "title": one.title,
        "description": one.description,
        "priority": _PRIORITY[one.indicator],
        "documentation": [citation(knowledge.evidence[id_]) for id_ in one.evidence],
        "condition": [
            {
                "kind": "applicability",
                "expression": {
                    "language": "text/cql-identifier",
                    "expression": one.condition,
                    "reference": _logic(knowledge),
                },
            }
        ],
    }
    if one.children:
        made["groupingBehavior"] = "logical-group"
        made["selectionBehavior"] = "at-most-one" if one.one_of else "any"
        made["action"] = [_action(child, knowledge) for child in one.children]
    if one.definition is not None:
        definition = url_of("ActivityDefinition", one.definition)
        made["definitionCanonical"] = f"{definition}|{knowledge.version}"
    return {name: value for name, value in made.items() if value}
