"""What the process holds stays in memory: no core, no reader, no file that others can open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.attack_book import attack
from tests.support.builders import request as build
from tests.support.ehr_calls import HIGH, SIGN
from tests.support.service_process import ServiceProcess, started_by, workers_of

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

KIND = "At rest"
# Root may read everything: then the service and the reader run as root without its powers.
PLAIN = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.getuid() == 0 else ()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("at-rest")


@pytest.fixture(scope="module", params=["1", "2"])
def service(request: pytest.FixtureRequest, folder: Path) -> Iterator[ServiceProcess]:
    """The service with one worker, and with two, after a call."""
    database = f"sqlite:///{folder / request.param / 'db'}"
    with started_by(PLAIN, None, "--workers", request.param, CDS_DATABASE_URL=database) as started:
        body = json.dumps(build(HIGH))
        kind = {"Content-Type": "application/json"}
        assert httpx.post(started.base + SIGN, content=body, headers=kind, timeout=30).is_success
        yield started


def processes(service: ServiceProcess) -> list[int]:
    return [service.process.pid, *workers_of(service)]


def reads(pid: int | str, name: str) -> bool:
    """Whether another process of the same user can read this file of a process."""
    command = [*PLAIN, "head", "-c", "1", f"/proc/{pid}/{name}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@attack(KIND, "core of a process that crashes", "none is written: RLIMIT_CORE is 0")
def test_no_core_is_written(service: ServiceProcess) -> None:
    for pid in processes(service):
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        [core] = [line.split()[-3:] for line in limits if line.startswith("Max core file size")]
        assert core == ["0", "0", "bytes"]


@attack(KIND, "memory read by another process of the same user", "refused by the system")
def test_memory_is_not_read_by_others(service: ServiceProcess) -> None:
    with subprocess.Popen([*PLAIN, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as plain:
        assert plain.stdin is not None
        assert plain.stdout is not None
        plain.stdin.write(b"runs\n")
        plain.stdin.flush()
        assert plain.stdout.readline() == b"runs\n"
        assert reads(plain.pid, "environ")  # an ordinary process can be read
        plain.stdin.close()
    for pid in processes(service):
        assert reads(pid, "limits")
        assert not reads(pid, "environ")
        assert not reads(pid, "maps")


@attack(KIND, "files of the service read by another user", "made with mode 0600 and 0700")
def test_files_are_for_their_owner(service: ServiceProcess, folder: Path) -> None:
    made = list(folder.rglob("*"))
    assert any(path.is_file() for path in made)
    assert {path.stat().st_mode & 0o077 for path in made} == {0}
    for pid in processes(service):
        assert "Umask:\t0077" in Path(f"/proc/{pid}/status").read_text()
