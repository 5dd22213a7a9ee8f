"""`repeat_days` in the file of clients, and the key that it needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cds_service.cli.main import app
from cds_service.errors import CdsError
from tests.support.repeating import registered


@pytest.fixture(autouse=True)
def _data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CDS_DATA_DIR", str(tmp_path))


def run(*arguments: str) -> str:
    """What a command prints, or says when it fails."""
    result = CliRunner().invoke(app, arguments)
    return str(result.exception) if isinstance(result.exception, CdsError) else result.output


def test_the_days_need_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(registered(tmp_path, north={"repeat_days": 30}))
    without = run("clients", "check", file)
    assert "clients.toml:4: client 1, repeat_days: an earlier answer cannot be looked up" in without
    assert "CDS_REPEAT_KEY_FILE" in without

    monkeypatch.setenv("CDS_REPEAT_KEY_FILE", str(tmp_path / "keys" / "repeat.key"))
    assert "no key in CDS_REPEAT_KEY_FILE" in run("clients", "check", file)
    assert "A new key is in" in run("repeats", "rotate")
    assert run("clients", "check", file) == "north: mode live, repeat_days 30\n"

    monkeypatch.setenv("CDS_DATABASE_URL", "none")
    assert "CDS_DATABASE_URL" in run("clients", "check", file)


@pytest.mark.parametrize("days", [0, -1, 366, 1.5, "30"])
def test_days_that_cannot_be(days: object, tmp_path: Path) -> None:
    said = run("clients", "check", str(registered(tmp_path, north={"repeat_days": days})))
    assert "clients.toml:4: client 1, repeat_days:" in said


def test_to_rotate_needs_the_name_of_the_file(tmp_path: Path) -> None:
    assert "set CDS_REPEAT_KEY_FILE" in run("repeats", "rotate")


def test_a_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("CDS_REPEAT_KEY_FILE", str(tmp_path / "file" / "repeat.key"))
    assert "cannot write" in run("repeats", "rotate")
