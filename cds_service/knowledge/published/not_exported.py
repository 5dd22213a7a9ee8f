"""What the package does not say, rule by rule, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published.cql.libraries import cql
from cds_service.knowledge.published.cql.rules import Lost

_ORDER: Final = ("not exported", "a question", "in part")
_SAID: Final = {
    "not exported": "Nothing of these is in the package.",
    "a question": "Where one of these may hold, the define is null (unknown) and its action asks.",
    "in part": "These are exported, and what is named here is not looked at.",
}


def as_markdown(knowledge: Knowledge) -> str:
    """One table for each way in which something is lost; rules with one reason share a line."""
    lost = knowledge.once(cql).lost
    parts = []
    for how in _ORDER:
        parts += [f"### {how[0].upper()}{how[1:]}", "", _SAID[how], ""]
        parts += ["| part of the content | rules | what |", "|---|---|---|"]
        parts += [f"| {part} | {ids} | {why} |" for part, ids, why in _lines(lost, how)]
        parts.append("")
    return "\n".join(parts)


def _lines(lost: Iterable[Lost], how: str) -> Iterator[tuple[str, str, str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for one in lost:
        if one.how == how:
            for why in one.why:
                found.setdefault((one.part, why), []).append(f"`{one.rule}`")
    for (part, why), ids in found.items():
        yield part, ", ".join(dict.fromkeys(ids)), why
