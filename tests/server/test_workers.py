"""The parent of the workers, with workers that are not there."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

from cds_service.ops.metrics import SHARED_DIRECTORY
from cds_service.ops.switch import Switch
from cds_service.server.workers import Workers


@pytest.fixture
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    monkeypatch.setattr(multiprocess, "SIGNALS", {})  # this process keeps its own
    config = uvicorn.Config("nothing:app", workers=1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield Workers(config, [listener], Switch(tmp_path), lambda: None)


def gone(exitcode: int) -> Mock:
    process = Mock(exitcode=exitcode, pid=4711)
    process.is_alive.return_value = False
    return process


def test_a_worker_that_cannot_start_is_an_error_of_the_service(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Restart=on-failure starts nothing again that has ended with 0."""
    process = gone(STARTUP_FAILURE)
    monkeypatch.setattr(workers, "init_processes", lambda: workers.processes.append(process))
    with pytest.raises(SystemExit) as raised:
        workers.run()
    assert raised.value.code == STARTUP_FAILURE


def test_what_a_worker_was_doing_is_forgotten_when_it_dies(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its calls under way would be counted for ever, and a switch that it saw off."""
    names = "counter_4711.db", "gauge_livemax_4711.db", "gauge_livesum_4711.db"
    for name in names:
        (tmp_path / name).touch()
    monkeypatch.setenv(SHARED_DIRECTORY, str(tmp_path))
    monkeypatch.setattr(workers, "_started", Mock)
    workers.processes = [gone(-9)]
    workers.keep_subprocess_alive()
    assert [name for name in names if (tmp_path / name).exists()] == ["counter_4711.db"]
