"""`validate` over many files, in several processes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cds_service.tools.validate.engine import Options
from cds_service.tools.validate.files import files, tasks
from cds_service.tools.validate.run import run
from tests.support.validating import CLEAN, WARNED


@pytest.mark.process
def test_many_files_are_spread_over_processes_and_stay_in_order(tmp_path: Path) -> None:
    names = []
    for number in range(60):
        file = tmp_path / f"{number:03}.json"
        file.write_text(WARNED if number % 7 == 0 else CLEAN)
        names.append(str(file))
    options = Options(today=date(2026, 11, 23))
    reports = list(run(tasks(files([str(tmp_path)])), options, jobs=2))
    assert [report.name for report in reports] == names
    assert [report.failed for report in reports] == [n % 7 == 0 for n in range(60)]
