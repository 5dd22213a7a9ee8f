"""Everything that a release holds, built with one command, and its hashes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.releasing import statements

SUMS = "SHA256SUMS"


def build(root: Path, out: Path) -> int:
    """Build into an empty folder; 1 where the image could not be built. What a release before left
    there is taken away, anything else is not."""
    if out != root / "dist" and out.is_dir() and any(out.iterdir()) and not (out / SUMS).is_file():
        sys.exit(f"{out} is not empty and holds no release: name an empty folder")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    commit = _said(root, "from cds_service.ops import build; print(build.commit())")
    if commit.endswith("-dirty"):
        print(f"{commit}: files differ from the commit; nobody else can build this again")
    _run(root, sys.executable, "-m", "hatchling", "build", "--directory", str(out))
    _run(root, "scripts/sbom", str(out / "cds-service.cdx.json"))
    has_image = subprocess.run(["scripts/image", str(out)], cwd=root, check=False).returncode == 0
    if has_image:
        statements.write_image_bill(out)
    else:
        print("The image was not built: see above. Everything else was.")
    statements.write_provenance(root, out, commit)
    _sums(out)
    print((out / SUMS).read_text(encoding="utf-8"), end="")
    return 0 if has_image else 1


def _sums(out: Path) -> None:
    """As `sha256sum --check` reads them."""
    lines = [f"{statements.sha256(path)}  {path.name}\n" for path in sorted(out.iterdir())]
    (out / SUMS).write_text("".join(lines), encoding="utf-8")


def _epoch(root: Path) -> str:
    command = ["git", "log", "-1", "--format=%ct"]
    return subprocess.run(
        command, cwd=root, capture_output=True, text=True, check=True
    ).stdout.strip()


def _run(root: Path, *words: str) -> None:
    environment = os.environ | {"SOURCE_DATE_EPOCH": _epoch(root)}
    subprocess.run(words, cwd=root, check=True, env=environment)


def _said(root: Path, code: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()
