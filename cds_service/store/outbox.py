"""Holds what was issued until it is written: bounded, never blocking, counting what it drops."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from cds_service.store.records import CallCount, CallKey, IssuedCard, SealedMark


@dataclass(frozen=True, slots=True)
class Batch:
    """What is written in one transaction."""

    cards: tuple[IssuedCard, ...]
    calls: dict[CallKey, CallCount]


class Outbox:
    """A queue of issued cards and the sums of calls. When `capacity` cards wait, the oldest goes.

    `dropped` counts the cards that were never written, and `on_drop` is told of them. Sums take
    one entry a day, service, hook, client and knowledge version, and are never dropped.
    """

    def __init__(self, capacity: int, on_drop: Callable[[int], object] = lambda _: None) -> None:
        self._capacity = capacity
        self._on_drop = on_drop
        self._cards: deque[IssuedCard] = deque()
        self._taken: tuple[IssuedCard, ...] = ()
        self._calls: dict[CallKey, CallCount] = {}
        self.dropped = 0

    def __len__(self) -> int:
        """Cards that wait."""
        return len(self._cards)

    def __bool__(self) -> bool:
        return bool(self._cards or self._calls)

    def marks(self, client: str, cards: Collection[str]) -> dict[str, SealedMark]:
        """The marks of those of these cards that wait or are being written, as sent to this
        client."""
        return {
            one.card: one.mark
            for one in (*self._taken, *self._cards)
            if one.mark is not None and one.card in cards and one.origin.client == client
        }

    def add(self, cards: Sequence[IssuedCard], key: CallKey, count: CallCount) -> None:
        self._cards.extend(cards)
        self._calls[key] = self._calls.get(key, CallCount()) + count
        self._shrink()

    def take(self, limit: int) -> Batch:
        """Take out the oldest `limit` cards and all sums."""
        cards = tuple(self._cards.popleft() for _ in range(min(limit, len(self._cards))))
        self._taken = cards
        calls, self._calls = self._calls, {}
        return Batch(cards, calls)

    def give_back(self, batch: Batch) -> None:
        """Put back what could not be written, in front of what came since."""
        self._cards.extendleft(reversed(batch.cards))
        for key, count in batch.calls.items():
            self._calls[key] = self._calls.get(key, CallCount()) + count
        self._shrink()

    def clear(self) -> None:
        """Give up all that waits."""
        self._drop(len(self._cards))
        self._calls.clear()

    def _shrink(self) -> None:
        if len(self._cards) > self._capacity:
            self._drop(len(self._cards) - self._capacity)

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._cards.popleft()
        self.dropped += count
        self._on_drop(count)
