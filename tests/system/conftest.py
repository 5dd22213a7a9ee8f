"""System tests: marks by folder and by what a test starts, and a real process to call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.support.app_client import check_response
from tests.support.service_process import running

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever lies in tests/system is a system test; a fixture tells what it starts."""
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.system)
            fixtures = getattr(item, "fixturenames", ())
            if "postgres" in fixtures:
                item.add_marker(pytest.mark.postgres)
            if "server" in fixtures:
                item.add_marker(pytest.mark.process)


@pytest.fixture(scope="session")
def server() -> Iterator[httpx.Client]:
    """A client of a real process, shared by all tests that need one."""
    with running() as base, closing(httpx.Client(base_url=base)) as client:
        client.event_hooks["response"].append(check_response)
        yield client
