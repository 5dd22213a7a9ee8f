"""What a hospital sends over HTTP: laboratory orders, a mix of orders, and all of it signed."""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from benchmarks import load
from benchmarks.bodies import body, laboratory, silent
from benchmarks.instructions import MIX, SIZES
from benchmarks.load import Calls
from benchmarks.servers import (
    CONTROL,
    HEALTHCHAIN_APP,
    KEEPING,
    OURS,
    PATH,
    Running,
    free_port,
    running,
)

CONNECTIONS = 16
CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1}
_ISS = "https://ehr.example.org/oauth2"
_TOKENS_A_SECOND = 2_000  # more than are used, for each is good for one call


@dataclass(frozen=True)
class Measured:
    """Medians of some rounds: calls a second, milliseconds of wall and of CPU a call."""

    case: str
    who: str
    rate: float
    p50: float
    p99: float
    cpu: float
    errors: int


def mixed() -> Calls:
    """A thousand calls of 7 kB in the shares of `MIX`, always in the same order."""
    number = SIZES["7 kB"]
    kinds = {"laboratory order": laboratory(number), "silent hip": silent(number),
             "card": body(number)}  # fmt: skip
    order = [place for place, kind in enumerate(kinds) for _ in range(round(MIX[kind] * 1000))]
    random.Random(0).shuffle(order)
    return Calls(tuple(kinds.values()), tuple(order))


def practice(rounds: int, seconds: float, *, has_healthchain: bool) -> list[Measured]:
    """Each case by each contender, asked in turn."""
    found = []
    with ExitStack() as stack:
        servers = [stack.enter_context(running(one)) for one in (OURS, CONTROL)]
        for size, number in SIZES.items():
            calls = Calls((laboratory(number),))
            found += _asked(f"laboratory order, {size}", servers, calls, rounds, seconds)
        found += _asked("mix, 7 kB", servers, mixed(), rounds, seconds)
        if has_healthchain:
            servers.append(stack.enter_context(running(HEALTHCHAIN_APP)))
        found += _asked("card, 7 kB", servers, Calls((body(SIZES["7 kB"]),)), rounds, seconds)
    for algorithm in CURVES:
        found += _signed(algorithm, rounds, seconds)
    return found


def _asked(
    case: str, servers: list[Running], calls: Calls, rounds: int, seconds: float
) -> list[Measured]:
    runs: dict[str, list[tuple[load.Load, float]]] = {}
    for server in servers:  # warm, as after the first minute of a day
        for content in calls.bodies:
            server.post(content)
    for _ in range(rounds):
        for server in servers:
            before = server.cpu_seconds()
            run = load.run(server.url, calls, CONNECTIONS, seconds)
            spent = (server.cpu_seconds() - before) * 1000 / max(1, run.calls)
            runs.setdefault(server.contender.name, []).append((run, spent))
    print(f"{case}: done", file=sys.stderr)
    return [_median(case, who, of) for who, of in runs.items()]


def _median(case: str, who: str, runs: list[tuple[load.Load, float]]) -> Measured:
    rate, p50, p99 = (
        statistics.median(getattr(run, name) for run, _ in runs) for name in ("rate", "p50", "p99")
    )
    errors = sum(run.errors for run, _ in runs)
    return Measured(case, who, rate, p50, p99, statistics.median(cpu for _, cpu in runs), errors)


def _signed(algorithm: str, rounds: int, seconds: float) -> list[Measured]:
    """The mix by a registered client with a new token for each call, two workers, and a store."""
    runs = []
    for _ in range(rounds):  # a service of its own for each: it remembers the tokens
        with _registered(algorithm) as (server, tokens):
            calls = mixed()
            signed = Calls(calls.bodies, calls.order, tokens(round(seconds * _TOKENS_A_SECOND)))
            before = server.cpu_seconds()
            run = load.run(server.url, signed, CONNECTIONS, seconds)
            spent = (server.cpu_seconds() - before) * 1000 / max(1, run.calls)
            runs.append((run, spent))
    print(f"signed, {algorithm}: done", file=sys.stderr)
    return [_median(f"mix, 7 kB, {algorithm}, two workers, SQLite", OURS.name, runs)]


@contextmanager
def _registered(algorithm: str) -> Iterator[tuple[Running, _Signer]]:
    key = ec.generate_private_key(CURVES[algorithm]())
    with TemporaryDirectory() as folder:
        jwk = {**json.loads(ECAlgorithm.to_jwk(key.public_key())), "kid": "1", "use": "sig"}
        keys, clients = Path(folder) / "keys.json", Path(folder) / "clients.toml"
        keys.write_text(json.dumps({"keys": [jwk]}))
        clients.write_text(
            f'[[client]]\nid = "benchmark"\niss = "{_ISS}"\njwks_file = "{keys.name}"\n'
            f'algorithms = ["{algorithm}"]\n'
        )
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        settings = {"CDS_CLIENTS": str(clients), "CDS_PUBLIC_URL": base, "CDS_WORKERS": "2"}
        with running(KEEPING, settings, port) as server:
            _wait_for_workers(base)
            yield server, _Signer(key, algorithm, base + PATH)


def _wait_for_workers(base: str) -> None:
    """With several workers the port is open before one of them answers."""
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{base}/health/ready", timeout=5).close()  # noqa: S310  # http
        except OSError:
            time.sleep(0.1)
        else:
            time.sleep(1)  # for the other one
            return
    raise RuntimeError("is not ready")


@dataclass(frozen=True)
class _Signer:
    key: ec.EllipticCurvePrivateKey
    algorithm: str
    audience: str

    def __call__(self, number: int) -> tuple[str, ...]:
        now = int(datetime.now(UTC).timestamp())
        claims = {"iss": _ISS, "aud": self.audience, "iat": now, "exp": now + 300}
        headers = {"kid": "1"}
        return tuple(
            jwt.encode({**claims, "jti": str(uuid.uuid4())}, self.key, self.algorithm, headers)
            for _ in range(number)
        )


if __name__ == "__main__":
    for row in practice(1, 1, has_healthchain=False):
        print(row)
