"""The conformance statements, the tests that show them, and the document made of both."""

from __future__ import annotations

import ast
import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from cds_service.cdshooks.conformance import elements

TESTS = Path(__file__).parents[1]
DOCUMENT = TESTS.parent / "docs" / "conformance.md"

SECTIONS = {
    "JS": "Transport and JSON",
    "DS": "Discovery",
    "RQ": "Requests",
    "PF": "Prefetch templates",
    "PD": "Use of prefetch",
    "FA": "FHIR access",
    "RS": "Answers",
    "ER": "Errors",
    "CD": "Cards",
    "SO": "Source of a card",
    "SG": "Suggestions",
    "AC": "Actions",
    "LK": "Links",
    "SY": "System actions",
    "CO": "Codings and override reasons",
    "FB": "Feedback",
    "AU": "Authentication",
    "CR": "CORS",
    "EX": "Extensions",
    "MD": "Markdown",
    "PE": "Performance and state",
    "FV": "FHIR releases",
    "HK": "Order hooks",
    "IN": "Checks of Inferno's Da Vinci CRD server suite that apply to any service",
    "LM": "Logical models of CDS Hooks 3.0",
}

HEAD = """\
# Conformance

What CDS Hooks asks of a service, statement by statement, and the tests that show that this service
does it. Versions: 1.0, 2.0 and 2.0.1 as published, `3b` the ballot of 3.0 (published as 2026Jan),
`ci` the working draft after it. Basis: `S` the text of the specification binds a service, `C` it
binds clients and the service relies on it or tolerates the contrary, `G` another guide, `R` our own
rule where the text says nothing.

Made by `scripts/conformance` from `tests/contract/statements.csv` and the marks
`@pytest.mark.statement(...)` of the tests, with the results of the run that wrote it. A test fails
when a statement of basis S or R has neither a test nor a reason, and when this page is out of date.
"""


@dataclass(frozen=True, slots=True)
class Statement:
    """One row of statements.csv. `untested` says why no test can show it."""

    id: str
    level: str
    versions: str
    basis: str
    statement: str
    untested: str

    @property
    def section(self) -> str:
        return self.id.partition("-")[0]

    @property
    def binds(self) -> bool:
        """Whether it has to have a test: the specification or our own rule binds the service."""
        return self.basis in {"S", "R"}


def load() -> tuple[Statement, ...]:
    """All statements, in the order of the checklist."""
    with (TESTS / "contract" / "statements.csv").open(newline="", encoding="utf-8") as file:
        return tuple(Statement(**row) for row in csv.DictReader(file))


def marked() -> dict[str, tuple[str, ...]]:
    """Statement ids with the tests that carry them, as `test_file.py::test_name`.

    Read from the source: it does not depend on which tests run.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(TESTS.rglob("test_*.py")):
        tree = ast.parse(path.read_bytes())
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for ident in _ids(node):
                    found[ident].add(f"{path.name}::{node.name}")
    return {ident: tuple(sorted(tests)) for ident, tests in found.items()}


def _ids(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for mark in node.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) in {
            "statement",
            "pytest.mark.statement",
        }:
            yield from (ast.literal_eval(argument) for argument in mark.args)


def elements_here() -> Mapping[str, Mapping[str, str]]:
    """What the service does with each element of the logical models, by the element."""
    with (TESTS / "contract" / "elements.csv").open(newline="", encoding="utf-8") as file:
        return {row["element"]: row for row in csv.DictReader(file)}


ELEMENTS = """\
## CDS Hooks 3.0, element by element

Every element of the logical models of CDS Hooks 3.0.0-ballot and of the contexts in the CDS Hooks
Library 2.0.0-ballot (HL7/cds-hooks fb10ca7, HL7/cds-hooks-library 5d04c4d), and of every invariant.
`sent`: some message of ours has it (CDS_SPEC_VERSION 3.0.0, a client that knows it); `never`: none
has; `read`: it changes the answer; `taken`: it is tolerated, and nothing hangs on it. A test
with the name of the element shows each; the statement says the same in the words of the text.

| element | cardinality | type | here | statement | shown by |
|---|---|---|---|---|---|
"""


def element_rows(cases: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """A row for each element and invariant. `cases` are the tests that ran with it, by its name."""
    here = elements_here()
    for element in elements.elements():
        row = here[element.id]
        short = element.id.partition(".")[2]
        shown = sorted({*cases.get(element.id, ()), *cases.get(short, ())})
        cells = (f"`{element.id}`", element.card, element.kind.replace(" | ", ", "), row["here"],
                 row["statement"], "<br>".join(f"`{test}`" for test in shown))  # fmt: skip
        yield f"| {' | '.join(cells)} |"
    for invariant in elements.INVARIANTS.values():
        shown = sorted(cases.get(invariant.id, ()))
        cells = (f"`{invariant.id}`", invariant.severity, f"invariant: {invariant.text}",
                 "kept" if invariant.model == elements.ANSWER else "known", "LM-02",
                 "<br>".join(f"`{test}`" for test in shown))  # fmt: skip
        yield f"| {' | '.join(cells)} |"


def document(results: Mapping[str, str], cases: Mapping[str, Iterable[str]]) -> str:
    """The page, with results by test as `test_file.py::test_name`: passed, failed or skipped.
    `cases` are the tests that ran for one element, by its name."""
    tests = marked()
    rows = load()
    shown = [row for row in rows if row.id in tests]
    failed = [test for test, result in results.items() if result == "failed"]
    binding = [row for row in rows if row.binds]
    covered = sum(row.id in tests for row in binding)
    head = (
        f"{HEAD}\n{len(rows)} statements, {len(shown)} with tests; {len(binding)} bind the service "
        f"(S, R), {covered} of them with tests. {len(results)} tests, {len(failed)} failed.\n"
    )
    parts = [head]
    for section, group in groupby(rows, key=lambda row: row.section):
        lines = [_row(row, tests.get(row.id, ()), results) for row in group]
        title = (
            f"## {SECTIONS[section]}\n\n| id | level | versions | basis | statement | shown by |"
        )
        parts.append("\n".join([title, "|---|---|---|---|---|---|", *lines]) + "\n")
    parts.append(ELEMENTS + "\n".join(element_rows(cases)) + "\n")
    return "\n".join(parts)


def _row(row: Statement, tests: tuple[str, ...], results: Mapping[str, str]) -> str:
    shown = "<br>".join(f"`{test}` {results.get(test, 'not run')}" for test in tests)
    cells = (row.id, row.level, row.versions, row.basis, row.statement)
    said = shown or (f"no test: {row.untested}" if row.untested else "no test")
    return f"| {' | '.join(cells)} | {said} |"
