"""A proxy in front of an EHR's FHIR server that behaves as badly as networks and servers do.

It is a real HTTP/1.1 server on a port of this machine. Each fault is a function of one exchange,
set for a resource type or for all (`*`); without a fault it passes the upstream's answer on.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

FHIR_JSON = "application/fhir+json;charset=utf-8"


@dataclass
class Seen:
    """A request as it arrived."""

    path: str
    query: str
    headers: dict[str, str]
    connection: int

    @property
    def kind(self) -> str:
        """Resource type: what stands behind the base path."""
        return self.path.removeprefix("/fhir").strip("/").split("/")[0] or "page"


@dataclass
class Exchange:
    """One request and the means to answer it."""

    proxy: FaultyProxy
    seen: Seen
    writer: asyncio.StreamWriter

    async def upstream(self) -> httpx.Response:
        """What the server behind would answer."""
        url = f"/fhir{self.seen.path.removeprefix('/fhir')}"
        headers = {k: v for k, v in self.seen.headers.items() if k in {"authorization", "accept"}}
        headers["host"] = self.seen.headers["host"]  # for the links of the answer
        query = f"?{self.seen.query}" if self.seen.query else ""
        return await self.proxy.client.get(url + query, headers=headers)

    async def send(self, content: bytes, status: int = 200, **headers: str) -> None:
        """Answer; `content_length` may lie."""
        lines = {"content-type": FHIR_JSON, "content-length": str(len(content))}
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.writer.write(f"HTTP/1.1 {status} x\r\n{head}\r\n".encode() + content)
        await self.writer.drain()


Fault = Callable[[Exchange], Awaitable[None]]


class FaultyProxy:
    """`faults` by resource type; `page` stands for HAPI's `?_getpages=`. `seen` is the log."""

    def __init__(self, client: Callable[[], httpx.AsyncClient]) -> None:
        self._make_client = client
        self.faults: dict[str, Fault] = {}
        self.seen: list[Seen] = []
        self.base = ""
        self._connections = 0
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def kinds(self) -> list[str]:
        """Resource types that were asked for, in the order in which they came."""
        return [seen.kind for seen in self.seen]

    def searched(self) -> list[str]:
        """The same, without the CapabilityStatement, which is asked for once an hour."""
        return [kind for kind in self.kinds() if kind != "metadata"]

    @contextmanager
    def running(self) -> Iterator[FaultyProxy]:
        """Serve in a thread of its own."""
        ready = threading.Event()
        thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        thread.start()
        assert ready.wait(10)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(10)

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(ready))
        self._loop.close()

    async def _serve(self, ready: threading.Event) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.base = f"http://127.0.0.1:{port}/fhir"
        async with self._make_client() as self.client:
            ready.set()
            await self._stop.wait()
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._connections += 1
        number = self._connections
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(_parse(head, number), writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _answer(self, seen: Seen, writer: asyncio.StreamWriter) -> None:
        self.seen.append(seen)
        exchange = Exchange(self, seen, writer)
        fault = self.faults.get(seen.kind) or self.faults.get("*") or passed_on
        await fault(exchange)


def _parse(head: bytes, connection: int) -> Seen:
    first, *lines = head.decode("latin-1").split("\r\n")
    target = urlsplit(first.split(" ")[1])
    headers = dict(line.split(": ", 1) for line in lines if line)
    return Seen(target.path, target.query, {k.lower(): v for k, v in headers.items()}, connection)


# --- faults ---


async def passed_on(x: Exchange) -> None:
    answer = await x.upstream()
    await x.send(answer.content, answer.status_code)


async def packed(x: Exchange) -> None:
    """No fault: gzip, as good servers do."""
    answer = await x.upstream()
    await x.send(gzip.compress(answer.content), content_encoding="gzip")


async def silent(x: Exchange) -> None:
    """Never answers."""
    await asyncio.Event().wait()


async def dripping(x: Exchange) -> None:
    """Sends a byte of a long answer now and then, for ever."""
    await x.send(b'{"resourceType":', content_length="1000000")
    while True:
        x.writer.write(b" ")
        await x.writer.drain()
        await asyncio.sleep(0.01)


async def cut(x: Exchange) -> None:
    """Ends in the middle of the answer."""
    answer = await x.upstream()
    await x.send(
        answer.content[: len(answer.content) // 2], content_length=str(len(answer.content))
    )
    raise ConnectionError


async def hung_up(x: Exchange) -> None:
    """Ends without an answer."""
    raise ConnectionError


async def no_http(x: Exchange) -> None:
    x.writer.write(b"220 mail.example.org ESMTP\r\n")
    await x.writer.drain()
    raise ConnectionError


async def html(x: Exchange) -> None:
    """A login page with status 200."""
    await x.send(
        b"<!DOCTYPE html><html><body>Please log in</body></html>", content_type="text/html"
    )


def answers(content: bytes, status: int = 200, **headers: str) -> Fault:
    """Always this answer."""

    async def fault(x: Exchange) -> None:
        await x.send(content, status, **headers)

    return fault


def status(code: int, **headers: str) -> Fault:
    """An error with an OperationOutcome."""
    issue = {"severity": "error", "code": "processing", "diagnostics": "Jane Doe 1950-01-01"}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    return answers(json.dumps(outcome).encode(), code, **headers)


def first(fault: Fault, times: int = 1) -> Fault:
    """A fault that goes away after some times."""
    left = [times]

    async def then(x: Exchange) -> None:
        left[0] -= 1
        await (fault if left[0] >= 0 else passed_on)(x)

    return then


def rewritten(change: Callable[[Exchange, dict[str, Any]], None]) -> Fault:
    """The upstream's answer, changed."""

    async def fault(x: Exchange) -> None:
        document = (await x.upstream()).json()
        change(x, document)
        await x.send(json.dumps(document).encode())

    return fault


def with_next(url: Callable[[Exchange], str]) -> Fault:
    """Every page names this page as the next one."""

    def change(x: Exchange, document: dict[str, Any]) -> None:
        document["link"] = [{"relation": "next", "url": url(x)}]

    return rewritten(change)


def looping() -> Fault:
    """The next page is this page."""
    return with_next(lambda x: f"{x.proxy.base}/{x.seen.kind}?{x.seen.query}")


def endless() -> Fault:
    """There is always one more page."""
    return with_next(
        lambda x: f"{x.proxy.base}/{x.seen.kind}?patient=none&page={len(x.proxy.seen)}"
    )


def elsewhere(url: str) -> Fault:
    """The next page is on another server."""
    return with_next(lambda _: url)


def dropped_filter() -> Fault:
    """As a server that was seen: the next page has lost the search, so it is everybody's."""

    async def fault(x: Exchange) -> None:
        if "patient=" not in x.seen.query:
            await passed_on(x)
        else:
            await with_next(lambda x: f"{x.proxy.base}/{x.seen.kind}?_offset=0")(x)

    return fault


def refuses_paging(x: Exchange) -> Awaitable[None]:
    """400 for a search with _sort or _count."""
    bad = "_count" in x.seen.query or "_sort" in x.seen.query
    return status(400)(x) if bad else passed_on(x)


def bomb(megabytes: int) -> Fault:
    """A small answer that unpacks to a large one."""
    return answers(gzip.compress(b" " * (megabytes << 20)), content_encoding="gzip")


def redirect(url: str, code: int = 302) -> Fault:
    """Sends the client to another address."""
    return answers(b"", code, location=url)
