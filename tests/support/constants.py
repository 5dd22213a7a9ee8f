"""Where the files of the tests lie, and the day that all tests decide on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
NOW = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
"""Late enough that a zone east of Greenwich has the next day."""
