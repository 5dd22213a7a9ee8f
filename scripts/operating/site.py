"""A deployment on this machine: instances, proxies, a database, and a hospital that calls."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx

from tests.support.builders import request as build
from tests.support.constants import ROOT
from tests.support.databases import Postgres
from tests.support.ehr_calls import HIGH
from tests.support.issuer import ISS, PUBLIC, SIGN, Issuer, client_toml, jwk, key_set

FEEDBACK = SIGN + "/feedback"
THREADS = 6
PAUSE = 0.03
DEPLOY = ROOT / "deploy"
BODY = json.dumps(build(HIGH)).encode()
JSON = {"Content-Type": "application/json"}


def free_port() -> int:
    """One that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def until(condition: Callable[[], bool], seconds: float = 300) -> None:
    """Wait for something. Raises TimeoutError."""
    last = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > last:
            raise TimeoutError
        time.sleep(0.1)


def family(pid: int) -> Iterator[int]:
    """A process and its children, as far as they live."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from family(int(child))
        yield pid


def answers(url: str) -> bool:
    """Whether a URL is answered with 200."""
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


class Instance:
    """A machine of the deployment."""

    def __init__(self, python: str, environment: dict[str, str], log: int | None = None) -> None:
        self.python, self.port, self.log = python, free_port(), log
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
        self.environment |= environment | {"CDS_PORT": str(self.port)}
        self.base = f"http://127.0.0.1:{self.port}"

    def start(self, **more: str) -> None:
        """Start, and wait until it answers."""
        command = [self.python, "-m", "cds_service", "serve"]
        self.process = subprocess.Popen(
            command, env=self.environment | more, cwd="/", stdout=subprocess.DEVNULL,
            stderr=self.log or subprocess.DEVNULL,
        )  # fmt: skip
        workers = int(self.environment["CDS_WORKERS"])
        for _ in range(4 * workers):  # the kernel deals connections to all workers
            until(lambda: answers(self.base + "/health/ready"))

    def stop(self) -> float:
        """As `systemctl stop`: the seconds that it took."""
        begun = time.monotonic()
        self.process.terminate()
        self.process.wait(60)
        return time.monotonic() - begun


class Hospital:
    """One client that calls without end, with a token for each call, and what became of it."""

    def __init__(self, base: str, authority: Path) -> None:
        self.base, self.authority = base, str(authority)
        self.statuses: Counter[str] = Counter()
        self.times: list[float] = []
        self.acknowledged: set[str] = set()
        self.pause, self._stop, self._lock = PAUSE, threading.Event(), threading.Lock()

    @staticmethod
    def token(path: str) -> dict[str, str]:
        """A fresh token for an endpoint."""
        issuer = Issuer(datetime.now(UTC), audience=PUBLIC + path)
        return {"Authorization": f"Bearer {issuer.token()}"} | JSON

    def send(self, client: httpx.Client, path: str, content: bytes) -> httpx.Response | None:
        """One call."""
        headers, begun = self.token(path), time.perf_counter()
        what = "feedback" if path == FEEDBACK else "call"
        try:
            response = client.post(path, content=content, headers=headers)
            told, good = f"{what} {response.status_code}", response
        except httpx.HTTPError as error:
            told, good = f"{what} {type(error).__name__}", None
        with self._lock:
            self.statuses[told] += 1
            if what == "call":
                self.times.append(time.perf_counter() - begun)
        return good

    def _run(self) -> None:
        with httpx.Client(base_url=self.base, verify=self.authority, timeout=20) as client:
            while not self._stop.wait(self.pause):
                answer = self.send(client, SIGN, BODY)
                if answer is None or answer.status_code != 200:
                    continue
                shown = answer.json()["cards"]
                if not shown:  # in shadow
                    continue
                card = shown[0]["uuid"]
                at = datetime.now(UTC).isoformat()
                item: dict[str, object] = {"card": card, "outcome": "accepted"}
                item |= {"outcomeTimestamp": at, "acceptedSuggestions": []}
                done = self.send(client, FEEDBACK, json.dumps({"feedback": [item]}).encode())
                if done is not None and done.status_code == 200:
                    with self._lock:
                        self.acknowledged.add(card)

    @contextmanager
    def calling(self, threads: int = THREADS) -> Iterator[None]:
        """Call while the block runs."""
        running = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in running:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in running:
                thread.join()

    def failed(self) -> int:
        """Calls without an answer 200."""
        return sum(n for told, n in self.statuses.items() if not told.endswith(" 200"))

    def quantile(self, share: float) -> float:
        """Milliseconds within which so many calls were answered."""
        times = sorted(self.times)
        return times[min(int(len(times) * share), len(times) - 1)] * 1000

    def marks(self) -> str:
        """How long calls took."""
        p50, p99, longest = map(self.quantile, (0.5, 0.99, 1))
        return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, longest {longest:.0f} ms"


class Site:
    """Folder, certificate, database, registry and proxies of a drill."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="drill-")))
        self.folder.chmod(0o755)
        self.key, self.authority = self.folder / "key.pem", self.folder / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost", "-keyout", self.key, "-out", self.authority],
            check=True, capture_output=True,
        )  # fmt: skip
        self.postgres = Postgres(sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1])
        stack.callback(self.postgres.stop)
        self.url = self.postgres.new_database()
        self.instances: list[Instance] = []
        self.proxies: list[subprocess.Popen[bytes]] = []

    def clients(self, **members: object) -> str:
        """The file of the registered client."""
        file = self.folder / f"clients-{uuid4().hex[:6]}.toml"
        keys = key_set(jwk("P-384", Issuer(datetime.now(UTC)).kid))
        file.write_text(client_toml(id="north", iss=ISS, jwks=keys, **members))
        return str(file)

    def instance(
        self, python: str = sys.executable, log: int | None = None, **more: str
    ) -> Instance:
        """A machine that is not started yet."""
        data = self.folder / f"data-{len(self.instances)}"
        settings = {
            "CDS_WORKERS": "2", "CDS_DATABASE_URL": self.url, "CDS_PUBLIC_URL": PUBLIC,
            "CDS_CLIENTS": self.clients(), "CDS_METRICS": "true", "CDS_DATA_DIR": str(data),
        }  # fmt: skip
        made = Instance(python, settings | more, log)
        self.instances.append(made)
        self.stack.callback(lambda: made.process.kill() if hasattr(made, "process") else None)
        return made

    def _proxy(self, command: list[str], port: int, **environment: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{command[0]}.log").open("wb")
        process = subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log)
        self.proxies.append(process)
        self.stack.callback(process.wait)
        self.stack.callback(process.terminate)
        url = f"https://localhost:{port}/health/live"

        def is_up() -> bool:
            with suppress(httpx.HTTPError):
                return httpx.get(url, verify=str(self.authority)).status_code == 200
            return False

        until(is_up)
        return process

    def caddy(self) -> str:
        """Caddy with deploy/caddy/Caddyfile in front of the instances; its URL."""
        port, file = free_port(), self.folder / "Caddyfile"
        text = (DEPLOY / "caddy" / "Caddyfile").read_text()
        file.write_text(text.replace("{\n", "{\n\tauto_https disable_redirects\n", 1))
        upstreams = " ".join(f"127.0.0.1:{one.port}" for one in self.instances)
        self._proxy(
            ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"], port,
            HOME=str(self.folder), CADDY_ADMIN=f"127.0.0.1:{free_port()}",
            CDS_SITE=f"https://localhost:{port}", CDS_UPSTREAMS=upstreams,
            CDS_TLS=f"tls {self.authority} {self.key}",
        )  # fmt: skip
        return f"https://localhost:{port}"

    def _nginx_file(self, port: int) -> str:
        """deploy/nginx/cds-service.conf with our names, and its lines for two machines."""
        text = (DEPLOY / "nginx" / "cds-service.conf").read_text()
        if len(self.instances) == 2:
            text = re.sub(r"^( *)# (server|upstream|if) ", r"\1\2 ", text, flags=re.MULTILINE)
            text = text.replace("10.0.0.12:8000", f"127.0.0.1:{self.instances[1].port}")
            text = text.replace("/etc/nginx/", f"{self.folder}/")
        text = text.replace("127.0.0.1:8000", f"127.0.0.1:{self.instances[0].port}")
        text = re.sub(r"listen .*443 ssl;", "", text)
        text = re.sub(r"server_name .*;", f"server_name localhost; listen {port} ssl;", text)
        text = re.sub(r"(ssl_certificate) .*;", rf"\1 {self.authority};", text)
        return re.sub(r"(ssl_certificate_key) .*;", rf"\1 {self.key};", text)

    def nginx(self) -> str:
        """nginx with deploy/nginx/cds-service.conf in front of the instances; its URL."""
        port = free_port()
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = "".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in kinds)
        main = self.folder / "nginx.conf"
        main.write_text(
            f"daemon off; worker_processes 2; pid {self.folder}/pid; error_log stderr; events {{}} "
            f"http {{ {places} access_log off; include {self.folder}/site.conf; }}"
        )
        (self.folder / "site.conf").write_text(self._nginx_file(port))
        self._proxy(["nginx", "-c", str(main)], port)
        return f"https://localhost:{port}"

    def freeze(self, after: float, seconds: float) -> None:
        """As a machine that stands still: proxy and instances get no processor for a while."""
        time.sleep(after)
        running = list(self.proxies) + [one.process for one in self.instances]
        pids = [pid for one in running if one.poll() is None for pid in family(one.pid)]
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            if number is signal.SIGSTOP:
                time.sleep(seconds)

    @contextmanager
    def out_of_nginx(self, one: Instance) -> Iterator[None]:
        """Without calls for a machine, by the file that nginx looks for; its calls have ended."""
        file = self.folder / f"cds-{self.instances.index(one) + 1}-out"
        file.touch()
        time.sleep(3)  # idle connections are closed after one second
        yield
        file.unlink()

    def lost(self, hospital: Hospital) -> set[str]:
        """Acknowledged feedback that is not in the database."""

        async def stored() -> set[str]:
            connection = await asyncpg.connect(self.url)
            try:
                return {row["card"] for row in await connection.fetch("SELECT card FROM feedback")}
            finally:
                await connection.close()

        return hospital.acknowledged - asyncio.run(stored())

    def told(self, what: str, hospital: Hospital) -> bool:
        """Print what became of the calls; whether all is well."""
        lost = self.lost(hospital)
        total, failed = hospital.statuses.total(), hospital.failed()
        print(
            f"{what}: {total} calls, {failed} failed; {len(hospital.acknowledged)} times feedback, "
            f"{len(lost)} lost; {hospital.marks()}"
        )
        if failed:
            print(f"  {dict(hospital.statuses)}")
            for log in self.folder.glob("*.log"):
                print(f"  {log.name}:", log.read_text()[-3000:])
        return not failed and not lost
