"""Puts load on a URL and tells rate and latencies: by wrk, or by Python where it is missing."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

_SCRIPT = """
local bodies, order, tokens, n = {{}}, {{}}, {{}}, 0
for i = 1, {bodies} do
  local file = assert(io.open("{folder}/body-" .. i, "rb"))
  bodies[i] = file:read("*a")
  file:close()
end
for line in io.lines("{folder}/order") do order[#order + 1] = tonumber(line) end
for line in io.lines("{folder}/tokens") do tokens[#tokens + 1] = line end
function request()
  n = n + 1
  local headers = {{["Content-Type"] = "application/json"}}
  if #tokens > 0 then headers["Authorization"] = "Bearer " .. tokens[(n - 1) % #tokens + 1] end
  return wrk.format("POST", nil, headers, bodies[order[(n - 1) % #order + 1]])
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{{"requests":%d,"seconds":%f,"errors":%d,"p50":%f,"p99":%f}}\\n', summary.requests,
    summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


@dataclass(frozen=True)
class Calls:
    """What is sent: the bodies in this order, over and over, and each time the next token."""

    bodies: tuple[bytes, ...]
    order: tuple[int, ...] = (0,)
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True)
class Load:
    """One run: requests a second, latencies in milliseconds, how many calls failed, and how many
    there were."""

    rate: float
    p50: float
    p99: float
    errors: int
    calls: int


def tool() -> str:
    """What puts on the load."""
    return "wrk" if shutil.which("wrk") else "a Python driver (wrk is not installed)"


def run(url: str, calls: bytes | Calls, connections: int, seconds: float) -> Load:
    """Load with as many connections as said, each sending the next call after an answer."""
    sent = Calls((calls,)) if isinstance(calls, bytes) else calls
    if shutil.which("wrk"):
        return _wrk(url, sent, connections, seconds)
    return asyncio.run(_python(url, sent, connections, seconds))


def _wrk(url: str, calls: Calls, connections: int, seconds: float) -> Load:
    with TemporaryDirectory() as name:
        folder = Path(name)
        for number, body in enumerate(calls.bodies, 1):
            (folder / f"body-{number}").write_bytes(body)
        (folder / "order").write_text("".join(f"{place + 1}\n" for place in calls.order))
        (folder / "tokens").write_text("".join(f"{token}\n" for token in calls.tokens))
        script = folder / "post.lua"
        script.write_text(_SCRIPT.format(folder=folder, bodies=len(calls.bodies)))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
        command += ["--timeout", "120s", "-s", str(script), url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    told = json.loads(said.strip().splitlines()[-1])
    rate = told["requests"] / told["seconds"]
    return Load(rate, told["p50"], told["p99"], told["errors"], told["requests"])


async def _python(url: str, calls: Calls, connections: int, seconds: float) -> Load:
    parts = urlsplit(url)
    times: list[float] = []
    errors = 0
    end = time.perf_counter() + seconds
    following = _requests(f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n", calls)

    async def one() -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**24)
        while time.perf_counter() < end:
            started = time.perf_counter()
            writer.write(next(following))
            errors += await _answer(reader) != 200
            times.append(time.perf_counter() - started)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    times.sort()
    rate = len(times) / (time.perf_counter() - started)
    return Load(rate, _at(times, 0.5), _at(times, 0.99), errors, len(times))


def _requests(head: str, calls: Calls) -> Iterator[bytes]:
    for place, token in zip(cycle(calls.order), cycle(calls.tokens or ("",))):
        body = calls.bodies[place]
        lines = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        lines += f"Authorization: Bearer {token}\r\n" * bool(token)
        yield f"{head}{lines}\r\n".encode() + body


async def _answer(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(b" ")[1])


def _at(times: list[float], share: float) -> float:
    return times[min(len(times) - 1, int(len(times) * share))] * 1000
