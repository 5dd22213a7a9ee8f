"""Habits of a good command line: help, examples, completion, singular and plural, whole ids."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cds_service.cards.terminal import counted
from cds_service.cli import main
from tests.cli.test_check import Result
from tests.support.constants import FIXTURES


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all commands."""
    if not hasattr(group, "list_commands"):
        yield path
        return
    for name in group.list_commands(None):
        yield from commands(group.get_command(None, name), (*path, name))


PATHS = sorted(commands(typer.main.get_command(main.app)))


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_command_has_short_help_with_an_example(path: tuple[str, ...]) -> None:
    shown = Result(*path, "-h")

    assert shown.code == 0
    assert f"cds-service {' '.join(path)}" in shown.out.split("Example", 1)[1]
    assert shown.out == Result(*path, "--help").out


def test_examples_name_options_that_exist() -> None:
    for path in PATHS:
        text = Result(*path, "-h").out
        table = "\n".join(line for line in text.splitlines() if line.startswith("│"))
        options = set(re.findall(r"(?<![\w-])--[a-z-]+", table))
        said = text.split("Example", 1)[1].split("╭")[0]
        assert set(re.findall(r"(?<![\w-])--[a-z-]+", said)) <= options, path


def test_completion_can_be_installed() -> None:
    assert "--install-completion" in Result("--help").out


@pytest.mark.parametrize(("number", "said"), [(0, "0 codes"), (1, "1 code"), (2, "2 codes")])
def test_singular_and_plural(number: int, said: str) -> None:
    assert counted(number, "code") == said


def test_the_request_of_the_readme_is_clean() -> None:
    shown = Result("validate", str(FIXTURES / "readme.json"))

    assert shown.code == 0
    assert "1 document: 1 clean, 0 with findings, 0 unusable" in shown.out


def test_no_id_is_cut_in_a_pipe() -> None:
    whole = json.loads(Result("validate", str(FIXTURES), "--format", "json").out)
    text = CliRunner().invoke(main.app, ["validate", str(FIXTURES)]).stdout

    assert all(one["file"] in text for one in whole["documents"] if one["findings"])
    assert "…" not in text
