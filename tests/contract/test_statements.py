"""Every conformance statement that binds the service is shown by a test, and the page says so."""

from __future__ import annotations

import re

from tests.support.statements import DOCUMENT, SECTIONS, load, marked


def test_every_binding_statement_has_a_test_or_a_reason() -> None:
    tests = marked()
    bare = [row.id for row in load() if row.binds and row.id not in tests and not row.untested]

    assert bare == []


def test_what_is_said_to_be_untested_has_no_test() -> None:
    tests = marked()

    assert [row.id for row in load() if row.untested and row.id in tests] == []


def test_tests_name_statements_that_exist() -> None:
    known = {row.id for row in load()}

    assert sorted(marked().keys() - known) == []
    assert {row.section for row in load()} == set(SECTIONS)


def test_the_page_is_up_to_date() -> None:
    """Results are those of the run that wrote it; statements and tests are those of today."""
    page = DOCUMENT.read_text(encoding="utf-8")
    tests = marked()
    for row in load():
        lines = re.findall(rf"^\| {row.id} \|.*$", page, re.MULTILINE)
        assert len(lines) == 1, f"{row.id}: run scripts/conformance"
        assert row.statement in lines[0], f"{row.id}: run scripts/conformance"
        named = set(re.findall(r"`([^`]+\.py::[^`]+)` (?:passed|skipped)", lines[0]))
        assert named == set(tests.get(row.id, ())), f"{row.id}: run scripts/conformance"
