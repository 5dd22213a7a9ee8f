"""JSON bytes in whatever encoding they were sent, as UTF-8; and places in them, in words."""

from __future__ import annotations

import codecs
from email.message import Message
from functools import lru_cache

from cds_service.errors import BadRequest, UnsupportedBody

_BOMS = (  # the longer ones first: UTF-32-LE begins like UTF-16-LE
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FALLBACKS = frozenset({"iso8859-1", "cp1252"})
_CHARSETS = frozenset({"utf-8", "ascii", "utf-16", "utf-16-le", "utf-16-be"}) | _FALLBACKS


def to_utf8(body: bytes, content_type: str | None) -> bytes:
    """Give the body as valid UTF-8 without byte order mark (RFC 8259 section 8.1).

    UTF-16 and UTF-32 are known by their mark, UTF-16 also by the declared charset. Declared
    ISO-8859-1 or Windows-1252 is believed only where the bytes are not UTF-8: some clients send
    that header by default (Apache HttpClient). Raises UnsupportedBody or BadRequest.
    """
    charset = _declared_charset(content_type)
    if charset == "utf-8" and body.isascii():  # nearly always
        return body
    for mark, name in _BOMS:
        if body.startswith(mark):
            body, charset = body[len(mark) :], name
            break
    if charset.startswith(("utf-16", "utf-32")):
        return _decode(body, charset).encode()
    if body.isascii():
        return body
    try:
        body.decode()
    except UnicodeDecodeError as error:
        if charset in _FALLBACKS:
            return _decode(body, charset).encode()
        raise BadRequest(
            "not UTF-8, and no other charset is declared", line_and_column(body, error.start)
        ) from None
    return body


def _decode(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset)
    except UnicodeDecodeError:
        raise BadRequest(f"the body is not {charset}", "body") from None


@lru_cache(maxsize=64)
def _declared_charset(content_type: str | None) -> str:
    """The charset parameter in Python's spelling; `utf-8` when there is none."""
    header = Message()
    header["content-type"] = content_type or "application/json"
    media_type = header.get_content_type()
    if media_type.endswith(("/xml", "+xml")) or media_type.startswith("multipart/"):
        raise UnsupportedBody("the body must be JSON", "Content-Type")
    declared = header.get_content_charset() or "utf-8"
    try:
        name = codecs.lookup(declared).name
    except LookupError:
        name = ""
    if name not in _CHARSETS:
        raise UnsupportedBody("this charset is not read; send UTF-8", "Content-Type")
    return name


def line_and_column(body: bytes, offset: int) -> str:
    """Place of a byte in words, both counted from 1; the column counts bytes."""
    line = body.count(b"\n", 0, offset) + 1
    column = offset - (body.rfind(b"\n", 0, offset) + 1) + 1
    return f"line {line} column {column}"
