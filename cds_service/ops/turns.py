"""Long work in turns with other calls of a worker, within its time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

from cds_service.errors import Outran
from cds_service.ops import metrics

_T = TypeVar("_T")
_OPEN = nullcontext()
LARGE = 256 * 1024
"""Bytes of a body above which a chart is read in turns with other calls."""


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of one call of `size` bytes. `until` is a time of `time.monotonic`."""

    until: float
    size: int

    @property
    def is_large(self) -> bool:
        return self.size > LARGE

    async def take(self, steps: Generator[None, None, _T]) -> _T:
        """Work through the steps, and let other calls go first after each of a large call.

        Raises Outran where its time is over.
        """
        while True:
            try:
                next(steps)
            except StopIteration as done:
                result: _T = done.value
                return result
            if time.monotonic() > self.until:
                metrics.outran.inc()
                raise Outran(
                    "the call needs more time than one may have; the order was not checked"
                )
            if self.is_large:
                await asyncio.sleep(0)


class Desk:
    """Where the large calls of a worker queue: one is worked on at a time, and pauses often.

    Many large calls that took turns with each other would let a small one wait for a turn of each.
    """

    def __init__(self) -> None:
        self._free = asyncio.Lock()

    def place(self, turns: Turns) -> AbstractAsyncContextManager[None]:
        """Held while a call is worked on; a small one does not queue."""
        return self._free if turns.is_large else _OPEN
