"""The published JSON Schema: up to date, true of the content, and against what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from cds_service.cli import knowledge as knowledge_cli
from cds_service.knowledge.json_schema import FILE, content_schema
from cds_service.knowledge.loader import CONTENT
from cds_service.knowledge.reading import FILES

VALIDATOR = jsonschema.Draft202012Validator(content_schema())


def read(name: str) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((CONTENT / name).read_text(encoding="utf-8"))
    return data


def problems(data: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(data)]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(content_schema())


def test_the_file_beside_the_content_is_up_to_date(tmp_path: Path) -> None:
    written = tmp_path / "schema.json"
    outcome = CliRunner().invoke(knowledge_cli.app, ["schema", "--out", str(written)])
    assert outcome.exit_code == 0
    command = f"cds-service knowledge schema --out {(CONTENT / FILE).name}"
    assert (CONTENT / FILE).read_text() == written.read_text(), f"run `{command}` in content/"


def test_the_command_prints_the_schema() -> None:
    outcome = CliRunner().invoke(knowledge_cli.app, ["schema"])
    assert json.loads(outcome.stdout) == content_schema()


@pytest.mark.parametrize("name", FILES)
def test_every_content_file_is_valid_and_names_the_schema(name: str) -> None:
    assert problems(read(name)) == []
    first = (CONTENT / name).read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema={FILE}"


def test_a_site_overlay_is_valid() -> None:
    assert problems({"overlay": {"name": "Site", "options": {"radiotherapy": False}}}) == []


@pytest.mark.parametrize(
    ("name", "path", "wrong"),
    [
        ("factors.yaml", ("factors", 0, "tier"), "hihg"),
        ("factors.yaml", ("factors", 0, "teir"), "high"),
        ("factors.yaml", ("factors", 0, "when"), {"age": {"below": 3}, "sex": {"sex": "male"}}),
        ("genetic.yaml", ("genetic", 0, "cards"), {"biopsy": "fop-biopsy"}),
        ("genetic.yaml", ("genetic", 0, "cards", "blok"), "fop-block"),
        ("options.yaml", ("regimens", 0, "course", "days"), 400),
        ("cards.yaml", ("links", 0, "url"), "http://www.iccfop.org"),
        ("meta.yaml", ("meta", "tier_high_at"), 1),
        ("triggers.yaml", ("trigers",), []),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_what_is_wrong_is_refused(name: str, path: tuple[str | int, ...], wrong: Any) -> None:
    data: Any = read(name)
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = wrong
    assert problems(data)


def test_a_key_that_its_file_needs_is_asked_for() -> None:
    data = read("cards.yaml")
    del data["links"]
    assert problems(data)


def test_an_overlay_with_an_unknown_member_is_refused() -> None:
    assert problems({"overlay": {"name": "Site", "rule": {}}})
