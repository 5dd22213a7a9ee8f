"""Addresses of the evidence pages: where a rule, a card, a row or a source is told about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cds_service.knowledge.model import Content

PAGE = "/evidence"
"""The landing page. What the functions here give follows it: a path below it, or an anchor."""


def kinds(content: Content) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every kind of rule that has pages: the part of the address, and its rules by id."""
    protection = content.protection
    yield "genetic", content.genetic
    yield "factors", content.factors
    yield "modifiers", content.modifiers
    yield "not-counted", content.non_factors
    yield "options", {**content.options, **content.regimens, protection.id: protection}
    yield "exclusions", content.exclusions
    yield "orders", content.triggers
    yield "harms", {**content.harms, **content.kept}
    yield "harmless", {**content.harmless, **content.never}


def of_rules(content: Content) -> dict[str, str]:
    """The page of every rule, by its id; ids of rules are unique over all kinds."""
    return {id_: f"/{kind}/{id_}" for kind, rules in kinds(content) for id_ in rules}


def of_card(card: str) -> str:
    """The page of a card."""
    return f"/cards/{card}"


def of_line(card: str, line: str) -> str:
    """The place of one line of a card: found, advised, avoid, check, benefit, limits."""
    return f"/cards/{card}#{line}"


def of_row(row: str) -> str:
    """The place of a row of the decision table."""
    return f"#row-{row}"


def of_source(evidence: str) -> str:
    """The page of an entry of the evidence."""
    return f"/sources/{evidence}"


def of_debate(controversy: str) -> str:
    """The place of a controversy."""
    return f"/debates#debate-{controversy}"


def of_unknown(check: str) -> str:
    """The place of what is said of an input or a result that is not known."""
    return f"/unknown#unknown-{check}"


def of_value_set(value_set: str) -> str:
    """The page of a value set."""
    return f"/codes/{value_set}"
