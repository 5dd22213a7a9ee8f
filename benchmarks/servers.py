"""Starts each contender on this machine, warms it up and checks that its answers are right."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HEALTHCHAIN = ROOT / "benchmarks" / ".healthchain"
HEALTHCHAIN_VERSION = "0.16.1"
PATH = "/cds-services/ho-order-sign"


@dataclass(frozen=True)
class Contender:
    """Who is measured. `cards` is the number of cards that the answer must have; `largest` the
    largest number of conditions it is asked about, `alone` from how many on by one connection."""

    name: str
    words: str
    cards: int
    path: str = PATH
    largest: int = 10_000
    alone: int = 100_000


OURS = Contender("ours", "this service", 1)
CONTROL = Contender("control", "bare FastAPI that decodes with orjson and answers nothing", 0)
VALIDATED = Contender(
    "validated", "this service, all through fhir.resources", 1, largest=1_000, alone=1_000
)
HEALTHCHAIN_APP = Contender(
    "healthchain", f"HealthChain {HEALTHCHAIN_VERSION}, two look-ups", 1, path=f"/cds{PATH}"
)
KEEPING = Contender("keeping", "this service, issued cards kept in SQLite", 1)
BARE = Contender("bare", "uvicorn alone, the body is not even decoded", 0, largest=100)
ALL = (OURS, CONTROL, VALIDATED, HEALTHCHAIN_APP, KEEPING, BARE)


@dataclass
class Running:
    """A contender that listens."""

    contender: Contender
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.contender.path}"

    def cpu_seconds(self) -> float:
        """Of this process and its workers so far."""
        pids, found = [self.process.pid], 0.0
        for pid in pids:
            found += sum(map(int, _stat(pid)[11:13])) / os.sysconf("SC_CLK_TCK")
            pids += _children(pid)
        return found

    def post(self, body: bytes) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url, body, headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            decoded: dict[str, Any] = json.loads(answer.read())
        return decoded

    def check(self, body: bytes) -> None:
        """Raise AssertionError unless the answer is the one this contender must give."""
        answer = self.post(body)
        cards = answer["cards"]
        assert len(cards) == self.contender.cards, (self.contender.name, answer)
        for card in cards:
            assert card["indicator"] == "warning", (self.contender.name, card)
            assert "heterotopic ossification" in card["summary"]
        if self.contender in (OURS, VALIDATED, KEEPING):
            assert len(cards[0]["suggestions"]) == 2, cards[0]


@contextmanager
def running(
    contender: Contender, settings: Mapping[str, str] | None = None, port: int = 0
) -> Iterator[Running]:
    """The contender as a process of its own, one worker, with uvloop and httptools."""
    with TemporaryDirectory() as folder, open(os.devnull, "wb") as nothing:
        port = port or free_port()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
        environment |= {"PYTHONPATH": str(ROOT), "CDS_DATA_DIR": folder}
        if contender is not KEEPING:
            environment["CDS_DATABASE_URL"] = "none"
        environment |= settings or {}
        process = subprocess.Popen(
            _command(contender, port), stdout=nothing, stderr=nothing, env=environment, cwd=ROOT
        )
        try:
            _wait(port, process)
            yield Running(contender, port, process)
        finally:
            process.terminate()
            process.wait(20)


def _command(contender: Contender, port: int) -> list[str]:
    if contender in (OURS, KEEPING):
        return [sys.executable, "-m", "cds_service", "serve", "--port", str(port)]
    python = sys.executable
    module = f"benchmarks.contenders.{contender.name}"
    if contender is HEALTHCHAIN_APP:
        python, module = str(HEALTHCHAIN / "bin" / "python"), f"{module}_app"
    return [
        python, "-m", "uvicorn", f"{module}:app", "--port", str(port), "--loop", "uvloop",
        "--http", "httptools", "--no-access-log", "--log-level", "warning",
    ]  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("does not listen")


def _stat(pid: int) -> list[str]:
    """The fields of proc_pid_stat(5) from the third on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _children(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def resident_bytes(pid: int, field: str = "VmRSS") -> int:
    """Memory of a process as the kernel counts it: `VmRSS` now, `VmHWM` at most so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"{field}:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def _says(python: Path, statement: str) -> str:
    said = subprocess.run([python, "-c", statement], capture_output=True, text=True)
    return said.stdout.strip()


def install_healthchain() -> bool:
    """Put HealthChain into an environment of its own; False when it cannot be had."""
    python = HEALTHCHAIN / "bin" / "python"
    version = "import importlib.metadata as m; print(m.version('healthchain'))"
    if python.exists() and _says(python, version) == HEALTHCHAIN_VERSION:
        return True
    packages = [f"healthchain=={HEALTHCHAIN_VERSION}", "uvicorn", "uvloop", "httptools"]
    try:
        subprocess.run([sys.executable, "-m", "venv", HEALTHCHAIN], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    except subprocess.CalledProcessError:
        return False
    return True
