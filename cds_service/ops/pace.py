"""Bounds how fast each of many may go on: token buckets by name."""

from __future__ import annotations

import time

_Bucket = tuple[float, float]  # what is left, and when that was


class Pace:
    """Buckets that fill again by `rate` a second, up to `most`. Names come from closed lists."""

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}

    def take(self, name: str, rate: float, most: float, wanted: float = 1) -> float:
        """Take so much from a bucket. 0 when it was there, else the seconds until it will be, and
        nothing is taken. `wanted` is no more than `most`."""
        now = time.monotonic()
        left, since = self._buckets.get(name, (most, now))
        left = min(most, left + (now - since) * rate)
        if left < wanted:
            return (wanted - left) / rate
        self._buckets[name] = left - wanted, now
        return 0.0

    def give_back(self, name: str, taken: float) -> None:
        """Undo what came of nothing."""
        left, since = self._buckets[name]
        self._buckets[name] = left + taken, since
