"""The pages for people keep to docs/writing.md; tests/prose.yaml lists what may not stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.support.constants import ROOT

RULES = yaml.safe_load((ROOT / "tests" / "prose.yaml").read_text(encoding="utf-8"))
GENERATED = {"cases.md", "world.md", "conformance.md", "completeness.md", "burden.md"}
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
PAGES += [page for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in GENERATED]
_CODE = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)|<!-- .*? -->", re.S)
_LONGEST = 45  # words of a sentence


def prose(page: Path) -> str:
    """The text without code, addresses and comments; lines stay where they are."""
    return _CODE.sub(_kept_lines, page.read_text(encoding="utf-8"))


def _kept_lines(code: re.Match[str]) -> str:
    return "\n" * code[0].count("\n") or "x"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_words_that_hide_the_meaning(page: Path) -> None:
    if page.name == "writing.md":
        return  # it quotes them
    found = [
        f"{page.name}:{number}: {match[0]!r}: write {rule['instead']}"
        for number, line in enumerate(prose(page).splitlines(), 1)
        for rule in RULES
        for match in re.finditer(rule["words"], line, re.I)
        if not any(allowed in line for allowed in rule.get("but", ()))
    ]

    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_sentence_is_read_twice(page: Path) -> None:
    """None is longer than 45 words; cells of tables are read one by one."""
    text = re.sub(r"^(?:#.*|\|[-|]+)$", "", prose(page), flags=re.M)
    parts = re.split(r"\||\n\n|\n(?=[-#\d>|])|[.:;?!](?=\s)", text)
    long = [" ".join(part.split()) for part in parts if len(part.split()) > _LONGEST]

    assert not long, "\n".join(long)


def test_every_page_stands_in_the_navigation() -> None:
    listed = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    missing = [page.name for page in (ROOT / "docs").glob("*.md") if f'"{page.name}"' not in listed]

    assert not missing
