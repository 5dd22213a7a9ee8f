"""What docs/threat-model.md says to be shown by a test is shown by a test."""

from __future__ import annotations

import re

import pytest

from cds_service.ops.settings import Settings
from tests.support.constants import ROOT

TEXT = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
TESTS = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TEXT)
NAMES = re.findall(r"\bCDS_[A-Z_]+\b", TEXT)


def test_it_names_tests() -> None:
    assert len(TESTS) > 20


@pytest.mark.parametrize(("path", "name"), TESTS)
def test_a_test_that_is_named_is_there(path: str, name: str) -> None:
    content = (ROOT / path).read_text(encoding="utf-8")
    assert not name or re.search(rf"^(async )?def {name}\(", content, re.MULTILINE)


def test_settings_that_are_named_are_there() -> None:
    assert NAMES
    assert {name.removeprefix("CDS_").lower() for name in NAMES} <= set(Settings.model_fields)
