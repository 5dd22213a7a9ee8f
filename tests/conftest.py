"""Fixtures for all tests. Every answer that passes `client` obeys the wire rules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cds_service.knowledge import loader
from cds_service.knowledge.loader import CONTENT, Knowledge, load
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from tests.support.app_client import AppClient, ClientFactory
from tests.support.constants import NOW
from tests.support.databases import anyio_backend as anyio_backend
from tests.support.databases import database_url as database_url
from tests.support.databases import postgres as postgres
from tests.support.live import live as live
from tests.support.live import service as service


@pytest.fixture(scope="session", autouse=True)
def one_base() -> Iterator[None]:
    """The content as it stands is frozen: read once, it serves every overlay and every `load`."""
    read = cache(loader._read)

    def once(directory: Path) -> Any:
        return read(directory) if directory == CONTENT else read.__wrapped__(directory)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "_read", once)
        yield


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where programs of a user keep their state is the test run's own: a kill switch that somebody
    turned on this machine is none of a test's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return load()


@pytest.fixture(scope="session")
def make_client(knowledge: Knowledge) -> ClientFactory:
    """Build a client for an application with these settings, of a hospital in UTC."""

    def make(now: datetime = NOW, **settings: Any) -> AppClient:
        settings.setdefault("timezone", "UTC")
        return AppClient(create_app(Settings(**settings), knowledge, clock=lambda: now))

    return make


@pytest.fixture
def client(make_client: ClientFactory) -> AppClient:
    return make_client()
