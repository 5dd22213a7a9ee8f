"""Bounds on what one worker takes at once: calls, calls of one client, and bytes of bodies."""

from __future__ import annotations

import asyncio
from collections import Counter

from cds_service.errors import Overloaded, TooMany
from cds_service.ops import metrics
from cds_service.ops.pace import Pace
from cds_service.ops.settings import Settings
from cds_service.trust.clients import Client

RETRY_AFTER_SECONDS = 1
SMALL_BODY = 256 * 1024
"""Bytes of a body that always finds room: the number of calls bounds them."""

ROOM = "cds_service.room"
"""Where the `scope` of a request holds its `Room`."""


class Capacity:
    """Takes a number of calls at once: `with` it while one is answered.

    Entering raises Overloaded (503 with Retry-After) where there are too many already.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way = 0

    @property
    def is_full(self) -> bool:
        """Whether the next one would be refused."""
        return self._under_way >= self._most

    def __enter__(self) -> None:
        if self.is_full:
            metrics.overloaded.inc()
            raise Overloaded("too many calls at once")
        self._under_way += 1
        metrics.under_way.inc()

    def __exit__(self, *_: object) -> None:
        self._under_way -= 1
        metrics.under_way.dec()


class ClientPlaces:
    """Bounds the calls of one client, so that its slow FHIR server takes no place of another's.

    Whoever is not registered is one client with all places: there is no other to protect.
    """

    def __init__(self, settings: Settings) -> None:
        self._most = settings.max_concurrent_per_client or max(1, settings.max_concurrent // 2)
        self._under_way: Counter[str] = Counter()
        self._pace = Pace()

    def has_room(self, client: Client | None) -> bool:
        """Whether one more call, which is over at once, would be let in. Not told of clients with a
        rate: their calls are counted."""
        if client is None:
            return True
        return client.calls_per_second is None and self._under_way[client.id] < self._most

    def enter(self, client: Client | None) -> None:
        """Take a place, which `leave` gives back. Raises Overloaded (503) or TooMany (429)."""
        if client is None:
            return
        if self._under_way[client.id] >= self._most:
            metrics.client_refused.labels(client.id, "places").inc()
            raise Overloaded("too many calls of this client at once")
        if client.calls_per_second is not None:
            self._keep_pace(client.id, client.calls_per_second)
        self._under_way[client.id] += 1

    def leave(self, client: Client | None) -> None:
        """Give the place back that `enter` gave."""
        if client is not None:
            self._under_way[client.id] -= 1

    def _keep_pace(self, client: str, rate: float) -> None:
        """As fast as that in the long run, and the calls of two seconds at once."""
        if seconds := self._pace.take(client, rate, max(1.0, 2 * rate)):
            metrics.client_refused.labels(client, "rate").inc()
            raise TooMany(f"more than {rate:g} calls a second of this client", seconds)


class BytesInFlight:
    """Room for the bodies that a worker holds, and for half of it at most by one client."""

    def __init__(self, settings: Settings) -> None:
        self._free = settings.max_bytes_in_flight
        self._half = self._free // 2
        self._patience = settings.read_seconds
        self._of: Counter[str] = Counter()
        self._changed = asyncio.Condition()

    def of(self, client: Client | None) -> Room:
        """The room of one call; who is not registered shares a half."""
        return Room(self, client.id if client is not None else "")

    async def _take(self, size: int, client: str) -> None:
        def fits() -> bool:
            return size <= self._free and self._of[client] + size <= self._half

        try:
            async with asyncio.timeout(self._patience), self._changed:
                await self._changed.wait_for(fits)
                self._free -= size
                self._of[client] += size
        except TimeoutError:
            metrics.overloaded.inc()
            raise Overloaded("too many large bodies at once") from None

    async def _give_back(self, size: int, client: str) -> None:
        async with self._changed:
            self._free += size
            self._of[client] -= size
            self._changed.notify_all()


class Room:
    """What one call holds of the room for bodies, from `want` to the end of `async with`."""

    def __init__(self, whole: BytesInFlight, client: str) -> None:
        self._whole = whole
        self._client = client
        self._held = 0

    async def want(self, size: int) -> None:
        """Wait for room for a body of `size` bytes in all. Raises Overloaded after a while."""
        more = size - self._held
        if more > 0:
            await self._whole._take(more, self._client)
            self._held = size

    async def release(self) -> None:
        """Give all of it back."""
        if self._held:
            held, self._held = self._held, 0
            await self._whole._give_back(held, self._client)
