"""The samples of the playground: `scripts/make-samples` writes them."""

from __future__ import annotations

import subprocess
import sys

from tests.support.constants import ROOT


def test_samples_are_those_of_the_fixtures() -> None:
    script = [sys.executable, str(ROOT / "scripts" / "make-samples"), "--check"]
    subprocess.run(script, check=True, cwd=ROOT)
