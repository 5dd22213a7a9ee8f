"""Bounds how often somebody may try a token: from one address, and in all."""

from __future__ import annotations

from datetime import datetime, timedelta

from cds_service.errors import TooMany

WINDOW = timedelta(minutes=15)
"""Wrong tokens are counted from the first one on, for so long; then it begins anew."""
MOST_OF_ONE = 5
MOST_OF_ALL = 50
_ADDRESSES = 1_000  # that are told apart; beyond it the oldest goes
_ALL = ""

_Count = tuple[int, datetime]


class Lockout:
    """Counts wrong tokens by address. Each worker counts for itself."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}

    def check(self, address: str, now: datetime) -> None:
        """Raise TooMany where a token is not even looked at, with the seconds until it is again."""
        for name, most in ((address, MOST_OF_ONE), (_ALL, MOST_OF_ALL)):
            count, since = self._count(name, now)
            if count >= most:
                whose = "in all" if name == _ALL else "from this address"
                seconds = (since + WINDOW - now).total_seconds()
                raise TooMany(f"too many wrong tokens {whose}; none is looked at now", seconds)

    def wrong(self, address: str, now: datetime) -> None:
        """Count a wrong token."""
        for name in (address, _ALL):
            count, since = self._count(name, now)
            self._counts.pop(name, None)  # the one that was counted last is the youngest
            self._counts[name] = (count + 1, since)
        while len(self._counts) > _ADDRESSES:
            del self._counts[next(name for name in self._counts if name != _ALL)]

    def right(self, address: str) -> None:
        """Forget the wrong tokens of an address from which the right one came."""
        self._counts.pop(address, None)

    def _count(self, name: str, now: datetime) -> _Count:
        count, since = self._counts.get(name, (0, now))
        return (count, since) if now < since + WINDOW else (0, now)
