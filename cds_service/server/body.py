"""Reads a request body in time and within the size limit, unpacked, as plain UTF-8."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from cds_service.cdshooks.encoding import to_utf8
from cds_service.errors import BadRequest, TooLarge, TooSlow, UnsupportedBody
from cds_service.ops import calls
from cds_service.ops.settings import Settings
from cds_service.server.limits import ROOM, SMALL_BODY, Room

_MOST_MEMBERS = 1_000  # each copies what is left: more would take minutes for what holds nothing


async def read(scope: Scope, receive: Receive, settings: Settings) -> bytes:
    """The whole body of a request. Raises a RequestError, or ClientDisconnect."""
    limit, room = settings.max_body_bytes, scope[ROOM]
    with calls.stage("body"):
        length = _header(scope, b"content-length")
        first = _First(receive) if _is_small(length, limit) else None
        plain = first.whole if first is not None else None
        if plain is None or len(plain) > min(SMALL_BODY, limit):
            async with _in_time(settings.read_seconds) as clock:
                chunks = _chunks(receive, first)
                plain = await collect(chunks, length, limit, _Patient(room, clock))
        encoding = _header(scope, b"content-encoding")
        if encoding is not None:
            plain = await _unpacked(unpack(plain, encoding, limit), limit, room)
        return to_utf8(plain, _header(scope, b"content-type"))


def _is_small(length: str | None, limit: int) -> bool:
    return length is not None and length.isdecimal() and int(length) <= min(SMALL_BODY, limit)


class _First:
    """The first message of a body. What came together with the header is there at once, and needs
    no clock; else it is waited for."""

    def __init__(self, receive: Receive) -> None:
        self._steps = receive().__await__()
        self._message: Message | None = None
        try:
            self._pause = next(self._steps)
        except StopIteration as done:
            self._message = done.value

    @property
    def whole(self) -> bytes | None:
        """The body, where it is all there."""
        message = self._message
        if message is None or message["type"] != "http.request" or message.get("more_body"):
            return None
        body: bytes = message.get("body", b"")
        return body

    def __await__(self) -> Generator[Any, None, Message]:
        if self._message is None:
            try:
                yield self._pause
            except BaseException:  # cancelled, or too late: nobody waits for it any more
                self._steps.close()
                raise
            self._message = yield from self._steps
        return self._message


async def _unpacked(steps: Generator[None, None, bytes], limit: int, room: Room) -> bytes:
    """Unpack in turns with other calls. How much it will be nobody knows: room for the most."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            plain: bytes = done.value
            return plain
        await room.want(limit)
        await asyncio.sleep(0)


async def _chunks(receive: Receive, first: _First | None) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await (first or receive())
        first = None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        yield message.get("body", b"")
        more = message.get("more_body", False)


def _header(scope: Scope, name: bytes) -> str | None:
    """The first header of this name, which is in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


@asynccontextmanager
async def _in_time(seconds: float) -> AsyncIterator[asyncio.Timeout]:
    try:
        async with asyncio.timeout(seconds) as clock:
            yield clock
    except TimeoutError:
        raise TooSlow(f"the body did not arrive within {seconds:g} seconds", "body") from None


class HasRoom(Protocol):
    """Where a body asks for room before it is held."""

    async def want(self, size: int) -> None:
        """Wait for room for `size` bytes in all. Raises Overloaded."""


class _Patient:
    """Room that is waited for while the clock of the client stands: it is not slow, we are full."""

    def __init__(self, room: HasRoom, clock: asyncio.Timeout) -> None:
        self._room = room
        self._clock = clock

    async def want(self, size: int) -> None:
        loop, until = asyncio.get_running_loop(), self._clock.when()
        left = until - loop.time() if until is not None else None
        self._clock.reschedule(None)
        await self._room.want(size)
        self._clock.reschedule(None if left is None else loop.time() + left)


async def collect(
    stream: AsyncIterator[bytes], length: str | None, limit: int, room: HasRoom
) -> bytes:
    """Read the whole stream. Raises TooLarge as soon as `limit` bytes are passed.

    `length` is the Content-Length header: a body that announces too much is not read at all.
    `room` is asked before more than a small body is held.
    """
    announced = int(length) if length is not None and length.isdecimal() else None
    if announced is not None and announced > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in stream:
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        if size > SMALL_BODY:
            await room.want(max(size, announced) if announced is not None else limit)
        chunks.append(chunk)
    return b"".join(chunks)


def unpack(body: bytes, encoding: str | None, limit: int) -> Generator[None, None, bytes]:
    """Undo Content-Encoding gzip or deflate, up to `limit` bytes of plain text; pauses before
    each part of `SMALL_BODY` bytes but the first.

    Raises UnsupportedBody for other encodings, BadRequest for a broken archive, TooLarge.
    """
    names = [n for n in (p.strip().lower() for p in (encoding or "").split(",")) if n]
    for name in reversed([n for n in names if n != "identity"]):
        if name not in {"gzip", "x-gzip", "deflate"}:
            raise UnsupportedBody("only gzip and deflate are read", "Content-Encoding")
        body = yield from _inflate(body, limit)
    return body


def _inflate(body: bytes, limit: int) -> Generator[None, None, bytes]:
    parts: list[bytes] = []
    size = 0
    try:
        for _ in range(_MOST_MEMBERS):  # a gzip file may have several, and zeros after the last
            member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
            while True:
                parts.append(member.decompress(body, SMALL_BODY))
                size += len(parts[-1])
                if size > limit:
                    raise _too_large(limit)
                body = member.unconsumed_tail
                if member.eof or (not body and len(parts[-1]) < SMALL_BODY):
                    break
                yield
            if not member.eof:
                raise BadRequest("the compressed body ends too early", "body")
            body = member.unused_data
            if not body.strip(b"\0"):
                return b"".join(parts)
    except zlib.error:
        raise BadRequest("the body is not what Content-Encoding says", "body") from None
    raise BadRequest(f"the compressed body has more than {_MOST_MEMBERS} parts", "body")


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"more than {limit} bytes", "body")
