"""Processes that serve: each accepts for itself, ends with its parent, and in a stated time."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from types import FrameType

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from cds_service.errors import CdsError
from cds_service.ops import log, metrics
from cds_service.ops.settings import from_environment
from cds_service.ops.switch import TURNS, Switch
from cds_service.server import at_rest, ending
from cds_service.server.app import create_app, grow_memory
from cds_service.server.http1 import BoundedProtocol
from cds_service.server.listening import BACKLOG, BALANCES, begin_none, bound, take_rest

GRACE_SECONDS = 10
"""After SIGTERM and CDS_DRAIN_SECONDS, for calls under way."""

LAST_SECONDS = 20.0
"""After the same, until the process ends whatever hangs: calls, database, log."""

_CONNECTING_SECONDS = 0.2  # for connections that have begun when no further one may
_LAST_CALLS_SECONDS = 1.0  # for the first call on a connection that was accepted at the very end
_LOG_SECONDS = 2.0  # for the last lines of the parent
_TICK_SECONDS = 0.1  # as uvicorn's

_STARTING_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 2.0

FACTORY = f"{__name__}:worker_app"


@cache
def _drain_seconds() -> float:
    """The same in all processes; `server.run` hands options down by variable."""
    return from_environment().drain


class Server(uvicorn.Server):
    """Ends without losing a call, and in time, also where a call or the database hangs.

    After SIGTERM it is not ready, and answers for CDS_DRAIN_SECONDS all that comes, so that a proxy
    can notice; each answer closes its connection. Then it lets no connection begin, takes what has
    begun, closes its sockets, and ends with the last answer. SIGINT ends it without that time.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end (SIGTERM, SIGINT)."""
        if not self.should_exit:
            _end_at_last()
        super().handle_exit(sig, frame)

    async def main_loop(self) -> None:
        """Serve until told to end, and then until that can be done without loss."""
        await super().main_loop()
        if not self._may_wait():
            return
        ending.begin()
        for connection in list(self.server_state.connections):
            if isinstance(connection, BoundedProtocol):
                connection.end_with_answer()
        await self._wait(_drain_seconds())

    async def _wait(self, seconds: float) -> None:
        """Answer for so long. Counted in ticks: a machine that stands still meanwhile takes one of
        them, and not the time of those who have to notice."""
        for tick in range(1, round(seconds / _TICK_SECONDS) + 1):
            if not self._may_wait():
                return
            await asyncio.sleep(_TICK_SECONDS)
            await self.on_tick(tick)  # the header Date

    def _may_wait(self) -> bool:
        interrupted = signal.SIGINT in self._captured_signals
        return _drain_seconds() > 0 and ending.waits() and not interrupted

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn: it closes idle connections, and waits for answers."""
        if ending.has_begun() and sockets:
            await self._take_the_last(sockets)
        await super().shutdown(sockets)

    async def _take_the_last(self, sockets: Sequence[socket.socket]) -> None:
        """Close the sockets, but answer what has begun to connect: it would be reset."""
        for each in sockets:
            begin_none(each)
        await self._wait(_CONNECTING_SECONDS)
        kept, loop = [each.dup() for each in sockets], asyncio.get_running_loop()
        for server in self.servers:
            server.close()
        for own, listener in zip(sockets, kept, strict=True):
            own.close()
            for connection in take_rest(listener):
                connection.setblocking(False)
                await loop.connect_accepted_socket(self._protocol, connection)
            listener.close()
        await self._wait(_LAST_CALLS_SECONDS)

    def _protocol(self) -> asyncio.Protocol:
        return BoundedProtocol(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


class ServingProcess(Process):
    """A process that serves with our `Server`."""

    @cached_property
    def server(self) -> Server:
        """Made in the process itself."""
        return Server(self.config)


class Workers(Multiprocess):
    """The parent of the workers. `startable` raises a CdsError where a worker would not come up."""

    def __init__(
        self,
        config: uvicorn.Config,
        sockets: Sequence[socket.socket],
        switch: Switch,
        startable: Callable[[], object],
    ) -> None:
        self._switch = switch
        self._startable, self._look_again = startable, 0.0
        self._listeners = list(sockets)
        self._address = sockets[0].family, sockets[0].getsockname()
        self._patient_until = time.monotonic() + _STARTING_SECONDS
        self._failed = False
        super().__init__(config, [])

    def run(self) -> None:
        """Serve until told to end. Where a worker cannot start the process ends with an error:
        systemd starts again what has failed, and not what has ended."""
        super().run()
        log.drain(_LOG_SECONDS)
        if self._failed:
            sys.exit(STARTUP_FAILURE)

    @property
    def sockets(self) -> list[socket.socket]:
        """The one of the first worker that is not there, for the process that takes its place."""
        alive = [process.exitcode is None for process in self.processes]
        return [self._listeners[[*alive, False].index(False)]]

    @sockets.setter
    def sockets(self, _: Sequence[socket.socket]) -> None:
        """uvicorn sets what it was given."""

    def keep_subprocess_alive(self) -> None:
        """Replace workers that ended or hang. One that is starting answers nobody for a while, on a
        busy machine longer than the few seconds after which uvicorn would kill it, every time."""
        _ = self._switch.state  # known here, should its file be gone when a worker has to come
        ended = any(process.exitcode is not None for process in self.processes)
        if not ended and time.monotonic() < self._patient_until:
            return
        if ended and not self._can_start():
            return
        self._switch.hand_down()
        for place, process in enumerate(self.processes):
            if process.is_alive(timeout=self.config.timeout_worker_healthcheck):
                continue
            process.kill()
            process.join()
            metrics.forget(process.pid)
            if process.exitcode == STARTUP_FAILURE:  # it would fail again and again
                log.warn("a worker cannot start; the service ends", worker=process.pid)
                self._failed = True
                self.should_exit.set()
                return
            if self.should_exit.is_set():
                return
            log.warn("a worker is replaced", worker=process.pid, exit_code=process.exitcode)
            self.processes[place] = self._started()
            self._patient_until = time.monotonic() + _STARTING_SECONDS

    def init_processes(self) -> None:
        """Start them all."""
        for _ in range(self.processes_num):
            self.processes.append(self._started())

    def _started(self) -> ServingProcess:
        worker = ServingProcess(self.config, self.sockets)
        worker.start()
        return worker

    def _can_start(self) -> bool:
        """Whether a new worker would come up. Where it would not (a file was broken since the
        start), the sockets of empty places are closed: the kernel would go on to deal them calls
        that nobody takes. They are opened again when it would."""
        if time.monotonic() < self._look_again:
            return False
        try:
            self._startable()
        except CdsError as error:
            log.warn("no worker can be started; the others take its calls", problem=str(error))
            self._look_again = time.monotonic() + _LOOK_AGAIN_SECONDS
            for listener, process in zip(self._listeners, self.processes, strict=True):
                if process.exitcode is not None and BALANCES:
                    listener.close()
            return False
        family, (host, port, *_) = self._address
        for place, listener in enumerate(self._listeners):
            if listener.fileno() < 0:
                self._listeners[place] = bound(family, host, port, shared=True)
                self._listeners[place].listen(BACKLOG)
        return True

    def handle_hup(self) -> None:
        """Hand SIGHUP on to the workers, which read the registry of clients again."""
        self._hand_on(signal.SIGHUP)

    def handle_usr1(self) -> None:
        """Switch off."""
        self._turn(signal.SIGUSR1)

    def handle_usr2(self) -> None:
        """Switch on."""
        self._turn(signal.SIGUSR2)

    def _turn(self, number: signal.Signals) -> None:
        """Workers see the file of the switch; where there is none, each is told."""
        kept = self._switch.turn(TURNS[number], number.name)
        self._switch.hand_down()
        if not kept:
            self._hand_on(number)

    def _hand_on(self, number: signal.Signals) -> None:
        for process in self.processes:
            # One that is still starting has no handler yet and would die.
            if process.wait_until_ready(self.config.timeout_worker_healthcheck) and process.pid:
                os.kill(process.pid, number)

    def handle_ttin(self) -> None:
        """The number of workers is a setting: each has a socket."""

    def handle_ttou(self) -> None:
        """See `handle_ttin`."""

    def terminate_all(self) -> None:
        """Begin to end: the workers alone hold their sockets from here on."""
        for each in self._listeners:
            each.close()
        super().terminate_all()

    def join_all(self) -> None:
        """Wait for the workers, and end those that hang."""
        until = time.monotonic() + _drain_seconds() + LAST_SECONDS
        for process in self.processes:
            process.process.join(max(0.0, until - time.monotonic()))
            if process.exitcode is None:
                process.process.kill()
                process.process.join()


def worker_app() -> FastAPI:
    """The application in a worker process, which reads its settings from the environment."""
    at_rest.keep_to_itself()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    log.start()
    grow_memory()
    return create_app()


def _end_with_parent() -> None:
    """End as after SIGTERM when the parent is gone, even by SIGKILL: a worker without it would
    answer on with old content and hold the port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        ending.at_once()
        os.kill(os.getpid(), signal.SIGTERM)
        _end_at_last()


def _end_at_last() -> None:
    last = threading.Timer(_drain_seconds() + LAST_SECONDS, os._exit, (1,))
    last.daemon = True
    last.start()
