"""The report of the doctor in HTML, opened as the file that an integrator hands on."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service.tools.doctor.examine import examine
from cds_service.tools.doctor.render_html import as_html
from tests.support.small_services import CARD, small_service
from tests.system.browser.conftest import DESKTOP, PHONE, Open
from tests.system.browser.test_accessibility import findings

HOSTILE = '<img src=x onerror="document.title=1"> [x](https://elsewhere.example.org) ' + "x" * 200


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("doctor") / "report.html"
    card = CARD | {"indicator": HOSTILE, "summary": HOSTILE}
    with small_service(answer={"cards": [card]}) as small:
        file.write_text(as_html(examine(small.base)), encoding="utf-8")
    return file


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_a_report_reads_well_and_runs_nothing(
    size: tuple[int, int], scheme: str, report: Path, visit: Open
) -> None:
    page = visit(size, scheme, base="file://").go(str(report))
    assert page.title() != "1"
    assert page.get_by_text("CD-04").first.is_visible()
    assert page.locator("img, script").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert findings(page) == []
