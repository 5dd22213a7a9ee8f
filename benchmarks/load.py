"""Puts load on a URL and tells rate and latencies: by wrk, or by Python where it is missing."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

_SCRIPT = """
local file = assert(io.open("{body}", "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{{"requests":%d,"seconds":%f,"errors":%d,"p50":%f,"p99":%f}}\\n', summary.requests,
    summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


@dataclass(frozen=True)
class Load:
    """One run: requests a second, latencies in milliseconds, and how many calls failed."""

    rate: float
    p50: float
    p99: float
    errors: int


def tool() -> str:
    """What puts on the load."""
    return "wrk" if shutil.which("wrk") else "a Python driver (wrk is not installed)"


def run(url: str, body: bytes, connections: int, seconds: float) -> Load:
    """Load with as many connections as said, each sending the next call after an answer."""
    if shutil.which("wrk"):
        return _wrk(url, body, connections, seconds)
    return asyncio.run(_python(url, body, connections, seconds))


def _wrk(url: str, body: bytes, connections: int, seconds: float) -> Load:
    with TemporaryDirectory() as folder:
        content, script = Path(folder) / "body.json", Path(folder) / "post.lua"
        content.write_bytes(body)
        script.write_text(_SCRIPT.format(body=content))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
        command += ["--timeout", "120s", "-s", str(script), url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    told = json.loads(said.strip().splitlines()[-1])
    rate = told["requests"] / told["seconds"]
    return Load(rate, told["p50"], told["p99"], told["errors"])


async def _python(url: str, body: bytes, connections: int, seconds: float) -> Load:
    parts = urlsplit(url)
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    times: list[float] = []
    errors = 0
    end = time.perf_counter() + seconds

    async def one() -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**24)
        while time.perf_counter() < end:
            started = time.perf_counter()
            writer.write(head + body)
            errors += await _answer(reader) != 200
            times.append(time.perf_counter() - started)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    times.sort()
    rate = len(times) / (time.perf_counter() - started)
    return Load(rate, _at(times, 0.5), _at(times, 0.99), errors)


async def _answer(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(b" ")[1])


def _at(times: list[float], share: float) -> float:
    return times[min(len(times) - 1, int(len(times) * share))] * 1000
