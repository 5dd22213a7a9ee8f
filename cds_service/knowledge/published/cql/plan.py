"""The library HOPlan: the conditions of actions, each true or false and never null."""

from __future__ import annotations

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published.cql.rules import LibraryPart
from cds_service.knowledge.published.cql.text import define
from cds_service.knowledge.published.rows import actions


def part(knowledge: Knowledge) -> LibraryPart:
    """One define for each action of the PlanDefinition, under the words of the action."""
    defines = tuple(define(one.condition, one.cql, one.title) for one in actions(knowledge))
    return LibraryPart(defines, frozenset(), ())
