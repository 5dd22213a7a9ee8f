"""How the service ends: by SIGTERM, with its parent, and one worker alone."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from uvicorn.config import STARTUP_FAILURE

from tests.support.attack_book import attack
from tests.support.builders import request as build
from tests.support.constants import ROOT
from tests.support.ehr_calls import HIGH
from tests.support.issuer import SIGN
from tests.support.service_process import ServiceProcess, serve, started, workers_of

pytestmark = pytest.mark.process

KIND = "Processes"
BODY = json.dumps(build(HIGH)).encode()
HEAD = f"POST {SIGN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(BODY)}\r\n".encode()
MOST_SECONDS = 60  # 20 are stated; the machine may be busy


def address_of(service: ServiceProcess) -> tuple[str, int]:
    url = httpx.URL(service.base)
    return url.host, url.port or 80


@contextmanager
def half_a_call(service: ServiceProcess) -> Iterator[socket.socket]:
    """A call whose body is being waited for."""
    with socket.create_connection(address_of(service), timeout=MOST_SECONDS) as client:
        client.sendall(HEAD + b"Expect: 100-continue\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 100")
        yield client


def refuses(service: ServiceProcess) -> bool:
    """Whether nobody accepts connections any more."""
    try:
        socket.create_connection(address_of(service), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def until(condition: Callable[[], bool]) -> None:
    with socket.socket() as nobody:
        nobody.settimeout(0.05)
        nobody.bind(("127.0.0.1", 0))
        nobody.listen()
        for _ in range(20 * MOST_SECONDS):
            if condition():
                return
            with suppress(TimeoutError):  # a pause
                nobody.accept()
    raise AssertionError("it did not happen")


def is_running(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_lets_a_call_end(workers: str) -> None:
    with started("--workers", workers) as service, half_a_call(service) as client:
        service.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(service))
        client.sendall(BODY)
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
        service.process.wait(MOST_SECONDS)

    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"indicator":"warning"' in answer
    assert b"connection: close" in answer


def answer_of(client: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    answer = b""
    while chunk := client.recv(65536):
        answer += chunk
    return answer


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_gives_a_proxy_time_to_notice(workers: str) -> None:
    """Not ready at once, alive and answering for the time that is set; each answer ends its
    connection, so that none is left for a call to be lost on."""
    with started("--workers", workers, CDS_DRAIN_SECONDS="6") as service, ExitStack() as stack:
        until(lambda: not refuses(service))
        kept = stack.enter_context(socket.create_connection(address_of(service), MOST_SECONDS))
        kept.sendall(b"HEAD /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert kept.recv(65536).startswith(b"HTTP/1.1 200")
        under_way = stack.enter_context(half_a_call(service))
        service.process.send_signal(signal.SIGTERM)
        until(lambda: httpx.get(service.base + "/health/ready", timeout=60).status_code == 503)
        assert httpx.get(service.base + "/health/live", timeout=60).status_code == 200
        under_way.sendall(BODY)
        kept.sendall(HEAD + b"\r\n" + BODY)
        new = stack.enter_context(socket.create_connection(address_of(service), MOST_SECONDS))
        new.sendall(HEAD + b"\r\n" + BODY)
        answers = [answer_of(client) for client in (under_way, kept, new)]
        assert service.process.poll() is None
        service.process.wait(MOST_SECONDS)
        assert refuses(service)

    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in answer


def test_ctrl_c_is_not_waited_for() -> None:
    with started(CDS_DRAIN_SECONDS="300") as service:
        until(lambda: not refuses(service))
        assert httpx.get(service.base + "/health/live", timeout=60).status_code == 200
        service.process.send_signal(signal.SIGINT)
        service.process.wait(MOST_SECONDS)


def test_workers_without_a_parent_do_not_wait() -> None:
    with started("--workers", "2", CDS_DRAIN_SECONDS="300") as service:
        until(lambda: not refuses(service))
        assert httpx.get(service.base + "/health/live", timeout=120).status_code == 200
        workers = workers_of(service)
        service.process.kill()
        service.process.wait(MOST_SECONDS)
        until(lambda: not any(map(is_running, workers)))
        assert refuses(service)


@attack(KIND, "call that does not end, at SIGTERM", "the service ends within 20 seconds")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_does_not_wait_for_ever(workers: str) -> None:
    settings = {"CDS_READ_SECONDS": "300"}
    with started("--workers", workers, **settings) as service, half_a_call(service):
        service.process.send_signal(signal.SIGTERM)
        service.process.wait(MOST_SECONDS)
        assert refuses(service)


@attack(KIND, "kill -9 of the parent", "the workers end, and free the port")
def test_workers_end_with_their_parent() -> None:
    with started("--workers", "2") as service, httpx.Client(base_url=service.base) as client:
        assert client.post(SIGN, content=BODY, timeout=120).status_code == 200
        workers = workers_of(service)
        os.kill(service.process.pid, signal.SIGKILL)
        service.process.wait(MOST_SECONDS)
        until(lambda: not any(map(is_running, workers)))
        assert len(workers) == 2
        assert refuses(service)


@attack(KIND, "kill -9 of a worker", "connections of its place wait for the next one")
def test_a_worker_is_replaced() -> None:
    with started("--workers", "2") as service:
        assert httpx.get(service.base + "/health/live", timeout=120).status_code == 200
        old = workers_of(service)
        os.kill(old[0], signal.SIGKILL)
        got = [httpx.get(service.base + "/health/live", timeout=120).status_code for _ in range(20)]
        new = workers_of(service)
        until(lambda: "a worker is replaced" in service.logged())

    assert got == [200] * 20
    assert len({*old, *new}) == 3


def under_way(service: ServiceProcess) -> int:
    """Calls that are being answered, as the figures say."""
    text = httpx.get(service.base + "/metrics", timeout=120).text
    return sum(int(float(n)) for n in re.findall(r"^cds_requests_under_way (\S+)$", text, re.M))


def is_open(client: socket.socket) -> bool:
    """Whether the other side keeps a connection on which it has nothing to say."""
    client.setblocking(False)
    with suppress(ConnectionResetError):
        try:
            return client.recv(1) != b""
        except BlockingIOError:
            return True
    return False


def test_what_a_worker_was_doing_is_forgotten_when_it_dies() -> None:
    """Its calls under way would be counted for ever."""
    settings = {"CDS_READ_SECONDS": "300", "CDS_METRICS": "true"}
    with started("--workers", "2", **settings) as service, ExitStack() as stack:
        until(lambda: not refuses(service))
        calls = [stack.enter_context(half_a_call(service)) for _ in range(12)]
        until(lambda: under_way(service) == len(calls))
        os.kill(workers_of(service)[0], signal.SIGKILL)
        until(lambda: "a worker is replaced" in service.logged())
        left = sum(is_open(call) for call in calls)
        assert left < len(calls)
        assert under_way(service) == left


CANNOT_START = """
import sys, uvicorn
from pathlib import Path
from cds_service.ops import log
from cds_service.ops.switch import Switch
from cds_service.server.listening import listeners
from cds_service.server.workers import Workers

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.failed"})

