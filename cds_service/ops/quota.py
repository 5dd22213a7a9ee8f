"""Bounds the log lines that anybody can cause without being let in."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from weakref import WeakSet

WINDOW_SECONDS = 10.0
_OF_ONE_KIND = 10
_OF_ALL = 20


class Quota:
    """Lets so many lines through in a window of time, and counts what it holds back.

    10 of one kind, 20 in all: about 1 kB a second, whoever knocks. `tell` gets the numbers of what
    was held back, by kind, once the window is over. Kinds come from closed lists.
    """

    def __init__(self, tell: Callable[[Mapping[str, int]], None]) -> None:
        self._tell = tell
        self._until = 0.0
        self._seen: Counter[str] = Counter()
        self._held: Counter[str] = Counter()
        _OPEN.add(self)

    def allows(self, kind: str) -> bool:
        """Whether a line of this kind may be written now."""
        now = time.monotonic()
        if now >= self._until:
            self.close()
            self._until = now + WINDOW_SECONDS
        if self._seen[kind] < _OF_ONE_KIND and self._seen.total() < _OF_ALL:
            self._seen[kind] += 1
            return True
        if not self._held:
            asyncio.get_running_loop().call_later(self._until - now, self.close)
        self._held[kind] += 1
        return False

    def close(self) -> None:
        """Tell of what was held back, and begin anew."""
        held = dict(self._held)
        self._seen.clear()
        self._held.clear()
        if held:
            self._tell(held)


_OPEN: WeakSet[Quota] = WeakSet()


def close_all() -> None:
    """Tell at the end of the process what is held back."""
    for quota in _OPEN:
        quota.close()
