"""Remembers which tokens were used, so that each is accepted once (CDS Hooks 2.0 L924, `jti`)."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from cds_service.errors import Overloaded, Unavailable
from cds_service.ops import log

_PAUSE = timedelta(seconds=5)  # before the database is asked again after it did not answer
_PURGE_EVERY = timedelta(minutes=5)
_MOST = 1_000_000  # about 150 MB; an hour of 270 calls a second


class SeenTokens(Protocol):
    """A memory of used tokens."""

    async def first(self, iss: str, jti: str, until: datetime) -> bool:
        """Whether this is the first use. `until` (UTC): when the token is refused anyway."""


class SharedMemory(Protocol):
    """Where several processes keep what they share; the store of the service is one."""

    async def use_token(self, token: str, until: datetime) -> bool:
        """Keep a token; whether it was not there yet. Raises Unavailable."""

    async def forget_tokens(self, before: datetime) -> None:
        """Drop the tokens that were kept until before this time (UTC)."""


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


class SeenInDatabase:
    """For several workers and machines, which share the database.

    While the database does not answer, each worker goes by its own memory. That refuses less: a
    token could be used once in each worker within its hour. What its holder gains are cards about
    data he sent himself. Refusing every call would take the warnings away from clinicians; with
    `strict` it is done nevertheless.
    """

    def __init__(
        self, shared: SharedMemory, clock: Callable[[], datetime], *, strict: bool = False
    ) -> None:
        self._shared = shared
        self._strict = strict
        self._clock = clock
        self._memory = SeenInMemory(clock)
        self._try_again = clock()
        self._purge_at = clock() + _PURGE_EVERY
        self.problem: str | None = None

    async def first(self, iss: str, jti: str, until: datetime) -> bool:
        """See SeenTokens. Raises Unavailable when `strict` and the database does not answer."""
        if not await self._memory.first(iss, jti, until):
            return False
        now = self._clock()
        if now < self._try_again and not self._strict:
            return True
        try:
            first = await self._shared.use_token(fingerprint(iss, jti).hex(), until)
        except Unavailable:
            if self._strict:
                raise
            self._try_again = now + _PAUSE
            self.problem = "used tokens are remembered by each worker alone: no database"
            log.warn("used tokens are remembered in memory: the database does not answer")
            return True
        self.problem = None
        if now >= self._purge_at:
            self._purge_at = now + _PURGE_EVERY
            await self._shared.forget_tokens(now)
        return first


def fingerprint(iss: str, jti: str) -> bytes:
    """16 bytes that stand for a token; neither of its parts can be read from them."""
    text = f"{len(iss)}:{iss}{jti}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
