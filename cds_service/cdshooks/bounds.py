"""Bounds on what one call may hold, for whoever takes one: the service and the command line."""

from __future__ import annotations

import json
import math
import re
from array import array
from itertools import accumulate
from typing import Any, Protocol

import msgspec

from cds_service.cdshooks.request import CallMembers, open_call
from cds_service.errors import BadRequest, RequestError, TooLarge

MAX_CONTAINERS = 1_000_000  # objects and lists in one body
_PER_RESOURCE = len(b'"resourceType":')  # bytes that each takes at least
_FLAT = 200  # bytes for each level that may be, above which there are surely more brackets
_LEVELS = 20  # what real bodies do not reach
MAX_DIGITS = 40  # of a number in a draft order
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))
_STEPS = bytes.maketrans(b"[]", b"\x01\xff")  # one level down, one up
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG = b"0" * MAX_DIGITS
_TEXT = re.compile(rb'"[^"]*"')


class Bounds(Protocol):
    """How much a call may hold; the settings of the service say it."""

    @property
    def max_body_bytes(self) -> int: ...
    @property
    def max_depth(self) -> int: ...
    @property
    def max_resources(self) -> int: ...
    @property
    def max_draft_orders(self) -> int: ...


def check_body(body: bytes, bounds: Bounds, *, is_json: bool = False) -> None:
    """Refuse what is too large, nested too deeply or holds too many resources.

    `is_json`: that is known by now, which makes it quick for small ones; else it takes about 1 ms
    for each megabyte of FHIR. Raises BadRequest or TooLarge.
    """
    if len(body) > bounds.max_body_bytes:
        raise TooLarge(f"more than {bounds.max_body_bytes} bytes", "body")
    most = len(body) // _PER_RESOURCE  # nearly always less than what may be: then none is counted
    if most > bounds.max_resources and body.count(b'"resourceType"') > bounds.max_resources:
        raise TooLarge(f"more than {bounds.max_resources} resources", "body")
    if is_json and _is_surely_flat(body, bounds.max_depth):
        return
    brackets = _brackets(body)
    if len(brackets) > MAX_CONTAINERS and brackets.count(b"[") > MAX_CONTAINERS:
        raise TooLarge(f"more than {MAX_CONTAINERS} objects and lists", "body")
    if _is_deeper(brackets, bounds.max_depth):
        raise BadRequest(f"nested deeper than {bounds.max_depth} levels", "body")


def opened(body: bytes, bounds: Bounds) -> CallMembers:
    """See `open_call`; what is also too large or deep is refused for that."""
    try:
        return open_call(body)
    except RequestError:
        check_body(body, bounds)
        raise


def _is_surely_flat(body: bytes, limit: int) -> bool:
    """Whether JSON has too few brackets, also inside strings, for any place to be deeper than that:
    as many as its depth open before it, and as many close after it."""
    half = len(body) // 2
    return (
        len(body) < limit * _FLAT
        and body.count(b"{", 0, half) + body.count(b"[", 0, half) <= limit
        and body.count(b"}", half) + body.count(b"]", half) <= limit
    )


def _brackets(body: bytes) -> bytes:
    """The brackets of JSON in their order, all as [ and ], without those inside strings."""
    if b"\\" in body:  # before anything between two of them is taken out
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    signs = body.translate(None, _NO_STRUCTURE)
    signs = signs.replace(b'""', b"")  # most strings hold no bracket
    if b'"' in signs:
        signs = _TEXT.sub(b"", signs)
    return signs.translate(_BRACKETS)


def _is_deeper(brackets: bytes, limit: int) -> bool:
    """Whether brackets nest deeper than `limit`; what is not balanced the parser tells better."""
    left = brackets
    for gone in range(min(limit, _LEVELS)):  # each round takes the innermost level away
        if len(left) <= limit - gone:
            return False
        left = left.replace(b"[]", b"")
    steps = array("b")
    steps.frombytes(brackets.translate(_STEPS))
    return max(accumulate(steps), default=0) > limit


def check_orders(orders: msgspec.Raw | None, bounds: Bounds) -> None:
    """Refuse draft orders that two readers could understand differently, or too many of them.

    Draft orders are few and are what gets signed, so they are looked at whole: a member that
    stands twice or a number out of range at any depth raises BadRequest; TooLarge for the count.
    In prefetch only the keys of `prefetch` itself are looked at: decoding every resource twice
    would double the time of a call. There the last of two equal members counts.
    """
    if orders is None:
        return
    text = bytes(orders)
    if text.startswith(b'"'):  # JSON inside a string, as some clients send it
        text = msgspec.json.decode(text, type=str).encode()
        check_body(text, bounds)
    value = _as_written(text)
    if value is None:
        try:
            value = json.loads(
                text,
                object_pairs_hook=_without_duplicates,
                parse_int=_bounded,
                parse_float=_bounded,
                parse_constant=_bounded,
            )
        except BadRequest:
            raise
        except ValueError:
            return  # the reader of orders tells what is wrong
    entries = value.get("entry") if isinstance(value, dict) else value
    if isinstance(entries, list) and len(entries) > bounds.max_draft_orders:
        raise TooLarge(f"more than {bounds.max_draft_orders} draft orders", "context.draftOrders")


def _as_written(text: bytes) -> Any:
    """What JSON says that is written as we write it ourselves: then no member stands twice, and no
    number is long. None where it is written otherwise, as may well be."""
    try:
        value = msgspec.json.decode(text)
        is_usual = msgspec.json.encode(value) == text and _LONG not in text.translate(_DIGITS)
        return value if is_usual else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadRequest("a member stands twice", "context.draftOrders")
    return members


def _bounded(text: str) -> float:
    if len(text) > MAX_DIGITS or not math.isfinite(number := float(text)):
        raise BadRequest("a number is out of range", "context.draftOrders")
    return number
