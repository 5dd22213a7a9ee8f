"""The store: takes issued cards without making a call wait, and feedback until it is committed.

Two tasks per process do all writing. One commits feedback, everything that waits in one
transaction; the other writes issued cards in batches. Neither ends when the database does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, TypeVar

from cds_service.cdshooks.feedback import FeedbackItem
from cds_service.errors import Unavailable
from cds_service.ops import log
from cds_service.store.brief_reads import BriefReads
from cds_service.store.condition import ISSUED, Condition
from cds_service.store.outbox import Outbox
from cds_service.store.records import (
    CallCount,
    CallKey,
    ContentChange,
    EarlierAnswer,
    IssuedCard,
    SealedMark,
)
from cds_service.store.used_tokens import UsedTokens

if TYPE_CHECKING:
    from cds_service.store.database import Database

Result = TypeVar("Result")

CAPACITY = 10_000
"""Issued cards that wait at most, some 10 MB; beyond it the oldest is dropped."""

_BATCH = 500
_LINGER = 0.25  # seconds in which issued cards gather before they are written
_PAUSE = (0.1, 5.0)  # seconds before another try: the first, the longest
_WAITING = 1_000  # posts of feedback that wait at most
_PATIENCE = 5.0  # seconds a post of feedback waits
_BRIEFLY = 1.0  # seconds it waits where the database has not been opened yet
_AT_ONCE = 2.0  # seconds a call waits to learn whether its token was used
_FIRST_TRY = 2.0  # seconds the start of the service waits for the database
_DRAIN = 5.0  # seconds the end of the service waits for it
_AT_MOST = 1.0  # seconds readiness waits for a proof
_PROVED = 5.0  # seconds for which a proof of writing holds, if nothing fails

_OPENING, _FEEDBACK, _TOKENS, _READINESS = "opening", "feedback", "used tokens", "proof"
_REPEATS = "earlier answers"

_DOWN = "feedback cannot be stored now; send it again later"


@dataclass(slots=True, eq=False)
class _Post:
    items: Sequence[FeedbackItem]
    done: asyncio.Future[None]


class Store:
    """Issued cards and feedback, kept in the database at `url` (None: nothing is kept).

    To build one touches nothing. `record_issued` works before `start` and after `stop`, too, so
    that no call ever depends on the store. `on_drop` is told how many issued cards were given up.
    """

    def __init__(
        self,
        url: str | None,
        capacity: int = CAPACITY,
        on_drop: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._url = url
        self._database: Database | None = None
        self._outbox = Outbox(capacity, on_drop)
        self._posts: list[_Post] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._brief_reads = BriefReads()
        self._condition = Condition()
        self._proof: asyncio.Task[None] | None = None
        self._proved_writing = -_PROVED

    # --- life ---

    @property
    def is_kept(self) -> bool:
        """Whether a database is configured at all."""
        return self._url is not None

    async def start(self) -> None:
        """Open the database and begin to write. Returns also when the database is down."""
        if self._url is None:
            return
        from cds_service.store.database import (
            Database,  # SQLAlchemy is imported where it is used only
        )

        self._database = Database(self._url)
        self._used = UsedTokens(self._database)
        self._opened, self._tried = asyncio.Event(), asyncio.Event()
        self._posted, self._issued, self._stopping = (asyncio.Event() for _ in range(3))
        work = self._open, self._write_feedback, self._write_issued
        self._tasks = [asyncio.create_task(each(self._database)) for each in work]
        with suppress(TimeoutError):
            await asyncio.wait_for(self._tried.wait(), _FIRST_TRY)

    async def stop(self) -> None:
        """Write what waits, within a few seconds, and close the database."""
        if self._database is None:
            return
        self._stopping.set()
        self._issued.set()
        await asyncio.wait(self._tasks[-1:], timeout=_DRAIN if self._opened.is_set() else 0)
        tasks = [*self._tasks, *([self._proof] if self._proof else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks = []
        await self._used.stop()
        await self._brief_reads.stop()
        for post in self._posts:
            _fail(post)
        await self._database.close()
        self._database = None
        if self._outbox:
            log.warn("issued cards were not written before the end", cards=self.waiting)
            self._outbox.clear()

    async def problem(self) -> str | None:
        """Why feedback cannot be stored; None when a write to every table was proved within the
        last seconds, and nothing has failed since. Answers within a second."""
        if self._database is None or not self._opened.is_set():
            return self._condition.problem or "it is not open"
        if self._proof is None or self._proof.done():  # one at a time, whoever asks
            self._proof = asyncio.create_task(self._prove(self._database))
        await asyncio.wait({self._proof}, timeout=_AT_MOST)
        if not self._proof.done():
            self._condition.failed(_READINESS, TimeoutError())
        return self._condition.problem

    async def _prove(self, database: Database) -> None:
        try:
            await database.prove_reading()
            now = time.monotonic()
            if self._condition.problem or now - self._proved_writing > _PROVED:
                await database.prove_writing()
                self._proved_writing = now
        except Exception as error:  # drivers have errors of many families; each is reported
            self._condition.failed(_READINESS, error)
        else:
            self._condition.worked(_READINESS)
            self._condition.proved()

    async def read(self, work: Callable[[Database], Awaitable[Result]]) -> Result:
        """What somebody reads from the database. Raises Unavailable when it does not answer."""
        return await self._ask(_PATIENCE, work, "figures", "the database cannot be read now")

    async def earlier_answers(
        self, marks: Sequence[str], after: date, seconds: float
    ) -> list[EarlierAnswer]:
        """See `repeats.find`. A call waits for it: for so long only, and not at all while an answer
        to another call is late. Raises TimeoutError then, Unavailable where the database fails."""
        if self._database is None or not self._opened.is_set():
            raise Unavailable("the database is not open")
        from cds_service.store import repeats  # with SQLAlchemy, which is here by now

        asked = repeats.find(self._database, marks, after)
        try:
            found = await self._brief_reads.ask(asked, seconds)
        except TimeoutError:
            raise
        except Exception as error:  # drivers have errors of many families; each is reported
            self._condition.failed(_REPEATS, error)
            raise Unavailable("earlier answers cannot be read now") from None
        self._condition.worked(_REPEATS)
        return found

    async def _ask(
        self, seconds: float, work: Callable[[Database], Awaitable[Result]], name: str, why: str
    ) -> Result:
        """What the database answers in time to the work of this name. Raises Unavailable with
        `why`."""
        if self._database is None or not self._opened.is_set():
            raise Unavailable(why)
        try:
            async with asyncio.timeout(seconds):
                answer = await work(self._database)
        except Exception as error:  # drivers have errors of many families; each is reported
            self._condition.failed(name, error)
            raise Unavailable(why) from None
        self._condition.worked(name)
        return answer

    # --- what comes in ---

    @property
    def dropped(self) -> int:
        """Issued cards that were given up since the start of the process."""
        return self._outbox.dropped

    @property
    def waiting(self) -> int:
        """Issued cards that are not written yet."""
        return len(self._outbox)

    def record_issued(self, cards: tuple[IssuedCard, ...], call: CallKey, count: CallCount) -> None:
        """Keep what was answered, later. Never waits and never fails."""
        if self._url is None:
            return
        self._outbox.add(cards, call, count)
        if self._database is not None:
            self._issued.set()

    async def save(self, items: Sequence[FeedbackItem]) -> None:
        """Store feedback; returns after COMMIT.

        Raises Unavailable when the database did not take it within a few seconds. It may still do
        so later: sending the same again is right in any case.
        """
        if self._database is None or len(self._posts) >= _WAITING:
            raise Unavailable(_DOWN)
        post = _Post(items, asyncio.get_running_loop().create_future())
        self._posts.append(post)
        self._posted.set()
        try:
            await asyncio.wait_for(post.done, _PATIENCE if self._opened.is_set() else _BRIEFLY)
        except TimeoutError as error:
            if self._opened.is_set():
                self._condition.failed(_FEEDBACK, error)
            raise Unavailable(_DOWN) from None
        finally:
            with suppress(ValueError):
                self._posts.remove(post)

    async def use_token(self, token: str, until: datetime, *, or_never: bool = False) -> bool:
        """Whether this is the first use of a token; see `replay`. `until` is aware.

        Raises Unavailable when the database does not say so at once: a call waits for it. With
        `or_never` a token that it takes too late is taken out again.
        """

        return await self._ask(
            _AT_ONCE,
            lambda _: self._used.use(token, until, or_never=or_never),
            _TOKENS,
            "used tokens cannot be looked up now",
        )

    async def give_back_token(self, token: str) -> None:
        """Let a token be used again. Never fails: at worst its caller needs another one."""
        with suppress(Unavailable):
            await self._ask(
                _AT_ONCE, lambda database: database.give_back_token(token), _TOKENS, "stays used"
            )

    async def purge(self, before: datetime) -> tuple[int, int]:
        """Delete what is older; see `Database.purge`. Raises Unavailable."""
        return await self._ask(
            _PATIENCE,
            lambda database: database.purge(before),
            "purge",
            "nothing can be deleted now",
        )

    async def forget_repeats(self, today: date) -> None:
        """Delete marks and answers whose time is over. Raises Unavailable."""
        from cds_service.store import repeats

        await self._ask(
            _PATIENCE,
            lambda database: repeats.forget(database, today),
            "purge",
            "nothing can be deleted now",
        )

    async def sealed_marks(self, client: str, cards: Sequence[str]) -> dict[str, SealedMark]:
        """The marks of cards that this client was sent. Raises Unavailable."""
        from cds_service.store import repeats

        waiting = self._outbox.marks(client, cards)
        if len(waiting) == len(cards):
            return waiting
        return waiting | await self._ask(
            _AT_ONCE, lambda database: repeats.marks_of(database, client, cards), _REPEATS, _DOWN
        )

    async def add_answers(self, answers: Sequence[EarlierAnswer]) -> None:
        """Keep answers to warnings. Raises Unavailable."""
        from cds_service.store import repeats

        await self._ask(
            _AT_ONCE, lambda database: repeats.add_answers(database, answers), _REPEATS, _DOWN
        )

    async def add_content(self, changes: Sequence[ContentChange]) -> None:
        """Add to the history of the content in force. Raises Unavailable."""
        await self._ask(
            _PATIENCE,
            lambda database: database.add_content(changes),
            "history",
            "the history of the content cannot be written now",
        )

    async def forget_tokens(self, before: datetime) -> None:
        """Delete tokens that are too old to be used. Never fails; the next time will do."""
        with suppress(Unavailable):
            await self._ask(
                _PATIENCE, lambda database: database.forget_tokens(before), _TOKENS, "not now"
            )

    # --- tasks ---

    async def _open(self, database: Database) -> None:
        pause = _PAUSE[0]
        while True:
            try:
                await database.open()
            except Exception as error:  # whatever it is, the service goes on and tries again
                self._condition.failed(_OPENING, error)
                self._tried.set()
                await asyncio.sleep(pause)
                pause = min(pause * 2, _PAUSE[1])
            else:
                self._condition.worked(_OPENING)
                self._opened.set()
                self._tried.set()
                return

    async def _write_feedback(self, database: Database) -> None:
        await self._opened.wait()
        while True:
            await self._posted.wait()
            self._posted.clear()
            posts, self._posts = self._posts, []
            try:
                await database.add_feedback([item for post in posts for item in post.items])
            except Exception as error:  # the posts fail, the task goes on
                self._condition.failed(_FEEDBACK, error)
                for post in posts:
                    _fail(post)
            else:
                self._condition.worked(_FEEDBACK)
                for post in posts:
                    if not post.done.done():
                        post.done.set_result(None)

    async def _write_issued(self, database: Database) -> None:
        await self._opened.wait()
        pause = 0.0
        while not self._stopping.is_set() or self._outbox:
            await self._issued.wait()
            await self._nap(_LINGER + pause)
            self._issued.clear()
            while self._outbox:
                batch = self._outbox.take(_BATCH)
                try:
                    await database.add_issued(batch)
                except asyncio.CancelledError:
                    self._outbox.give_back(batch)
                    raise
                except Exception as error:  # the batch is kept, the task goes on
                    self._condition.failed(ISSUED, error)
                    self._outbox.give_back(batch)
                    if self._stopping.is_set():
                        return
                    pause = min(max(pause * 2, _PAUSE[0]), _PAUSE[1])
                    self._issued.set()
                    break
                self._condition.worked(ISSUED)
                pause = 0.0

    async def _nap(self, seconds: float) -> None:
        """Sleep, but not beyond the order to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def _fail(post: _Post) -> None:
    if not post.done.done():
        post.done.set_exception(Unavailable(_DOWN))
