"""The readable trace as a tree, with links from rules and sources to the evidence pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cds_service.cards import not_understood
from cds_service.cards.explain import explain
from cds_service.cards.silence import why_silent
from cds_service.clinical.assessment import Assessment
from cds_service.clinical.chart import Chart
from cds_service.clinical.result import ORDERS
from cds_service.knowledge import evidence_places

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge

# The basis of a statement stands at its end: `[rule, source, source]`.
_BASIS = re.compile(r"(?P<text>.*) \[(?P<ids>[a-z0-9 ,-]+)\]")
_ROW = re.compile(r"row (?P<id>[a-z0-9-]+): ")
_DECIDED = "Decided for "


@dataclass(slots=True)
class Node:
    """One statement, what it rests on as (words, place below /evidence), and its details."""

    text: str
    basis: list[tuple[str, str | None]] = field(default_factory=list)
    details: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Branch:
    """A titled part of the tree. `decision` is `card` or `silence` where one was made."""

    title: str
    nodes: list[Node]
    decision: str | None = None


def grow(assessment: Assessment, chart: Chart, knowledge: Knowledge) -> list[Branch]:
    """The tree of one decision: first why something was said or not, then what it rests on."""
    links = _links(knowledge)
    sections = explain(assessment, chart, knowledge)
    decisions = ["card" if guidance.card else "silence" for guidance in assessment.guidances]
    first = [] if decisions or assessment.unassessable else [_why_silent(assessment, knowledge)]
    rest = []
    for section in sections:
        nodes = _nodes(section.lines, links)
        if section.title.startswith(_DECIDED):
            decision = decisions.pop(0)
            why = "Why this card" if decision == "card" else "Why silence"
            order = section.title.removeprefix(_DECIDED)
            first.append(Branch(f"{why}: {order}", nodes, decision))
        else:
            rest.append(Branch(section.title, nodes))
    return first + rest


def _why_silent(assessment: Assessment, knowledge: Knowledge) -> Branch:
    """What stands for all orders, where none was decided on its own: what was not understood, or
    the kinds that are looked at."""
    orders = [one for one in assessment.not_understood if one.input == ORDERS]
    if orders:
        details = [Node(one) for one in not_understood.lines(orders)]
    elif not assessment.orders:
        details = []
    else:
        kinds, links = knowledge.triggers.values(), _links(knowledge)
        details = [Node(rule.label, [(rule.id, links[rule.id])]) for rule in kinds]
    return Branch("Why silence", [Node(str(why_silent(assessment)), [], details)], "silence")


def _links(knowledge: Knowledge) -> Mapping[str, str]:
    sources = {id_: evidence_places.of_source(id_) for id_ in knowledge.evidence}
    return sources | evidence_places.of_rules(knowledge)


def _nodes(lines: Iterable[str], links: Mapping[str, str]) -> list[Node]:
    """Lines that are indented belong to the line above them."""
    nodes: list[Node] = []
    for line in lines:
        node = _node(line.strip(), links)
        (nodes[-1].details if line.startswith("  ") and nodes else nodes).append(node)
    return nodes


def _node(line: str, links: Mapping[str, str]) -> Node:
    if row := _ROW.match(line):
        return Node(line, [("decision table", evidence_places.of_row(row["id"]))])
    found = _BASIS.fullmatch(line)
    if found is None:
        return Node(line)
    return Node(found["text"], list(_basis(found["ids"], links)))


def _basis(ids: str, links: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    for word in ids.split(", "):
        yield word, links.get(word)
