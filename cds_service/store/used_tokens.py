"""Asks the database whether tokens are used for the first time, all that wait in one transaction.

A transaction costs many times a row. While one is under way further calls gather for the next, so
that a busy worker makes few of them, and one that is not busy asks at once.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cds_service.store.database import Database

_MOST = 500  # tokens in one transaction


@dataclass(frozen=True, slots=True)
class _Asked:
    token: str
    until: datetime
    is_first: asyncio.Future[bool]


class UsedTokens:
    """The tokens that the calls of one worker ask about."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Asked] = []
        self._work: asyncio.Task[None] | None = None
        self._late: dict[str, asyncio.Task[None]] = {}  # tokens that may have to be taken out again

    async def use(self, token: str, until: datetime, *, or_never: bool = False) -> bool:
        """Keep a token until then (aware); whether this is its first use. Raises what the database
        raises. Where nobody waits any more, a token that is under way is kept all the same; with
        `or_never` it is taken out again."""
        if not or_never:
            return await self._use(token, until)
        if token in self._late:  # what came of the same question before has to be known first
            await asyncio.wait({self._late[token]})
        asked = asyncio.create_task(self._use(token, until))
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            undo = self._late[token] = asyncio.create_task(self._undo(asked, token))
            undo.add_done_callback(lambda _: self._late.pop(token, None))
            raise

    async def stop(self) -> None:
        """Ask no more."""
        tasks = [*self._late.values(), *([self._work] if self._work else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _use(self, token: str, until: datetime) -> bool:
        is_first: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(token, until, is_first))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._ask())
        return await is_first

    async def _undo(self, asked: asyncio.Task[bool], token: str) -> None:
        """Take a token out again that was put in when nobody waited for it any more."""
        with suppress(Exception):  # then it is not there, or stays used until it is too old
            if await asked:
                await self._database.give_back_token(token)

    async def _ask(self) -> None:
        while self._waiting:
            batch = [asked for asked in self._waiting[:_MOST] if not asked.is_first.done()]
            del self._waiting[:_MOST]
            if not batch:
                continue
            try:
                first = await self._database.use_tokens({a.token: a.until for a in batch})
            except asyncio.CancelledError:
                for asked in (*batch, *self._waiting):
                    asked.is_first.cancel()
                raise
            except Exception as error:  # drivers have many families; each waiter gets and tells it
                for asked in batch:
                    if not asked.is_first.done():
                        asked.is_first.set_exception(error)
                continue
            for asked in batch:
                if not asked.is_first.done():
                    asked.is_first.set_result(asked.token in first)
                first.discard(asked.token)  # of two who ask in one batch one is the first
