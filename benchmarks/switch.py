"""How long the kill switch and a new mode take under load: `python -m benchmarks.switch`.

Starts the service with four workers, calls it without pause from several threads, a new connection
each time so that all workers are called; turns the switch as the command does and by signal, and
then the mode of the client by its file and SIGHUP.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from cds_service.ops.switch import State, Switch
from tests.support.constants import FIXTURES
from tests.support.issuer import PUBLIC, Issuer
from tests.support.rollouts import KEY, registration
from tests.support.service_process import ServiceProcess, started

WORKERS, THREADS, TURNS, SETTLE, READY = 4, 4, 2, 1.5, 200
BODY = (FIXTURES / "high-risk-previous-ho.json").read_bytes()
PATH = "/cds-services/ho-orders"
ISSUER = Issuer(None, audience=PUBLIC + PATH)
MODE = "mode, by SIGHUP"


class Callers:
    """Threads that call until `stop`; each call with its moment and what came of it."""

    def __init__(self, base: str) -> None:
        self.told: list[tuple[float, str]] = []
        self._url, self._over = base + PATH, threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(THREADS)]
        for each in self._threads:
            each.start()

    def _call(self) -> None:
        client = httpx.Client(timeout=30, headers={"Connection": "close"})
        while not self._over.is_set():
            sent = time.monotonic()
            try:
                token = {"Authorization": f"Bearer {ISSUER.token()}"}
                answer = client.post(self._url, content=BODY, headers=token)
                ok = answer.status_code == 200
                got = f"{len(answer.json()['cards'])} cards" if ok else str(answer.status_code)
            except httpx.HTTPError as error:
                got = type(error).__name__
            self.told.append((sent, got))

    def stop(self) -> None:
        self._over.set()
        for each in self._threads:
            each.join()


def turn(how: str, service: ServiceProcess, folder: Path, state: State) -> None:
    """Turn the switch by signal, or as the command does once it has started; or the mode."""
    if how == MODE:
        mode = "off" if state == "off" else "live"
        (folder / "clients.toml").write_text(registration(mode=mode))
        os.kill(service.process.pid, signal.SIGHUP)
    elif how == "signal":
        os.kill(service.process.pid, signal.SIGUSR1 if state == "off" else signal.SIGUSR2)
    else:
        Switch(folder).turn(state, "benchmark")


def main() -> None:
    """Print seconds to effect and the number of errors as JSON."""
    seconds: dict[str, list[float]] = {"command, once started": [], "signal": [], MODE: []}
    turns: tuple[tuple[State, str], ...] = (("off", "1 cards"), ("on", "0 cards"))
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "clients.toml").write_text(registration())
        environment = {
            "CDS_DATA_DIR": name, "CDS_CLIENTS": str(folder / "clients.toml"),
            "CDS_PUBLIC_URL": PUBLIC, "CDS_USER_KEY": KEY, "CDS_REPLAY": "memory",
        }  # fmt: skip
        with started("--workers", str(WORKERS), **environment) as service:
            callers = Callers(service.base)
            while len(callers.told) < READY:
                time.sleep(0.1)
            callers.told.clear()  # what waited for workers that were still starting
            for how, found in seconds.items():
                for state, old in turns * TURNS:
                    began = time.monotonic()
                    turn(how, service, folder, state)
                    time.sleep(SETTLE)
                    late = [at - began for at, got in callers.told if got == old and at > began]
                    found.append(max(late, default=0.0))
            callers.stop()
    told = Counter(got for _, got in callers.told)
    longest = {name: round(max(found), 3) for name, found in seconds.items()}
    errors = sum(number for got, number in told.items() if "card" not in got)
    print(json.dumps({"workers": WORKERS, "calls": told, "errors": errors, "seconds": longest}))


if __name__ == "__main__":
    main()
