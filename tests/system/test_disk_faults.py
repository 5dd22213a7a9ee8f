"""Disks that fail under the SQLite file: full, and not to be written.

The faults are real ones, of a real process; nothing is acknowledged that is not stored.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.issuer import SIGN
from tests.support.service_process import ServiceProcess, started, started_by
from tests.support.small_disk import small_disk

pytestmark = pytest.mark.process

NAME = "feedback.sqlite3"


class Sender:
    """Sends feedback, each on a card of its own, and remembers what was acknowledged."""

    def __init__(self, service: ServiceProcess) -> None:
        self.base = service.base
        self.acknowledged: list[str] = []

    def send(self) -> int:
        card = str(uuid4())
        body = {"feedback": [{"card": card, "outcome": "accepted"}]}
        status = httpx.post(f"{self.base}{SIGN}/feedback", json=body, timeout=20).status_code
        assert status in {200, 503}
        if status == 200:
            self.acknowledged.append(card)
        return status

    def until(self, status: int) -> None:
        for _ in range(200):
            if self.send() == status:
                return
        raise AssertionError(f"never {status}")

    def ready(self) -> dict[str, Any]:
        answer = httpx.get(f"{self.base}/health/ready", timeout=20)
        assert answer.status_code == 200
        state: dict[str, Any] = answer.json()
        return state

    def problem(self) -> str:
        """What readiness says of the database; empty when all is well."""
        state = self.ready()
        found = [p for p in state.get("problems", ()) if p.startswith("database: ")]
        assert state["database"] == ("down" if found else "ok")
        return " ".join(found)

    def until_problem(self, there: bool) -> str:
        for _ in range(1_000):
            if bool(problem := self.problem()) is there:
                return problem
        raise AssertionError(problem)


def test_a_full_disk(tmp_path: Path) -> None:
    disk = small_disk(tmp_path, 1024)
    database = f"sqlite:///{tmp_path / NAME}"
    copies = tmp_path.with_name("copies")
    copies.mkdir()
    with started_by(disk.before, None, CDS_DATABASE_URL=database) as service:
        sender = Sender(service)
        assert (sender.send(), sender.problem()) == (200, "")
        for _ in range(2):
            disk.fill(service)
            sender.until(503)
            full = sender.problem()
            call = httpx.post(service.base + SIGN, content=b"{", timeout=20).status_code
            disk.empty(service)
            sender.until(200)
            assert sender.problem() == ""
            assert "the disk is full" in full
            assert call == 400
        stored = disk.feedback(service, NAME, copies)

    assert len(sender.acknowledged) >= 3
    assert set(sender.acknowledged) <= set(stored)


def test_a_full_disk_is_noticed_without_feedback(tmp_path: Path) -> None:
    disk = small_disk(tmp_path, 1024)
    database = f"sqlite:///{tmp_path / NAME}"
    with started_by(disk.before, None, CDS_DATABASE_URL=database) as service:
        sender = Sender(service)
        sender.until_problem(there=False)
        disk.fill(service)
        assert "the disk is full" in sender.until_problem(there=True)


def test_a_disk_that_is_read_only(tmp_path: Path) -> None:
    """Files of an earlier run, on a disk that was mounted to be read."""
    made = tmp_path / "made"
    made.mkdir()
    with started(CDS_DATABASE_URL=f"sqlite:///{made / NAME}") as service:
        assert Sender(service).send() == 200
    folder = tmp_path / "disk"
    folder.mkdir()
    then = f"cp {made}/* {folder}/ && mount -o remount,ro {folder}"
    disk = small_disk(folder, 1024, then)
    with started_by(disk.before, None, CDS_DATABASE_URL=f"sqlite:///{folder / NAME}") as service:
        sender = Sender(service)
        assert sender.problem()
        assert sender.send() == 503
        assert disk.feedback(service, NAME, tmp_path)


def test_a_file_that_may_not_be_written(tmp_path: Path) -> None:
    """The service runs as a user who may read the file only."""
    if os.geteuid() != 0:
        pytest.skip("to run as another user needs root")
    folder = Path("/tmp") / f"cds-{uuid4().hex}"  # noqa: S108  # others may not enter pytest's folder
    folder.mkdir(mode=0o755)
    try:
        with started(CDS_DATABASE_URL=f"sqlite:///{folder / NAME}") as service:
            assert Sender(service).send() == 200
        for file in folder.iterdir():
            file.chmod(0o444)
        plain = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-all"]
        before = [*plain, "--ambient-caps=-all", "--reuid=0", "--clear-groups"]
        folder.chmod(0o555)
        database = f"sqlite:///{folder / NAME}"
        with started_by(before, None, CDS_DATABASE_URL=database) as service:
            sender = Sender(service)
            assert sender.problem()
            assert sender.send() == 503
    finally:
        folder.chmod(0o755)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
