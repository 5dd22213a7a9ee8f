"""Every query of the dashboard on a live Prometheus, after faults that fill it."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

from scripts.operating.site import DEPLOY, Site, until
from scripts.operating.watching import Faults, is_above_0, prometheus_of

_MOST_SECONDS = 600  # until some 10,000 records and lines of the audit have filled their queues
_STEADY = {"cds_switched_off", "cds_requests_under_way"}  # 0 is what they should be


def figures(picture: Path | None) -> bool:
    """Run Prometheus, drive faults, ask every query of the dashboard."""
    with ExitStack() as stack:
        site = Site(stack)
        faults = Faults(site)
        prometheus = prometheus_of(site)
        with faults.driven():
            until(lambda: is_above_0("cds_log_lines_dropped_total", faults.weak), _MOST_SECONDS)
            until(lambda: is_above_0("cds_issued_dropped_total", faults.weak), _MOST_SECONDS)
            time.sleep(3)  # seen by Prometheus
            short = [one for one in queries() if not _is_answered(prometheus, *one)]
        print(f"{len(queries())} queries of the dashboard, {len(short)} without a figure above 0")
        if picture is not None:
            pictured(prometheus, picture)
    return not short


def queries() -> list[tuple[str, str]]:
    """Each query of the dashboard with its panel."""
    board = json.loads((DEPLOY / "grafana" / "cds-service.json").read_text())
    return [(p["title"], t["expr"]) for p in board["panels"] for t in p.get("targets", [])]


def _is_answered(prometheus: str, title: str, expression: str) -> bool:
    """Whether a query gives a figure above 0; prints what it gives."""
    query = {"query": expression}
    answer = httpx.get(f"{prometheus}/api/v1/query", params=query, timeout=60).json()
    found = answer["data"]["result"]
    above = [one for one in found if float(one["value"][1]) > 0]
    print(f"  {len(found):>3} series, {len(above):>3} above 0: {title}: {expression}")
    return bool(above or (found and expression in _STEADY))


def pictured(base: str, picture: Path) -> None:
    """The graph page of Prometheus as a browser shows it."""
    from playwright.sync_api import sync_playwright

    query = "histogram_quantile(0.95, sum by (stage, le) (rate(cds_stage_seconds_bucket[1m])))"
    address = httpx.URL(f"{base}/graph", params={
        "g0.expr": query, "g0.tab": "0", "g0.range_input": "2m",
        "g1.expr": "sum by (service, status) (rate(cds_request_seconds_count[1m]))",
        "g1.tab": "0", "g1.range_input": "2m",
    })  # fmt: skip
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1200, "height": 1100})
        page.goto(str(address), wait_until="networkidle")
        page.wait_for_timeout(2000)
        page.screenshot(path=str(picture))
        browser.close()
