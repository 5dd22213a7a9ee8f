"""The completion of the playground's editor: `scripts/make-completion` writes it."""

from __future__ import annotations

import subprocess
import sys

from tests.support.constants import ROOT


def test_completion_is_that_of_the_resources() -> None:
    script = [sys.executable, str(ROOT / "scripts" / "make-completion"), "--check"]
    subprocess.run(script, check=True, cwd=ROOT)
