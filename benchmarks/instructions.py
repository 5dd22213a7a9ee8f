"""Instructions of a call by this service and by the control, counted in one run of callgrind.

Both are asked over HTTP as uvicorn runs them, with bytes handed to the protocol class and taken
from a transport in memory. Time differs from hour to hour; these counts repeat.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import callgrind
from benchmarks.bodies import body, laboratory, silent
from benchmarks.servers import PATH, ROOT

KINDS: dict[str, Callable[[int], Iterator[bytes]]] = {}
SIZES = {"7 kB": 10, "70 kB": 100, "700 kB": 1_000}
MIX = {"laboratory order": 0.98, "silent hip": 0.019, "card": 0.001}
"""Share of each kind among the calls of order-sign: an assumption, no hospital was counted."""

SMALL = tuple(f"{kind}, 7 kB" for kind in MIX)
_WARM, _CALLS = 4, 10


def _same(content: bytes) -> Iterator[bytes]:
    while True:
        yield content


def _new_orders(conditions: int) -> Iterator[bytes]:
    """Orders that differ in their words, so that none was seen before."""
    for number in range(10_000):
        yield laboratory(conditions, f"Creatinine, sample {conditions}-{number}")


KINDS |= {
    "laboratory order": lambda n: _same(laboratory(n)),
    "laboratory order never seen": _new_orders,
    "silent hip": lambda n: _same(silent(n)),
    "card": lambda n: _same(body(n)),
}
CASES = tuple(f"{kind}, {size}" for kind in KINDS for size in SIZES)


def ratios(cases: Iterable[str] = CASES) -> dict[str, float]:
    """Instructions of the control over ours, by case. What it returns grows as we get cheaper."""
    names = list(cases)
    found = counted("benchmarks.instructions", names)
    return {name: found[2 * n] / found[2 * n + 1] for n, name in enumerate(names)}


def counted(module: str, arguments: list[str]) -> list[int]:
    """What a module counts that is run under callgrind, with a service that keeps nothing."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
        environment |= {
            "PYTHONHASHSEED": "0", "CDS_DATABASE_URL": "none", "CDS_DATA_DIR": name,
        }  # fmt: skip
        subprocess.run(
            [*callgrind.command(folder), sys.executable, "-m", module, *arguments],
            cwd=ROOT, env=environment, check=True, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return callgrind.counts(folder)


def mixed(of: dict[str, float], size: str) -> float:
    """The ratio of the whole mix. Raises KeyError where a case was not counted."""
    return 1 / sum(share / of[f"{kind}, {size}"] for kind, share in MIX.items())


# --- in the process that is counted ---


class _Memory(asyncio.Transport):
    """Takes what is sent, and tells when something was."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.written = asyncio.Event()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        known = {"peername": ("127.0.0.1", 5), "sockname": ("127.0.0.1", 80)}
        return known.get(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data
        self.written.set()

    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class Connection:
    """One connection to an application, as uvicorn keeps it."""

    def __init__(self, app: Any, protocol: Any) -> None:
        import uvicorn
        from uvicorn.server import ServerState

        config = uvicorn.Config(
            app, log_level="warning", access_log=False, ws="none", http=protocol,
            timeout_keep_alive=600, proxy_headers=False,
        )  # fmt: skip
        config.load()
        self._memory = _Memory()
        self._protocol = protocol(config=config, server_state=ServerState(), app_state={})
        self._protocol.connection_made(self._memory)

    async def ask(self, content: bytes) -> bytes:
        memory = self._memory
        memory.sent.clear()
        head = b"POST %b HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        head += b"accept: */*\r\nuser-agent: benchmark\r\ncontent-length: %d\r\n\r\n"
        self._protocol.data_received(head % (PATH.encode(), len(content)) + content)
        while b"\r\n\r\n{" not in memory.sent or not memory.sent.endswith(b"}"):
            memory.written.clear()
            await memory.written.wait()
        await asyncio.sleep(0)  # what is left of the call
        await asyncio.sleep(0)
        return bytes(memory.sent)


async def _count(cases: list[str]) -> None:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    from benchmarks.contenders import control
    from cds_service.ops import log
    from cds_service.server.app import create_app, settle_memory
    from cds_service.server.http1 import BoundedProtocol

    log.start()
    ours = create_app()
    settle_memory()
    both = (Connection(control.app, HttpToolsProtocol), Connection(ours, BoundedProtocol))
    counter = callgrind.Counter()
    for case in cases:
        kind, _, size = case.partition(", ")
        for connection in both:
            bodies = KINDS[kind](SIZES[size])
            for _ in range(_WARM):
                answer = await connection.ask(next(bodies))
            has_card = b'"cards":[{' in answer
            assert b" 200 OK\r\n" in answer, answer
            assert has_card == (kind == "card" and connection is both[1]), answer
            contents = [next(bodies) for _ in range(_CALLS)]
            log.drain(5)
            counter.start()
            for content in contents:
                await connection.ask(content)
            log.drain(5)
            counter.stop()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_count(sys.argv[1:] or list(CASES)))
