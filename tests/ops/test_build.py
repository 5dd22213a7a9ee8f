"""What the program says of the build that it is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from cds_service.knowledge import loader, reading
from cds_service.ops import build
from tests.support.constants import ROOT

ASK = "from cds_service.ops import build; print(build.commit())"


def copy_of_the_package(folder: Path) -> Path:
    """What `build` needs of the package, in a folder of its own."""
    (folder / "cds_service" / "ops").mkdir(parents=True)
    for name in ("__init__.py", "ops/__init__.py", "ops/build.py"):
        shutil.copy(ROOT / "cds_service" / name, folder / "cds_service" / name)
    return folder


def told_in(folder: Path) -> str:
    run = subprocess.run(
        [sys.executable, "-c", ASK], cwd=folder, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def git(folder: Path, *words: str) -> str:
    # The words of the identity are for this call alone: a machine may have none.
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    command = ["git", *who, *words]  # from PATH
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_a_package_tells_the_commit_that_its_build_wrote(tmp_path: Path) -> None:
    folder = copy_of_the_package(tmp_path)
    (folder / "cds_service" / "commit.txt").write_text("0123456789ab\n")
    assert told_in(folder) == "0123456789ab"


def test_a_package_without_one_is_unknown_also_below_a_repository(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    folder = copy_of_the_package(tmp_path / "site-packages")
    assert told_in(folder) == build.UNKNOWN


def test_a_clone_tells_its_commit_and_that_files_were_changed(tmp_path: Path) -> None:
    folder = copy_of_the_package(tmp_path)
    git(folder, "init", "--quiet")
    (folder / ".gitignore").write_text("__pycache__/\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "All")
    commit = git(folder, "rev-parse", "HEAD")[:12]
    assert told_in(folder) == commit
    (folder / ".gitignore").write_text("__pycache__/\n*.pyc\n")
    assert told_in(folder) == f"{commit}-dirty"


def test_the_shipped_version_is_that_of_the_loaded_content() -> None:
    assert reading.shipped_version(loader.CONTENT) == loader.load().version
