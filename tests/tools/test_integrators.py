"""What docs/integrators.md shows can be copied: commands, CI steps, the overlay."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from cds_service.cli.main import app
from cds_service.knowledge.loader import load
from cds_service.tools.validate.engine import Options, Validator
from tests.support.builders import request
from tests.support.constants import ROOT

TEXT = (ROOT / "docs" / "integrators.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```", TEXT, re.DOTALL)
    assert found
    return found[1]


COMMANDS = re.findall(r"^(?:\S+=\S+ |cat .*\| )?(cds-service [^#\n]+)", TEXT, re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_exists_with_its_options(line: str) -> None:
    words = line.split()[1:]
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "get_command"):
        command = command.get_command(None, words.pop(0))
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_there_are_commands_to_look_at() -> None:
    assert len(COMMANDS) > 10


def test_the_ci_step_names_commands_that_exist() -> None:
    steps = yaml.safe_load(block("action"))["jobs"]["validate"]["steps"]
    assert any("cds-service validate" in str(step.get("run")) for step in steps)


def test_the_pre_commit_hook_is_the_one_that_is_offered() -> None:
    [offered] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    [repo] = yaml.safe_load(block("pre-commit"))["repos"]
    assert repo["hooks"][0]["id"] == offered["id"]
    assert offered["entry"] == "cds-service validate"


def test_the_overlay_maps_a_local_code(tmp_path: Path) -> None:
    folder = tmp_path / "valuesets"
    folder.mkdir()
    (folder / "hip-total-primary.json").write_text(block("overlay"))
    call = request({"patient": {"age": 60, "sex": "female"}, "orders": ["local ORTHO-THA Hip"],
                    "chart": {"conditions": ["sct 444748003 HO"]}})  # fmt: skip
    order = call["context"]["draftOrders"]["entry"][0]["resource"]
    order["code"]["coding"][0]["system"] = "https://hospital.example.org/orders"
    data = json.dumps(call).encode()
    options = Options(today=date(2026, 11, 23))
    before = Validator(options).check(data)
    after = Validator(options, load(tmp_path)).check(data)
    assert "local-code" in {finding.kind for finding in before.findings}
    assert not before.answer.cards
    assert "local-code" not in {finding.kind for finding in after.findings}
    assert after.answer.cards[0].card == "high-risk"
