"""A log that cannot be written stops nothing: a pipe nobody reads, a full disk, a reader that died.

The faults are real ones, of a real process.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.attack_book import attack
from tests.support.builders import request as build
from tests.support.ehr_calls import HIGH
from tests.support.issuer import ISS, PUBLIC, SIGN, Issuer, client_toml, jwk, key_set
from tests.support.service_process import ServiceProcess, started, started_by
from tests.support.wire_rules import check_answer

pytestmark = pytest.mark.process

KIND = "Log"
BODY = json.dumps(build(HIGH)).encode()
ISSUER = Issuer(None)
MORE_THAN_THE_PIPE = 400  # calls: a pipe takes 64 kB, some 140 lines
MORE_THAN_WAIT = 5_600  # calls, of which 5,000 lines wait


class Pipe:
    """A pipe for the log, which is read only when told to."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self._text: list[str] = []
        self._reader: threading.Thread | None = None

    def begin_to_read(self) -> None:
        def read() -> None:
            with os.fdopen(self.read_end, encoding="utf-8", newline="\n") as lines:
                self._text.extend(lines)

        self._reader = threading.Thread(target=read)
        self._reader.start()

    def lines(self) -> list[dict[str, Any]]:
        """All lines, once the service has ended."""
        assert self._reader is not None
        self._reader.join(20)
        return [json.loads(line) for line in self._text]


@contextmanager
def with_pipe(*options: str, **environment: str) -> Iterator[tuple[ServiceProcess, Pipe]]:
    """A service that writes its log to a pipe."""
    pipe = Pipe()
    with started_by((), pipe.write_end, *options, **environment) as service:
        os.close(pipe.write_end)
        yield service, pipe


