"""How long the kill switch takes under load: `python -m benchmarks.switch`.

Starts the service with four workers, calls it without pause from several threads, a new connection
each time so that all workers are called, and turns the switch by command and by signal.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.support.constants import FIXTURES
from tests.support.service_process import ServiceProcess, started

WORKERS, THREADS, TURNS, SETTLE = 4, 8, 3, 1.5
BODY = (FIXTURES / "high-risk-previous-ho.json").read_bytes()
PATH = "/cds-services/ho-orders"


class Callers:
    """Threads that call until `stop`; each call with its moment and what came of it."""

    def __init__(self, base: str) -> None:
        self.told: list[tuple[float, str]] = []
        self._url, self._over = base + PATH, threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(THREADS)]
        for each in self._threads:
            each.start()

    def _call(self) -> None:
        while not self._over.is_set():
            sent = time.monotonic()
            try:
                answer = httpx.post(self._url, content=BODY, timeout=30)
                got = (
                    f"{len(answer.json()['cards'])} cards" if answer.status_code == 200 else "error"
                )
            except httpx.HTTPError:
                got = "error"
            self.told.append((sent, got))

    def stop(self) -> None:
        self._over.set()
        for each in self._threads:
            each.join()


def turn(how: str, service: ServiceProcess, folder: Path, state: str) -> None:
    """Turn the switch in one of the two ways."""
    if how == "signal":
        number = signal.SIGUSR1 if state == "off" else signal.SIGUSR2
        os.kill(service.process.pid, number)
        return
    env = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    env |= {"CDS_DATA_DIR": str(folder), "CDS_PORT": str(httpx.URL(service.base).port)}
    command = [sys.executable, "-m", "cds_service", state]
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)


def written(folder: Path) -> Callable[[], float]:
    """The moment at which the file of the switch was last written, on the monotonic clock."""
    offset = time.monotonic() - time.time()
    return lambda: (folder / "switch.json").stat().st_mtime + offset


def main() -> None:
    """Print seconds to effect and the number of errors as JSON."""
    seconds: dict[str, list[float]] = {"command, from its start": [], "command, from its file": [],
                                       "signal": []}  # fmt: skip
    with TemporaryDirectory() as name:
        folder = Path(name)
        moment = written(folder)
        with started("--workers", str(WORKERS), CDS_DATA_DIR=name) as service:
            callers = Callers(service.base)
            time.sleep(3 * SETTLE)
            for how in ("command", "signal"):
                for _ in range(TURNS):
                    for state, old in (("off", "1 cards"), ("on", "0 cards")):
                        began = time.monotonic()
                        turn(how, service, folder, state)
                        time.sleep(SETTLE)
                        last = max((s for s, got in callers.told if got == old and s > began),
                                   default=began)  # fmt: skip
                        key = "signal" if how == "signal" else "command, from its start"
                        seconds[key].append(last - began)
                        if how == "command":
                            seconds["command, from its file"].append(last - moment())
            callers.stop()
    told = Counter(got for _, got in callers.told)
    longest = {name: round(max(0.0, *values), 3) for name, values in seconds.items()}
    print(json.dumps({"workers": WORKERS, "calls": told, "errors": told["error"],
                      "seconds to effect, the longest": longest}, indent=2))  # fmt: skip


if __name__ == "__main__":
    main()
