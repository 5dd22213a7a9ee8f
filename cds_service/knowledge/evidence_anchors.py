"""Names of the places on the evidence page. Links from cards rest on them, so they never change."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge

PAGE = "/evidence"


def of_rules(knowledge: Knowledge) -> dict[str, str]:
    """The anchor of every rule, by its id; ids of rules are unique over all kinds."""
    kinds = {
        "trigger": knowledge.triggers,
        "genetic": knowledge.genetic,
        "factor": knowledge.factors,
        "modifier": knowledge.modifiers,
        "not-counted": knowledge.non_factors,
        "exclusion": knowledge.exclusions,
        "option": knowledge.options,
        "regimen": knowledge.regimens,
        "protection": {knowledge.protection.id: knowledge.protection},
    }
    return {id_: f"{kind}-{id_}" for kind, rules in kinds.items() for id_ in rules}


def of_card(card: str) -> str:
    """The anchor of a card."""
    return f"card-{card}"


def of_row(row: str) -> str:
    """The anchor of a row of the decision table."""
    return f"row-{row}"


def of_source(evidence: str) -> str:
    """The anchor of an entry of the evidence."""
    return f"source-{evidence}"


def of_debate(controversy: str) -> str:
    """The anchor of a controversy."""
    return f"debate-{controversy}"
