"""`clients check`: all that a SIGHUP would refuse, the content of single clients, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cds_service.cli.main import app
from cds_service.errors import CdsError
from tests.support.repeating import registered

CALM = """overlay:
  name: Example
  variants: {moderate-risk: {calm: {}}}
"""


@pytest.fixture(autouse=True)
def _data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CDS_DATA_DIR", str(tmp_path))


def check(folder: Path, **clients: Any) -> tuple[int, str]:
    """Exit code of the command, and all that it says."""
    result = CliRunner().invoke(app, ["clients", "check", str(registered(folder, **clients))])
    if isinstance(result.exception, CdsError):
        return 1, result.output + str(result.exception)
    return result.exit_code, result.output


def overlay(folder: Path, text: str) -> None:
    folder.mkdir(parents=True)
    (folder / "overlay.yaml").write_text(text)


def test_overlays_of_clients_are_read(tmp_path: Path) -> None:
    overlay(tmp_path / "sites" / "east", "overlay:\n  name: East\n")
    assert check(tmp_path, east={"overlay": "sites/east"}) == (0, "east: mode live\n")


def test_every_mistake_of_every_overlay_is_told(tmp_path: Path) -> None:
    overlay(tmp_path / "east", "overlay:\n  name: East\n  rules: {no-such-rule: off}\n")
    overlay(tmp_path / "west", "overlay:\n  nme: West\n")
    clients = {
        "north": {"overlay": "east"},
        "east": {"overlay": "east"},
        "west": {"overlay": "west"},
        "south": {"overlay": "nowhere"},
    }
    code, said = check(tmp_path, **clients)
    assert code == 1
    assert said.count("no-such-rule") == 1, "one overlay of two clients is told once"
    assert f"overlay {tmp_path / 'east'}: " in said
    assert "overlay.yaml:3" in said
    assert f"overlay {tmp_path / 'west'}: " in said
    assert f"overlay {tmp_path / 'nowhere'}: " in said


def test_variants_without_a_key_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overlay(tmp_path / "east", CALM)
    code, said = check(tmp_path, east={"overlay": "east"})
    assert (code, "CDS_USER_KEY" in said) == (1, True)
    monkeypatch.setenv("CDS_USER_KEY", "a key of users for tests")
    assert check(tmp_path, east={"overlay": "east"})[0] == 0


def test_a_pin_to_another_version_is_a_warning(tmp_path: Path) -> None:
    code, said = check(tmp_path, north={"knowledge": "2020.01+00"})
    assert code == 0
    assert "warning: north is pinned to knowledge 2020.01+00" in said
    assert "503" in said
