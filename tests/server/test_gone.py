"""What becomes of work whose client went away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from cds_service.server.gone import GONE, WhileConnected


def work(then: Callable[[], Awaitable[object]]) -> None:
    """Work that loses its client, and goes on with `then`."""

    async def whole() -> None:
        scope: Scope = {}
        with WhileConnected(scope):
            scope[GONE]()
            await then()

    asyncio.run(whole())


def test_work_that_waits_ends() -> None:
    with pytest.raises(ClientDisconnect):
        work(asyncio.Event().wait)


def test_a_fault_of_ours_stays_one() -> None:
    async def fails() -> None:
        raise LookupError("a bug")

    with pytest.raises(LookupError):
        work(fails)
