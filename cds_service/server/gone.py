"""Notices that a client went away before it had its answer, and ends the work for it."""

from __future__ import annotations

import asyncio
from types import TracebackType

from starlette.requests import ClientDisconnect
from starlette.types import Scope

GONE = "cds_service.gone"
"""Where the `scope` of a request holds what is to be called when its connection is lost."""


class WhileConnected:
    """`with` it while a request is worked on: when the connection is lost the work is cancelled,
    with all that it waits for, and ClientDisconnect is raised. An error of the work itself stays
    what it is: a fault of ours is told also where nobody waits for the answer."""

    __slots__ = ("_is_gone", "_scope", "_task")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._task = asyncio.current_task()
        self._is_gone = False

    def __enter__(self) -> None:
        self._scope[GONE] = self._went

    def _went(self) -> None:
        self._is_gone = True
        if self._task is not None:
            self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        del self._scope[GONE]
        if not self._is_gone:
            return
        if self._task is not None:
            self._task.uncancel()
        if kind is None or issubclass(kind, asyncio.CancelledError):
            raise ClientDisconnect from None
