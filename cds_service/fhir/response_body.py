"""Reads the body of a FHIR server's answer within bounds; httpx undoes gzip.

httpx unpacks whatever the network hands over in one go, and 64 KiB of gzip may hold 64 MiB. So the
packed bytes reach it in small pieces, and both sides of the packing are counted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

from cds_service.cdshooks.encoding import to_utf8
from cds_service.errors import BadRequest, TooLarge, UnsupportedBody

_PIECE = 4096  # gzip packs at most 1,032 to 1: never more than 4 MiB at a time
_MOST_IDLE = 64  # pieces that unpack to nothing: what follows the end of a gzip is copied each time


class ByteBudget:
    """The bytes that one call may still read, packed and unpacked; shared by all of its reads."""

    def __init__(self, limit: int) -> None:
        self._packed = self._plain = limit

    def expect(self, announced: str | None) -> None:
        """Raises TooLarge when Content-Length announces more than may be read."""
        if announced is not None and announced.isdecimal() and int(announced) > self._packed:
            raise TooLarge("too many bytes")

    def spend(self, *, packed: int = 0, plain: int = 0) -> None:
        """Raises TooLarge when more was read than may be."""
        self._packed -= packed
        self._plain -= plain
        if self._packed < 0 or self._plain < 0:
            raise TooLarge("too many bytes")


class _Pieces(httpx.AsyncByteStream):
    """The packed bytes of an answer, counted, in pieces."""

    def __init__(self, stream: httpx.AsyncByteStream, budget: ByteBudget) -> None:
        self._stream = stream
        self._budget = budget
        self.idle = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._budget.spend(packed=len(chunk))
            for start in range(0, len(chunk), _PIECE):
                self.idle += 1
                if self.idle > _MOST_IDLE:
                    raise BadRequest("packed bytes that hold nothing", "body")
                yield chunk[start : start + _PIECE]

    async def aclose(self) -> None:
        await self._stream.aclose()


async def read_body(answer: httpx.Response, budget: ByteBudget) -> bytes:
    """The body of a streamed answer as UTF-8.

    Raises TooLarge, UnsupportedBody or BadRequest (`cdshooks.encoding`), and what httpx raises:
    DecodingError where the body is not packed as Content-Encoding says.
    """
    budget.expect(answer.headers.get("content-length"))
    layers = answer.headers.get_list("content-encoding", split_commas=True)
    if len(layers) > 1:  # each may hold a thousand times what it takes
        raise UnsupportedBody("packed more than once", "Content-Encoding")
    assert isinstance(answer.stream, httpx.AsyncByteStream)  # noqa: S101  # of an AsyncClient
    pieces = answer.stream = _Pieces(answer.stream, budget)
    chunks: list[bytes] = []
    async for chunk in answer.aiter_bytes():
        pieces.idle = 0
        budget.spend(plain=len(chunk))
        chunks.append(chunk)
    return to_utf8(b"".join(chunks), answer.headers.get("content-type"))
