"""What the README says is true of the code."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.support.constants import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_generated_parts_are_up_to_date() -> None:
    """Card, request, answer, prefetch and settings: `.venv/bin/python scripts/docs` writes them."""
    check = subprocess.run(
        [sys.executable, "scripts/docs", "--check"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip

    assert check.returncode == 0, check.stderr


def test_the_picture_of_the_house_is_up_to_date() -> None:
    check = subprocess.run(
        [sys.executable, "scripts/house", "--check"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip

    assert check.returncode == 0, check.stderr


def test_the_site_is_built_and_no_link_leads_nowhere(tmp_path: Path) -> None:
    copy = tmp_path / "repository"
    shutil.copytree(ROOT / "docs", copy / "docs")
    shutil.copy(ROOT / "zensical.toml", copy)
    build = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        capture_output=True, text=True, cwd=copy, check=False,
    )  # fmt: skip

    assert build.returncode == 0, build.stdout + build.stderr
    for page in (ROOT / "docs").glob("*.md"):
        name = "index.html" if page.stem == "index" else f"{page.stem}/index.html"
        assert (copy / "site" / name).is_file(), name


def test_every_dependency_has_its_reason() -> None:
    groups = PROJECT["dependency-groups"]
    named = PROJECT["project"]["dependencies"] + groups["build"] + groups["dev"]
    for requirement in named:
        if isinstance(requirement, str):
            name = re.split(r"[\[<>=;]", requirement)[0]
            assert name.lower() in README.lower(), name


def test_files_that_are_named_exist() -> None:
    for path in re.findall(r"\b(?:tests|scripts|cds_service)/[\w./-]*\w", README):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"\]\(([A-Z]+(?:\.md)?)\)", README):
        assert (ROOT / path).is_file(), path


def test_lock_files_name_no_index() -> None:
    for name in ("requirements.lock", "requirements-otel.lock", "requirements-dev.lock"):
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        assert not [line for line in lines if line.startswith("-") or "://" in line]
        assert all("==" in line for line in lines if re.match(r"[a-z]", line))
        assert sum("--hash=sha256:" in line for line in lines) > len(lines) / 2


def test_scripts_can_be_run() -> None:
    for name in ("scripts/serve", "scripts/test", ".ci/run"):
        path = ROOT / name
        assert path.stat().st_mode & 0o111, name
        assert path.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash"), name


def test_tests_that_are_named_exist() -> None:
    """`tests/x.py::test_y`, and `::test_y` of the file that was named before it."""
    for document in sorted((ROOT / "docs").glob("*.md")):
        source = ""
        for path, name in re.findall(
            r"`(tests/[\w/]+\.py)?(?:::(test_\w+))?`", document.read_text(encoding="utf-8")
        ):
            source = (ROOT / path).read_text(encoding="utf-8") if path else source
            assert not name or f"def {name}(" in source, f"{document.name}: {path}::{name}"
