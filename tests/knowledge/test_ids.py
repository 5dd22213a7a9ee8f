"""Ids of the clinical content in Python: in `knowledge/names.py`, or listed here with a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

import pytest

import cds_service
from cds_service.knowledge.loader import load
from cds_service.knowledge.model import Content

PACKAGE = Path(cds_service.__file__).parent
HOME = "knowledge/names.py"

# Modules that may name ids of the content, and why. A module that names none is taken off again.
ALLOWED: Mapping[str, str] = {
    "guidance.py": "tells which card each row of the decision table gives",
    "knowledge/checks.py": "refuses content without the cards of guidance, and a drug's wrong code",
    "knowledge/published/code_systems.py": "describes our code systems; a value set has one's name",
    # The package says in CQL what `clinical` and `fhir` say in Python of the same value sets.
    "knowledge/published/cql/libraries.py": "sides and sites that HOFacts asks of",
    "knowledge/published/cql/orders.py": "what an order is, and its route",
    "knowledge/published/cql/results.py": "results and their units",
    "knowledge/published/cql/tests.py": "where a finding is",
    "knowledge/published/plan_definition.py": "the service whose hook triggers the plan",
    "knowledge/published/rows.py": "rows of the decision table as actions, as guidance.py has them",
    "server/pages/demo.py": "draws demonstration figures, in which cards have their usual shares",
    "server/pages/playground.py": "has a button for one result",
    "tools/synthetic/truth.py": "is a second decision table, written apart to test the first",
    # A population tells what each of its past orders must meet, apart from what decides.
    "tools/synthetic/population/elective.py": "what people of an elective list take and have",
    "tools/synthetic/population/genetic.py": "orders beside FOP, and the cards they meet",
    "tools/synthetic/population/history.py": "factors that HO on record gives",
    "tools/synthetic/population/hips.py": "hip orders, and the cards they meet",
    # Value sets that readers look for themselves; they belong into names.py.
    "cards/repeats.py": "names topics of cards, one of which is an id as well",
    "knowledge/genetic_cards.py": "tells which cards are about genetic HO",
    "cards/suggestions.py": "where an order is",
    "clinical/existing_prophylaxis.py": "what speaks for HO, and for a tumour",
    "clinical/order_question.py": "the cards of an order that may be of a kind that is looked at",
    "clinical/laboratory.py": "results and answers",
    "clinical/outcome.py": "the card that gives way to another",
    "fhir/codings.py": "sides, sites, routes and compounds",
    "fhir/mentions.py": "codes that make words superfluous",
    "fhir/observation.py": "an answer",
}
# Words of the schema, of FHIR or of code that happen to be ids as well.
WORDS = frozenset(
    {"age", "biopsy", "declined", "epic", "fop", "gnas", "poh", "nsaid", "radiotherapy", "uk"}
)

# Parts whose ids are closed lists of the schema: states, inputs, and what can follow.
CLOSED = frozenset({"states", "meanings", "effects"})


def content_ids() -> frozenset[str]:
    knowledge = load()
    parts = (getattr(knowledge, f.name) for f in fields(Content) if f.name not in CLOSED)
    found = {id_ for part in parts if isinstance(part, Mapping) for id_ in part}
    return frozenset(found | {one.id for one in knowledge.unknown_checks}) - WORDS


def strings(path: Path) -> Iterator[ast.Constant]:
    """Every text in a module that is no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            yield node


@pytest.fixture(scope="module")
def named() -> dict[str, list[str]]:
    """Ids of the content by the module that names them, with the lines."""
    ids, found = content_ids(), {}
    for path in sorted(PACKAGE.rglob("*.py")):
        lines = [f"{s.lineno}: {s.value}" for s in strings(path) if s.value in ids]
        if lines:
            found[path.relative_to(PACKAGE).as_posix()] = lines
    return found


def test_no_other_module_names_an_id_of_the_content(named: dict[str, list[str]]) -> None:
    assert {module: ids for module, ids in named.items() if module not in {HOME, *ALLOWED}} == {}


def test_what_is_allowed_is_still_needed(named: dict[str, list[str]]) -> None:
    assert sorted(set(ALLOWED) - set(named)) == []
