"""What a library of rules is made of, and what of a rule is not exported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cds_service.knowledge.published.cql.text import define
from cds_service.knowledge.schema import Rule

How = Literal["not exported", "a question", "in part"]
"""Nothing of it; asked where it may hold; exported, and something is not looked at."""


@dataclass(frozen=True, slots=True)
class Lost:
    """What CQL does not say of one rule: `part` of the content, `rule` its id, `why` in words."""

    part: str
    rule: str
    how: How
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LibraryPart:
    """The defines of one library, the value sets they name, and what is not exported of them."""

    defines: tuple[str, ...]
    used: frozenset[str]
    lost: tuple[Lost, ...]


def rule_define(rule: Rule, body: str, name: str | None = None, *said: str | None) -> str:
    """The define of a rule under its label, statement, figure, strength and sources."""
    sources = f" Sources: {', '.join(rule.evidence)}." if rule.evidence else ""
    convention = " A convention." if rule.convention else ""
    return define(
        name or rule.id,
        body,
        f"{rule.id}: {rule.label}",
        rule.statement,
        f"Figure: {rule.figure}" if rule.figure else None,
        f"Strength: {rule.strength}.{convention}{sources}",
        *said,
    )


def lost_of(part: str, rule: str, lost: list[str]) -> tuple[Lost, ...]:
    """What was lost while a rule was written: a question where its answer can only be one."""
    if not lost:
        return ()
    asks = any("is not said" in why for why in lost)
    return (Lost(part, rule, "a question" if asks else "in part", tuple(lost)),)
