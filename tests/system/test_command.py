"""The package as a module: the same program as the console script."""

from __future__ import annotations

import subprocess
import sys

from cds_service import __version__
from tests.support.constants import ROOT


def test_module_and_console_script_are_the_same() -> None:
    module = subprocess.run(
        [sys.executable, "-m", "cds_service", "--version"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip

    assert module.stdout.startswith(f"cds-service {__version__} (commit ")
