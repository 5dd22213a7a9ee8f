"""Fixtures for all tests. Every answer that passes `client` or `post` obeys the wire rules."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

import httpx
import pytest
from fastapi import FastAPI

from cds_service.knowledge.loader import Knowledge, load
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from tests.support.databases import anyio_backend as anyio_backend
from tests.support.databases import database_url as database_url
from tests.support.databases import postgres as postgres
from tests.support.live import live as live
from tests.support.live import service as service
from tests.support.wire_rules import check_answer

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
NOW = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
"""The day all tests decide on, late enough that a zone east of Greenwich has the next one."""


def check_response(response: httpx.Response) -> None:
    """Run the wire rules on an HTTP answer that has a body."""
    body = response.read()
    if body and response.headers["content-type"] == "application/json":
        check_answer(response.status_code, body, _sent(response.request))
    assert not response.is_redirect


def _sent(request: httpx.Request) -> Any:
    try:
        return json.loads(request.content)
    except (ValueError, RecursionError, httpx.RequestNotRead):  # no JSON, or sent as a stream
        return None


class AppClient:
    """Calls an application in this process and checks every answer; takes what httpx takes."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    def request(self, method: str, url: str, **arguments: Any) -> httpx.Response:
        response = asyncio.run(self._send(method, url, arguments))
        check_response(response)
        return response

    async def _send(self, method: str, url: str, arguments: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            response = await client.request(method, url, **arguments)
            await response.aread()
            return response

    def get(self, url: str, **arguments: Any) -> httpx.Response:
        return self.request("GET", url, **arguments)

    def post(self, url: str, **arguments: Any) -> httpx.Response:
        return self.request("POST", url, **arguments)


ClientFactory = Callable[..., AppClient]


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return load()


@pytest.fixture(scope="session")
def make_client(knowledge: Knowledge) -> ClientFactory:
    """Build a client for an application with these settings."""

    def make(now: datetime = NOW, **settings: Any) -> AppClient:
        return AppClient(create_app(Settings(**settings), knowledge, clock=lambda: now))

    return make


@pytest.fixture
def client(make_client: ClientFactory) -> AppClient:
    return make_client()


@dataclass
class Service:
    """A real `cds-service serve` process."""

    base: str
    process: subprocess.Popen[str]
    log: IO[str]

    def logged(self) -> str:
        """What it has written to standard error so far."""
        self.log.flush()
        return Path(self.log.name).read_text()


@contextmanager
def started(*options: str, **environment: str) -> Iterator[Service]:
    """A real `cds-service serve` process on a free port."""
    command = [sys.executable, "-m", "cds_service", "serve", "--port", "0", *options]
    env = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    env |= {"CDS_DATABASE_URL": "none"} | environment
    # A file takes all the log there is; a pipe that nobody reads would stop the service.
    with NamedTemporaryFile("w+") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=env, cwd=ROOT
        )
        service = Service("", process, log)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://[^/\s]+", line)
            assert found, f"did not start: {line}{service.logged()}"
            service.base = found[0]
            yield service
        finally:
            process.terminate()
            process.communicate(timeout=20)


@contextmanager
def running(*options: str, **environment: str) -> Iterator[str]:
    """A real `cds-service serve` process on a free port; gives its base URL."""
    with started(*options, **environment) as service:
        yield service.base


@pytest.fixture(scope="session")
def server() -> Iterator[httpx.Client]:
    """A client of a real process, shared by all tests that need one."""
    with running() as base, closing(httpx.Client(base_url=base)) as client:
        client.event_hooks["response"].append(check_response)
        yield client
