"""Bytes of each page, and the time to its first content on a slow line: prints a table.

Run as `.venv/bin/python -m benchmarks.pages`. Needs Chromium; the line is Chromium's own emulation.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

from cds_service.knowledge.loader import load
from tests.system.browser.conftest import CHROMIUM, FLAGS, serving

KILOBITS, LATENCY = 400, 400  # a second; milliseconds
PAGES = {  # path: what a visitor waits for
    "/": ".card h3",
    "/#sample=fop-hip-replacement": ".card h3",
    "/evidence": "h1",
    "/evidence/options/nsaid": "h1",
    "/evidence/search?q=nsaid": "h1",
    "/evidence/codes/fop": "h1",
    "/insights?demo=1": "canvas",
}


@contextmanager
def fresh(browser: Browser, sizes: list[int], *, slow: bool) -> Iterator[Page]:
    """A tab without a cache that notes the bytes of what it loads."""
    context = browser.new_context()
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    if slow:
        line = {"offline": False, "latency": LATENCY}
        rate = KILOBITS * 1000 // 8
        session.send(
            "Network.emulateNetworkConditions",
            {**line, "downloadThroughput": rate, "uploadThroughput": rate},
        )
    yield page
    context.close()


def visit(browser: Browser, address: str, wanted: str, *, slow: bool) -> tuple[float, int, int]:
    """Seconds to what is waited for, bytes until then, and bytes in all."""
    sizes: list[int] = []
    with fresh(browser, sizes, slow=slow) as page:
        began = time.monotonic()
        page.goto(address, wait_until="commit", timeout=120_000)
        page.locator(wanted).first.wait_for(timeout=120_000)
        seconds, then = time.monotonic() - began, sum(sizes)
        page.wait_for_load_state("networkidle", timeout=120_000)
        return seconds, then, sum(sizes)


def main() -> None:
    """Print the table."""
    print(f"{KILOBITS} kb/s, {LATENCY} ms latency, nothing in the cache")
    print(f"{'page':32} {'first content':>14} {'then':>10} {'in all':>10}")
    with serving(load(), database_url="none") as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for path, wanted in PAGES.items():
            seconds, then, total = visit(browser, base + path, wanted, slow=True)
            print(f"{path:32} {seconds:12.1f} s {then / 1000:7.1f} kB {total / 1000:7.1f} kB")
        browser.close()


if __name__ == "__main__":
    main()
