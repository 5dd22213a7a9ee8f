"""Work that pauses, done in one go by whoever has nothing else to do."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

_T = TypeVar("_T")


def whole(steps: Generator[None, None, _T]) -> _T:
    """Go through all steps without a pause; what the last one returns."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: _T = done.value
            return result