def calls(base: str, number: int, body: bytes = BODY, **headers: str) -> Counter[int]:
    """The statuses of so many calls."""

    def some(count: int) -> list[int]:
        with httpx.Client(base_url=base, timeout=20, headers=headers) as client:
            return [client.post(SIGN, content=body).status_code for _ in range(count)]

    with ThreadPoolExecutor(4) as pool:
        return Counter(status for part in pool.map(some, [number // 4] * 4) for status in part)


def ready(base: str) -> dict[str, Any]:
    response = httpx.get(base + "/health/ready", timeout=10)
    assert response.status_code == 200
    state: dict[str, Any] = response.json()
    return state


def until(base: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask for the state again and again, until it is as wanted."""
    for _ in range(3_000):
        if wanted(state := ready(base)):
            return state
    raise AssertionError(f"it did not happen: {state}")


def is_degraded(state: dict[str, Any]) -> bool:
    return bool(state["status"] == "degraded")


def ends(service: ServiceProcess) -> None:
    """SIGTERM ends it within the time that is stated for it, and no other signal is needed."""
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(15) in {0, -signal.SIGTERM}


def answers_on(service: ServiceProcess, why: str) -> None:
    """Calls and health are answered, health tells of the log, and the service ends when told to."""
    assert calls(service.base, MORE_THAN_THE_PIPE) == {200: MORE_THAN_THE_PIPE}
    [problem] = [p for p in until(service.base, is_degraded)["problems"] if "the log" in p]
    assert f"the log cannot be written ({why})" in problem
    assert httpx.get(service.base + "/health/live", timeout=10).status_code == 200
    assert calls(service.base, 20) == {200: 20}
    ends(service)


@attack(KIND, "pipe that nobody reads", "200; health tells of it; SIGTERM works")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_pipe_that_nobody_reads(workers: str) -> None:
    with with_pipe("--workers", workers) as (service, _):
        if workers == "1":
            answers_on(service, "nobody reads it")
        else:
            assert calls(service.base, 3 * MORE_THAN_THE_PIPE) == {200: 3 * MORE_THAN_THE_PIPE}
            ends(service)


@attack(KIND, "reader that died", "200; health tells of it; SIGTERM works")
def test_a_reader_that_died() -> None:
    with with_pipe() as (service, pipe):
        os.close(pipe.read_end)
        answers_on(service, "broken pipe")


@pytest.fixture
def small_disk(tmp_path: Path) -> list[str]:
    """A command that starts another with its log on a disk of 64 kB, half of it taken."""
    command = ["unshare", "--mount", "--propagation", "private"]
    if (
        shutil.which(command[0]) is None
        or subprocess.run([*command, "true"], check=False).returncode
    ):
        pytest.skip("a disk of its own needs root and unshare")
    script = (
        f"mount -t tmpfs -o size=64k small {tmp_path} "
        f"&& head -c 32768 /dev/zero > {tmp_path}/taken "
        f'&& exec "$@" 2>> {tmp_path}/log'
    )
    return [*command, "sh", "-c", script, "sh"]


@attack(KIND, "full disk", "200; health tells of it; SIGTERM works")
def test_a_full_disk(small_disk: list[str]) -> None:
    with started_by(small_disk, None) as service:
        answers_on(service, "no space left on device")


def test_after_a_full_disk_no_line_is_missing(small_disk: list[str], tmp_path: Path) -> None:
    with started_by(small_disk, None) as service:
        folder = Path(f"/proc/{service.process.pid}/root{tmp_path}")
        calls(service.base, 100)
        until(service.base, is_degraded)
        (folder / "taken").unlink()
        state = until(service.base, lambda state: not is_degraded(state))
        lines = [json.loads(line) for line in (folder / "log").read_text().splitlines()]

    assert "problems" not in state
    assert sum(line["event"] == "request" and line["status"] == 200 for line in lines) == 100


@attack(KIND, "more lines than wait", "dropped and counted")
def test_what_is_dropped_is_counted() -> None:
    with with_pipe() as (service, pipe):
        assert calls(service.base, MORE_THAN_WAIT, b"{") == {400: MORE_THAN_WAIT}
        problem = until(service.base, is_degraded)["problems"][0]
        found = re.search(r"(\d+) were dropped", problem)
        assert found
        dropped = int(found[1])
        figures = httpx.get(service.base + "/metrics", timeout=10).text
        pipe.begin_to_read()
        until(service.base, lambda state: "is written again" in str(state.get("problems")))
        ends(service)

    lines = pipe.lines()
    assert dropped > 0
    assert f'cds_log_lines_dropped_total{{stream="other"}} {float(dropped)}' in figures
    assert [line["lines"] for line in lines if line["event"] == "lines dropped"] == [dropped]
    written = sum(line["event"] == "request" for line in lines)
    assert written + dropped == MORE_THAN_WAIT


# --- audit ---


@pytest.fixture
def registered(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "clients.toml"
    path.write_text(client_toml(id="north", iss=ISS, jwks=key_set(jwk("P-384", ISSUER.kid))))
    return {"CDS_CLIENTS": str(path), "CDS_PUBLIC_URL": PUBLIC}


def token_call(base: str, token: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {token or ISSUER.token()}"}
    response = httpx.post(base + SIGN, content=BODY, headers=headers, timeout=20)
    check_answer(response.status_code, response.content)
    return response


@attack(KIND, "audit lines that cannot be written, CDS_AUDIT=strict", "503 until they are")
def test_strict_audit(registered: dict[str, str]) -> None:
    token = ISSUER.token()
    with with_pipe(CDS_AUDIT="strict", **registered) as (service, pipe):
        first = token_call(service.base)
        fill(service.base)
        refused = token_call(service.base, token)
        state = ready(service.base)
        pipe.begin_to_read()
        until(service.base, lambda state: not is_degraded(state))
        again = token_call(service.base, token)  # which its refusal did not use up
        ends(service)

    assert first.status_code == again.status_code == 200
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert "audit log cannot be written" in refused.json()["issue"][0]["diagnostics"]
    assert "the audit log cannot be written" in str(state["problems"])
    accepted = [line for line in pipe.lines() if line["event"] == "token accepted"]
    answered = [line for line in pipe.lines() if line["event"] == "request"]
    assert len(accepted) >= sum(line["status"] == 200 for line in answered)


def fill(base: str) -> None:
    """Call until a call is refused because its audit line is not written."""
    for _ in range(400):
        if token_call(base).status_code == 503:
            return
    raise AssertionError("the pipe does not fill")


def test_otherwise_calls_are_answered(registered: dict[str, str]) -> None:
    with with_pipe(**registered) as (service, pipe):
        os.close(pipe.read_end)
        assert {token_call(service.base).status_code for _ in range(5)} == {200}
        problems = until(service.base, is_degraded)["problems"]
        assert {token_call(service.base).status_code for _ in range(5)} == {200}

    assert "the audit log cannot be written (broken pipe)" in " ".join(problems)


# --- what anybody can write into the log ---


@attack(KIND, "2,000 calls that are not let in", "401; 1 kB of log a second, all counted")
def test_refused_calls_do_not_fill_the_disk(registered: dict[str, str]) -> None:
    with started(**registered) as service:
        long = Issuer(None, iss="https://" + "x" * 5000).token(jti="y" * 5000)
        got = calls(service.base, 1_000) + calls(
            service.base, 1_000, Authorization=f"Bearer {long}"
        )
        service.process.terminate()
        service.process.wait(20)
        text = service.logged()

    lines = [json.loads(line) for line in text.splitlines()]
    assert got == {401: 2_000}
    windows = sum(line["event"] == "refusals held back" for line in lines)  # of ten seconds
    assert len(text) < 15_000 * windows
    assert total(lines, "token refused", "refusals held back") == 2_000
    assert total(lines, "request", "requests held back") == 2_000


def total(lines: list[dict[str, Any]], event: str, held: str) -> int:
    """Lines of an event, and those that a line says were held back."""
    counts = [n for line in lines if line["event"] == held for n in line["lines"].values()]
    return int(sum(counts)) + len([line for line in lines if line["event"] == event])
