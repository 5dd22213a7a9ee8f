"""Reads for which a call waits a moment only: what is late goes on alone, and is asked once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class BriefReads:
    """Asks the database on behalf of calls. While an answer is late, nobody else waits for one."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self._late: set[asyncio.Task[Any]] = set()

    async def ask(self, work: Coroutine[Any, Any, Result], seconds: float) -> Result:
        """What the work gives. Raises TimeoutError when that is not there in time, or an earlier
        answer is not there yet, and whatever the work raises."""
        if self._late:
            work.close()
            raise TimeoutError
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._is_done)
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            self._late.add(task)
            raise TimeoutError
        return task.result()

    async def stop(self) -> None:
        """Give up what is under way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _is_done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # who was to hear of it may have gone
