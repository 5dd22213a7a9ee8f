"""A real Chromium, and the service it visits. What every visit must keep is checked at its end.

The fixtures live no longer than this folder: while Playwright runs, nothing else in the process
can use asyncio.run.
"""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from cds_service.knowledge.loader import Knowledge
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from tests.support.constants import NOW

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Chromium calls home unless told not to, and root runs it without a sandbox only.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
ANSWERED = re.compile(r"card|refused")
DESKTOP, PHONE = (1280, 900), (360, 740)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip("Chromium is not installed"))


@contextmanager
def serving(knowledge: Knowledge, **settings: Any) -> Iterator[str]:
    """The service on a free port, on the day of all tests; gives its base URL."""
    app = create_app(Settings(**settings), knowledge, clock=lambda: NOW)
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="warning", access_log=False, ws="none")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="package")
def site(knowledge: Knowledge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    url = f"sqlite:///{tmp_path_factory.mktemp('site') / 'db.sqlite3'}"
    with serving(knowledge, database_url=url) as base:
        yield base


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """One tab and what happened in it."""

    page: Page
    base: str
    scripts: bool = True
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)  # HTTP errors that belong to the test
    allowed: tuple[str, ...] = ()  # what else may be said on the console

    def go(self, path: str) -> Page:
        """Open a page and wait until it is drawn."""
        self.page.goto(self.base + path)
        if self.scripts and path.split("?")[0] == "/":
            self.page.locator(".said", has_text=ANSWERED).wait_for()
        return self.page

    def watch(self) -> None:
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self._note(str(error)))
        self.page.on("dialog", lambda dialog: self._note(f"dialog: {dialog.message}"))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._note(message.text)

    def _note(self, text: str) -> None:
        expected = [f"status of {status}" for status in self.expected]
        if not any(part in text for part in (*expected, *self.allowed)):
            self.problems.append(text)

    def check(self) -> None:
        """No errors on the console, and no request to any other host."""
        assert self.problems == []
        here = urlsplit(self.base).netloc
        elsewhere = [u for u in self.requests if urlsplit(u).netloc not in {here, ""}]
        assert elsewhere == []


Open = Callable[..., Visit]


@pytest.fixture
def visit(chromium: Browser, site: str) -> Iterator[Open]:
    """Open a tab: `visit(PHONE, scheme="dark")`; all of them are checked at the end."""
    opened: list[tuple[Visit, BrowserContext]] = []

    def open_tab(
        size: tuple[int, int] = DESKTOP, scheme: Any = "light", base: str = site, **more: Any
    ) -> Visit:
        width, height = size
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, **more
        )
        context.set_default_timeout(8_000)
        tab = Visit(context.new_page(), base, more.get("java_script_enabled", True))
        tab.watch()
        opened.append((tab, context))
        return tab

    yield open_tab
    for _, context in opened:
        context.close()
    for tab, _ in opened:
        tab.check()
