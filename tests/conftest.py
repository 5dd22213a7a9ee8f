"""Fixtures for all tests. Every answer that passes `client` or `server` obeys the wire rules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from cds_service.knowledge.loader import Knowledge, load
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from tests.support.app_client import AppClient, ClientFactory, check_response
from tests.support.constants import NOW
from tests.support.databases import anyio_backend as anyio_backend
from tests.support.databases import database_url as database_url
from tests.support.databases import postgres as postgres
from tests.support.live import live as live
from tests.support.live import service as service
from tests.support.service_process import running

SYSTEM = Path(__file__).parent / "system"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever lies in tests/system is a system test."""
    for item in items:
        if SYSTEM in item.path.parents:
            item.add_marker(pytest.mark.system)


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


@pytest.fixture(scope="session")
def server() -> Iterator[httpx.Client]:
    """A client of a real process, shared by all tests that need one."""
    with running() as base, closing(httpx.Client(base_url=base)) as client:
        client.event_hooks["response"].append(check_response)
        yield client
