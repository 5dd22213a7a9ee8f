"""Bodies are read within the limit, unpacked, and turned into UTF-8."""

from __future__ import annotations

import asyncio
import codecs
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest

from cds_service.cdshooks.encoding import to_utf8
from cds_service.clinical.steps import whole
from cds_service.errors import BadRequest, Overloaded, TooLarge, UnsupportedBody
from cds_service.ops.settings import Settings
from cds_service.server import body
from cds_service.server.limits import ROOM as ROOM_OF_CALL
from cds_service.server.limits import SMALL_BODY, BytesInFlight

ROOM = BytesInFlight(Settings()).of(None)
TEXT = '{"name": "Jürgen Łukasz 医師 😀"}'


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def unpack(packed: bytes, encoding: str | None, limit: int) -> bytes:
    return whole(body.unpack(packed, encoding, limit))


def collect(*parts: bytes, length: str | None = None, limit: int = 10) -> bytes:
    return asyncio.run(body.collect(chunks(*parts), length, limit, ROOM))


def test_a_body_as_long_as_the_limit_is_read() -> None:
    assert collect(b"12345", b"67890") == b"1234567890"


def test_a_longer_one_is_refused_while_it_streams() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"1234"

    with pytest.raises(TooLarge):
        asyncio.run(body.collect(endless(), None, 10, ROOM))


def test_an_announced_length_is_refused_before_reading() -> None:
    unread = chunks(b"never asked for")

    with pytest.raises(TooLarge):
        asyncio.run(body.collect(unread, "11", 10, ROOM))

    assert asyncio.run(anext(unread)) == b"never asked for"  # type: ignore[arg-type]


@pytest.mark.parametrize("length", ["x", "-1", "3"])
def test_a_false_length_does_not_matter(length: str) -> None:
    assert collect(b"12345", length=length) == b"12345"


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        (None, b"abc"),
        ("", b"abc"),
        ("identity", b"abc"),
        ("gzip", gzip.compress(b"abc", mtime=0)),
        ("GZip", gzip.compress(b"abc", mtime=0)),
        ("x-gzip", gzip.compress(b"ab", mtime=0) + gzip.compress(b"c", mtime=0)),
        (
            "gzip",
            gzip.compress(b"abc", mtime=0) + bytes(512),
        ),  # padded to a block, as gzip(1) reads it
        ("gzip", gzip.compress(b"ab", mtime=0) + gzip.compress(b"c", mtime=0) + b"\0"),
        ("deflate", zlib.compress(b"abc")),
        ("deflate, gzip", gzip.compress(zlib.compress(b"abc"), mtime=0)),
    ],
)
def test_unpack(encoding: str | None, packed: bytes) -> None:
    assert unpack(packed, encoding, 100) == b"abc"


def test_a_bomb_is_refused_at_the_limit() -> None:
    bomb = gzip.compress(bytes(10_000_000))

    with pytest.raises(TooLarge):
        unpack(bomb, "gzip", 1_000_000)


def test_many_members_count_together() -> None:
    with pytest.raises(TooLarge):
        unpack(gzip.compress(bytes(600)) * 2, "gzip", 1000)


@pytest.mark.parametrize(
    "packed",
    [
        b"abc",
        gzip.compress(b"abc", mtime=0)[:-4],
        gzip.compress(b"a", mtime=0) + b"x",
        gzip.compress(b"a", mtime=0) + b"\0\0x",
        gzip.compress(b"a", mtime=0) + b"\0" + gzip.compress(b"b", mtime=0),
        bytes(20),
        gzip.compress(b"", mtime=0) * 1_001,
    ],
)
def test_a_broken_archive(packed: bytes) -> None:
    with pytest.raises(BadRequest):
        unpack(packed, "gzip", 100)


def test_other_encodings_are_refused() -> None:
    with pytest.raises(UnsupportedBody):
        unpack(b"abc", "br", 100)


@pytest.mark.parametrize(
    ("sent", "content_type"),
    [
        (TEXT.encode(), None),
        (TEXT.encode(), "application/json"),
        (TEXT.encode(), "application/fhir+json; charset=UTF-8"),
        (TEXT.encode(), 'application/json; charset="utf8"'),
        (TEXT.encode(), "application/x-www-form-urlencoded"),  # what curl says by default
        (TEXT.encode(), "application/json; charset=iso-8859-1"),  # declared, but it is UTF-8
        (TEXT.encode(), "not a media type"),
        (codecs.BOM_UTF8 + TEXT.encode(), "application/json"),
        (TEXT.encode("utf-16"), "application/json"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "application/json; charset=utf-8"),
        (TEXT.encode("utf-16-le"), "application/json; charset=utf-16le"),
        (TEXT.encode("utf-32"), "application/json"),
    ],
)
def test_to_utf8(sent: bytes, content_type: str | None) -> None:
    assert to_utf8(sent, content_type).decode() == TEXT


@pytest.mark.parametrize("charset", ["ISO-8859-1", "latin1", "windows-1252"])
def test_declared_latin_is_read_where_it_is_not_utf8(charset: str) -> None:
    sent = '{"name": "Jürgen"}'.encode("latin-1")

    assert to_utf8(sent, f"application/json; charset={charset}").decode() == '{"name": "Jürgen"}'


def test_undeclared_latin_is_refused_with_its_place() -> None:
    with pytest.raises(BadRequest) as caught:
        to_utf8('{\n "name": "Jürgen"}'.encode("latin-1"), "application/json")

    assert caught.value.place == "line 2 column 12"


@pytest.mark.parametrize(
    ("sent", "content_type"),
    [
        (codecs.BOM_UTF16_LE + b"\x00\xd8", "application/json"),  # half a pair
        (b"abc", "application/json; charset=utf-16"),
        (b"\x81\xff", "application/json; charset=windows-1252"),
    ],
)
def test_not_in_the_charset_it_claims(sent: bytes, content_type: str) -> None:
    with pytest.raises(BadRequest):
        to_utf8(sent, content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/fhir+xml",
        "text/xml",
        "multipart/form-data; boundary=x",
        "application/json; charset=ebcdic-cp-us",
        "application/json; charset=klingon",
        "application/json; charset=utf-7",
    ],
)
def test_media_types_and_charsets_that_are_not_read(content_type: str) -> None:
    with pytest.raises(UnsupportedBody):
        to_utf8(b"{}", content_type)


def test_who_waits_for_room_is_told_that_the_service_is_full() -> None:
    """408 would tell a client that was quick to send its body that it was too slow."""
    settings = Settings(read_seconds=0.05)

    async def both() -> None:
        whole_room = BytesInFlight(settings)
        await whole_room.of(None).want(settings.max_bytes_in_flight // 2)
        scope = {"headers": [], ROOM_OF_CALL: whole_room.of(None)}

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b" " * (SMALL_BODY + 1)}

        await body.read(scope, receive, settings)

    with pytest.raises(Overloaded):
        asyncio.run(both())
