"""A rehearsal on Spark gives the bytes of the command.

It runs where `scripts/spark-check` has made its environments (pyspark is 450 MB and in no lock).
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parents[2]
MADE = ROOT / "build" / "spark"
VERSIONS = ("4.0", "newest")
SECONDS = 900
if not all((MADE / name / "bin" / "spark-submit").exists() for name in VERSIONS):
    pytest.skip("no Spark here: scripts/spark-check makes its environments",
                allow_module_level=True)  # fmt: skip


def test_the_summary_has_the_same_bytes_on_two_versions_of_spark() -> None:
    done = subprocess.run([ROOT / "scripts" / "spark-check"], capture_output=True, text=True,
                          timeout=SECONDS, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the same bytes") == 2 * len(VERSIONS)