if __name__ == "__main__":
    log.configure()
    log.start()
    sockets = listeners(2, "127.0.0.1", 0, 2, early=False)
    config = uvicorn.Config("cannot_start:app", workers=2, lifespan="on", log_config=None)
    Workers(config, sockets, Switch(Path("data").absolute()), lambda: None).run()
"""


def test_a_worker_that_cannot_start_is_an_error_of_the_service(tmp_path: Path) -> None:
    """Restart=on-failure starts nothing again that has ended with 0; and the log tells why."""
    (tmp_path / "cannot_start.py").write_text(CANNOT_START)
    ended = subprocess.run(
        [sys.executable, "cannot_start.py"],
        capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "CDS_DATABASE_URL": "none"},
    )  # fmt: skip
    assert ended.returncode == STARTUP_FAILURE, ended.stderr
    assert '"event":"a worker cannot start; the service ends"' in ended.stderr
    assert "a worker is replaced" not in ended.stderr


@attack(KIND, "many connections", "each worker takes its share")
def test_each_worker_accepts_for_itself() -> None:
    def sockets(pid: int) -> int:
        links = Path(f"/proc/{pid}/fd").iterdir()
        return sum("socket:" in os.readlink(link) for link in links)

    with started("--workers", "2") as service, ExitStack() as stack:
        assert httpx.get(service.base + "/health/live", timeout=120).status_code == 200
        pids = workers_of(service)
        before = [sockets(pid) for pid in pids]
        for _ in range(64):
            client = stack.enter_context(socket.create_connection(address_of(service), 120))
            client.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        shares = [sockets(pid) - old for pid, old in zip(pids, before, strict=True)]

    assert sum(shares) >= 60
    assert min(shares) >= 8  # of 64: less happens once in 10^10 runs


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_is_not_shared_with_another_service(workers: str) -> None:
    with started("--workers", "2") as service:
        port = str(address_of(service)[1])
        result = serve("--port", port, "--workers", workers)

    assert result.returncode == 1
    assert "address already in use" in result.stderr
