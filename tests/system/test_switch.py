"""Modes and the kill switch on real processes: in force on all workers, no call lost."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from tests.support.constants import ROOT
from tests.support.issuer import PUBLIC, Issuer
from tests.support.rollouts import KEY, ORDERS, call, registration
from tests.support.service_process import ServiceProcess, started, started_by, workers_of

pytestmark = pytest.mark.process

HIGH = {
    "orders": ["right hip replacement"],
    "chart": {"conditions": ["sct 444748003 Postoperative heterotopic ossification"]},
}
BODY = json.dumps(call(HIGH)).encode()
ISSUER = Issuer(None, audience=PUBLIC + ORDERS)


def environment(folder: Path, **client: Any) -> dict[str, str]:
    (folder / "clients.toml").write_text(registration(**client))
    return {
        "CDS_CLIENTS": str(folder / "clients.toml"),
        "CDS_PUBLIC_URL": PUBLIC,
        "CDS_USER_KEY": KEY,
        "CDS_DATA_DIR": str(folder / "data"),
        "CDS_REPLAY": "memory",
    }


@dataclass
class Load:
    """Calls without end. `told` holds when each was sent and answered, and what came: the number
    of cards, or what went wrong."""

    told: list[tuple[float, float, object]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self, base: str) -> None:
        """Call on a new connection each time, so that every worker gets some."""
        client = httpx.Client(base_url=base, timeout=30, headers={"Connection": "close"})
        while not self._stop.is_set():
            headers = {"Authorization": f"Bearer {ISSUER.token()}"}
            sent = time.monotonic()
            try:
                answer = client.post(ORDERS, content=BODY, headers=headers)
                got: object = answer.status_code
                if answer.status_code == 200:
                    got = f"{len(answer.json()['cards'])} cards"
            except httpx.HTTPError as error:
                got = type(error).__name__
            self.told.append((sent, time.monotonic(), got))

    def until(self, wanted: str, number: int) -> None:
        """Until so many more answers in a row are like that; 30 seconds at most."""
        end = time.monotonic() + 30
        start = len(self.told)
        while time.monotonic() < end:
            last = self.told[start:][-number:]
            if len(last) == number and all(got == wanted for _, _, got in last):
                return
            time.sleep(0.05)
        raise AssertionError(Counter(got for _, _, got in self.told[start:]))


@contextmanager
def load(base: str, threads: int = 4) -> Iterator[Load]:
    made = Load()
    workers = [threading.Thread(target=made.run, args=(base,)) for _ in range(threads)]
    for each in workers:
        each.start()
    try:
        yield made
    finally:
        made._stop.set()
        for each in workers:
            each.join()


def command(name: str, folder: Path, base: str, *options: str) -> str:
    """Run `cds-service off` or `on` as an operator would, beside the service."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    env |= {"CDS_DATA_DIR": str(folder / "data"), "CDS_PORT": str(httpx.URL(base).port)}
    done = subprocess.run(
        [sys.executable, "-m", "cds_service", name, *options],
        capture_output=True, text=True, timeout=60, cwd=ROOT, env=env, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def audited(service: ServiceProcess, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in service.logged().splitlines()]
    return [line for line in lines if line["event"] == event]


def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_mode_is_in_force_on_all_workers(tmp_path: Path) -> None:
    with started("--workers", "2", **environment(tmp_path)) as service, load(service.base) as calls:
        calls.until("1 cards", 20)
        for mode, wanted in (("shadow", "0 cards"), ("live", "1 cards"), ("off", "0 cards")):
            (tmp_path / "clients.toml").write_text(registration(mode=mode))
            os.kill(service.process.pid, signal.SIGHUP)
            calls.until(wanted, 40)

    assert {got for _, _, got in calls.told} == {"0 cards", "1 cards"}


def test_the_kill_switch_under_load(tmp_path: Path) -> None:
    with started("--workers", "2", **environment(tmp_path)) as service, load(service.base) as calls:
        calls.until("1 cards", 20)
        os.kill(service.process.pid, signal.SIGUSR1)
        calls.until("0 cards", 40)
        os.kill(service.process.pid, signal.SIGUSR2)
        calls.until("1 cards", 40)
        assert "off: " in command("off", tmp_path, service.base, "--reason", "drill")
        calls.until("0 cards", 40)

        assert {got for _, _, got in calls.told} == {"0 cards", "1 cards"}
        ready = httpx.get(service.base + "/health/ready", timeout=30).json()
        assert (ready["status"], ready["switch"]) == ("degraded", "off")
        assert "every call gets an empty list" in ready["problems"][0]
        eventually(lambda: len(audited(service, "switched off")) >= 5)
        by = {line["by"] for line in audited(service, "switched off")}
        assert "SIGUSR1" in by
        assert any(one.startswith("command of ") for one in by)


def test_the_switch_outlives_a_restart(tmp_path: Path) -> None:
    given = environment(tmp_path)
    with started(**given) as service:
        command("off", tmp_path, service.base)
    with started(**given) as service, load(service.base, 1) as calls:
        calls.until("0 cards", 5)
        said = command("on", tmp_path, service.base)
        calls.until("1 cards", 5)
    assert "says so after" in said


def test_a_service_with_another_data_directory_is_told_apart(tmp_path: Path) -> None:
    with started(**environment(tmp_path)) as service:
        env = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
        env |= {
            "CDS_DATA_DIR": str(tmp_path / "elsewhere"),
            "CDS_PORT": str(httpx.URL(service.base).port),
        }
        done = subprocess.run(
            [sys.executable, "-m", "cds_service", "off"],
            capture_output=True, text=True, timeout=60, cwd=ROOT, env=env, check=False,
        )  # fmt: skip

    assert done.returncode == 1
    assert "does not follow" in done.stderr


def test_a_signal_works_where_the_directory_cannot_be_made(tmp_path: Path) -> None:
    """A file stands where the data directory should be: every worker is told, and says so."""
    (tmp_path / "data").write_text("no directory")
    with started("--workers", "2", **environment(tmp_path)) as service, load(service.base) as calls:
        calls.until("1 cards", 20)
        os.kill(service.process.pid, signal.SIGUSR1)
        calls.until("0 cards", 40)
        ready = httpx.get(service.base + "/health/ready", timeout=30).json()
        os.kill(service.process.pid, signal.SIGUSR2)
        calls.until("1 cards", 40)

    assert any("cannot be kept" in problem for problem in ready["problems"])
    assert {got for _, _, got in calls.told} == {"0 cards", "1 cards"}


def shown(base: str, calls: int = 12) -> set[int]:
    """How many cards come, on connections of their own, so that every worker is asked."""
    found = set()
    for _ in range(calls):
        headers = {"Authorization": f"Bearer {ISSUER.token()}", "Connection": "close"}
        answer = httpx.post(base + ORDERS, content=BODY, headers=headers, timeout=120)
        found.add(len(answer.json()["cards"]))
    return found


def started_workers(service: ServiceProcess) -> int:
    """How many have ever been ready for calls."""
    return len(audited(service, "content in force"))


def test_a_worker_that_comes_later_is_off_too(tmp_path: Path) -> None:
    """Also where the state could not be kept: the parent remembers it."""
    (tmp_path / "data").write_text("no directory")
    with started("--workers", "2", **environment(tmp_path)) as service:
        eventually(lambda: started_workers(service) == 2, 120)
        os.kill(service.process.pid, signal.SIGUSR1)
        eventually(lambda: shown(service.base, 1) == {0}, 60)
        eventually(lambda: len(audited(service, "switched off")) >= 3, 60)
        os.kill(workers_of(service)[0], signal.SIGKILL)
        eventually(lambda: started_workers(service) == 3, 120)
        assert shown(service.base) == {0}
        os.kill(service.process.pid, signal.SIGUSR2)
        eventually(lambda: shown(service.base) == {1}, 60)


def test_a_directory_that_goes_away_turns_nothing_on(tmp_path: Path) -> None:
    with started(**environment(tmp_path)) as service:
        assert shown(service.base, 1) == {1}
        command("off", tmp_path, service.base)
        (tmp_path / "data").rename(tmp_path / "gone")
        assert shown(service.base, 3) == {0}
        ready = httpx.get(service.base + "/health/ready", timeout=120).json()
    assert ready["switch"] == "off"
    assert any("switch.json is gone" in problem for problem in ready["problems"])


def test_a_worker_that_comes_without_the_directory_is_off_too(tmp_path: Path) -> None:
    """Switched off by the command, which tells the parent nothing: it looks for itself."""
    with started("--workers", "2", **environment(tmp_path)) as service:
        eventually(lambda: started_workers(service) == 2, 120)
        command("off", tmp_path, service.base)
        eventually(lambda: len(audited(service, "switched off")) >= 3, 60)
        (tmp_path / "data").rename(tmp_path / "gone")
        os.kill(workers_of(service)[0], signal.SIGKILL)
        eventually(lambda: started_workers(service) == 3, 120)
        assert shown(service.base) == {0}


def test_a_directory_that_must_not_be_entered() -> None:
    """As the command of another user leaves one behind: nobody knows until it is opened."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv")
    other = ("setpriv", "--reuid=54321", "--clear-groups")
    with TemporaryDirectory() as name:  # those of pytest are closed to other users
        folder = Path(name)
        folder.chmod(0o755)
        data = folder / "data"
        data.mkdir(mode=0o700)
        with started_by(other, None, **environment(folder)) as service:
            opened(service, data)


def opened(service: ServiceProcess, data: Path) -> None:
    """The switch of a service before and after its user may enter the directory."""
    headers = {"Authorization": f"Bearer {ISSUER.token()}"}
    answer = httpx.post(service.base + ORDERS, content=BODY, headers=headers, timeout=120)
    assert answer.status_code == 503
    ready = httpx.get(service.base + "/health/ready", timeout=120).json()
    assert ready["switch"] == "unknown"
    assert "CDS_DATA_DIR" in str(ready["problems"])
    data.chmod(0o755)
    assert shown(service.base, 2) == {1}


def test_a_command_that_no_service_answers_fails(tmp_path: Path) -> None:
    """With another port than the service's, say, in a shell without its settings."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    done = subprocess.run(
        [sys.executable, "-m", "cds_service", "off"],
        capture_output=True, text=True, timeout=60, cwd=ROOT, check=False,
        env=env | {
            "CDS_DATA_DIR": str(tmp_path), "CDS_PORT": "9", "PYTHONPROFILEIMPORTTIME": "1"
        },
    )  # fmt: skip
    assert done.returncode == 1
    assert "NO SERVICE ANSWERS" in done.stderr
    assert "SIGUSR1" in done.stderr
    for slow in ("cds_service.hooks", "fastapi", "yaml", "sqlalchemy"):
        assert not re.search(rf"\| +{slow}$", done.stderr, re.MULTILINE), f"waits for {slow}"
