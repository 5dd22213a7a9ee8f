"""Remembers which tokens were used, so that each is accepted once (CDS Hooks 2.0 L924, `jti`)."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from cds_service.errors import Overloaded

_MOST = 1_000_000  # about 150 MB; an hour of 270 calls a second


class SeenTokens(Protocol):
    """A memory of used tokens."""

    async def first(self, iss: str, jti: str, until: datetime) -> bool:
        """Whether this is the first use. `until` (UTC): when the token is refused anyway."""


class SeenInMemory:
    """For one worker process. A restart forgets what was seen."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._seen: set[bytes] = set()
        self._order: list[tuple[datetime, bytes]] = []

    async def first(self, iss: str, jti: str, until: datetime) -> bool:
        """See SeenTokens. Raises Overloaded when too many tokens are alive at once."""
        self._forget()
        key = fingerprint(iss, jti)
        if key in self._seen:
            return False
        if len(self._seen) >= _MOST:
            raise Overloaded("too many tokens are in use")
        self._seen.add(key)
        heapq.heappush(self._order, (until, key))
        return True

    def _forget(self) -> None:
        now = self._clock()
        while self._order and self._order[0][0] < now:
            self._seen.discard(heapq.heappop(self._order)[1])


def fingerprint(iss: str, jti: str) -> bytes:
    """16 bytes that stand for a token; neither of its parts can be read from them."""
    text = f"{len(iss)}:{iss}{jti}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
