"""Fairness to small calls, memory of an idle worker, and how long the import takes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from tempfile import TemporaryDirectory

from benchmarks import load
from benchmarks.bodies import body
from benchmarks.servers import OURS, ROOT, Contender, Running, resident_bytes, running

_IMPORT_OURS = "import cds_service.server.app"
_IMPORT_BASE = "import fastapi, fhir.resources.R4B.medicationrequest"


def fairness(seconds: float) -> dict[str, load.Load]:
    """Small calls on 4 connections: alone, and while bodies of 700 kB and 7 MB keep coming."""
    small = body(10)
    with running(OURS) as server:
        server.check(small)
        found = {"alone": load.run(server.url, small, 4, seconds)}
        for words, number in (("beside 700 kB", 1_000), ("beside 7 MB", 10_000)):
            found[words] = _beside(server, small, body(number), seconds)
    return found


def _beside(server: Running, small: bytes, large: bytes, seconds: float) -> load.Load:
    stop = threading.Event()

    def keep_sending() -> None:
        while not stop.is_set():
            server.post(large)

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        time.sleep(0.3)
        return load.run(server.url, small, 4, seconds)
    finally:
        stop.set()
        sender.join()


def idle_bytes(contender: Contender) -> int:
    """Resident memory of a worker that has started and waits."""
    with running(contender) as server:
        time.sleep(1)
        return resident_bytes(server.process.pid)


def import_seconds(rounds: int) -> tuple[float, float]:
    """Shortest import of our application, and of FastAPI with one R4B resource, alternated.

    Both from bytecode, as a package that is installed has it: here a first round writes it.
    """
    ours, base = [], []
    with TemporaryDirectory() as bytecode:
        for _ in range(1 + rounds):
            ours.append(_import(_IMPORT_OURS, bytecode))
            base.append(_import(_IMPORT_BASE, bytecode))
    return min(ours[1:]), min(base[1:])


def _import(statement: str, bytecode: str) -> float:
    clock = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": bytecode}
    environment["PYTHONDONTWRITEBYTECODE"] = ""
    said = subprocess.run(
        [sys.executable, "-c", clock], capture_output=True, text=True, check=True, env=environment
    )
    return float(said.stdout)
