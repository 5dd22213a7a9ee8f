"""Bounds the number of calls that one worker answers at once."""

from __future__ import annotations

from cds_service.errors import Overloaded
from cds_service.ops import metrics

RETRY_AFTER_SECONDS = 1


class Capacity:
    """Takes a number of calls at once: `with` it while one is answered.

    Entering raises Overloaded (503 with Retry-After) where there are too many already.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way = 0

    def __enter__(self) -> None:
        if self._under_way >= self._most:
            metrics.overloaded.inc()
            raise Overloaded("too many calls at once")
        self._under_way += 1
        metrics.under_way.inc()

    def __exit__(self, *_: object) -> None:
        self._under_way -= 1
        metrics.under_way.dec()
