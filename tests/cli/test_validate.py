"""The command `validate`: inputs, forms of output, exit codes, many files."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cds_service.cli.main import app
from cds_service.tools.validate.files import files, tasks
from tests.support.validating import CLEAN, SCT, WARNED, condition

TODAY = "2026-11-23"
HOSTILE = "[red]x[/red]\x1b]0;title\x07\u202e"


def validate(*arguments: str | Path, **more: Any) -> Result:
    return CliRunner().invoke(app, ["validate", "--today", TODAY, *map(str, arguments)], **more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "clean.json").write_text(CLEAN)
    (tmp_path / "sub" / "warned.json").write_text(WARNED)
    (tmp_path / "sub" / "lines.ndjson").write_text(f"{CLEAN}\n\n{WARNED}\n")
    (tmp_path / ".hidden" / "no.json").write_text("{")
    (tmp_path / "notes.txt").write_text("not looked at")
    return tmp_path


def test_exit_codes(folder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"a":')
    noted = tmp_path / "noted.json"
    noted.write_text(json.dumps(condition(code={"text": "HO"})))
    assert validate(folder / "clean.json").exit_code == 0
    assert validate(noted).exit_code == 0  # notes do not count
    assert validate(folder / "sub" / "warned.json").exit_code == 1
    assert validate(bad).exit_code == 2
    assert validate(tmp_path / "nowhere").exit_code == 2
    assert validate(tmp_path / ".hidden" / "x", "--release", "R9").exit_code == 2


@pytest.mark.parametrize("order", ["nonsense", ""])
def test_an_order_that_no_value_set_knows_is_refused_for_any_file(folder: Path, order: str) -> None:
    result = validate(folder / "clean.json", "--order", order)
    assert result.exit_code == 2
    assert result.stderr.startswith("--order: neither hip nor a code")
    assert validate(folder / "clean.json", "--order", "hip").exit_code == 0


def test_folders_and_lines_are_walked(folder: Path) -> None:
    found = [(t.name.removeprefix(f"{folder}/"), t.line) for t in tasks(files([str(folder)]))]
    assert found == [
        ("clean.json", 1), ("sub/lines.ndjson", 1), ("sub/lines.ndjson", 3), ("sub/warned.json", 1),
    ]  # fmt: skip


def test_a_line_of_ndjson_has_its_line_in_the_file(folder: Path) -> None:
    result = validate(folder / "sub" / "lines.ndjson", "--format", "json")
    second = json.loads(result.output)["documents"][1]
    assert (second["line"], second["findings"][0]["line"]) == (3, 3)


def test_standard_input_is_one_document_or_many() -> None:
    assert validate("-", input=CLEAN).exit_code == 0
    pretty = json.dumps(json.loads(WARNED), indent=2)
    for text, documents in ((pretty, 1), (f"{CLEAN}\n{WARNED}\n", 2)):
        told = json.loads(validate("-", "--format", "json", input=text).output)
        assert told["summary"]["documents"] == documents


def test_the_text_names_layers_lines_and_mends(folder: Path) -> None:
    result = validate(folder / "sub" / "warned.json")
    for words in ("content", "warning", "line 1", "status-missing", "$.clinicalStatus", "mend:",
                  "Condition/c1: used, ho-postoperative", "answer"):  # fmt: skip
        assert words in result.output


def test_text_of_a_chart_is_shown_and_not_interpreted(tmp_path: Path) -> None:
    file = tmp_path / "hostile.json"
    coding = {"system": HOSTILE, "code": HOSTILE, "display": HOSTILE}
    file.write_text(json.dumps(condition(coding, bogus=HOSTILE, **{HOSTILE: 1})))
    for form in ("text", "json", "sarif", "junit"):
        result = validate(file, "--format", form, "--verbose")
        assert result.exit_code == 1
        assert "\x1b" not in result.output
        assert "\u202e" not in result.output
    assert "[red]x[/red]" in validate(file).output


def test_the_machine_readable_forms_can_be_read(folder: Path) -> None:
    told = json.loads(validate(folder, "--format", "json").output)
    assert told["summary"]["kinds"] == {"status-missing": 2}
    assert told["documents"][0]["answer"]["silences"]
    sarif = json.loads(validate(folder, "--format", "sarif").output)
    [sarif_run] = sarif["runs"]
    result = sarif_run["results"][0]
    rule = sarif_run["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert rule["id"] == result["ruleId"] == "status-missing"
    place = result["locations"][0]["physicalLocation"]
    assert place["region"]["startLine"] == 3
    suite = ET.fromstring(validate(folder, "--format", "junit").output.encode())[0]  # noqa: S314
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "2", "0")
    assert len(suite.findall(".//failure")) == 2


def test_fix_suggestions_are_a_json_patch(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "number.json"
    file.write_text(json.dumps(condition({"system": SCT, "code": 444748003})))
    one = validate(file, "--fix-suggestions")
    assert [step["op"] for step in json.loads(one.output)] == ["test", "replace"]
    several = validate(file, folder / "clean.json", file, "--fix-suggestions")
    lines = [json.loads(line) for line in several.output.splitlines()]
    assert [line["patch"][1]["value"] for line in lines] == ["444748003", "444748003"]
    assert json.loads(validate(folder / "clean.json", "--fix-suggestions").output) == []


def test_an_error_of_the_tool_does_not_end_a_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cds_service.tools.validate import structure

    monkeypatch.setattr(structure, "_MODULES", {"R4": "no.such.module"})
    monkeypatch.setattr(structure, "_model", lambda kind, release: 1 / 0)
    told = json.loads(validate(folder, "--format", "json").output)
    assert told["summary"]["kinds"] == {"internal-error": 4}
    assert "ZeroDivisionError" in told["documents"][0]["findings"][0]["message"]
