"""Remembers which tokens were used, so that each is accepted once (CDS Hooks 2.0 L924, `jti`)."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from cds_service.errors import Overloaded, Unavailable
from cds_service.ops import log

_PAUSE = timedelta(seconds=5)  # before the database is asked again after it did not answer
_PURGE_EVERY = timedelta(minutes=5)
_MOST = 1_000_000  # about 150 MB; an hour of 270 calls a second


@dataclass(frozen=True, slots=True)
class Use:
    """The first use of a token. `shared`: it stands in the database, too."""

    key: bytes
    shared: bool = False


class SeenTokens(Protocol):
    """A memory of used tokens."""

    async def first(self, iss: str, jti: str, until: datetime) -> Use | None:
        """The use, if it is the first. `until` (UTC): when the token is refused anyway."""

    async def give_back(self, use: Use) -> None:
        """Forget a use: its call was sent away without having been looked at. Never fails."""


class SharedMemory(Protocol):
    """Where several processes keep what they share; the store of the service is one."""

    async def use_token(self, token: str, until: datetime, *, or_never: bool = False) -> bool:
        """Keep a token; whether it was not there yet. Raises Unavailable; with `or_never` the token
        is then not kept later either."""

    async def give_back_token(self, token: str) -> None:
        """Drop a token."""

    async def forget_tokens(self, before: datetime) -> None:
        """Drop the tokens that were kept until before this time (UTC)."""


class SeenInMemory:
    """For one worker process. A restart forgets what was seen."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._seen: set[bytes] = set()
        self._order: list[tuple[datetime, bytes]] = []

    async def first(self, iss: str, jti: str, until: datetime) -> Use | None:
        """See SeenTokens. Raises Overloaded when too many tokens are alive at once."""
        return self.use(iss, jti, until)

    def use(self, iss: str, jti: str, until: datetime) -> Use | None:
        """The same without a wait."""
        self._forget()
        key = fingerprint(iss, jti)
        if key in self._seen:
            return None
        if len(self._seen) >= _MOST:
            raise Overloaded("too many tokens are in use")
        self._seen.add(key)
        heapq.heappush(self._order, (until, key))
        return Use(key)

    async def give_back(self, use: Use) -> None:
        """See SeenTokens."""
        self._seen.discard(use.key)

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

    async def first(self, iss: str, jti: str, until: datetime) -> Use | None:
        """See SeenTokens. Raises Unavailable when `strict` and the database does not answer: the
        token can then be used later."""
        use = self._memory.use(iss, jti, until)
        if use is None:
            return None
        now = self._clock()
        if now < self._try_again and not self._strict:
            return use
        try:
            first = await self._shared.use_token(use.key.hex(), until, or_never=self._strict)
        except Unavailable:
            if self._strict:
                await self._memory.give_back(use)
                raise
            self._try_again = now + _PAUSE
            self.problem = "used tokens are remembered by each worker alone: no database"
            log.warn("used tokens are remembered in memory: the database does not answer")
            return use
        self.problem = None
        if now >= self._purge_at:
            self._purge_at = now + _PURGE_EVERY
            await self._shared.forget_tokens(now)
        return Use(use.key, shared=True) if first else None

    async def give_back(self, use: Use) -> None:
        """See SeenTokens. What this worker did not put into the database is another one's."""
        if use.shared:
            await self._shared.give_back_token(use.key.hex())
        await self._memory.give_back(use)


def fingerprint(iss: str, jti: str) -> bytes:
    """16 bytes that stand for a token; neither of its parts can be read from them."""
    text = f"{len(iss)}:{iss}{jti}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
