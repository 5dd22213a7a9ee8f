"""What the audit log tells of a refused token: which claim, what came, and what was expected.

Whoever connects an EHR finds the mistake there. The caller learns nothing of it. No part of a
signature or key is told, and of a URL neither user, query nor fragment.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from cds_service.errors import Unauthorized

LOGGED_CHARS = 200
"""Longest text of a token in the log."""

_MOST = 5
_LARGE = 1e15


def mismatch(reason: str, claim: str, came: str, expected: str) -> Unauthorized:
    """The error for a claim, or a member of the header, that is not as it must be.

    `reason` is the same for all tokens with this mistake, because refusals are counted by it;
    `came` is what `told` says of the value.
    """
    return Unauthorized(reason, mismatch={"claim": claim, "came": came, "expected": expected})


def told(value: Any) -> str:
    """A value of an unverified token as the log may hold it: its type where that is odd, short."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f'"{_without_secrets(value)[:LOGGED_CHARS]}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value}" if abs(value) < _LARGE else "a very large number"
    if isinstance(value, list):
        return f"a list: {', '.join(told(item) for item in value[:_MOST])}"[:LOGGED_CHARS]
    return "an object"


def one_of(values: Collection[str]) -> str:
    """The values that would have been accepted, the first few of many."""
    shown = [f'"{value}"' for value in sorted(values)[:_MOST]]
    more = len(values) - len(shown)
    return " or ".join(shown) + (f" or one of {more} more" if more > 0 else "")


def at(seconds: float) -> str:
    """A NumericDate with the time that it means."""
    return f"{seconds:.0f} ({datetime.fromtimestamp(seconds, UTC).isoformat(timespec='seconds')})"


def numeric_date(value: Any) -> str:
    """What is expected of a time that came in this form (RFC 7519 section 2)."""
    if isinstance(value, str):
        return "a number: this is a string (seconds since 1970, RFC 7519 section 2)"
    if isinstance(value, int | float) and value >= 1e11:
        return "seconds since 1970: these look like milliseconds"
    return "a number: seconds since 1970 (RFC 7519 section 2)"


def _without_secrets(text: str) -> str:
    """A URL without user, query and fragment; any other text as it is."""
    try:
        parts = urlsplit(text)
        if not parts.netloc:
            return text
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "a broken URL"
    left_out = "@" in parts.netloc or parts.query or parts.fragment
    return f"{parts.scheme}://{host}{parts.path}" + (" (parts left out)" if left_out else "")
