"""A real `cds-service serve` process on a free port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from tests.support.constants import ROOT


@dataclass
class ServiceProcess:
    """A real `cds-service serve` process."""

    base: str
    process: subprocess.Popen[str]
    log: IO[str]

    def logged(self) -> str:
        """What it has written to standard error so far."""
        self.log.flush()
        return Path(self.log.name).read_text()


@contextmanager
def started(*options: str, **environment: str) -> Iterator[ServiceProcess]:
    """A real `cds-service serve` process on a free port."""
    with started_by((), None, *options, **environment) as service:
        yield service


@contextmanager
def started_by(
    before: Sequence[str], stderr: int | None, *options: str, **environment: str
) -> Iterator[ServiceProcess]:
    """The same by a command that starts what comes after it, and with the log in another file."""
    command = [*before, sys.executable, "-m", "cds_service", "serve", "--port", "0", *options]
    env = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    env |= {"CDS_DATABASE_URL": "none", "CDS_DRAIN_SECONDS": "0"} | environment
    with NamedTemporaryFile("w+") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr or log, text=True, env=env, cwd=ROOT
        )
        service = ServiceProcess("", process, log)
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


def serve(*options: str) -> subprocess.CompletedProcess[str]:
    """Start the service where it is expected to end by itself."""
    command = [sys.executable, "-m", "cds_service", "serve", *options]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False
    )


def workers_of(service: ServiceProcess) -> list[int]:
    """The worker processes."""
    pid = service.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return [int(child) for child in children if b"spawn_main" in _command_of(child)]


def _command_of(pid: str) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
